/** The loop turns of a thread: when one begins, what time it is in it, and the one timer that begins one when nothing comes from outside. */
import type { Scheduler } from './scheduler.ts'

export class Turns {
  readonly #scheduler: Scheduler
  readonly #restMs: number
  readonly #run: () => void
  readonly #wake: () => void
  #planned = false
  #now: number
  #endedAt = -Infinity
  #armedFor = Infinity
  #disarm: (() => void) | undefined

  // Made once, so that no turn allocates a closure.
  readonly #onArmed = (): void => {
    this.#armedFor = Infinity
    this.#disarm = undefined
    this.#wake()
  }

  /**
   * @param restMs  a turn that begins later than this after the last one's end has {@link rested}
   * @param run     what a turn is: called after the callbacks of the sockets and files that are ready
   * @param wake    called when the timer is due; it must lead to {@link begin}
   */
  constructor (scheduler: Scheduler, restMs: number, run: () => void, wake: () => void) {
    this.#scheduler = scheduler
    this.#restMs = restMs
    this.#run = run
    this.#wake = wake
    this.#now = scheduler.clock.monotonicMs()
  }

  /** Monotonic milliseconds, one value per turn. */
  get now (): number {
    return this.#now
  }

  /** Whether the thread had nothing to do before this turn. */
  get rested (): boolean {
    return this.#now - this.#endedAt > this.#restMs
  }

  /** The first thing of a turn: one reading of the clock, and its run is planned. Returns false when it has begun already. */
  begin (): boolean {
    if (this.#planned) return false
    this.#planned = true
    this.#now = this.#scheduler.clock.monotonicMs()
    this.#scheduler.afterTurn(this.#run)
    return true
  }

  end (): void {
    this.#planned = false
    this.#endedAt = this.#scheduler.clock.monotonicMs()
  }

  /** Sees to it that a turn begins at `next`, or sooner. Called after {@link end}. */
  arm (next: number): void {
    if (next >= this.#armedFor) return
    this.#disarm?.()
    this.#armedFor = next
    this.#disarm = this.#scheduler.later(Math.max(0, next - this.#endedAt), this.#onArmed)
  }

  close (): void {
    this.#disarm?.()
  }
}
