/** What a log tells its owner, and the completions by which its own work comes back to it. */
import type { Message } from '../base/effect.ts'

/** Why nothing may be appended now: tell writers, they may try again. */
export type LogRefusal = 'full' | 'sync-failed' | 'truncating' | 'broken' | 'closed'

/** What a completion meant for the log's owner. */
export type LogEvent =
  | 'none'
  /** `durableEndOffset` moved. */
  | 'durable'
  /** A new segment takes writes: a good moment for a producer snapshot. */
  | 'rolled'
  /** Batches that were never durable are gone: `logEndOffset` fell, appends are refused (see `refusal`), their writers must be told. Also instead of 'truncated'. */
  | 'cut'
  /** Appends are accepted again. */
  | 'ready'
  /** The log cannot help itself (`failure` says why): close it and open it anew, or quarantine it. */
  | 'broken'
  /** `logStartOffset` moved and is durable. */
  | 'start-moved'
  /** The truncation, or the restart, that was asked for is done. */
  | 'truncated'

export interface LogMessage extends Message {
  readonly kind: `log-${string}`
}

export interface LogWritten extends LogMessage {
  readonly kind: 'log-written'
  error: unknown
}

export interface LogJobDone extends LogMessage {
  readonly kind: 'log-job-done'
  readonly job: JobName
  readonly error: unknown
  /** What the job found out; its meaning depends on the job. */
  readonly value: unknown
}

/** Work besides group writes. Those that need the files for themselves are exclusive: no group is written meanwhile. */
export type JobName = 'roll' | 'sync-first' | 'clear' | 'repair' | 'truncate' | 'restart' | 'sync' | 'relax' | 'checkpoint' | 'probe-space' | 'move-start' | 'remove' | 'retention'

/** These need the files for themselves: no group is written meanwhile. */
export const exclusiveJobs: ReadonlySet<JobName> = new Set<JobName>(['roll', 'sync-first', 'clear', 'repair', 'truncate', 'restart'])
