/** Raft's election safety: at most one member leads in a term. A leader that comes back after a restart is another one. */
import type { GroupView, ReplicaView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

export class SingleLeaderPerTerm implements Invariant {
  readonly #violate: Violate
  /** Who led, by the term: the very run of the replica. */
  readonly #leaders = new WeakMap<GroupView, Map<number, ReplicaView>>()

  constructor (violate: Violate) {
    this.#violate = violate
  }

  moved (group: GroupView, replica: ReplicaView): void {
    if (replica.role !== 'leader') return
    let leaders = this.#leaders.get(group)
    if (leaders === undefined) this.#leaders.set(group, leaders = new Map())
    const other = leaders.get(replica.term)
    if (other === undefined) {
      leaders.set(replica.term, replica)
      group.leaders.set(replica.term, replica.broker)
    } else if (other !== replica) {
      this.#violate('SingleLeaderPerTerm', other.broker === replica.broker
        ? `${group.name}: broker ${replica.broker} leads again in term ${replica.term} after a restart`
        : `${group.name}: brokers ${other.broker} and ${replica.broker} both lead in term ${replica.term}`)
    }
  }
}
