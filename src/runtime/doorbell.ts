/**
 * How a thread sleeps until another has put something into one of its rings.
 *
 * Sleeper: read the bell, say 'sleeping', look at all rings once more, wait on the value read.
 * Ringer:  publish, look at 'sleeping', and only then count the bell up and notify.
 * Both are sequentially consistent, so one of the two always sees the other.
 */
import { bellWord, sleepingWord } from './thread-words.ts'

/** Wakes the thread that owns `words` if it sleeps; returns whether it did. Call after publishing. Cost while it is awake: one atomic load. */
export function ringDoorbell (words: Int32Array): boolean {
  if (Atomics.load(words, sleepingWord) === 0) return false
  if (Atomics.compareExchange(words, sleepingWord, 1, 0) !== 1) return false
  Atomics.add(words, bellWord, 1)
  Atomics.notify(words, bellWord, 1)
  return true
}

export class Doorbell {
  readonly #words: Int32Array
  readonly #onRing: () => void
  readonly #settled = (): void => this.#wake()
  /**
   * A pending waitAsync does not hold the event loop open, so a timer does; it also looks at the rings, should a notification
   * ever be lost. waitAsync has a timeout of its own, but each one, also of a wait that was ended by a ring, wakes the thread
   * when it runs out.
   */
  readonly #watch: NodeJS.Timeout
  /** At most one: notify wakes the oldest waiter, so a second one would have its ring stolen by the first. */
  #waiterOutstanding = false
  #closed = false

  /**
   * @param onRing  called some time after each ring, and now and then without one; it must lead to another {@link sleep}
   * @param waitMs  no wait is unbounded: the thread looks at its rings this often, rung or not
   */
  constructor (words: Int32Array, onRing: () => void, waitMs: number) {
    this.#words = words
    this.#onRing = onRing
    this.#watch = setInterval(onRing, waitMs)
  }

  /** Says that this thread looks at its rings by itself now; ringers need not wake it. */
  awake (): void {
    Atomics.store(this.#words, sleepingWord, 0)
  }

  /**
   * Goes to sleep unless there is work after all.
   * @param hasWork  looks at every ring once more; called after 'sleeping' has been set
   * @returns false when the thread must look at its rings again now
   */
  sleep (hasWork: () => boolean): boolean {
    const bell = Atomics.load(this.#words, bellWord)
    Atomics.store(this.#words, sleepingWord, 1)
    if (hasWork()) {
      this.awake()
      return false
    }
    // A waiter of an earlier sleep hears any later ring. One already rung but not yet settled calls onRing soon.
    if (this.#waiterOutstanding) return true
    const wait = Atomics.waitAsync(this.#words, bellWord, bell)
    if (!wait.async) {
      this.awake()
      return false
    }
    this.#waiterOutstanding = true
    wait.value.then(this.#settled)
    return true
  }

  close (): void {
    this.#closed = true
    clearInterval(this.#watch)
    this.awake()
    // Ends the outstanding wait, so that it does not outlive its owner.
    Atomics.notify(this.#words, bellWord)
  }

  #wake (): void {
    this.#waiterOutstanding = false
    if (!this.#closed) this.#onRing()
  }
}
