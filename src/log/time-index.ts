/**
 * Sparse index of one segment by time: (the largest timestamp so far, the offset of the batch that brought it), one entry for
 * each of the offset index, ascending in both. A search for a timestamp may begin at the last entry below it: nothing before
 * that entry's batch is as young.
 *
 * On disk (`<base>.timeindex`), big-endian, 12 bytes an entry: timestamp i64 | offset minus the segment's base u32. When the
 * segment or the log is closed, one entry more holds the segment's largest timestamp.
 */
import type { Offset } from '../base/ids.ts'

export const timeEntryBytes = 12

export class TimeIndex {
  readonly base: Offset
  #timestamps = new Float64Array(0)
  #offsets = new Uint32Array(0)
  #count = 0

  constructor (base: Offset) {
    this.base = base
  }

  get count (): number {
    return this.#count
  }

  /** -1 while there is no entry. */
  get lastTimestamp (): number {
    return this.#count === 0 ? -1 : this.#timestamps[this.#count - 1]!
  }

  offsetAt (index: number): Offset {
    return this.base + this.#offsets[index]! as Offset
  }

  timestampAt (index: number): number {
    return this.#timestamps[index]!
  }

  /** @param timestamp  at least that of the entry before */
  add (timestamp: number, offset: Offset): void {
    if (this.#count === this.#offsets.length) {
      const size = Math.max(16, this.#count * 2)
      const timestamps = new Float64Array(size)
      const offsets = new Uint32Array(size)
      timestamps.set(this.#timestamps)
      offsets.set(this.#offsets)
      this.#timestamps = timestamps
      this.#offsets = offsets
    }
    this.#timestamps[this.#count] = timestamp
    this.#offsets[this.#count] = offset - this.base
    this.#count++
  }

  /** The offset from which a search for the first record at or after `timestamp` must begin. */
  searchStart (timestamp: number): Offset {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#timestamps[middle]! < timestamp) low = middle + 1
      else high = middle
    }
    return low === 0 ? this.base : this.offsetAt(low - 1)
  }

  /** Keeps the first `count` entries. */
  truncate (count: number): void {
    this.#count = Math.min(this.#count, count)
  }

  /** The entries `[from, count)` as they stand in the file. */
  encode (from: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array((this.#count - from) * timeEntryBytes)
    const view = new DataView(bytes.buffer)
    for (let i = from; i < this.#count; i++) {
      const at = (i - from) * timeEntryBytes
      view.setBigInt64(at, BigInt(this.#timestamps[i]!))
      view.setUint32(at + 8, this.#offsets[i]!)
    }
    return bytes
  }

  /** Reads a file's entries up to the first that is out of order or at or after `offsetEnd`. */
  static decode (base: Offset, bytes: Uint8Array, offsetEnd: Offset): TimeIndex {
    const index = new TimeIndex(base)
    const count = Math.floor(bytes.length / timeEntryBytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let lastOffset = 0
    for (let i = 0; i < count; i++) {
      const timestamp = Number(view.getBigInt64(i * timeEntryBytes))
      const relative = view.getUint32(i * timeEntryBytes + 8)
      if (!Number.isSafeInteger(timestamp) || timestamp < index.lastTimestamp || relative < lastOffset || base + relative >= offsetEnd) break
      index.add(timestamp, base + relative as Offset)
      lastOffset = relative
    }
    return index
  }
}
