/**
 * Which threads a partition's requests come from, and whether it would be better off on another one: a request that stays
 * on its thread costs a fraction of one that wakes another.
 */
import type { ThreadIndex } from '../../base/ids.ts'

/** With fewer requests a second a move would cost more than it saves. */
const requestsPerSecondMin = 200
/** Share of the requests that must come from the one other thread. */
const shareMin = 0.9
/** Rounds in a row in which that must hold. */
const roundsMin = 2
/** A partition stays this long where it was started. */
const stayMs = 10_000

export class Traffic {
  readonly #own: ThreadIndex
  readonly #counts: Float64Array
  readonly #startedAt: number
  #roundStartedAt: number
  #candidate = -1
  #rounds = 0

  constructor (options: { own: ThreadIndex, threads: number, now: number }) {
    this.#own = options.own
    this.#counts = new Float64Array(options.threads)
    this.#startedAt = options.now
    this.#roundStartedAt = options.now
  }

  /** @param thread  of the connection that brought the request: the id of its network actor */
  count (thread: number): void {
    if (thread < this.#counts.length) this.#counts[thread]! += 1
  }

  /** Ends a round, and returns the thread to move to, if there is one. */
  endRound (now: number): ThreadIndex | undefined {
    const seconds = (now - this.#roundStartedAt) / 1000
    this.#roundStartedAt = now
    let total = 0
    let busiest = 0
    for (let thread = 0; thread < this.#counts.length; thread++) {
      total += this.#counts[thread]!
      if (this.#counts[thread]! > this.#counts[busiest]!) busiest = thread
    }
    const wins = busiest !== this.#own && total >= requestsPerSecondMin * seconds && this.#counts[busiest]! >= shareMin * total
    this.#counts.fill(0)
    this.#rounds = !wins ? 0 : busiest === this.#candidate ? this.#rounds + 1 : 1
    this.#candidate = wins ? busiest : -1
    return this.#rounds >= roundsMin && now - this.#startedAt >= stayMs ? busiest as ThreadIndex : undefined
  }
}
