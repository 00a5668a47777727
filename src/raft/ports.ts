/** What the Raft machine needs of whoever runs it: a view of the log, and somewhere for its effects to go. */
import type { MemberId, Offset, Term } from '../base/ids.ts'
import type { Configuration } from './configuration.ts'
import type { RaftMessage } from './messages.ts'

/** Whole batches of one term, in the log's memory: the views are valid only within the call that asked for them. */
export interface Entries {
  readonly pieces: readonly Uint8Array[]
  readonly bytes: number
  readonly endOffset: Offset
}

/** The log as it is in memory: what was appended is there at once, durable or not. */
export interface RaftLog {
  readonly startOffset: Offset
  readonly endOffset: Offset
  /** Everything below is on disk. */
  readonly durableEnd: Offset
  /** Of the entry before `endOffset`; 0 in a log that was never written. */
  readonly lastTerm: Term
  /** It takes batches now; not while it is being cut, or its disk is full. */
  readonly writable: boolean
  /** It takes none because its disk is full. What is in it stays as it is, so it can still be read, and led with. */
  readonly full: boolean
  /** Of an entry, or of the one just before the log's start; undefined elsewhere. */
  termAt (offset: Offset): Term | undefined
  /** The newest term up to `term` that the log knows, and the end of its entries; undefined when it knows only newer ones. */
  epochEnd (term: Term): { readonly term: Term, readonly endOffset: Offset } | undefined
  /** Batches from `offset` on that are below `endOffset`: about `bytesMax` bytes, at least one batch; undefined when they are not in memory. */
  entries (offset: Offset, endOffset: Offset, bytesMax: number): Entries | undefined
}

export interface LogSnapshot {
  /** At or above the log's start, and committed. */
  readonly offset: Offset
  /** What a log that begins at `offset` must know besides. */
  readonly state: Uint8Array
}

export interface RaftPort {
  /** May be lost. Bytes in it are valid only within the call. */
  send (message: RaftMessage): void
  /** Makes term and vote durable, then calls {@link Raft.persisted}; a later call may come before that, and stands in for this one. */
  persist (term: Term, vote: MemberId): void
  /** Appends those of the batches that begin at `from`, the log's end, and behind it. */
  append (batches: readonly Uint8Array[], from: Offset): void
  /** Appends a control batch of the machine's own in its present term, and returns its offset. */
  appendLeaderChange (): Offset
  appendConfiguration (configuration: Configuration): Offset
  /** The leader has something else at `offset` than what is committed here. @throws where that cannot be: an entry on disk is never lost */
  stray (offset: Offset): void
  /** Cuts the log: until that is done it is not writable. */
  truncate (end: Offset): void
  /**
   * Reads batches for a follower from disk, then calls {@link Raft.loaded}. One at a time for each follower in a term; what an earlier
   * leadership asked for may still come, so whoever gets batches checks that they are of the term that the message says.
   */
  load (to: MemberId, offset: Offset, endOffset: Offset, bytesMax: number): void
  /** Where a member may begin that lacks what this log no longer has, for `reset-log`. */
  snapshot (): LogSnapshot
  /** Begins the log anew at `offset`: until that is done it is not writable. */
  reset (offset: Offset, previousTerm: Term, state: Uint8Array): void
  /** What is on disk says that this member has forgotten something: so it would begin after a restart, though it may hold all of it again. */
  isNotedForgetful (): boolean
  /** A uniform number in [0, 1). */
  random (): number
}
