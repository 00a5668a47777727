/** What a leader calls committed is on the disks of a majority: of the voters, and in joint consensus of the outgoing ones too. */
import type { MemberId } from '../../../src/base/ids.ts'
import { hasQuorum } from '../../../src/raft/configuration.ts'
import { entryAt, type Entry, type GroupView, type Moving, type ReplicaView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

export class CommittedIsDurable implements Invariant {
  readonly #violate: Violate
  /** A broker's number stands for its member. */
  readonly #sameNumbers: boolean

  constructor (violate: Violate, sameNumbers: boolean) {
    this.#violate = violate
    this.#sameNumbers = sameNumbers
  }

  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    const { role, highWatermark, term, configurations, log } = replica
    if (role !== 'leader' || highWatermark <= before.highWatermark) return
    const last = entryAt(replica.entries, highWatermark - 1)
    // What was committed may have led to the next configuration at once.
    const possible = [before.configurations.at(-1), configurations.at(-1)].filter(entry => entry !== undefined).map(entry => entry.configuration)
    if (last === undefined || possible.length === 0) return
    const alone = possible.some(({ voters, outgoing }) => voters.length === 1 && outgoing.length === 0)
    // Raft, 5.4.2: an entry of an older term is committed by one of this term behind it. A single voter needs nobody's consent.
    if (last.term !== term && !alone) {
      this.#violate('CommittedIsDurable', `${group.name}: broker ${replica.broker}, leader of term ${term}, commits offset ${last.end - 1} of term ${last.term} by itself`)
    }
    // A successor has committed it meanwhile, and who acknowledged it to this one may have left the group, and its log, since.
    if (isSame(entryAt(group.committed, highWatermark - 1), last)) return
    const holds = (member: MemberId): boolean => {
      const view = this.#sameNumbers ? group.replicas.get(member) : replica
      return view !== undefined && (view === replica ? log.durableEndOffset : view.log.durableEndOffset) >= highWatermark && isSame(entryAt(view.entries, highWatermark - 1), last)
    }
    if (!possible.some(configuration => hasQuorum(configuration, holds))) {
      const named = possible.map(({ voters, outgoing }) => `${voters.join(' ')}${outgoing.length > 0 ? ` and of ${outgoing.join(' ')}` : ''}`)
      this.#violate('CommittedIsDurable', `${group.name}: broker ${replica.broker} commits up to ${highWatermark}, which is not on the disks of a majority of ${[...new Set(named)].join(', or of ')}`)
    }
  }
}

function isSame (a: Entry | undefined, b: Entry): boolean {
  return a !== undefined && a.base === b.base && a.term === b.term && a.crc === b.crc
}
