/**
 * Buffers for reads, lent and given back: the same memory again and again. Sizes are quarter steps between powers of two, as
 * most reads want a power of two and a little more. Beyond the bound a read gets a small buffer of its own rather than wait
 * for a lease that a slow client holds.
 */
import { assert } from '../base/assert.ts'
import type { ReadLease } from './segment-reader.ts'

const classBytesMin = 16384
const smallBytes = 16384

export interface ReadBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Index of its size class; -1: not pooled, left to the garbage collector. */
  readonly sizeClass: number
}

class Lease implements ReadLease {
  readonly bytes: Uint8Array
  readonly #buffers: ReadBuffers
  #buffer: ReadBuffer | undefined

  constructor (buffers: ReadBuffers, buffer: ReadBuffer, bytes: Uint8Array) {
    this.#buffers = buffers
    this.#buffer = buffer
    this.bytes = bytes
  }

  release (): void {
    assert(this.#buffer !== undefined, 'a lease is released once')
    this.#buffers.give(this.#buffer)
    this.#buffer = undefined
  }
}

export class ReadBuffers {
  readonly #bytesMax: number
  readonly #free: ReadBuffer[][] = []
  #bytes = 0

  constructor (bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Pooled memory, lent or free. */
  get bytes (): number {
    return this.#bytes
  }

  /** Returns a buffer of at least `wanted` bytes; a smaller one if memory is short and it need not be `exactly` so much. */
  take (wanted: number, exactly: boolean): ReadBuffer {
    let power = classBytesMin
    let sizeClass = 0
    for (; power * 2 < wanted; power *= 2) sizeClass += 4
    const quarters = Math.max(0, Math.ceil((wanted - power) / (power / 4)))
    sizeClass += quarters
    const size = power + quarters * power / 4
    const free = this.#free[sizeClass]?.pop()
    if (free !== undefined) return free
    if (this.#bytes + size > this.#bytesMax) this.#dropFree(this.#bytes + size - this.#bytesMax)
    if (this.#bytes + size > this.#bytesMax) return { bytes: new Uint8Array(exactly ? wanted : Math.min(wanted, smallBytes)), sizeClass: -1 }
    this.#bytes += size
    return { bytes: new Uint8Array(size), sizeClass }
  }

  lease (buffer: ReadBuffer, start: number, end: number): ReadLease {
    return new Lease(this, buffer, buffer.bytes.subarray(start, end))
  }

  give (buffer: ReadBuffer): void {
    if (buffer.sizeClass < 0) return
    const list = this.#free[buffer.sizeClass] ??= []
    list.push(buffer)
  }

  /** Frees unused buffers of other sizes, largest first, until `bytes` are won. */
  #dropFree (bytes: number): void {
    for (let sizeClass = this.#free.length - 1; sizeClass >= 0; sizeClass--) {
      for (let free = this.#free[sizeClass]?.pop(); free !== undefined; free = this.#free[sizeClass]!.pop()) {
        this.#bytes -= free.bytes.length
        bytes -= free.bytes.length
        if (bytes <= 0) return
      }
    }
  }
}
