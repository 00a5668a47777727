/**
 * A leader that reaches a majority keeps its place: who cannot hear it, and only that one, must not get itself elected (pre-vote,
 * and votes that are withheld while a leader is heard). Only where check-quorum is on, and no change was asked for.
 */
import { hasQuorum } from '../../../src/raft/configuration.ts'
import type { GroupView, Moving, ReplicaView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

/** Whether nothing has gone wrong with a broker for a while: its machine, its disk, its clocks, its way to each other such broker. */
export type IsSound = (broker: number) => boolean

export class LeaderStays implements Invariant {
  readonly #violate: Violate
  readonly #isSound: IsSound

  constructor (violate: Violate, isSound: IsSound) {
    this.#violate = violate
    this.#isSound = isSound
  }

  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    if (replica.role !== 'leader' || before.role === 'leader' || group.transferred) return
    const last = [...group.leaders.keys()].filter(term => term < replica.term).reduce((a, b) => Math.max(a, b), 0)
    const old = group.replicas.get(group.leaders.get(last) ?? 0)
    const configuration = old?.configurations.at(-1)?.configuration
    // It must have led to this moment, or stepped down because of this very election.
    if (old === undefined || configuration === undefined || old === replica || old.term < last || !this.#isSound(old.broker)) return
    if (!hasQuorum(configuration, member => this.#isSound(member))) return
    this.#violate('LeaderStays', `${group.name}: broker ${replica.broker} leads in term ${replica.term}, though broker ${old.broker} led in term ${last} and reached a majority`)
  }
}
