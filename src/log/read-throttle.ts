/**
 * Bytes a second for reads that may wait, those for followers that lag far behind: all partitions of a thread share it. A read
 * begins once what the earlier ones took is paid for, in the order in which they came. So over any time no more is read than
 * the rate allows, what was saved up within {@link savedMs}, and one read besides.
 */
import type { Clock } from '../base/clock.ts'

/** What was not read is read later only if it is not older than this. */
const savedMs = 100
const lookMs = 20
/** Reads that wait. Each follower of a partition has one at a time; whoever finds no place comes again with a heartbeat. */
const waitingMax = 10_000

/** Begins a read; `over` is to be called once, with the bytes that it came to. */
export type ThrottledRead = (over: (bytes: number) => void) => void

interface Waiting {
  readonly bytesMax: number
  readonly read: ThrottledRead
}

export interface ReadThrottleOptions {
  readonly bytesPerSecond: number
  readonly clock: Clock
  /** Calls back again and again, until the returned function is called. */
  readonly every: (periodMs: number, callback: () => void) => () => void
}

export class ReadThrottle {
  readonly #options: ReadThrottleOptions
  readonly #bytesMax: number
  /** Bytes that may be read now; below 0: what must be paid for first. */
  #bytes: number
  #asOfMs: number
  #waiting: Waiting[] = []
  #stop: (() => void) | undefined

  constructor (options: ReadThrottleOptions) {
    this.#options = options
    this.#bytesMax = this.#bytes = options.bytesPerSecond * savedMs / 1000
    this.#asOfMs = options.clock.monotonicMs()
  }

  /**
   * Begins the read now or later.
   * @param bytesMax  about as much as it may come to
   * @returns false: too many wait, and this one is not made
   */
  run (bytesMax: number, read: ThrottledRead): boolean {
    if (this.#waiting.length >= waitingMax) return false
    this.#waiting.push({ bytesMax, read })
    this.#look()
    if (this.#waiting.length > 0) this.#stop ??= this.#options.every(lookMs, () => this.#look())
    return true
  }

  /** What waits is never read. */
  close (): void {
    this.#waiting = []
    this.#rest()
  }

  #rest (): void {
    this.#stop?.()
    this.#stop = undefined
  }

  #look (): void {
    const { bytesPerSecond, clock } = this.#options
    const now = clock.monotonicMs()
    this.#bytes = Math.min(this.#bytesMax, this.#bytes + (now - this.#asOfMs) * bytesPerSecond / 1000)
    this.#asOfMs = now
    while (this.#waiting.length > 0 && this.#bytes > 0) {
      const { bytesMax, read } = this.#waiting.shift()!
      this.#bytes -= bytesMax
      read(bytes => { this.#bytes += bytesMax - bytes })
    }
    if (this.#waiting.length === 0) this.#rest()
  }
}
