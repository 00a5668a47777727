/**
 * Leaders on brokers that the active controller has lost, while their groups have not: a link is cut between these two alone, and nobody
 * else misses the leader. Clients cannot be sent to a broker that counts as gone, so somebody else is to lead. The leader itself cannot be
 * asked; a replica in sync is told to stand for election as if it had been. Not at once: a controller that was paused finds everybody
 * silent when it wakes, and hears of them, or of its successor, a moment later.
 */
import type { MemberId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'
import { chooseSuccessor, type LeaderContext } from './leader-choice.ts'
import type { MetadataState } from './metadata-state.ts'

/** So long a broker must have been fenced, by the word of the committed log, and again between two attempts: an election takes less. */
const patienceMs = 2000

export interface TakeOver {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  /** That of the leader which is to be deposed. */
  readonly term: Term
  readonly to: MemberId
}

export class TakeOvers {
  /** Since when each broker counts as gone, or its leaders were last looked at. */
  #since = new Map<MemberId, number>()

  /** @param committed  what is decided and not committed may be the word of a controller that is none any more */
  look (context: LeaderContext, committed: MetadataState, now: number): TakeOver[] {
    const { state, leaders } = context
    const since = new Map<MemberId, number>()
    const gone = new Set<MemberId>()
    for (const { nodeId, member, fenced } of state.brokers.values()) {
      if (!fenced || committed.brokers.get(nodeId)?.fenced !== true) continue
      const start = this.#since.get(member) ?? now
      const due = now - start >= patienceMs
      since.set(member, due ? now : start)
      if (due) gone.add(member)
    }
    this.#since = since
    if (gone.size === 0) return []
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
