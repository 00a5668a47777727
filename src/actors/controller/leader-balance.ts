/**
 * Brings partitions back to their preferred leaders: after a broker's restart everything it led is led by others. Not at once (it may
 * be about to stop again), and a few at a time.
 */
import type { MemberId, PartitionIndex, TopicId } from '../../base/ids.ts'
import { choosePreferred, type LeaderContext } from './leader-choice.ts'

export interface BalanceLimits {
  /** So long must the preferred leader have been able to lead. */
  readonly patienceMs: number
  /** Hand-overs of one look. */
  readonly handOversMax: number
}

export interface Preferred {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  readonly from: MemberId
  readonly to: MemberId
}

export class LeaderBalance {
  readonly #limits: BalanceLimits
  /** Since when each partition that is led by another could be led by its preferred leader. */
  #since = new Map<string, number>()

  constructor (limits: BalanceLimits) {
    this.#limits = limits
  }

  /** Looks at all partitions. A hand-over that comes to nothing is asked for again after the same patience. */
  look (context: LeaderContext, now: number): Preferred[] {
    const { state, leaders } = context
    const since = new Map<string, number>()
    const handOvers: Preferred[] = []
    for (const topic of state.topics.values()) {
      for (const [index, assignment] of topic.partitions.entries()) {
        const leadership = leaders.get(topic.id, index)
        const choice = choosePreferred(assignment, leadership, context)
        if (choice.to === undefined) continue
        const key = `${topic.id}-${index}`
        const start = this.#since.get(key) ?? now
        const due = now - start >= this.#limits.patienceMs && handOvers.length < this.#limits.handOversMax
        since.set(key, due ? now : start)
        if (due) handOvers.push({ topicId: topic.id, partition: index as PartitionIndex, from: leadership!.leader, to: choice.to })
      }
    }
    this.#since = since
    return handOvers
  }
}
