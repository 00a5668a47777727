/**
 * How a broker waits for others before it is in a cluster: as long as its operator lets it, since a cluster's first start may
 * take minutes; with back-off, so that waiting costs nobody anything; and saying what for.
 */
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { Logger } from '../base/logger.ts'
import type { Chance } from '../base/prng.ts'

const delayMsMin = 100
const delayMsMax = 1000
/** Other words are said after this much waiting, the same ones again after that. */
const changedMs = 1000
const repeatMs = 30_000

export type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>

export interface WaitingOptions {
  readonly logger: Logger
  readonly chance: Chance
  /** Ends the waiting, with its reason. */
  readonly signal: AbortSignal
  readonly sleep?: Sleep
}

export class Waiting {
  readonly #logger: Logger
  readonly #chance: Chance
  readonly #signal: AbortSignal
  readonly #sleep: Sleep
  #delayMs = delayMsMin
  #last = ''
  #said = ''
  #silentMs = 0

  constructor ({ logger, chance, signal, sleep = (ms, signal) => sleepFor(ms, undefined, { signal }) }: WaitingOptions) {
    this.#logger = logger
    this.#chance = chance
    this.#signal = signal
    this.#sleep = sleep
  }

  /** Waits a little longer than last time. `what` completes "waiting for …". @throws the signal's reason */
  async pause (what: string): Promise<void> {
    if (what !== this.#last) this.#delayMs = delayMsMin
    this.#last = what
    if (this.#said === '' || this.#silentMs >= (what === this.#said ? repeatMs : changedMs)) {
      this.#logger.info({}, `waiting for ${what}`)
      this.#said = what
      this.#silentMs = 0
    }
    // Brokers that were started together do not ask together.
    const ms = this.#delayMs * (0.5 + this.#chance.next())
    this.#delayMs = Math.min(delayMsMax, this.#delayMs * 1.5)
    this.#silentMs += ms
    await this.unlessStopped(this.#sleep(ms, this.#signal))
  }

  /** @throws the signal's reason */
  throwIfStopped (): void {
    this.#signal.throwIfAborted()
  }

  /** Resolves as `work` does, or ends with the signal; `work` may end later, and nobody hears of it. @throws the signal's reason */
  async unlessStopped<T> (work: Promise<T>): Promise<T> {
    const signal = this.#signal
    let stop!: () => void
    const stopped = new Promise<never>((_resolve, reject) => { stop = () => reject(signal.reason) })
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      return await Promise.race([stopped, work])
    } finally {
      signal.removeEventListener('abort', stop)
      // The loser of the race is nobody's unhandled rejection.
      work.catch(() => {})
      stopped.catch(() => {})
    }
  }
}

/** Waits for the work's end, however it ends, at most so long; returns whether it has ended. */
export async function within (ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = new AbortController()
  const inTime = await Promise.race([work.then(() => true, () => true), sleepFor(ms, false, { signal: ended.signal }).catch(() => false)])
  ended.abort()
  return inTime
}
