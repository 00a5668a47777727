/**
 * Who leads which partition, as far as is known here. It is in no log: a leader says so itself, its controller tells all others, and
 * what is lost on the way is said again a while later. Words may come late, twice or in any order: the newer term wins, and within
 * a term the later word of its only leader.
 */
import type { MemberId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'
import { sameMembers } from './reassignment.ts'
import type { Members } from './metadata-record.ts'

export interface Leadership {
  readonly term: Term
  readonly leader: MemberId
  readonly inSync: Members
  /** Of the group's committed configuration. */
  readonly voters: Members
  readonly joint: boolean
  /** Of the newest intent that the leader knew; -1: none. */
  readonly generation: number
  /** When the leader's controller heard of it, by the monotonic clock of their process: orders the words of one term. */
  readonly saidAt: number
}

export interface LeaderWord extends Leadership {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
}

/** Topics that this controller has not heard of yet and whose leaders are remembered all the same. */
const strangersMax = 1000

export class LeadersTable {
  readonly #leaders = new Map<TopicId, Array<Leadership | undefined>>()
  /** Topics that are not in the metadata yet, or not any more; the oldest first. */
  readonly #strangers = new Set<TopicId>()
  readonly #partitionsMax: number
  readonly #isKnown: (topicId: TopicId) => boolean

  constructor (options: { partitionsMax: number, isKnown: (topicId: TopicId) => boolean }) {
    this.#partitionsMax = options.partitionsMax
    this.#isKnown = options.isKnown
  }

  /** @returns whether it is news */
  learn ({ topicId, partition, term, leader, inSync, voters, joint, generation, saidAt }: LeaderWord): boolean {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.#partitionsMax) return false
    const partitions = this.#partitionsOf(topicId)
    const known = partitions[partition]
    if (known !== undefined && (term < known.term || (term === known.term && saidAt < known.saidAt))) return false
    partitions[partition] = { term, leader, inSync, voters, joint, generation, saidAt }
    return known === undefined || term !== known.term || leader !== known.leader || joint !== known.joint || generation !== known.generation ||
      !sameMembers(inSync, known.inSync) || !sameMembers(voters, known.voters)
  }

  get (topicId: TopicId, partition: number): Leadership | undefined {
    return this.#leaders.get(topicId)?.[partition]
  }

  /** The topic is in the metadata now. */
  meet (topicId: TopicId): void {
    this.#strangers.delete(topicId)
  }

  forget (topicId: TopicId): void {
    this.#strangers.delete(topicId)
    this.#leaders.delete(topicId)
  }

  /** Partitions that `member` leads: all topics one after the other. */
  * ledBy (member: MemberId): Generator<LeaderWord> {
    for (const [topicId, partitions] of this.#leaders) {
      for (const [partition, leadership] of partitions.entries()) {
        if (leadership?.leader === member) yield { topicId, partition: partition as PartitionIndex, ...leadership }
      }
    }
  }

  #partitionsOf (topicId: TopicId): Array<Leadership | undefined> {
    const known = this.#leaders.get(topicId)
    if (known !== undefined) return known
    if (!this.#isKnown(topicId)) {
      if (this.#strangers.size >= strangersMax) this.forget(this.#strangers.values().next().value!)
      this.#strangers.add(topicId)
    }
    const partitions: Array<Leadership | undefined> = []
    this.#leaders.set(topicId, partitions)
    return partitions
  }
}
