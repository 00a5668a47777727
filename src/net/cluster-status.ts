/** What /cluster/status shows: the cluster as this broker's image has it, for monitoring systems and people with curl. */
import { noNode, type ClusterImage, type PartitionImage, type TopicImage } from '../actors/controller/messages.ts'
import type { NodeId, TopicId } from '../base/ids.ts'

export interface ClusterStatus {
  /** The active controller, null while none is known. */
  readonly controller: NodeId | null
  readonly featureLevel: number
  readonly brokers: readonly BrokerLine[]
  readonly partitions: number
  /** Partitions that nobody leads, as far as is known here. */
  readonly leaderless: number
  /** Partitions with fewer replicas in sync than they have, those that are just being added not counted. */
  readonly underReplicated: number
  readonly reassigning: number
  readonly topics: readonly TopicLine[]
}

export interface BrokerLine {
  readonly nodeId: NodeId
  readonly name: string
  readonly host: string
  readonly port: number
  readonly raftHost: string
  readonly raftPort: number
  readonly rack: string | null
  readonly state: 'live' | 'fenced'
  /** Partitions that it holds. */
  readonly replicas: number
  readonly leaders: number
  /** Replicas of it that are not in sync. */
  readonly behind: number
}

export interface TopicLine {
  readonly name: string
  readonly id: TopicId
  readonly partitions: readonly PartitionLine[]
}

export interface PartitionLine {
  readonly index: number
  readonly term: number
  readonly leader: NodeId | null
  readonly replicas: readonly NodeId[]
  readonly isr: readonly NodeId[]
  readonly underReplicated: boolean
  /** While its replicas change. */
  readonly adding?: readonly NodeId[]
  readonly removing?: readonly NodeId[]
}

export function clusterStatus (cluster: ClusterImage, topics: Iterable<TopicImage>): ClusterStatus {
  const counts = new Map<NodeId, { replicas: number, leaders: number, behind: number }>(
    cluster.brokers.map(({ nodeId }) => [nodeId, { replicas: 0, leaders: 0, behind: 0 }]))
  const sums = { partitions: 0, leaderless: 0, underReplicated: 0, reassigning: 0 }
  const lines = [...topics].map(({ name, id, partitions }): TopicLine => ({
    name,
    id,
    partitions: partitions.map((partition, index) => {
      const line = partitionLine(partition, index)
      sums.partitions++
      if (line.leader === null) sums.leaderless++
      if (line.underReplicated) sums.underReplicated++
      if (line.adding !== undefined) sums.reassigning++
      for (const nodeId of line.replicas) {
        const count = counts.get(nodeId)
        if (count === undefined) continue
        count.replicas++
        if (line.leader === nodeId) count.leaders++
        if (!line.isr.includes(nodeId)) count.behind++
      }
      return line
    })
  })).sort((a, b) => a.name < b.name ? -1 : 1)
  const brokers = cluster.brokers.map(({ nodeId, name, host, port, raftHost, raftPort, rack, fenced }): BrokerLine => ({
    nodeId, name, host, port, raftHost, raftPort, rack, state: fenced ? 'fenced' : 'live', ...counts.get(nodeId)!
  })).sort((a, b) => a.nodeId - b.nodeId)
  const controller = cluster.controller === noNode ? null : cluster.controller
  return { controller, featureLevel: cluster.featureLevel, brokers, ...sums, topics: lines }
}

function partitionLine ({ term, leader, replicas, isr, adding, removing }: PartitionImage, index: number): PartitionLine {
  const moves = adding.length + removing.length > 0
  // Both those that come and those that go hold the partition.
  const holders = moves ? [...new Set([...replicas, ...adding, ...removing])] : replicas
  return {
    index,
    term,
    leader: leader === noNode ? null : leader,
    replicas: holders,
    isr,
    underReplicated: isr.length < holders.length - adding.length,
    ...moves ? { adding, removing } : {}
  }
}
