/** What happens to actors and threads that somebody should hear about: the one source of the runtime's log lines and counters. */
import type { ActorId, ThreadIndex } from '../base/ids.ts'

export type RuntimeEvent =
  | { readonly kind: 'actor-running', readonly actor: ActorId, readonly attempt: number }
  | { readonly kind: 'actor-crashed', readonly actor: ActorId, readonly attempt: number, readonly restartMs: number, readonly error: Error }
  | { readonly kind: 'actor-given-up', readonly actor: ActorId, readonly attempt: number, readonly error: Error }
  | { readonly kind: 'actor-close-failed', readonly actor: ActorId, readonly error: Error }
  /** Its files may still be open: on a thread of its own that thread ends, else everyone goes on waiting. */
  | { readonly kind: 'actor-close-late', readonly actor: ActorId, readonly closeMs: number }
  | { readonly kind: 'actor-lost', readonly actor: ActorId, readonly error: Error }
  | { readonly kind: 'thread-silent', readonly thread: ThreadIndex, readonly silentMs: number, readonly actor: ActorId | -1 }
  | { readonly kind: 'thread-stuck', readonly thread: ThreadIndex, readonly actor: ActorId | -1 }
  | { readonly kind: 'thread-exited', readonly thread: ThreadIndex, readonly code: number, readonly actor: ActorId | -1, readonly error: Error | undefined }
  | { readonly kind: 'thread-replaced', readonly thread: ThreadIndex, readonly attempt: number, readonly actors: number }
  | { readonly kind: 'thread-given-up', readonly thread: ThreadIndex, readonly attempt: number }
  | { readonly kind: 'memory-high', readonly rssBytes: number, readonly rssBytesMax: number }

export type OnRuntimeEvent = (event: RuntimeEvent) => void
