/**
 * Leaders on brokers that the active controller has lost, while their groups have not: a link is cut between these two alone, and nobody
 * else misses the leader. Clients cannot be sent to a broker that counts as gone, so somebody else is to lead. The leader itself cannot be
 * asked; a replica in sync is told to stand for election as if it had been.
 */
import type { MemberId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'
import { chooseSuccessor, type LeaderContext } from './leader-choice.ts'

/** An election takes less; the groups of a broker that is gone for good have long other leaders. */
const retryMs = 2000

export interface TakeOver {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  /** That of the leader which is to be deposed. */
  readonly term: Term
  readonly to: MemberId
}

export class TakeOvers {
  #lookedAt = -Infinity

  look (context: LeaderContext, now: number): TakeOver[] {
    const { state, leaders } = context
    const gone = new Set([...state.brokers.values()].filter(({ fenced }) => fenced).map(({ member }) => member))
    if (gone.size === 0 || now - this.#lookedAt < retryMs) return []
    this.#lookedAt = now
    const takeOvers: TakeOver[] = []
    const given = new Map<MemberId, number>()
    const leads = (member: MemberId): number => state.loadOf(member).leaders + (given.get(member) ?? 0)
    for (const topic of state.topics.values()) {
      for (const [partition, assignment] of topic.partitions.entries()) {
        const leadership = leaders.get(topic.id, partition)
        if (leadership === undefined || !gone.has(leadership.leader)) continue
        const { to } = chooseSuccessor(assignment, leadership, undefined, context, leads)
        if (to === undefined) continue
        given.set(to, (given.get(to) ?? 0) + 1)
        takeOvers.push({ topicId: topic.id, partition: partition as PartitionIndex, term: leadership.term as Term, to })
      }
    }
    return takeOvers
  }
}
