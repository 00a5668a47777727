/** Lets a bounded number of disk operations of one class be under way; the others wait in order. */
import { assert } from '../base/assert.ts'

export interface IoJob {
  /** Starts the operation; whoever completes it calls {@link IoQuota.release}. */
  start (): void
}

export class IoQuota {
  #free: number
  /** First in, first out: `#head` walks, the array is cut when it is empty or half dead. */
  #waiting: IoJob[] = []
  #head = 0

  constructor (slots: number) {
    assert(slots >= 1, 'a quota needs a slot')
    this.#free = slots
  }

  get waiting (): number {
    return this.#waiting.length - this.#head
  }

  run (job: IoJob): void {
    if (this.#free === 0) this.#waiting.push(job)
    else {
      this.#free--
      job.start()
    }
  }

  release (): void {
    const next = this.#waiting[this.#head]
    if (next === undefined) {
      this.#free++
      return
    }
    this.#head++
    if (this.#head === this.#waiting.length) {
      this.#waiting = []
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    next.start()
  }
}
