/**
 * The terms of a log: which leader's term each offset was written in, as the short list of (term, first offset). Both ascend.
 * Raft asks for the term of the offset just before `logStartOffset` too, so the entry that covers it is kept.
 *
 * On disk (`leader-epochs`), rewritten when a term is added or cut: a checked file of (term u32 | start offset f64) entries.
 */
import type { Offset, Term } from '../base/ids.ts'
import { assert } from '../base/assert.ts'

export interface LeaderEpoch {
  readonly term: Term
  /** First offset written in the term; inclusive. */
  readonly start: Offset
}

const entryBytes = 12

export class LeaderEpochs {
  #entries: LeaderEpoch[]
  /** Bumped by every change: the log writes the file before a checkpoint that depends on it. */
  version = 0

  constructor (entries: readonly LeaderEpoch[] = []) {
    this.#entries = [...entries]
  }

  get entries (): readonly LeaderEpoch[] {
    return this.#entries
  }

  /** The newest term; 0 in a log that was never written. */
  get lastTerm (): Term {
    return this.#entries.at(-1)?.term ?? 0 as Term
  }

  /** Notes that `term` begins at `start`, unless it is the present one. */
  assign (term: Term, start: Offset): void {
    const last = this.#entries.at(-1)
    if (last !== undefined && last.term === term) return
    assert(last === undefined || (term > last.term && start >= last.start), 'terms and offsets only grow')
    if (last !== undefined && last.start === start) this.#entries.pop()
    this.#entries.push({ term, start })
    this.version++
  }

  /** The term of the entry at `offset`; undefined before the first known term. The caller checks the log's ends. */
  termAt (offset: Offset): Term | undefined {
    return this.#floor(offset)?.term
  }

  /**
   * What OffsetForLeaderEpoch answers: the largest known term at or below `term`, and the first offset after it.
   *
   * @param logEndOffset  end of the newest term
   * @returns undefined when all known terms are younger (the log no longer reaches back so far)
   */
  endOf (term: Term, logEndOffset: Offset): { readonly term: Term, readonly endOffset: Offset } | undefined {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i]!.term <= term) {
        return { term: this.#entries[i]!.term, endOffset: this.#entries[i + 1]?.start ?? logEndOffset }
      }
    }
    return undefined
  }

  /** The log was cut: nothing at or after `end` exists any more. */
  truncate (end: Offset): void {
    while (this.#entries.length > 0 && this.#entries.at(-1)!.start >= end) {
      this.#entries.pop()
      this.version++
    }
  }

  /** The log begins anew, empty, at `start`; the entry before it was of `term`. */
  restart (term: Term, start: Offset): void {
    this.#entries = start === 0 ? [] : [{ term, start: start - 1 as Offset }]
    this.version++
  }

  /** The log now starts at `start`: entries that end at or before `start - 1` go, the one that covers it stays. */
  advanceStart (start: Offset): void {
    while (this.#entries.length > 1 && this.#entries[1]!.start < start) {
      this.#entries.shift()
      this.version++
    }
  }

  encode (): Uint8Array {
    const bytes = new Uint8Array(this.#entries.length * entryBytes)
    const view = new DataView(bytes.buffer)
    this.#entries.forEach((entry, index) => {
      view.setUint32(index * entryBytes, entry.term)
      view.setFloat64(index * entryBytes + 4, entry.start)
    })
    return bytes
  }

  static decode (bytes: Uint8Array): LeaderEpochs {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const entries: LeaderEpoch[] = []
    for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
      entries.push({ term: view.getUint32(at) as Term, start: view.getFloat64(at + 4) as Offset })
    }
    return new LeaderEpochs(entries)
  }

  #floor (offset: Offset): LeaderEpoch | undefined {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i]!.start <= offset) return this.#entries[i]
    }
    return undefined
  }
}
