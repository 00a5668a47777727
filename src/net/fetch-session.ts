/**
 * What a client that fetches over and over has asked for, so that its requests name only what changed and its answers
 * only what is new. One per connection: a client that reconnects starts a new one.
 *
 * Source: KIP-227.
 */
import type { RequestOf } from '../protocol/api.ts'
import type { fetch } from '../protocol/apis/fetch.ts'

type Request = RequestOf<typeof fetch>

/** Partitions that one client may fetch from. */
export const sessionPartitionsMax = 100_000
const epochMax = 2 ** 31 - 1

/** A partition that a client fetches, named as the client named it. */
export interface FetchTarget {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  offset: number
  bytesMax: number
  leaderEpoch: number
  /** Of the last record that the client has, -1 where it does not say. */
  lastFetchedEpoch: number
  /** What the client was last told, -1 for nothing yet: an answer without news is left out. */
  toldHighWatermark: number
  toldLogStartOffset: number
}

/** Each partition once, in the order of their first mention; what is said of one last counts. */
export function fetchTargets (topics: Request['topics']): Map<string, FetchTarget> {
  const targets = new Map<string, FetchTarget>()
  for (const { name, topicId, partitions } of topics) {
    for (const { index, fetchOffset, partitionMaxBytes, currentLeaderEpoch, lastFetchedEpoch } of partitions) {
      targets.set(keyOf(name, topicId, index), {
        topic: name,
        topicId,
        index,
        offset: fetchOffset,
        bytesMax: partitionMaxBytes,
        leaderEpoch: currentLeaderEpoch,
        lastFetchedEpoch,
        toldHighWatermark: -1,
        toldLogStartOffset: -1
      })
    }
  }
  return targets
}

export class FetchSession {
  readonly id: number
  /** The epoch that the client's next request must have. */
  epoch = 1
  /** In the order in which they are served: one that has just been given data goes to the end. */
  readonly #targets: Map<string, FetchTarget>

  /** @param targets  become the session's own */
  constructor (id: number, targets: Map<string, FetchTarget>) {
    this.id = id
    this.#targets = targets
  }

  /** Takes in an incremental request. */
  update ({ topics, forgottenTopics }: Request): void {
    for (const [key, target] of fetchTargets(topics)) {
      const known = this.#targets.get(key)
      if (known === undefined) {
        if (this.#targets.size < sessionPartitionsMax) this.#targets.set(key, target)
      } else {
        known.offset = target.offset
        known.bytesMax = target.bytesMax
        known.leaderEpoch = target.leaderEpoch
        known.lastFetchedEpoch = target.lastFetchedEpoch
      }
    }
    for (const { name, topicId, partitions } of forgottenTopics) {
      for (const index of partitions) this.#targets.delete(keyOf(name, topicId, index))
    }
    this.epoch = this.epoch === epochMax ? 1 : this.epoch + 1
  }

  targets (): FetchTarget[] { return [...this.#targets.values()] }

  /** Puts a partition that was given data behind the others, so that a busy one does not starve them. */
  rotate (target: FetchTarget): void {
    const key = keyOf(target.topic, target.topicId, target.index)
    if (this.#targets.size > 1 && this.#targets.delete(key)) this.#targets.set(key, target)
  }
}

function keyOf (topic: string, topicId: string, index: number): string {
  return `${topic === '' ? topicId : topic}/${index}`
}
