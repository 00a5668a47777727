/** Within one run of a replica the high watermark never goes back, and never beyond what the log holds. */
import type { GroupView, Moving, ReplicaView } from '../group-view.ts'
import type { Invariant, Promises, Violate } from '../invariant.ts'

export class MonotonicHighWatermark implements Invariant {
  readonly #violate: Violate
  readonly #promises: Promises

  constructor (violate: Violate, promises: Promises) {
    this.#violate = violate
    this.#promises = promises
  }

  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    // A failing disk takes along what was not synced; a leader may have committed that with the disks of others.
    const lowest = this.#promises.alwaysSynced ? Math.min(before.highWatermark, before.durableEnd) : 0
    if (replica.highWatermark < lowest) {
      this.#violate('MonotonicHighWatermark', `${group.name}: broker ${replica.broker} went back from ${before.highWatermark} to ${replica.highWatermark}`)
    }
    if (replica.highWatermark > replica.log.logEndOffset) {
      this.#violate('MonotonicHighWatermark', `${group.name}: broker ${replica.broker} has a high watermark of ${replica.highWatermark} in a log that ends at ${replica.log.logEndOffset}`)
    }
  }
}
