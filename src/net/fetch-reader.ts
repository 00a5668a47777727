/** What the network part needs of the log: bytes of segment files, read on the thread that sends them. */
import { type Fetched } from '../actors/partition/messages.ts'

type ReadPlan = NonNullable<Fetched['plan']>

/** Lent memory. `bytes` stays as it is until `release`, which is called exactly once. */
export interface ReadLease {
  readonly bytes: Uint8Array
  release (): void
}

export interface FetchReader {
  /**
   * Reads whole batches from the one that holds the plan's offset on, up to `bytesMax`; a first batch that is larger
   * comes whole if `minOneBatch`. Short of memory it reads less, but never waits for a lease to come back.
   * `done` may be called before this returns.
   */
  read (directory: string, plan: ReadPlan, bytesMax: number, minOneBatch: boolean, done: (error: Error | undefined, lease: ReadLease | undefined) => void): void
  /** Copies borrowed bytes into memory that may be kept until released. */
  copy (bytes: Uint8Array): ReadLease
  /** Finds the first record at or after `timestamp` in the plan's bytes. `found` is undefined when there is none. */
  findTimestamp (directory: string, plan: ReadPlan, timestamp: number, done: (error: Error | undefined, found: { offset: number, timestamp: number, leaderEpoch: number } | undefined) => void): void
}
