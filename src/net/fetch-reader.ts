/** What the network part needs of the log: bytes of segment files, read on the thread that sends them. */
import type { Fetched, ListedOffset } from '../actors/partition/messages.ts'

type ReadPlan = NonNullable<Fetched['plan']>
type TimestampPlan = NonNullable<ListedOffset['plan']>

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
  /** Copies borrowed bytes into memory that may be kept until released; undefined while there is none to spare. */
  copy (bytes: Uint8Array): ReadLease | undefined
  /** Closes what is open of a folder whose partition is gone. */
  forget (directory: string): void
  /** Searches for the record that the plan describes. `found` is undefined when there is none. */
  findTimestamp (plan: TimestampPlan, done: (error: unknown, found: { readonly offset: number, readonly timestamp: number } | undefined) => void): void
}
