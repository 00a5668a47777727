/** Nobody removes the files of a replica that the group still counts on, by the newest configuration that is committed. */
import type { GroupView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

export class MembersKeepTheirLogs implements Invariant {
  readonly #violate: Violate

  constructor (violate: Violate) {
    this.#violate = violate
  }

  removed (group: GroupView, broker: number): void {
    const newest = group.newestConfiguration()
    if (newest === undefined || ![...newest.configuration.voters, ...newest.configuration.outgoing].includes(broker as never)) return
    this.#violate('MembersKeepTheirLogs', `${group.name}: broker ${broker} removes its log, and is a voter by the configuration at offset ${newest.offset}`)
  }
}
