/** Fetches that found nothing to read and wait for the high watermark to move on. */
import type { Fetch } from './messages.ts'

export class FetchWaiters {
  #waiters: Fetch[] = []
  readonly #max: number

  /** @param max  fetches that may wait; one more is answered at once with what there is */
  constructor (max: number) {
    this.#max = max
  }

  get count (): number { return this.#waiters.length }

  /** @returns whether there was room */
  add (fetch: Fetch): boolean {
    if (this.#waiters.length >= this.#max) return false
    this.#waiters.push(fetch)
    return true
  }

  remove (replyTo: number, correlation: number): void {
    const i = this.#waiters.findIndex(waiter => waiter.replyTo === replyTo && waiter.correlation === correlation)
    if (i >= 0) this.#waiters.splice(i, 1)
  }

  /** Returns the fetches that waited for this high watermark, and forgets them. */
  take (highWatermark: number): readonly Fetch[] {
    const waiters = this.#waiters
    if (waiters.length === 0) return waiters
    this.#waiters = waiters.filter(waiter => waiter.beyond >= highWatermark)
    if (this.#waiters.length === 0) return waiters
    return waiters.filter(waiter => waiter.beyond < highWatermark)
  }

  /** Returns every fetch that waits, and forgets them. */
  takeAll (): readonly Fetch[] {
    const waiters = this.#waiters
    this.#waiters = []
    return waiters
  }
}
