/**
 * What one group has committed: an offset for each partition. Operations decide first, as records; {@link CommittedOffsets.replay}
 * alone changes the state, so that the same records can come from a log.
 */
import type { FetchedGroup, OffsetFetch } from './messages.ts'
import type { Usage } from './usage.ts'

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface OffsetRecord {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  /** Null: deleted. */
  readonly committed: CommittedOffset | null
}

/** What an entry costs besides its metadata: an estimate. */
const entryBytes = 128
const nothing = { offset: -1, leaderEpoch: -1, metadata: '' }

export class CommittedOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>()
  readonly #usage: Usage
  partitionCount = 0

  constructor (usage: Usage) {
    this.#usage = usage
  }

  get (topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition)
  }

  replay (record: OffsetRecord): void {
    const { topic, partition, committed } = record
    let partitions = this.#topics.get(topic)
    const old = partitions?.get(partition)
    if (old !== undefined) this.#count(old, -1)
    if (committed !== null) {
      if (partitions === undefined) this.#topics.set(topic, partitions = new Map())
      partitions.set(partition, committed)
      this.#count(committed, 1)
    } else if (partitions !== undefined) {
      partitions.delete(partition)
      if (partitions.size === 0) this.#topics.delete(topic)
    }
  }

  /** Answers for the asked partitions, or for all that there are if `asked` is null. */
  fetch (asked: OffsetFetch['groups'][number]['topics']): FetchedGroup['topics'] {
    const topics = asked ?? Array.from(this.#topics, ([name, partitions]) => ({ name, partitions: [...partitions.keys()] }))
    return topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(partition => ({ partition, ...(this.get(name, partition) ?? nothing), errorCode: 0 }))
    }))
  }

  clear (): void {
    for (const partitions of this.#topics.values()) {
      for (const entry of partitions.values()) this.#count(entry, -1)
    }
    this.#topics.clear()
  }

  /** Returns the records that delete what is committed for a topic. */
  decideForgetTopic (groupId: string, topic: string): OffsetRecord[] {
    return Array.from(this.#topics.get(topic)?.keys() ?? [], partition => ({ groupId, topic, partition, committed: null }))
  }

  #count (entry: CommittedOffset, sign: 1 | -1): void {
    this.partitionCount += sign
    this.#usage.committedPartitions += sign
    this.#usage.bytes += sign * (entryBytes + entry.metadata.length)
  }
}
