/**
 * V8 keeps the memory that a start took until there is a reason to collect it, which in a thread at rest may be never. Collecting
 * it once, to the last, gives some 5 MiB of each thread back to the machine. It takes up to a tenth of a second, so a thread
 * with work to do is left alone.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export function collectStartGarbage (): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'major', flavor: 'last-resort' }) => void
  collect({ type: 'major', flavor: 'last-resort' })
}

/** In less than this share of its time a thread is at rest: heartbeats and timers take some. */
const busyShare = 0.05
const restMs = 5000

/** Finds the first time that a thread has been at rest for a while. */
export class FirstRest {
  readonly #begins: () => void
  #restedMs = 0

  constructor (begins: () => void) {
    this.#begins = begins
  }

  /** @param utilization  how much of the time that has passed it was busy, 0 to 1 */
  passed (ms: number, utilization: number): void {
    if (this.#restedMs >= restMs) return
    this.#restedMs = utilization < busyShare ? this.#restedMs + ms : 0
    if (this.#restedMs >= restMs) this.#begins()
  }
}
