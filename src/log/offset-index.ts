/**
 * Sparse index of one segment: (offset, position) of a batch about every `indexIntervalBytes`, ascending in both.
 *
 * On disk (`<base>.index`), big-endian, 8 bytes an entry: offset minus the segment's base u32 | position u32.
 */
import type { Offset } from '../base/ids.ts'
import { assert } from '../base/assert.ts'

export const offsetEntryBytes = 8
/** A segment never spans more offsets or bytes than an entry can hold. */
export const segmentSpanMax = 2 ** 31 - 1

export class OffsetIndex {
  readonly base: Offset
  #entries = new Uint32Array(0)
  #count = 0

  constructor (base: Offset) {
    this.base = base
  }

  get count (): number {
    return this.#count
  }

  offsetAt (index: number): Offset {
    return this.base + this.#entries[index * 2]! as Offset
  }

  positionAt (index: number): number {
    return this.#entries[index * 2 + 1]!
  }

  add (offset: Offset, position: number): void {
    const at = this.#count * 2
    if (at === this.#entries.length) {
      const grown = new Uint32Array(Math.max(16, at * 2))
      grown.set(this.#entries)
      this.#entries = grown
    }
    this.#entries[at] = offset - this.base
    this.#entries[at + 1] = position
    this.#count++
  }

  /** Index of the last entry at or below `offset`; -1: none, begin at position 0. */
  floor (offset: Offset): number {
    const relative = offset - this.base
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle * 2]! <= relative) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Position at or before the batch that holds `offset`. */
  floorPosition (offset: Offset): number {
    const index = this.floor(offset)
    return index < 0 ? 0 : this.positionAt(index)
  }

  /** Drops the entries at and after `offset`. */
  truncate (offset: Offset): void {
    this.#count = this.floor(offset - 1 as Offset) + 1
  }

  /** Keeps the first `count` entries. */
  keep (count: number): void {
    this.#count = Math.min(this.#count, count)
  }

  /** The entries `[from, count)` as they stand in the file. */
  encode (from: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array((this.#count - from) * offsetEntryBytes)
    const view = new DataView(bytes.buffer)
    for (let i = from * 2; i < this.#count * 2; i++) view.setUint32((i - from * 2) * 4, this.#entries[i]!)
    return bytes
  }

  /** Reads a file's entries up to the first that is out of order or at or after `positionEnd`: the rest is not to be trusted. */
  static decode (base: Offset, bytes: Uint8Array, positionEnd: number): OffsetIndex {
    assert(positionEnd <= segmentSpanMax, 'segment within its span')
    const index = new OffsetIndex(base)
    const count = Math.floor(bytes.length / offsetEntryBytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let lastOffset = 0
    let lastPosition = 0
    for (let i = 0; i < count; i++) {
      const relative = view.getUint32(i * offsetEntryBytes)
      const position = view.getUint32(i * offsetEntryBytes + 4)
      if (relative <= lastOffset || position <= lastPosition || position >= positionEnd) break
      index.add(base + relative as Offset, position)
      lastOffset = relative
      lastPosition = position
    }
    return index
  }
}
