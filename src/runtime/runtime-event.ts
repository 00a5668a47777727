/** What happens to actors and threads that somebody should hear about: the one source of the runtime's log lines and counters. */
import { type ActorId, type ThreadIndex } from '../base/ids.ts'
import { type Logger } from '../base/logger.ts'
import { MetricRow, metrics } from '../base/metrics.ts'

export type RuntimeEvent =
  | { readonly kind: 'actor-running', readonly actor: ActorId, readonly attempt: number }
  | { readonly kind: 'actor-crashed', readonly actor: ActorId, readonly attempt: number, readonly restartMs: number, readonly error: Error }
  | { readonly kind: 'actor-given-up', readonly actor: ActorId, readonly attempt: number, readonly error: Error }
  | { readonly kind: 'actor-close-failed', readonly actor: ActorId, readonly error: Error }
  | { readonly kind: 'actor-lost', readonly actor: ActorId, readonly error: Error }
  | { readonly kind: 'thread-silent', readonly thread: ThreadIndex, readonly silentMs: number, readonly actor: ActorId | -1 }
  | { readonly kind: 'thread-stuck', readonly thread: ThreadIndex, readonly actor: ActorId | -1 }
  | { readonly kind: 'thread-exited', readonly thread: ThreadIndex, readonly code: number, readonly actor: ActorId | -1, readonly error: Error | undefined }
  | { readonly kind: 'thread-replaced', readonly thread: ThreadIndex, readonly attempt: number, readonly actors: number }
  | { readonly kind: 'thread-given-up', readonly thread: ThreadIndex, readonly attempt: number }
  | { readonly kind: 'memory-high', readonly rssBytes: number, readonly rssBytesMax: number }

export type OnRuntimeEvent = (event: RuntimeEvent) => void

/** One line for each kind of event, and whether somebody should look at it. */
const lines: Readonly<Record<RuntimeEvent['kind'], readonly ['debug' | 'warn' | 'error' | 'fatal', string]>> = {
  'actor-running': ['debug', 'actor runs'],
  'actor-crashed': ['error', 'actor crashed and will be restarted'],
  'actor-given-up': ['fatal', 'actor crashed too often and stays down'],
  'actor-close-failed': ['warn', 'actor did not close cleanly'],
  'actor-lost': ['error', 'actor could not be started again on the new thread'],
  'thread-silent': ['error', 'thread is silent and is terminated'],
  'thread-stuck': ['fatal', 'thread does not obey termination, only an end of the process will stop it'],
  'thread-exited': ['error', 'thread ended'],
  'thread-replaced': ['warn', 'thread was replaced'],
  'thread-given-up': ['fatal', 'thread ended too often and stays down'],
  'memory-high': ['warn', 'the process uses more memory than it should']
}

/** Returns a listener that writes each event as a log line and counts it in the metrics row of the thread that listens. */
export function logRuntimeEvents (logger: Logger, shared: SharedArrayBuffer, row = 0): OnRuntimeEvent {
  const counts = new MetricRow(shared, row)
  return event => {
    if (event.kind === 'actor-crashed') counts.add(metrics.actorRestarts)
    if (event.kind === 'thread-replaced') counts.add(metrics.threadRestarts)
    const [level, text] = lines[event.kind]
    const { kind: _kind, ...fields } = event
    logger[level]('error' in fields ? { ...fields, error: undefined, err: fields.error } : fields, text)
  }
}
