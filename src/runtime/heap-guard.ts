/**
 * Ends a thread whose heap is nearly full while it still can be ended alone: when V8 finds no room for an allocation of its
 * own, it ends the whole process. A thread that fills its heap within one turn is past this guard; Node's own limit or the
 * supervisor's watch for silence ends that one.
 */
import { getHeapStatistics } from 'node:v8'

const everyMs = 20
/** V8 collects before a heap has grown halfway from what is live to the limit, so more than this much is live for the most part. */
const shareMax = 0.8

export class HeapFull extends Error {
  override name = 'HeapFull'
  readonly code = 'RINGMQ_HEAP_FULL'
}

export class HeapGuard {
  readonly #bytesMax: number
  #nextMs = 0

  /** @param oldBytesMax  what V8 allows for objects that have lived a while; nearly all of a heap that fills up is of these */
  constructor (oldBytesMax: number) {
    this.#bytesMax = oldBytesMax * shareMax
  }

  /**
   * To be called at the end of each turn.
   * @throws HeapFull  to be left to the event loop: an uncaught error ends a thread, and the supervisor replaces it
   */
  check (nowMs: number): void {
    if (nowMs < this.#nextMs) return
    this.#nextMs = nowMs + everyMs
    const used = getHeapStatistics().used_heap_size
    if (used > this.#bytesMax) throw new HeapFull(`the heap holds ${Math.floor(used / 2 ** 20)} MiB, ${Math.floor(this.#bytesMax / 2 ** 20)} are safe`)
  }
}
