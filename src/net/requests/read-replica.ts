/** Which replica a consumer reads from that says where it stands: one of its own rack, where that is allowed. */
import { noNode, type PartitionImage } from '../../actors/controller/messages.ts'
import type { NodeId } from '../../base/ids.ts'
import type { MetadataCache } from '../metadata-cache.ts'

/**
 * The replica that the leader sends a client to: in sync, on a live broker of the client's rack. {@link noNode} where there is none,
 * where this broker does not lead, or stands in that rack itself: the client stays.
 *
 * A follower may drop behind right after: it then answers with less, never with anything wrong, and clients ask the leader again
 * after a while. Whose offset it has removed already it sends back, see `net/sent-away.ts`.
 *
 * @param spread  any number of the partition's own: replicas that serve as well as each other share the partitions
 */
export function preferredReplica (partition: PartitionImage, rack: string, spread: number, metadata: MetadataCache): NodeId {
  const { self } = metadata.cluster
  if (partition.leader !== self || metadata.broker(self)?.rack === rack) return noNode
  const near = partition.isr.filter(nodeId => {
    const broker = metadata.broker(nodeId)
    return broker !== undefined && !broker.fenced && broker.rack === rack
  })
  return near[spread % near.length] ?? noNode
}
