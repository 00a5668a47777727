/**
 * Appends that wait for their batch to be committed, oldest first, in flat arrays so that waiting costs no object.
 * Their end offsets never decrease: a duplicate of an uncommitted batch is queued behind what came before it,
 * which makes its answer later than needed and never too early.
 */
import type { ActorId, Offset } from '../../base/ids.ts'

export class WaitingAppends {
  #ends = new Float64Array(64)
  #baseOffsets = new Float64Array(64)
  #replyTos = new Uint32Array(64)
  #correlations = new Uint32Array(64)
  #head = 0
  #count = 0

  get count (): number { return this.#count }

  push (end: Offset, baseOffset: number, replyTo: ActorId, correlation: number): void {
    if (this.#count === this.#ends.length) this.#grow()
    const slot = (this.#head + this.#count) & (this.#ends.length - 1)
    this.#ends[slot] = end
    this.#baseOffsets[slot] = baseOffset
    this.#replyTos[slot] = replyTo
    this.#correlations[slot] = correlation
    this.#count++
  }

  /** Hands every append that ends at or below `end` to `answer`, and forgets it. */
  take (end: number, answer: (replyTo: ActorId, correlation: number, baseOffset: number) => void): void {
    const mask = this.#ends.length - 1
    while (this.#count > 0 && this.#ends[this.#head]! <= end) {
      const slot = this.#head
      this.#head = (slot + 1) & mask
      this.#count--
      answer(this.#replyTos[slot]! as ActorId, this.#correlations[slot]!, this.#baseOffsets[slot]!)
    }
  }

  #grow (): void {
    const count = this.#count
    const size = this.#ends.length
    const order = (from: Float64Array | Uint32Array, to: Float64Array | Uint32Array): void => {
      for (let i = 0; i < count; i++) to[i] = from[(this.#head + i) & (size - 1)]!
    }
    const ends = new Float64Array(size * 2)
    const baseOffsets = new Float64Array(size * 2)
    const replyTos = new Uint32Array(size * 2)
    const correlations = new Uint32Array(size * 2)
    order(this.#ends, ends)
    order(this.#baseOffsets, baseOffsets)
    order(this.#replyTos, replyTos)
    order(this.#correlations, correlations)
    this.#ends = ends
    this.#baseOffsets = baseOffsets
    this.#replyTos = replyTos
    this.#correlations = correlations
    this.#head = 0
  }
}
