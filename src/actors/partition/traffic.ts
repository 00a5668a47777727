/**
 * Which threads a partition's requests come from, and whether it would be better off on another one: a request that stays
 * on its thread costs a fraction of one that wakes another.
 */
import type { ThreadIndex } from '../../base/ids.ts'

/** A window is judged when this many requests have come and it is this old. */
const requestsPerLook = 128
const windowMs = 200
/** With fewer requests a second a move would cost more than it saves. */
const requestsPerSecondMin = 200
/** Share of a window's requests that must come from the one other thread. */
const shareMin = 0.9
/** Windows in a row in which that must hold. */
const windowsMin = 2
/** A partition stays at least this long where it was first put, and this long where it moved to. */
const firstStayMs = 500
const stayMs = 10_000

export class Traffic {
  readonly #own: ThreadIndex
  readonly #counts: Float64Array
  readonly #stayUntil: number
  #total = 0
  #windowStart: number
  #candidate = -1
  #windows = 0

  /** @param options.fresh  the partition was not moved here, nor restarted */
  constructor (options: { own: ThreadIndex, threads: number, now: number, fresh: boolean }) {
    this.#own = options.own
    this.#counts = new Float64Array(options.threads)
    this.#stayUntil = options.now + (options.fresh ? firstStayMs : stayMs)
    this.#windowStart = options.now
  }

  /**
   * Counts a request, and returns the thread that the partition should move to, if there is one.
   * @param thread  of the connection that brought it: the id of its network actor
   */
  count (thread: number, now: number): ThreadIndex | undefined {
    if (thread >= this.#counts.length) return undefined
    this.#counts[thread]! += 1
    if (++this.#total % requestsPerLook !== 0 || now - this.#windowStart < windowMs) return undefined
    return this.#judge(now)
  }

  #judge (now: number): ThreadIndex | undefined {
    let busiest = 0
    for (let thread = 1; thread < this.#counts.length; thread++) {
      if (this.#counts[thread]! > this.#counts[busiest]!) busiest = thread
    }
    const seconds = (now - this.#windowStart) / 1000
    const wins = busiest !== this.#own && this.#counts[busiest]! >= shareMin * this.#total && this.#total >= requestsPerSecondMin * seconds
    this.#counts.fill(0)
    this.#total = 0
    this.#windowStart = now
    this.#windows = !wins ? 0 : busiest === this.#candidate ? this.#windows + 1 : 1
    this.#candidate = wins ? busiest : -1
    return this.#windows >= windowsMin && now >= this.#stayUntil ? busiest as ThreadIndex : undefined
  }
}
