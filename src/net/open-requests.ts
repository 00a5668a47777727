/**
 * Requests that this thread's network actor sent to other actors and that have no answer yet.
 * Flat arrays indexed by slot, so that a request costs no object of its own. A correlation carries the slot, how often it was
 * used and in which life of the network actor, so that an answer that comes late, twice or to an actor before this one, finds
 * nothing:
 *
 * ```
 *  bit 30          19 18    16 15         0
 *  | use (12 bits)   | life   | slot       |      a small integer, for V8 too
 * ```
 */
import type { ActorId } from '../base/ids.ts'
import type { Reply } from '../runtime/actor.ts'
import { Mailbox } from '../runtime/mailbox.ts'

/** Whoever asked: gets the answer, or 'undeliverable' when there will be none. */
export interface Asker {
  /** @param part  the number that the asker gave this request */
  answered (part: number, reply: Reply): void
}

const slotBits = 16
const slotsMax = 1 << slotBits
const lifeBits = 3
const lifeMask = (1 << lifeBits) - 1
const useShift = slotBits + lifeBits
const useMask = (1 << 31 - useShift) - 1
/** Free slots rest until there are more than so many: a correlation comes again after a quarter of a million requests at the earliest. */
const restingSlots = 64

export class OpenRequests {
  readonly #askers: Array<Asker | undefined> = []
  readonly #parts = new Int32Array(slotsMax)
  readonly #targets = new Uint32Array(slotsMax)
  readonly #bytes = new Uint32Array(slotsMax)
  /** Of the slot's present or last request, without the slot. */
  readonly #uses = new Uint16Array(slotsMax)
  readonly #free = new Mailbox<number>(slotsMax, restingSlots * 2)
  readonly #life: number
  readonly #settled: (target: ActorId, bytes: number) => void

  /**
   * @param life     of the actor that asks: the next few lives differ from it
   * @param settled  called when a request is no longer open: its credit goes back
   */
  constructor (life: number, settled: (target: ActorId, bytes: number) => void) {
    this.#life = life & lifeMask
    this.#settled = settled
  }

  get count (): number { return this.#askers.length - this.#free.count }

  /** Requests that can be opened now. Checked before a client's request is admitted. */
  get room (): number { return slotsMax - this.count }

  /**
   * Opens a request and returns its correlation, never 0.
   * @param bytes  what it took of the target's credit
   */
  open (asker: Asker, part: number, target: ActorId, bytes: number): number {
    const rested = this.#free.count > restingSlots || this.#askers.length === slotsMax
    const slot = rested ? this.#free.shift()! : this.#askers.push(undefined) - 1
    this.#askers[slot] = asker
    this.#parts[slot] = part
    this.#targets[slot] = target
    this.#bytes[slot] = bytes
    // Use 0 is left out, so that no correlation is 0.
    const use = ((this.#uses[slot]! >>> lifeBits) + 1 & useMask) || 1
    this.#uses[slot] = use << lifeBits | this.#life
    return this.#uses[slot]! << slotBits | slot
  }

  /** Hands an answer to whoever asked. One that nobody waits for any more is dropped. */
  answer (reply: Reply): void {
    const slot = reply.correlation & (slotsMax - 1)
    if (this.#uses[slot] !== reply.correlation >>> slotBits) return
    const asker = this.#askers[slot]
    if (asker === undefined) return
    const part = this.#parts[slot]!
    this.#close(slot)
    asker.answered(part, reply)
  }

  /** Closes a request whose answer is not wanted any more. */
  forget (correlation: number): void {
    const slot = correlation & (slotsMax - 1)
    if (this.#uses[slot] === correlation >>> slotBits && this.#askers[slot] !== undefined) this.#close(slot)
  }

  #close (slot: number): void {
    this.#askers[slot] = undefined
    this.#free.push(slot)
    this.#settled(this.#targets[slot]! as ActorId, this.#bytes[slot]!)
  }
}
