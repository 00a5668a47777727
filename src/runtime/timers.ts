/** The timers of one thread's actors: bounded, in one heap, so that one timer of the event loop serves them all. */
import { assert } from '../base/assert.ts'
import type { Message } from '../base/effect.ts'
import type { TimerId } from './actor.ts'
import { DeadlineHeap } from './deadline-heap.ts'

const slotBits = 20

export class Timers<Owner> {
  readonly #heap = new DeadlineHeap()
  readonly #max: number
  readonly #owners: (Owner | undefined)[] = []
  readonly #messages: (Message | undefined)[] = []
  /** Counted up each time a slot is given back, so that a TimerId kept too long cancels nothing. */
  readonly #uses: number[] = []
  readonly #free: number[] = []

  /** @param max  most timers at once, below 2^20; one more is a defect of the actor that asks for it */
  constructor (max: number) {
    assert(max < 1 << slotBits, 'more timers than slots')
    this.#max = max
  }

  get count (): number {
    return this.#heap.count
  }

  /** Earliest deadline, or Infinity. */
  get next (): number {
    return this.#heap.next
  }

  add (owner: Owner, deadline: number, message: Message): TimerId {
    const slot = this.#free.pop() ?? this.#owners.length
    assert(slot < this.#max, 'too many timers')
    this.#owners[slot] = owner
    this.#messages[slot] = message
    const uses = (this.#uses[slot] ??= 0)
    this.#heap.add(slot, deadline)
    return uses * (1 << slotBits) + slot
  }

  /** Forgets a timer. One that fired or was cancelled before is left in peace. */
  cancel (timer: TimerId, owner: Owner): void {
    const slot = timer % (1 << slotBits)
    if (this.#uses[slot] !== Math.floor(timer / (1 << slotBits)) || this.#owners[slot] !== owner) return
    this.#release(slot)
  }

  /** Forgets all timers of an owner. Looks at every slot: for crashes and stops. */
  cancelAll (owner: Owner): void {
    for (let slot = 0; slot < this.#owners.length; slot++) {
      if (this.#owners[slot] === owner) this.#release(slot)
    }
  }

  /** Takes out every timer that is due and hands it over, earliest first. One added meanwhile waits for the next call. */
  fire (now: number, deliver: (owner: Owner, message: Message) => void): void {
    for (let left = this.#heap.count; left > 0 && this.#heap.next <= now; left--) {
      const slot = this.#heap.first
      const owner = this.#owners[slot]!
      const message = this.#messages[slot]!
      this.#release(slot)
      deliver(owner, message)
    }
  }

  #release (slot: number): void {
    if (this.#heap.has(slot)) this.#heap.remove(slot)
    this.#owners[slot] = undefined
    this.#messages[slot] = undefined
    this.#uses[slot] = (this.#uses[slot]! + 1) & 0x3fffffff
    this.#free.push(slot)
  }
}
