/**
 * The open requests of one thread's actors: who asked whom, and until when. It answers the asker when the deadline passes
 * or when the asked actor crashed, moved or lost its thread, so actors need no bookkeeping for that.
 *
 * Found by (asker, correlation) in an open-addressing table with linear probing, in typed arrays: opening and closing a
 * request allocates nothing. Nearly every request is answered long before its deadline, so deadlines are in no order: when
 * the earliest that was ever set has come, all open requests are looked at, and the next look is at the earliest of them.
 */
import { assert } from '../base/assert.ts'
import type { ActorId } from '../base/ids.ts'
import { isOlderVersion, threadOf, versionOf, type Place } from './placement.ts'

export type AskEnd = (asker: ActorId, correlation: number) => void

export class Asks {
  readonly #max: number
  /** By slot, as all that follow: 1 for one that holds an open request. */
  readonly #open: Uint8Array
  readonly #deadlines: Float64Array
  /** No deadline of an open request is earlier. */
  #next = Infinity
  /** Slot plus one at each place of the hash table, 0 for none. Twice as many places as slots. */
  readonly #table: Int32Array
  readonly #mask: number
  readonly #askers: Int32Array
  readonly #correlations: Uint32Array
  readonly #targets: Int32Array
  readonly #places: Int32Array
  /** Slots given back, a stack. */
  readonly #free: Int32Array
  #freeCount = 0
  /** Slots from here on were never used: their memory is not even touched. */
  #slotsUsed = 0
  /** Requests that ended without an answer, oldest first: one that comes after all is dropped. */
  readonly #late = new Set<number>()
  readonly #lateMax: number

  /**
   * @param max      most open requests at once, a power of two
   * @param lateMax  answers to come late that are remembered
   */
  constructor (max: number, lateMax = 4096) {
    assert((max & (max - 1)) === 0, 'most open requests must be a power of two')
    this.#max = max
    this.#lateMax = lateMax
    this.#table = new Int32Array(max * 2)
    this.#mask = max * 2 - 1
    this.#askers = new Int32Array(max)
    this.#correlations = new Uint32Array(max)
    this.#targets = new Int32Array(max)
    this.#places = new Int32Array(max)
    this.#open = new Uint8Array(max)
    this.#deadlines = new Float64Array(max)
    this.#free = new Int32Array(max)
  }

  get count (): number {
    return this.#slotsUsed - this.#freeCount
  }

  /** When {@link expire} is to be called next: no request expires sooner. */
  get next (): number {
    return this.#next
  }

  /**
   * Remembers a request.
   * @param place  the target's placement word when the request was sent
   * @returns false when too many are open
   * @throws AssertionError  the asker has an open request with this correlation: its defect
   */
  open (asker: ActorId, correlation: number, target: ActorId, place: Place, deadline: number): boolean {
    if (this.count === this.#max) return false
    if (this.#late.size > 0) this.#late.delete(lateKey(asker, correlation))
    let at = this.#hash(asker, correlation)
    for (let found; (found = this.#table[at]!) !== 0; at = (at + 1) & this.#mask) {
      assert(this.#askers[found - 1] !== asker || this.#correlations[found - 1] !== correlation >>> 0, 'correlation is in use')
    }
    const slot = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#slotsUsed++
    this.#table[at] = slot + 1
    this.#askers[slot] = asker
    this.#correlations[slot] = correlation
    this.#targets[slot] = target
    this.#places[slot] = place
    this.#open[slot] = 1
    this.#deadlines[slot] = deadline
    if (deadline < this.#next) this.#next = deadline
    return true
  }

  /** Takes note of an answer. Returns false when it comes after its request had ended: it must be dropped. */
  accept (asker: ActorId, correlation: number): boolean {
    if (this.count > 0 && this.settle(asker, correlation)) return true
    return this.#late.size === 0 || !this.#late.delete(lateKey(asker, correlation))
  }

  /** Forgets a request because its answer is there. Returns false when it is not open. */
  settle (asker: ActorId, correlation: number): boolean {
    for (let at = this.#hash(asker, correlation), found; (found = this.#table[at]!) !== 0; at = (at + 1) & this.#mask) {
      const slot = found - 1
      if (this.#askers[slot] !== asker || this.#correlations[slot] !== correlation >>> 0) continue
      this.#close(slot, at)
      return true
    }
    return false
  }

  /** Ends every request whose deadline has passed. */
  expire (now: number, end: AskEnd): void {
    if (now < this.#next) return
    // Whoever is told may ask anew at once: that counts too.
    this.#next = Infinity
    this.#endAll(slot => this.#deadlines[slot]! <= now, end)
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#open[slot] === 1 && this.#deadlines[slot]! < this.#next) this.#next = this.#deadlines[slot]!
    }
  }

  /** Ends every request to `target` that was sent before its placement got `version`. */
  endTarget (target: ActorId, version: number, end: AskEnd): void {
    this.#endAll(slot => this.#targets[slot] === target && isOlderVersion(versionOf(this.#places[slot]!), version), end)
  }

  /** Ends every request that was sent to `thread`. */
  endThread (thread: number, end: AskEnd): void {
    this.#endAll(slot => threadOf(this.#places[slot]!) === thread, end)
  }

  /** Forgets every request of `asker`, which is gone. */
  forgetAsker (asker: ActorId): void {
    this.#endAll(slot => this.#askers[slot] === asker, () => {})
  }

  #endAll (matches: (slot: number) => boolean, end: AskEnd): void {
    for (let slot = 0; slot < this.#slotsUsed && this.count > 0; slot++) {
      if (this.#open[slot] === 1 && matches(slot)) this.#end(slot, end)
    }
  }

  #end (slot: number, end: AskEnd): void {
    const asker = this.#askers[slot]! as ActorId
    const correlation = this.#correlations[slot]!
    this.settle(asker, correlation)
    if (this.#late.size >= this.#lateMax) this.#late.delete(this.#late.values().next().value!)
    this.#late.add(lateKey(asker, correlation))
    end(asker, correlation)
  }

  #close (slot: number, at: number): void {
    this.#open[slot] = 0
    this.#free[this.#freeCount++] = slot
    // Closes the gap: moves back each later entry of the run that would not be found across it.
    let gap = at
    for (let next = (gap + 1) & this.#mask, found; (found = this.#table[next]!) !== 0; next = (next + 1) & this.#mask) {
      const home = this.#hash(this.#askers[found - 1]!, this.#correlations[found - 1]!)
      if (((next - home) & this.#mask) < ((next - gap) & this.#mask)) continue
      this.#table[gap] = found
      gap = next
    }
    this.#table[gap] = 0
  }

  #hash (asker: number, correlation: number): number {
    // Correlations count up or use few low numbers again and again: they come to lie close together in the table, and in the
    // processor's cache, but not side by side, as a run of places is walked whenever one of it is closed.
    return ((correlation << 1) + Math.imul(asker, 0x9e3779b1)) & this.#mask
  }
}

function lateKey (asker: ActorId, correlation: number): number {
  return asker * 4294967296 + correlation
}
