/** An event loop with virtual time: nothing happens until a test says so. */
import type { Clock } from '../../src/base/clock.ts'
import type { Scheduler } from '../../src/runtime/scheduler.ts'

interface Planned { readonly at: number, readonly order: number, readonly callback: () => void }

const callbacksMax = 100_000

export class VirtualScheduler implements Scheduler {
  now = 1000
  readonly clock: Clock = { wallMs: () => 1_700_000_000_000 + this.now, monotonicMs: () => this.now }
  #turns: (() => void)[] = []
  #planned: Planned[] = []
  #order = 0

  afterTurn (callback: () => void): void {
    this.#turns.push(callback)
  }

  later (delayMs: number, callback: () => void): () => void {
    const planned = { at: this.now + delayMs, order: this.#order++, callback }
    this.#planned.push(planned)
    return () => { this.#planned = this.#planned.filter(other => other !== planned) }
  }

  /** Calls back again and again, until the returned function is called. */
  every (periodMs: number, callback: () => void): () => void {
    let cancel = (): void => {}
    const plan = (): void => {
      cancel = this.later(periodMs, () => {
        plan()
        callback()
      })
    }
    plan()
    return () => cancel()
  }

  /** Ends the present turn, and those that it leads to, without letting time pass. Promises settle in between. */
  async settle (): Promise<void> {
    for (let left = callbacksMax; left > 0; left--) {
      // Several rounds of microtasks, for promises that wait for promises.
      for (let i = 0; i < 10; i++) await Promise.resolve()
      const turns = this.#turns
      if (turns.length === 0) return
      this.#turns = []
      for (const turn of turns) turn()
    }
    throw new Error('turns do not end')
  }

  /** Lets time pass, one planned callback after the other. */
  async advance (ms: number): Promise<void> {
    const end = this.now + ms
    await this.settle()
    for (let left = callbacksMax; left > 0; left--) {
      const next = this.#planned.toSorted((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined || next.at > end) break
      this.#planned = this.#planned.filter(other => other !== next)
      this.now = Math.max(this.now, next.at)
      next.callback()
      await this.settle()
    }
    this.now = end
  }
}
