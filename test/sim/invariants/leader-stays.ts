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

  /**
   * Looked at when a leader steps down, and when another one is elected while it leads; not later: what was wrong then may have been
   * right since, and a group that has nobody may take its time (a voter that may have forgotten waits for the others).
   */
  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    const led = before.role === 'leader'
    const leads = replica.role === 'leader'
    if (led === leads || group.transferred) return
    if (led) {
      // Whoever leads in a newer term was looked at when it was elected.
      if (before.term === newestBefore(group, Infinity)) this.#look(group, replica, before.term, 'it steps down')
      return
    }
    const term = newestBefore(group, replica.term)
    const old = group.replicas.get(group.leaders.get(term) ?? 0)
    if (old?.role === 'leader' && old.term === term) this.#look(group, old, term, `broker ${replica.broker} leads in term ${replica.term}`)
  }

  /** Only a leader that has committed something in its term: one that was elected a moment ago meets promises that were given before. */
  #look (group: GroupView, { broker, configurations, entries, highWatermark }: ReplicaView, term: number, what: string): void {
    if (entries.findLast(({ end }) => end <= highWatermark)?.term !== term) return
    const configuration = configurations.at(-1)?.configuration
    if (configuration === undefined || !this.#isSound(broker) || !hasQuorum(configuration, member => this.#isSound(member))) return
    this.#violate('LeaderStays', `${group.name}: ${what}, though broker ${broker} led in term ${term} and reached a majority`)
  }
}

function newestBefore ({ leaders }: GroupView, term: number): number {
  let newest = 0
  for (const one of leaders.keys()) if (one < term && one > newest) newest = one
  return newest
}
