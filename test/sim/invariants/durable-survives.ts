/** What a log called durable, and was not told to cut off, is there in the broker's next run, whatever ended the last one. */
import type { GroupView, ReplicaView } from '../group-view.ts'
import type { Invariant, Promises, Violate } from '../invariant.ts'

export class DurableSurvives implements Invariant {
  readonly #violate: Violate
  readonly #promises: Promises

  constructor (violate: Violate, promises: Promises) {
    this.#violate = violate
    this.#promises = promises
  }

  opened (group: GroupView, replica: ReplicaView, before: ReplicaView | undefined): void {
    if (before === undefined || !this.#promises.alwaysSynced) return
    const start = replica.log.logStartOffset
    const end = Math.min(before.durableEnd, before.cutFrom)
    for (const entry of before.entries) {
      if (entry.end > end) return
      if (entry.end <= start) continue
      const held = replica.entryAt(entry.base)
      if (held !== undefined && held.base === entry.base && held.term === entry.term && held.crc === entry.crc) continue
      this.#violate('DurableSurvives', `${group.name}: broker ${replica.broker} has lost offset ${entry.base}, which was durable (up to ${before.durableEnd}); its log ends at ${replica.logEnd}`)
      return
    }
  }
}
