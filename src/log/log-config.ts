/** What can be set for one log: per broker, and per topic over it. */

/** When an append counts as durable: synced, handed to the operating system and synced every `flushIntervalMs`, or just handed over. */
export type FlushMode = 'always' | 'interval' | 'os'

export interface LogConfig {
  readonly flush: FlushMode
  readonly flushIntervalMs: number
  readonly segmentBytesMax: number
  /** A segment older than this is closed at the next retention run. */
  readonly segmentMs: number
  readonly indexIntervalBytes: number
  /** -1: keep for ever. */
  readonly retentionMs: number
  /** -1: keep everything. */
  readonly retentionBytes: number
}

export const defaultLogConfig: LogConfig = {
  flush: 'always',
  flushIntervalMs: 1000,
  segmentBytesMax: 1 << 30,
  segmentMs: 7 * 24 * 3600 * 1000,
  indexIntervalBytes: 16384,
  retentionMs: 7 * 24 * 3600 * 1000,
  retentionBytes: -1
}
