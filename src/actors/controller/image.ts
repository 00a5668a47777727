/** The cluster as network actors see it: metadata, leaders and what runs here, put together by node instead of by member. */
import type { ActorId, MemberId, NodeId, TopicId } from '../../base/ids.ts'
import type { Leadership, LeadersTable } from './leaders-table.ts'
import { noNode, type BrokerImage, type BrokerRegistration, type ClusterImage, type PartitionImage, type TopicImage } from './messages.ts'
import type { Members } from './metadata-record.ts'
import type { Assignment, BrokerState, MetadataState, TopicState } from './metadata-state.ts'

export interface ImageSources {
  readonly state: MetadataState
  readonly leaders: LeadersTable
  readonly self: NodeId
  readonly actorOf: (topic: TopicState, partition: number) => ActorId
}

export function topicImage (topic: TopicState, sources: ImageSources): TopicImage {
  const { id, name, config, partitions } = topic
  return { id, name, config, partitions: partitions.map((assignment, partition) => partitionImage(topic, partition, assignment, sources)) }
}

function partitionImage (topic: TopicState, partition: number, assignment: Assignment, { state, leaders, self, actorOf }: ImageSources): PartitionImage {
  const leadership = presentLeadership(topic.id, partition, state, leaders)
  const nodes = nodesOf(assignment, state)
  const isThere = (node: NodeId): boolean => !(state.brokers.get(node)?.fenced ?? node !== self)
  const leader = leadership === undefined ? noNode : nodeOf(leadership.leader, state)
  return {
    actor: actorOf(topic, partition),
    // Also of a leadership that counts no more: clients believe no later leader of an earlier term.
    term: leaders.get(topic.id, partition)?.term ?? 0 as PartitionImage['term'],
    // Clients know only brokers that are there: to them a leader that is not is none.
    leader: isThere(leader) ? leader : noNode,
    ...nodes,
    isr: leadership === undefined ? [] : nodes.replicas.filter(node => leadership.inSync.some(member => nodeOf(member, state) === node)),
    offline: nodes.replicas.filter(node => !isThere(node))
  }
}

/** Who leads, and who is in sync: folders that others have replaced, or brokers that were struck off, neither are nor do any more. */
export function presentLeadership (id: TopicId, partition: number, state: MetadataState, leaders: LeadersTable): Leadership | undefined {
  const leadership = leaders.get(id, partition)
  if (leadership === undefined || state.isRetired(leadership.leader)) return undefined
  return leadership.inSync.some(member => state.isRetired(member))
    ? { ...leadership, inSync: leadership.inSync.filter(member => !state.isRetired(member)) }
    : leadership
}

export interface Nodes {
  readonly replicas: readonly NodeId[]
  readonly adding: readonly NodeId[]
  readonly removing: readonly NodeId[]
}

/** A node that exchanges one folder for another neither comes nor goes. */
export function nodesOf ({ replicas, adding, removing }: Pick<Assignment, 'replicas' | 'adding' | 'removing'>, state: MetadataState): Nodes {
  const comes = toNodes(adding, state)
  const goes = toNodes(removing, state)
  return {
    replicas: toNodes(replicas, state),
    adding: comes.length === 0 ? comes : comes.filter(node => !goes.includes(node)),
    removing: goes.length === 0 ? goes : goes.filter(node => !comes.includes(node))
  }
}

function toNodes (members: Members, state: MetadataState): NodeId[] {
  const nodes: NodeId[] = []
  for (const member of members) {
    const node = nodeOf(member, state)
    if (!nodes.includes(node)) nodes.push(node)
  }
  return nodes
}

function nodeOf (member: MemberId, state: MetadataState): NodeId {
  return state.nodeOf(member) ?? noNode
}

export interface Self {
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly registration: BrokerRegistration
}

/** @param controller  the active one's member; 0: none is known */
export function clusterImage (state: MetadataState, self: Self, controller: MemberId): ClusterImage {
  const brokers = [...state.brokers.values()].filter(({ nodeId }) => nodeId !== self.nodeId).map(brokerImage)
  const own = state.brokers.get(self.nodeId)
  // What is registered may be of the last run: this broker knows better where it is reached.
  brokers.push(brokerImage({ ...self.registration, nodeId: self.nodeId, member: self.member, fenced: own?.fenced ?? false }))
  return {
    brokers: brokers.toSorted((a, b) => a.nodeId - b.nodeId),
    controller: nodeOf(controller, state),
    self: self.nodeId,
    featureLevel: state.featureLevel
  }
}

export function brokerImage ({ nodeId, member, name, host, port, raftHost, raftPort, rack, fenced }: Omit<BrokerState, 'epoch' | 'draining' | 'features' | 'directoryId'>): BrokerImage {
  return { nodeId, member, name, host, port, raftHost, raftPort, rack, fenced }
}
