/** A moment that can be moved often, kept by at most one live timer. */
import type { Message, Outbox, TimerId } from '../../runtime/actor.ts'

/** A delay above this does not fit the timers of the platform; the timer then fires early and is set again. */
const delayMsMax = 0x7fffffff

/**
 * Moving it later costs nothing: the timer fires at the old moment, finds the new one and is set again. So a heartbeat sets no
 * timer. Timers may be late, doubled or left over: only the stored moment decides.
 */
export class Deadline {
  #dueMs = Infinity
  #armedMs = Infinity
  #timer: TimerId = 0
  readonly #message: Message

  /** @param message  what the timer delivers to its actor, which then asks {@link hasPassed} */
  constructor (message: Message) {
    this.#message = message
  }

  /** Moves it to `dueMs`, by the clock of `now`. */
  set (dueMs: number, out: Outbox, now: number): void {
    this.#dueMs = dueMs
    if (dueMs >= this.#armedMs) return
    if (this.#armedMs !== Infinity) out.cancel(this.#timer)
    this.#arm(out, now)
  }

  /** There is none until it is set again. */
  clear (out: Outbox): void {
    if (this.#armedMs !== Infinity) out.cancel(this.#timer)
    this.#dueMs = Infinity
    this.#armedMs = Infinity
  }

  /** Called when the message came: true, once, when the moment has come. */
  hasPassed (out: Outbox, now: number): boolean {
    if (now >= this.#dueMs) {
      this.clear(out)
      return true
    }
    if (now >= this.#armedMs) this.#arm(out, now)
    return false
  }

  #arm (out: Outbox, now: number): void {
    const delayMs = Math.min(this.#dueMs - now, delayMsMax)
    this.#armedMs = now + delayMs
    this.#timer = out.timer(delayMs, this.#message)
  }
}
