/** Material for tests of the controller: founders, records, and random histories of the metadata log. */
import type { MemberId, NodeId, PartitionIndex, TopicId } from '../../../src/base/ids.ts'
import type { Founder } from '../../../src/base/address.ts'
import type { Chance } from '../../../src/base/prng.ts'
import type { BrokerRegistration } from '../../../src/actors/controller/messages.ts'
import type { BrokerRegistered, MetadataRecord } from '../../../src/actors/controller/metadata-record.ts'
import { targetOf, type MetadataState } from '../../../src/actors/controller/metadata-state.ts'
import { arrive, moveBack, moveTo } from '../../../src/actors/controller/reassignment.ts'

export const member = (id: number): MemberId => id as MemberId
export const node = (id: number): NodeId => id as NodeId
export const members = (...ids: number[]): MemberId[] => ids as MemberId[]
export const topicId = (number: number): TopicId => String(number).padStart(32, '0') as TopicId

export function registration (id: number, change: Partial<BrokerRegistration> = {}): BrokerRegistration {
  return {
    name: `broker-${id}`, directoryId: `folder-${id}`, host: `host-${id}`, port: 9092, raftHost: `raft-${id}`, raftPort: 9093, rack: null, features: { min: 1, max: 1 }, ...change
  }
}

export function founder (id: number): Founder {
  return { member: member(id), nodeId: node(id), nodeName: `broker-${id}`, directoryId: `folder-${id}`, host: `raft-${id}`, port: 9093 }
}

export const founders = (count: number): Founder[] => Array.from({ length: count }, (_, index) => founder(index + 1))

export function registered (id: number, change: Partial<BrokerRegistered> = {}): BrokerRegistered {
  return { kind: 'broker-registered', nodeId: node(id), member: member(id), ...registration(id), fenced: false, ...change }
}

export function created (number: number, assignments: readonly number[][], config: Record<string, string> = {}): MetadataRecord {
  return {
    kind: 'topic-created', name: `topic-${number}`, id: topicId(number), partitions: assignments.length, replicas: assignments[0]!.length, config, assignments: assignments as unknown as MemberId[][]
  }
}

const pick = <T>(items: readonly T[], chance: Chance): T => items[Math.floor(chance.next() * items.length)]!

/** A record that could be decided now; undefined: what was drawn does not fit. */
export function randomRecord (state: MetadataState, chance: Chance, brokers: number): MetadataRecord | undefined {
  const topics = [...state.topics.values()]
  const topic = topics.length > 0 ? pick(topics, chance) : undefined
  const some = (): MemberId[] => {
    const all = Array.from({ length: brokers }, (_, index) => member(index + 1))
    return all.toSorted(() => chance.next() - 0.5).slice(0, 1 + Math.floor(chance.next() * Math.min(3, brokers)))
  }
  const partition = (): PartitionIndex => Math.floor(chance.next() * topic!.partitions.length) as PartitionIndex
  const nodeId = node(1 + Math.floor(chance.next() * brokers))
  switch (Math.floor(chance.next() * 14)) {
    case 0:
    case 1: {
      let number = 1
      while (state.topics.has(topicId(number)) || state.topicByName(`topic-${number}`) !== undefined) number++
      return created(number, Array.from({ length: 1 + Math.floor(chance.next() * 4) }, () => some()))
    }
    case 2: return topic === undefined ? undefined : { kind: 'topic-deleted', id: topic.id }
    case 3: return topic === undefined ? undefined : { kind: 'partitions-added', id: topic.id, assignments: [some()] }
    case 4: return topic === undefined ? undefined : { kind: 'topic-config-changed', id: topic.id, config: { 'retention.ms': String(chance.uint32()) } }
    case 5:
    case 6: {
      if (topic === undefined) return undefined
      const at = partition()
      return moveTo({ id: topic.id, partition: at }, topic.partitions[at]!, some())
    }
    case 7:
    case 8: {
      const [moving] = [...state.moving()]
      return moving === undefined ? undefined : arrive({ id: moving.topic.id, partition: moving.partition }, moving.assignment)
    }
    case 9: {
      const [moving] = [...state.moving()]
      return moving === undefined ? undefined : moveBack({ id: moving.topic.id, partition: moving.partition }, moving.assignment)
    }
    case 10: return registered(nodeId, chance.next() < 0.3 ? { member: state.memberNext, directoryId: `folder-${chance.uint32()}` } : { member: state.memberOf(nodeId) ?? member(nodeId), port: 1 + Math.floor(chance.next() * 60000) })
    case 11: return { kind: chance.next() < 0.5 ? 'broker-fenced' : 'broker-unfenced', nodeId }
    case 12: return { kind: 'broker-draining', nodeId, draining: chance.next() < 0.5 }
    default: return { kind: 'producer-ids-reserved', end: state.producerIdEnd + 1000 }
  }
}

/** What a state holds, for comparing. */
export function digest (state: MetadataState): unknown {
  const loads = [...state.loadedMembers()].sort((a, b) => a - b).map(member => [member, state.loadOf(member)])
  return {
    topics: [...state.topics.values()].toSorted((a, b) => a.id < b.id ? -1 : 1),
    brokers: [...state.brokers.values()].toSorted((a, b) => a.nodeId - b.nodeId),
    members: [...state.members].toSorted(([a], [b]) => a - b),
    moving: [...state.moving()].map(({ topic, partition }) => `${topic.id}-${partition}`).toSorted(),
    loads,
    partitionCount: state.partitionCount,
    names: [...state.tables().names].toSorted(),
    producerIdEnd: state.producerIdEnd,
    featureLevel: state.featureLevel
  }
}

/** Loads counted anew. */
export function loadsOf (state: MetadataState): Map<MemberId, { replicas: number, leaders: number }> {
  const loads = new Map<MemberId, { replicas: number, leaders: number }>()
  for (const topic of state.topics.values()) {
    for (const assignment of topic.partitions) {
      for (const [index, member] of targetOf(assignment).entries()) {
        const load = loads.get(member) ?? { replicas: 0, leaders: 0 }
        loads.set(member, { replicas: load.replicas + 1, leaders: load.leaders + Number(index === 0) })
      }
    }
  }
  return loads
}
