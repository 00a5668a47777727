/** The clocks of one broker's machine: they begin somewhere, go a little too fast or too slow, and the wall clock jumps. */
import type { Clock } from '../../src/base/clock.ts'
import type { World } from './world.ts'

/** What the wall clock shows when the world begins: a round number, some time in 2023. */
const beginningMs = 1_700_000_000_000

export class BrokerClock implements Clock {
  readonly #world: World
  #rate = 1
  #fromWorldMs: number
  #fromLocalMs: number
  #wallOffsetMs = 0

  constructor (world: World, startMs: number) {
    this.#world = world
    this.#fromWorldMs = world.nowMs
    this.#fromLocalMs = startMs
  }

  monotonicMs (): number {
    return this.#fromLocalMs + (this.#world.nowMs - this.#fromWorldMs) * this.#rate
  }

  wallMs (): number {
    return Math.floor(beginningMs + this.#wallOffsetMs + this.monotonicMs())
  }

  /** @param rate  1: right; 1.01: a second is over after 990 ms */
  setRate (rate: number): void {
    this.#fromLocalMs = this.monotonicMs()
    this.#fromWorldMs = this.#world.nowMs
    this.#rate = rate
  }

  jump (ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** How much of the world's time is as long as `localMs` here, never less: a timer is late rather than early. */
  worldMs (localMs: number): number {
    // A microsecond more than what rounding may take away.
    return Math.max(0, localMs) / this.#rate + 0.001
  }
}
