/**
 * Requests that this thread's network actor sent to other actors and that have no answer yet.
 * Flat arrays indexed by slot, so that a request costs no object of its own; a correlation carries the slot and
 * its generation, so that an answer that comes late, or twice, finds nothing.
 */
import type { ActorId } from '../base/ids.ts'
import type { Reply } from '../runtime/actor.ts'

/** Whoever asked: gets the answer, or 'undeliverable' when there will be none. */
export interface Asker {
  /** @param part  the number that the asker gave this request */
  answered (part: number, reply: Reply): void
}

const slotBits = 16
const slotsMax = 1 << slotBits
const generationMask = 0xffff

export class OpenRequests {
  readonly #askers: Array<Asker | undefined> = []
  readonly #parts = new Int32Array(slotsMax)
  readonly #targets = new Uint32Array(slotsMax)
  readonly #bytes = new Uint32Array(slotsMax)
  readonly #generations = new Uint16Array(slotsMax)
  readonly #free: number[] = []
  readonly #settled: (target: ActorId, bytes: number) => void

  /** @param settled  called when a request is no longer open: its credit goes back */
  constructor (settled: (target: ActorId, bytes: number) => void) {
    this.#settled = settled
  }

  get count (): number { return this.#askers.length - this.#free.length }

  /** Requests that can be opened now. Checked before a client's request is admitted. */
  get room (): number { return slotsMax - this.count }

  /**
   * Opens a request and returns its correlation, never 0.
   * @param bytes  what it took of the target's credit
   */
  open (asker: Asker, part: number, target: ActorId, bytes: number): number {
    const slot = this.#free.pop() ?? this.#askers.push(undefined) - 1
    this.#askers[slot] = asker
    this.#parts[slot] = part
    this.#targets[slot] = target
    this.#bytes[slot] = bytes
    // Generation 0 is left out, so that no correlation is 0.
    const generation = (this.#generations[slot]! + 1 & generationMask) || 1
    this.#generations[slot] = generation
    return (generation << slotBits | slot) >>> 0
  }

  /** Hands an answer to whoever asked. One that nobody waits for any more is dropped. */
  answer (reply: Reply): void {
    const slot = reply.correlation & (slotsMax - 1)
    if (this.#generations[slot] !== reply.correlation >>> slotBits) return
    const asker = this.#askers[slot]
    if (asker === undefined) return
    const part = this.#parts[slot]!
    this.#close(slot)
    asker.answered(part, reply)
  }

  /** Closes a request whose answer is not wanted any more. */
  forget (correlation: number): void {
    const slot = correlation & (slotsMax - 1)
    if (this.#generations[slot] === correlation >>> slotBits && this.#askers[slot] !== undefined) this.#close(slot)
  }

  #close (slot: number): void {
    this.#askers[slot] = undefined
    this.#free.push(slot)
    this.#settled(this.#targets[slot]! as ActorId, this.#bytes[slot]!)
  }
}
