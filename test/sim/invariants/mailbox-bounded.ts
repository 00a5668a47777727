/**
 * No queue of a broker fills up: what waits in mailboxes is bounded by admission at the edge, far below the size at which they
 * refuse. Looked at whenever something is put into one, and once more at the end, when nothing may be left waiting.
 */
import type { SystemStats } from '../../../src/runtime/system-options.ts'
import type { Invariant, Violate } from '../invariant.ts'

/** The clients of a run have some hundred requests under way at most, and each leads to a few messages at a time. */
const countMax = 2000
/** Of a broker that nobody asks anything: what its own actors ask each other now and then, and their timers. */
const idleAsksMax = 50
const idleTimersMax = 200

export class MailboxBounded implements Invariant {
  readonly #violate: Violate

  constructor (violate: Violate) {
    this.#violate = violate
  }

  queued (count: number, fits: boolean): void {
    if (!fits) this.#violate('MailboxBounded', `a queue of ${count} is full`)
    else if (count > countMax) this.#violate('MailboxBounded', `a queue holds ${count}`)
  }

  idle (broker: number, { openAsks, timers, waitingBytes, heldBytes }: SystemStats): void {
    if (openAsks > idleAsksMax || timers > idleTimersMax || waitingBytes + heldBytes > 0) {
      this.#violate('MailboxBounded', `broker ${broker} is idle with ${openAsks} open questions, ${timers} timers, ${waitingBytes} + ${heldBytes} bytes that wait`)
    }
  }
}
