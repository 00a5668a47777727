/** The simplest log that Raft can run on: whole batches in an array, and a mark below which they are on disk. */
import { assert } from '../../src/base/assert.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import type { Configuration } from '../../src/raft/configuration.ts'
import type { Entries, RaftLog } from '../../src/raft/ports.ts'

export type BatchKind = 'data' | 'leader-change' | 'configuration'

export interface Batch {
  readonly base: Offset
  readonly end: Offset
  readonly term: Term
  readonly kind: BatchKind
  readonly text: string
  readonly configuration: Configuration | undefined
  /** What stands for it in messages; of the length that it would have. */
  readonly bytes: Uint8Array
  /** Says everything about it. */
  readonly key: string
}

const batches = new WeakMap<Uint8Array, Batch>()
const known = new Map<string, Batch>()
const knownMax = 100_000

/** The same content is the same object, so that batches can be compared and kept cheaply. */
export function makeBatch (base: number, end: number, term: number, kind: BatchKind, text: string, size: number, configuration?: Configuration): Batch {
  const key = `${base}-${end}@${term} ${kind === 'data' ? text : kind === 'configuration' ? describe(configuration!) : kind}${size === 100 ? '' : ` ${size}B`}`
  let batch = known.get(key)
  if (batch === undefined) {
    batch = { base: base as Offset, end: end as Offset, term: term as Term, kind, text, configuration, bytes: new Uint8Array(size), key }
    batches.set(batch.bytes, batch)
    if (known.size === knownMax) known.clear()
    known.set(key, batch)
  }
  return batch
}

export function batchOf (bytes: Uint8Array): Batch {
  const batch = batches.get(bytes)
  assert(batch !== undefined, 'bytes of a batch')
  return batch
}

export function describe ({ voters, outgoing, learners, generation }: Configuration): string {
  const joint = outgoing.length > 0 ? ` outgoing ${outgoing.join(',')}` : ''
  return `voters ${voters.join(',')}${joint}${learners.length > 0 ? ` learners ${learners.join(',')}` : ''}${generation === undefined ? '' : `, wanted ${generation}.`}`
}

interface Epoch { readonly term: Term, readonly start: Offset }

export class MemoryLog implements RaftLog {
  startOffset = 0 as Offset
  endOffset = 0 as Offset
  durableEnd = 0 as Offset
  writable = true
  full = false
  batches: readonly Batch[] = []
  /** Batches below it must be loaded, as if they were only on disk. */
  memoryStart = 0 as Offset
  #epochs: readonly Epoch[] = []

  get lastTerm (): Term { return this.#epochs.at(-1)?.term ?? 0 as Term }

  get epochs (): readonly Epoch[] { return this.#epochs }

  clone (): MemoryLog {
    const log = new MemoryLog()
    log.startOffset = this.startOffset
    log.endOffset = this.endOffset
    log.durableEnd = this.durableEnd
    log.writable = this.writable
    log.full = this.full
    log.batches = this.batches
    log.memoryStart = this.memoryStart
    log.#epochs = this.#epochs
    return log
  }

  termAt (offset: Offset): Term | undefined {
    if (offset >= this.endOffset || offset < this.startOffset - 1) return undefined
    return this.#epochs.findLast(epoch => epoch.start <= offset)?.term
  }

  epochEnd (term: Term): { readonly term: Term, readonly endOffset: Offset } | undefined {
    const index = this.#epochs.findLastIndex(epoch => epoch.term <= term)
    if (index < 0) return undefined
    return { term: this.#epochs[index]!.term, endOffset: this.#epochs[index + 1]?.start ?? this.endOffset }
  }

  entries (offset: Offset, endOffset: Offset, bytesMax: number): Entries | undefined {
    return offset < this.memoryStart ? undefined : this.read(offset, endOffset, bytesMax)
  }

  /** From memory or disk. */
  read (offset: Offset, endOffset: Offset, bytesMax: number): Entries {
    const pieces: Uint8Array[] = []
    let bytes = 0
    let end = offset
    for (const batch of this.batches) {
      if (batch.base < offset) continue
      if (batch.end > endOffset || (pieces.length > 0 && bytes + batch.bytes.length > bytesMax)) break
      assert(batch.base === end, 'reads begin between batches')
      pieces.push(batch.bytes)
      bytes += batch.bytes.length
      end = batch.end
    }
    assert(pieces.length > 0, 'there is something to read')
    return { pieces, bytes, endOffset: end }
  }

  append (batch: Batch): void {
    assert(this.writable, 'nothing is appended while the log refuses')
    assert(batch.base === this.endOffset, 'a batch begins where the log ends')
    assert(batch.term >= this.lastTerm && batch.end > batch.base, 'terms and offsets only grow')
    this.batches = [...this.batches, batch]
    this.endOffset = batch.end
    if (batch.term !== this.lastTerm) this.#epochs = [...this.#epochs.filter(epoch => epoch.start < batch.base), { term: batch.term, start: batch.base }]
  }

  /** Nothing at or after `end` exists any more. */
  cutTo (end: Offset): void {
    assert(end >= this.startOffset && end <= this.endOffset, 'the cut is in the log')
    this.batches = this.batches.filter(batch => batch.end <= end)
    assert((this.batches.at(-1)?.end ?? this.startOffset) === end, 'a cut is between batches')
    this.endOffset = end
    if (this.durableEnd > end) this.durableEnd = end
    this.#epochs = this.#epochs.filter(epoch => epoch.start < end)
  }

  resetTo (offset: Offset, previousTerm: Term): void {
    this.batches = []
    this.startOffset = this.endOffset = this.durableEnd = this.memoryStart = offset
    this.#epochs = offset === 0 ? [] : [{ term: previousTerm, start: offset - 1 as Offset }]
  }

  /** Retention: what ends at or before `start` is given up. */
  startAt (start: Offset): void {
    assert(start <= this.durableEnd && this.batches.every(batch => batch.end <= start || batch.base >= start), 'retention gives up whole batches')
    this.batches = this.batches.filter(batch => batch.base >= start)
    this.startOffset = start
    this.#epochs = this.#epochs.filter((_, index) => this.#epochs[index + 1] === undefined || this.#epochs[index + 1]!.start >= start)
  }
}
