/**
 * Which thread runs each actor, in shared memory: one word per actor id, so a lookup is one atomic load.
 *
 * ```
 *  bit 31            12 11    8 7       0
 *  | version (20 bits) | state | thread |
 * ```
 * The supervisor writes a word while no thread runs the actor (free, moving, dead, after a thread's end);
 * between `starting` and the end, the actor's own thread writes it. Every write counts the version up.
 */
import { assert } from '../base/assert.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'

export const ActorState = {
  /** Nobody has this id. */
  free: 0,
  /** Its factory runs for the first time. */
  starting: 1,
  running: 2,
  /** On its way to another thread: senders hold what they have for it. */
  moving: 3,
  /** It crashed, or its thread did; it comes back. */
  restarting: 4,
  /** Stopped, or given up after too many crashes. */
  dead: 5
} as const
export type ActorState = typeof ActorState[keyof typeof ActorState]

/** A word of the table. */
export type Place = number

export const actorsMax = 65_536
export const threadsMax = 256

const versionShift = 12

export function stateOf (place: Place): ActorState {
  return ((place >>> 8) & 0xf) as ActorState
}

export function threadOf (place: Place): ThreadIndex {
  return (place & 0xff) as ThreadIndex
}

export function versionOf (place: Place): number {
  return place >>> versionShift
}

/** Whether version `a` was written before `b`; versions run through 2^20. */
export function isOlderVersion (a: number, b: number): boolean {
  return ((a - b) << versionShift) < 0
}

export function createPlacement (slots = actorsMax): SharedArrayBuffer {
  return new SharedArrayBuffer(slots * 4)
}

export class Placement {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor (shared: SharedArrayBuffer = createPlacement()) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  get slots (): number {
    return this.#words.length
  }

  /** One atomic load. An id outside of the table is free. */
  lookup (id: ActorId): Place {
    return id < this.#words.length ? Atomics.load(this.#words, id) : ActorState.free
  }

  /** Writes where the actor is and counts the version up. Returns the new word. */
  set (id: ActorId, thread: ThreadIndex, state: ActorState): Place {
    assert(id >= 0 && id < this.#words.length, 'actor id out of range')
    assert(thread >= 0 && thread < threadsMax, 'thread index out of range')
    const version = versionOf(Atomics.load(this.#words, id)) + 1
    const place = (version << versionShift) | (state << 8) | thread
    Atomics.store(this.#words, id, place)
    return place
  }
}
