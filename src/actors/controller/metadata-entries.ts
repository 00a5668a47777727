/**
 * Entries of the metadata log between being appended and being committed: a follower's as they arrive, a leader's own with who waits
 * for them. Replay takes them in order once the high watermark has passed them; a log that is cut takes back what it had.
 */
import { assert } from '../../base/assert.ts'
import type { Offset } from '../../base/ids.ts'
import { isControl, nextOffsetOf } from '../../record/record-batch.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { readMetadata, type MetadataRecord } from './metadata-record.ts'

/** Told once: whether the decision has become durable. */
export type Decided = (committed: boolean, out: Outbox) => void

export interface MetadataEntry {
  /** Exclusive. */
  readonly endOffset: Offset
  readonly records: readonly MetadataRecord[]
  /** Who waits for it. */
  readonly decided: Decided[]
  /** It stood in the log when this controller started: an earlier life may have acted on it. */
  readonly restored: boolean
}

export class MetadataEntries {
  #entries: MetadataEntry[] = []
  /** Those before it were taken. */
  #head = 0
  /** Everything below has been replayed. */
  #replayedEnd = 0 as Offset

  get count (): number {
    return this.#entries.length - this.#head
  }

  get replayedEnd (): Offset {
    return this.#replayedEnd
  }

  /** A batch of the log as it is read at a start, or as a follower gets it. Its bytes may be borrowed. @returns its records */
  add (batch: Uint8Array, restored: boolean): readonly MetadataRecord[] {
    const endOffset = nextOffsetOf(batch, 0) as Offset
    const records = isControl(batch, 0) ? [] : readMetadata(batch)
    // It comes again, see truncate.
    if (endOffset <= this.#replayedEnd) return records
    this.push({ endOffset, records, decided: [], restored })
    return records
  }

  push (entry: MetadataEntry): void {
    assert(entry.endOffset > (this.#entries.at(-1)?.endOffset ?? this.#replayedEnd), 'entries follow one another')
    this.#entries.push(entry)
  }

  /** Tells once everything that was decided so far is committed, or given up: at once when there is nothing. */
  settled (decided: Decided, out: Outbox): void {
    if (this.count === 0) decided(true, out)
    else this.#entries.at(-1)!.decided.push(decided)
  }

  /** Takes out the oldest entry that is committed. */
  take (highWatermark: Offset): MetadataEntry | undefined {
    const entry = this.#entries[this.#head]
    if (entry === undefined || entry.endOffset > highWatermark) return undefined
    this.#head++
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
    this.#replayedEnd = entry.endOffset
    return entry
  }

  /**
   * The log ends at `end` now. What was replayed stays so: a leader may have committed with the disks of others what its own has lost
   * then, and gets it again.
   * @returns what is gone, in order
   */
  truncate (end: Offset): MetadataEntry[] {
    const keep = this.#entries.findIndex((entry, index) => index >= this.#head && (entry.endOffset > end || entry.endOffset <= this.#replayedEnd))
    return keep < 0 ? [] : this.#entries.splice(keep)
  }

  /**
   * What was committed below `offset` is known from a snapshot. Entries below it that wait are of no use any more: {@link truncate}
   * takes them out.
   * @returns whether that is news: what was replayed stays so
   */
  begin (offset: Offset): boolean {
    if (offset <= this.#replayedEnd) return false
    this.#replayedEnd = offset
    return true
  }

  /** Records in order, replayed or not: for what may be guessed before anything is known to be committed. */
  * peek (): Generator<MetadataRecord> {
    for (let index = this.#head; index < this.#entries.length; index++) yield * this.#entries[index]!.records
  }
}
