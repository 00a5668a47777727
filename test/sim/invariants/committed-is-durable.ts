/**
 * What a leader calls committed is on the disks of a majority: of the voters, and in joint consensus of the outgoing ones too. Where not
 * every write is synced, a disk may lose what was acknowledged while the acknowledgement is on its way; whose did knows it, and is in doubt.
 */
import type { MemberId } from '../../../src/base/ids.ts'
import { hasQuorum } from '../../../src/raft/configuration.ts'
import { entryAt, type Entry, type GroupView, type Moving, type ReplicaView } from '../group-view.ts'
import type { Invariant, Promises, Violate } from '../invariant.ts'

export class CommittedIsDurable implements Invariant {
  readonly #violate: Violate
  readonly #promises: Promises
  /** How far a log was called durable before a sync failed. */
  readonly #lostEnd = new WeakMap<ReplicaView, number>()

  constructor (violate: Violate, promises: Promises) {
    this.#violate = violate
    this.#promises = promises
  }

  opened (_group: GroupView, replica: ReplicaView, before: ReplicaView | undefined): void {
    if (before !== undefined) this.#lost(replica, this.#lostEnd.get(before) ?? 0)
  }

  #lost (replica: ReplicaView, end: number): void {
    this.#lostEnd.set(replica, Math.max(end, this.#lostEnd.get(replica) ?? 0))
  }

  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    if (!this.#promises.alwaysSynced && replica.cutFrom === Infinity && replica.durableEnd < before.durableEnd) this.#lost(replica, before.durableEnd)
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
      // In a cluster a broker's number stands for its member.
      const view = this.#promises.apart ? replica : group.replicas.get(member)
      if (view !== undefined && (this.#lostEnd.get(view) ?? 0) >= highWatermark) return true
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
