/**
 * A first-in first-out queue in a circular array. It grows by doubling up to its bound and keeps its array, so a
 * steady stream allocates nothing.
 */
import { assert } from '../base/assert.ts'

export class Mailbox<T> {
  readonly max: number
  #items: (T | undefined)[]
  #first = 0
  #count = 0

  /** @param max  most items at once, a power of two */
  constructor (max: number, initial = 16) {
    assert((max & (max - 1)) === 0 && (initial & (initial - 1)) === 0, 'mailbox sizes are powers of two')
    this.max = max
    this.#items = new Array<T | undefined>(Math.min(initial, max)).fill(undefined)
  }

  get count (): number {
    return this.#count
  }

  /** Returns false, and leaves the queue as it is, when it is full. */
  push (item: T): boolean {
    if (this.#count === this.#items.length && !this.#grow()) return false
    this.#items[(this.#first + this.#count) & (this.#items.length - 1)] = item
    this.#count++
    return true
  }

  /** Takes the oldest item, or returns undefined when there is none. */
  shift (): T | undefined {
    if (this.#count === 0) return undefined
    const item = this.#items[this.#first]
    this.#items[this.#first] = undefined
    this.#first = (this.#first + 1) & (this.#items.length - 1)
    this.#count--
    return item
  }

  peek (): T | undefined {
    return this.#count === 0 ? undefined : this.#items[this.#first]
  }

  #grow (): boolean {
    const length = this.#items.length
    if (length === this.max) return false
    const grown = new Array<T | undefined>(length * 2).fill(undefined)
    for (let i = 0; i < this.#count; i++) grown[i] = this.#items[(this.#first + i) & (length - 1)]
    this.#items = grown
    this.#first = 0
    return true
  }
}
