/**
 * Where a client that asked the wrong broker finds a partition's leader, told with the refusal: it goes there at once, instead of
 * asking for metadata first. A hint from an image that is behind does no harm: clients leave one with an older epoch than theirs alone.
 *
 * Source: KIP-951.
 */
import { noNode, type BrokerImage, type PartitionImage } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId } from '../../base/ids.ts'
import type { MetadataCache } from '../metadata-cache.ts'

export interface Leader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** The hints of one answer. */
export class LeaderHints {
  readonly #metadata: MetadataCache
  readonly #nodes = new Map<NodeId, BrokerImage>()

  constructor (metadata: MetadataCache) {
    this.#metadata = metadata
  }

  /** The leader to go to after this error; null where it is none of the leader's, or the leader is not known here. */
  of (errorCode: number, partition: PartitionImage | undefined): Leader | null {
    if (errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER && errorCode !== ErrorCode.FENCED_LEADER_EPOCH) return null
    if (partition === undefined || partition.leader === noNode) return null
    // The partition here has just said that it does not lead: the image has yet to learn of it.
    if (errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER && partition.leader === this.#metadata.cluster.self) return null
    const broker = this.#metadata.broker(partition.leader)
    if (broker === undefined || broker.fenced) return null
    this.#nodes.set(broker.nodeId, broker)
    return { leaderId: broker.nodeId, leaderEpoch: partition.term }
  }

  /** The addresses of all leaders that were named. */
  get endpoints (): Array<{ nodeId: number, host: string, port: number, rack: string | null }> {
    return [...this.#nodes.values()].map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack }))
  }
}
