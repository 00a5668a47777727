/** Append messages to one follower that it has not acknowledged: how many, and how many bytes. Both are bounded, so a slow follower costs bounded memory. */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/ids.ts'

/** The most that may be allowed; what is allowed is a power of two. */
const messagesMax = 256

export class Inflights {
  readonly #bytesMax: number
  readonly #countMax: number
  readonly #ends: Float64Array
  readonly #sizes: Float64Array
  #head = 0
  #count = 0
  #bytes = 0

  constructor (bytesMax: number, countMax: number) {
    this.#bytesMax = bytesMax
    this.#countMax = Math.min(countMax, messagesMax)
    this.#ends = new Float64Array(this.#countMax)
    this.#sizes = new Float64Array(this.#countMax)
  }

  get count (): number { return this.#count }
  get bytes (): number { return this.#bytes }

  /** One more message would be too many. The last one may go beyond the bytes allowed: a single batch can be larger than that. */
  get full (): boolean {
    return this.#count === this.#countMax || this.#bytes >= this.#bytesMax
  }

  add (endOffset: Offset, bytes: number): void {
    assert(!this.full, 'the caller asks for room first')
    const slot = (this.#head + this.#count++) & (this.#countMax - 1)
    this.#ends[slot] = endOffset
    this.#sizes[slot] = bytes
    this.#bytes += bytes
  }

  /** The follower holds everything below `endOffset`. */
  freeUpTo (endOffset: Offset): void {
    while (this.#count > 0 && this.#ends[this.#head]! <= endOffset) {
      this.#bytes -= this.#sizes[this.#head]!
      this.#head = (this.#head + 1) & (this.#countMax - 1)
      this.#count--
    }
  }

  clear (): void {
    this.#head = this.#count = this.#bytes = 0
  }
}
