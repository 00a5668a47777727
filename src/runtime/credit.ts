/**
 * Admission by credit at the edge. Each target has a pool of credit, in requests and in bytes; whoever brings a request in
 * takes credit of all its targets or of none, and stops reading its socket when there is none. Credit goes back with the
 * answer. So what waits in mailboxes, rings and append buffers is bounded by the pools, and answers, disk completions and
 * timers find the room that was reserved when their request was admitted.
 *
 * Who finds no credit waits in the queue of every target it needs. A newcomer never overtakes, so the one that has waited
 * longest stands first in all its queues and is served as soon as the credit is there: nothing starves, and as nothing is
 * held while waiting, nothing deadlocks.
 */
import { assert } from '../base/assert.ts'
import type { ActorId } from '../base/ids.ts'

export interface CreditLimits {
  /** Requests that one target may have at once from this edge. */
  readonly countMax: number
  /** Bytes of them. A single larger request is admitted when the pool is untouched. */
  readonly bytesMax: number
}

export interface CreditWanted {
  readonly target: ActorId
  /** 0 wants nothing. */
  readonly bytes: number
}

interface Waiter {
  readonly wanted: readonly CreditWanted[]
  readonly resume: () => void
}

class Pool {
  count = 0
  bytes = 0
  readonly waiters: Waiter[] = []

  hasRoom (bytes: number, limits: CreditLimits): boolean {
    if (this.count === 0) return true
    return this.count < limits.countMax && this.bytes + bytes <= limits.bytesMax
  }

  give (bytes: number): void {
    this.count--
    this.bytes -= bytes
    assert(this.count >= 0 && this.bytes >= 0, 'more credit given back than was taken')
  }
}

export class Credits {
  readonly #limits: CreditLimits
  readonly #pools = new Map<ActorId, Pool>()
  /** Targets that got credit back while a waiter was being resumed. */
  readonly #touched = new Set<ActorId>()
  #resuming = false

  constructor (limits: CreditLimits) {
    this.#limits = limits
  }

  /** Takes credit for one request. Returns false, and takes nothing, when there is none or others wait for it. */
  take (target: ActorId, bytes: number): boolean {
    if (bytes === 0) return true
    const pool = this.#poolOf(target)
    if (!this.#resuming && pool.waiters.length > 0) return false
    if (!pool.hasRoom(bytes, this.#limits)) return false
    pool.count++
    pool.bytes += bytes
    return true
  }

  /** Takes credit of every target, or of none. A target may be named more than once. */
  takeAll (wanted: readonly CreditWanted[]): boolean {
    for (let i = 0; i < wanted.length; i++) {
      if (this.take(wanted[i]!.target, wanted[i]!.bytes)) continue
      // A request bigger than the pool by itself, on several batches of one target, would never be admitted piece by piece.
      while (--i >= 0) this.#return(wanted[i]!)
      return this.#takeOversized(wanted)
    }
    return true
  }

  /** Gives credit of one request back and resumes whoever can go on. */
  give (target: ActorId, bytes: number): void {
    if (bytes === 0) return
    const pool = this.#poolOf(target)
    pool.give(bytes)
    // A set that an entry enters and leaves with every answer would be made anew every few answers.
    if (pool.waiters.length > 0) this.#touched.add(target)
    if (!this.#resuming && this.#touched.size > 0) this.#wake()
  }

  /**
   * Calls back once, when the request can be admitted: take its credit inside of the callback, where nobody else can.
   * Let each source wait once at a time: that is the bound of the queues.
   */
  waitFor (target: ActorId, bytes: number, resume: () => void): void {
    this.waitForAll([{ target, bytes }], resume)
  }

  waitForAll (wanted: readonly CreditWanted[], resume: () => void): void {
    const waiter = { wanted, resume }
    const targets = new Set<ActorId>()
    for (const { target, bytes } of wanted) {
      if (bytes === 0 || targets.has(target)) continue
      targets.add(target)
      this.#poolOf(target).waiters.push(waiter)
    }
    assert(targets.size > 0, 'waiting for no credit at all')
  }

  #wake (): void {
    this.#resuming = true
    try {
      for (const target of this.#touched) {
        this.#touched.delete(target)
        const { waiters } = this.#poolOf(target)
        // Once round at most: one that is resumed may queue up again at once.
        for (let left = waiters.length; left > 0 && waiters.length > 0 && this.#canResume(waiters[0]!); left--) {
          const waiter = waiters[0]!
          this.#dequeue(waiter)
          waiter.resume()
        }
      }
    } finally {
      this.#resuming = false
    }
  }

  #canResume (waiter: Waiter): boolean {
    const { wanted } = waiter
    for (let i = 0; i < wanted.length; i++) {
      if (wanted[i]!.bytes > 0 && this.#poolOf(wanted[i]!.target).waiters[0] !== waiter) return false
    }
    const admitted = this.takeAll(wanted)
    if (admitted) for (let i = 0; i < wanted.length; i++) this.#return(wanted[i]!)
    return admitted
  }

  /** Takes a waiter out of its queues. Those behind it on its other targets may be next there. */
  #dequeue (waiter: Waiter): void {
    for (const { target } of waiter.wanted) {
      const { waiters } = this.#poolOf(target)
      if (waiters[0] !== waiter) continue
      waiters.shift()
      if (waiters.length > 0) this.#touched.add(target)
    }
  }

  #takeOversized (wanted: readonly CreditWanted[]): boolean {
    for (const { target, bytes } of wanted) {
      const pool = this.#poolOf(target)
      if (bytes > 0 && (pool.count > 0 || (!this.#resuming && pool.waiters.length > 0))) return false
    }
    for (const { target, bytes } of wanted) {
      if (bytes === 0) continue
      const pool = this.#poolOf(target)
      pool.count++
      pool.bytes += bytes
    }
    return true
  }

  #return ({ target, bytes }: CreditWanted): void {
    if (bytes > 0) this.#poolOf(target).give(bytes)
  }

  #poolOf (target: ActorId): Pool {
    let pool = this.#pools.get(target)
    if (pool === undefined) this.#pools.set(target, pool = new Pool())
    return pool
  }
}
