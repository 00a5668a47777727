/**
 * Which reads a thread makes itself: those that the page cache most likely answers, which cost half of the way to libuv's pool
 * and back. A file's next read is expected to be as quick as its last. One that was made here and was slow after all sends the
 * reads of all files to the pool for a second: a disk that has become slow holds its thread up once a second at most.
 */
import type { Clock } from '../base/clock.ts'

/** Far above what copying a megabyte takes, far below what a disk does to those who wait for the thread. */
const quickMs = 2
const slowWindowMs = 1000

/** What is remembered of a file. */
export interface Paced {
  quick: boolean
}

export class ReadPace {
  readonly #clock: Clock
  #hereFromMs = -Infinity

  constructor (clock: Clock) {
    this.#clock = clock
  }

  get nowMs (): number {
    return this.#clock.monotonicMs()
  }

  /** @param hot  the bytes were written moments ago */
  isHere (file: Paced, hot: boolean, nowMs: number): boolean {
    return (hot || file.quick) && nowMs >= this.#hereFromMs
  }

  /** Takes note of a read that began at `startMs` and is over, whether it was made on this thread or not. */
  note (file: Paced, startMs: number, here: boolean): void {
    const nowMs = this.#clock.monotonicMs()
    file.quick = nowMs - startMs <= quickMs
    if (here && !file.quick) this.#hereFromMs = nowMs + slowWindowMs
  }
}
