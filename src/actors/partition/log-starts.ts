/**
 * Where the log is to start, as its control batches say. Derived from the log like the producers, so that a replica which restarts
 * between such a batch and the word of its commit moves its start all the same.
 */
import type { Offset } from '../../base/ids.ts'

/** Such batches that are not committed; with one more the oldest is forgotten, whose work the next one does too. */
const pendingMax = 1000

export type LogStartsSnapshot = readonly [committed: number, ...pending: number[]]

export class LogStarts {
  /** Batches that are not known to be committed, ascending: where each stands, and the start that it sets. */
  #pending: Array<{ readonly at: number, readonly offset: number }> = []
  /** The furthest start that counts. */
  committed = 0 as Offset

  /** The furthest start that any batch sets, committed or not. */
  get last (): number {
    return this.#pending.at(-1)?.offset ?? this.committed
  }

  /** A new start stands in the log at `at`. */
  stands (at: number, offset: number): void {
    if (offset <= this.last) return
    if (this.#pending.length === pendingMax) this.#pending.shift()
    this.#pending.push({ at, offset })
  }

  commit (highWatermark: Offset): void {
    while (this.#pending.length > 0 && this.#pending[0]!.at < highWatermark) this.committed = this.#pending.shift()!.offset as Offset
  }

  /** The log was cut: what stood at and behind `end` is gone. */
  truncate (end: Offset): void {
    this.#pending = this.#pending.filter(({ at }) => at < end)
  }

  snapshot (below: number): LogStartsSnapshot {
    return [this.committed, ...this.#pending.filter(({ at }) => at < below).flatMap(({ at, offset }) => [at, offset])]
  }

  restore ([committed, ...pending]: LogStartsSnapshot): void {
    this.committed = committed as Offset
    this.#pending = []
    for (let i = 0; i + 1 < pending.length; i += 2) this.#pending.push({ at: pending[i]!, offset: pending[i + 1]! })
  }
}
