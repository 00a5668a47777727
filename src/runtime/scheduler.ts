/** When things run on a thread: the port through which the actor system reaches the event loop, so that a simulator can be one. */
import { systemClock, type Clock } from '../base/clock.ts'

export interface Scheduler {
  readonly clock: Clock
  /** Calls back once, after the callbacks of the sockets and files that are ready now. */
  afterTurn (callback: () => void): void
  /** Calls back once after at least `delayMs`. Returns a function that prevents it. */
  later (delayMs: number, callback: () => void): () => void
}

/** Longer delays would overflow Node's timers and fire at once; whoever waits looks at its deadline and arms again. */
const delayMsMax = 1_000_000_000

export const nodeScheduler: Scheduler = {
  clock: systemClock,
  afterTurn: callback => { setImmediate(callback) },
  later: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(Math.ceil(delayMs), delayMsMax))
    return () => clearTimeout(timer)
  }
}
