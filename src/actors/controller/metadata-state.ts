/**
 * What the metadata log says: brokers, topics, who holds which partition. A state machine without effects: the same records give
 * the same state on every broker. The active controller has a second one, which is ahead by what it has decided and not committed.
 */
import { assert } from '../../base/assert.ts'
import type { Founder } from '../../base/address.ts'
import type { MemberId, NodeId, PartitionIndex, TopicId } from '../../base/ids.ts'
import { firstFeatureLevel } from '../../base/versions.ts'
import type { BrokerRegistration } from './messages.ts'
import type { MetadataTables } from './metadata-snapshot.ts'
import type { BrokerRegistered, Members, MetadataRecord, PartitionReassigned, TopicCreated } from './metadata-record.ts'

/** Never modified, only replaced: two states share them. */
export interface Assignment {
  /** As the partition was made: who voted in its group at first. */
  readonly initial: Members
  /** Those of `initial` that have left since. If they come back, they begin with an empty log. */
  readonly departed: Members
  /** As they are to be, the preferred leader first, and behind them those that leave. */
  readonly replicas: Members
  readonly adding: Members
  readonly removing: Members
  /** Before the move that is under way; null when nothing moves. */
  readonly origin: Members | null
  /** Counts the changes of this partition's replicas. */
  readonly generation: number
}

export interface TopicState {
  readonly id: TopicId
  readonly name: string
  config: Readonly<Record<string, string>>
  /** The settings are not those that the topic was made with. */
  configured: boolean
  readonly partitions: Assignment[]
}

export interface BrokerState extends BrokerRegistration {
  readonly nodeId: NodeId
  readonly member: MemberId
  /** Counts its registrations that said something new. */
  readonly epoch: number
  readonly fenced: boolean
  readonly draining: boolean
}

/** A data folder that a broker has or had. */
export interface MemberState {
  readonly nodeId: NodeId
  readonly directoryId: string
  /** False: a founder, of which the log has said nothing yet. */
  readonly registered: boolean
}

/** Of one member, by what is meant: replicas that leave do not count, those that come do. */
export interface Load {
  readonly replicas: number
  /** Partitions that it is the preferred leader of. */
  readonly leaders: number
}

/** What a record has changed. */
export interface Change {
  readonly topic?: TopicState
  /** Of the topic; left out: all. */
  readonly partitions?: readonly number[]
  readonly deleted?: TopicState
  readonly config?: true
  readonly brokers?: true
}

const none: Members = []
const noLoad: Load = { replicas: 0, leaders: 0 }
/** The replicas of a topic that was made when there was but one broker. */
const alone: Members = [1 as MemberId]

export class MetadataState {
  readonly topics = new Map<TopicId, TopicState>()
  readonly brokers = new Map<NodeId, BrokerState>()
  /** Also those that are gone: their ids are given to nobody else. */
  readonly members = new Map<MemberId, MemberState>()
  partitionCount = 0
  producerIdEnd = 0
  featureLevel = firstFeatureLevel
  readonly #idByName = new Map<string, TopicId>()
  readonly #nodeByName = new Map<string, NodeId>()
  readonly #loads = new Map<MemberId, Load>()
  readonly #moving = new Map<TopicId, Set<number>>()

  /** @param founders  the first voters of the metadata group, which have their ids before any log does */
  constructor (founders: readonly Founder[]) {
    for (const { member, nodeId, nodeName, directoryId } of founders) {
      this.members.set(member, { nodeId, directoryId, registered: false })
      this.#nodeByName.set(nodeName, nodeId)
    }
  }

  /** For a snapshot. Borrowed: what is in them changes with the state. */
  tables (): MetadataTables {
    const { topics, brokers, members, producerIdEnd, featureLevel } = this
    return { topics: [...topics.values()], brokers: [...brokers.values()], members: [...members], names: [...this.#nodeByName], producerIdEnd, featureLevel }
  }

  /** Takes the state of a snapshot in place of its own. */
  load ({ topics, brokers, members, names, producerIdEnd, featureLevel }: MetadataTables): void {
    for (const map of [this.topics, this.brokers, this.members, this.#idByName, this.#nodeByName, this.#loads, this.#moving]) map.clear()
    this.partitionCount = 0
    for (const topic of topics) {
      this.topics.set(topic.id, topic)
      this.#idByName.set(topic.name, topic.id)
      for (const [partition, assignment] of topic.partitions.entries()) {
        this.#count(assignment, 1)
        if (assignment.origin !== null) this.#noteMoving(topic.id, partition, true)
      }
      this.partitionCount += topic.partitions.length
    }
    for (const broker of brokers) this.brokers.set(broker.nodeId, broker)
    for (const [member, known] of members) this.members.set(member, known)
    for (const [name, nodeId] of names) this.#nodeByName.set(name, nodeId)
    this.producerIdEnd = producerIdEnd
    this.featureLevel = featureLevel
  }

  clone (): MetadataState {
    const copy = new MetadataState([])
    for (const [id, topic] of this.topics) copy.topics.set(id, { ...topic, partitions: [...topic.partitions] })
    copyInto(copy.brokers, this.brokers)
    copyInto(copy.members, this.members)
    copyInto(copy.#idByName, this.#idByName)
    copyInto(copy.#nodeByName, this.#nodeByName)
    copyInto(copy.#loads, this.#loads)
    for (const [id, partitions] of this.#moving) copy.#moving.set(id, new Set(partitions))
    copy.partitionCount = this.partitionCount
    copy.producerIdEnd = this.producerIdEnd
    copy.featureLevel = this.featureLevel
    return copy
  }

  topicByName (name: string): TopicState | undefined {
    const id = this.#idByName.get(name)
    return id === undefined ? undefined : this.topics.get(id)
  }

  /** Also of a broker that was struck off: a name keeps its number. */
  nodeByName (name: string): NodeId | undefined {
    return this.#nodeByName.get(name)
  }

  nodeOf (member: MemberId): NodeId | undefined {
    return this.members.get(member)?.nodeId
  }

  /** The member by which a node takes part now; undefined for one that has not registered. */
  memberOf (nodeId: NodeId): MemberId | undefined {
    return this.brokers.get(nodeId)?.member
  }

  /** Its node has another folder by now, or is no part of the cluster any more. */
  isRetired (member: MemberId): boolean {
    const known = this.members.get(member)
    if (known === undefined) return false
    const broker = this.brokers.get(known.nodeId)
    return broker === undefined ? known.registered : broker.member !== member
  }

  loadOf (member: MemberId): Load {
    return this.#loads.get(member) ?? noLoad
  }

  /** Members with replicas that are meant to stay. */
  loadedMembers (): IterableIterator<MemberId> {
    return this.#loads.keys()
  }

  /** Partitions whose replicas are changing. */
  * moving (): Generator<{ readonly topic: TopicState, readonly partition: PartitionIndex, readonly assignment: Assignment }> {
    for (const [id, partitions] of this.#moving) {
      const topic = this.topics.get(id)!
      for (const partition of partitions) yield { topic, partition: partition as PartitionIndex, assignment: topic.partitions[partition]! }
    }
  }

  get movingCount (): number {
    let count = 0
    for (const partitions of this.#moving.values()) count += partitions.size
    return count
  }

  get memberNext (): MemberId {
    return Math.max(0, ...this.members.keys()) + 1 as MemberId
  }

  get nodeNext (): NodeId {
    let last = 0
    for (const { nodeId } of this.members.values()) last = Math.max(last, nodeId)
    return last + 1 as NodeId
  }

  /** @throws AssertionError on a record that nobody can have decided, or that only a newer program knows */
  apply (record: MetadataRecord): Change {
    switch (record.kind) {
      case 'topic-created': return this.#create(record)
      case 'topic-deleted': return this.#delete(record.id)
      case 'partitions-added': return this.#addPartitions(record.id, record.assignments)
      case 'topic-config-changed': return this.#configure(record.id, record.config)
      case 'partition-reassigned': return this.#reassign(record)
      case 'broker-registered': return this.#register(record)
      case 'broker-fenced': return this.#changeBroker(record.nodeId, { fenced: true })
      case 'broker-unfenced': return this.#changeBroker(record.nodeId, { fenced: false })
      case 'broker-draining': return this.#changeBroker(record.nodeId, { draining: record.draining })
      case 'broker-struck-off':
        this.brokers.delete(record.nodeId)
        return { brokers: true }
      case 'feature-finalized':
        this.featureLevel = Math.max(this.featureLevel, record.level)
        return { brokers: true }
      case 'producer-ids-reserved':
        this.producerIdEnd = record.end
        return {}
      default:
        // All brokers are asked what they understand before anything new is written: this program must not guess.
        return assertKnown(record)
    }
  }

  #create ({ name, id, config, partitions, assignments }: TopicCreated): Change {
    assert(!this.#idByName.has(name), 'a topic is created once')
    const topic: TopicState = { id, name, config, configured: false, partitions: [] }
    this.topics.set(id, topic)
    this.#idByName.set(name, id)
    for (let partition = 0; partition < partitions; partition++) this.#addPartition(topic, assignments?.[partition] ?? alone)
    return { topic }
  }

  #delete (id: TopicId): Change {
    const topic = this.topics.get(id)
    if (topic === undefined) return {}
    this.topics.delete(id)
    this.#idByName.delete(topic.name)
    this.#moving.delete(id)
    for (const assignment of topic.partitions) this.#count(assignment, -1)
    this.partitionCount -= topic.partitions.length
    return { deleted: topic }
  }

  #addPartitions (id: TopicId, assignments: readonly Members[]): Change {
    const topic = this.topics.get(id)
    if (topic === undefined) return {}
    const start = topic.partitions.length
    for (const replicas of assignments) this.#addPartition(topic, replicas)
    return { topic, partitions: assignments.map((_, index) => start + index) }
  }

  #addPartition (topic: TopicState, replicas: Members): void {
    const assignment: Assignment = { initial: replicas, departed: none, replicas, adding: none, removing: none, origin: null, generation: 0 }
    topic.partitions.push(assignment)
    this.#count(assignment, 1)
    this.partitionCount++
  }

  #configure (id: TopicId, config: Readonly<Record<string, string>>): Change {
    const topic = this.topics.get(id)
    if (topic === undefined) return {}
    topic.config = config
    topic.configured = true
    return { topic, config: true }
  }

  #reassign ({ id, partition, replicas, adding, removing, origin }: PartitionReassigned): Change {
    const topic = this.topics.get(id)
    const before = topic?.partitions[partition]
    if (topic === undefined || before === undefined) return {}
    const left = before.initial.filter(member => !replicas.includes(member) && !before.departed.includes(member))
    const assignment: Assignment = {
      initial: before.initial,
      departed: left.length > 0 ? [...before.departed, ...left] : before.departed,
      replicas,
      adding,
      removing,
      origin: origin ?? null,
      generation: before.generation + 1
    }
    this.#count(before, -1)
    this.#count(assignment, 1)
    topic.partitions[partition] = assignment
    this.#noteMoving(id, partition, origin !== undefined)
    return { topic, partitions: [partition] }
  }

  #noteMoving (id: TopicId, partition: number, moves: boolean): void {
    let partitions = this.#moving.get(id)
    if (moves) {
      if (partitions === undefined) this.#moving.set(id, partitions = new Set())
      partitions.add(partition)
    } else if (partitions?.delete(partition) === true && partitions.size === 0) {
      this.#moving.delete(id)
    }
  }

  #register (record: BrokerRegistered): Change {
    const { nodeId, member, name, directoryId, host, port, raftHost, raftPort, rack, features, fenced } = record
    const before = this.brokers.get(nodeId)
    this.brokers.set(nodeId, {
      nodeId,
      member,
      name,
      directoryId,
      host,
      port,
      raftHost,
      raftPort,
      rack,
      features,
      fenced,
      epoch: (before?.epoch ?? 0) + 1,
      // A broker with a new folder is drained no less than before.
      draining: before?.draining ?? false
    })
    this.members.set(member, { nodeId, directoryId, registered: true })
    if (before !== undefined && before.name !== name) this.#nodeByName.delete(before.name)
    this.#nodeByName.set(name, nodeId)
    return { brokers: true }
  }

  #changeBroker (nodeId: NodeId, change: Partial<BrokerState>): Change {
    const broker = this.brokers.get(nodeId)
    if (broker === undefined) return {}
    this.brokers.set(nodeId, { ...broker, ...change })
    return { brokers: true }
  }

  #count (assignment: Assignment, change: 1 | -1): void {
    for (const [index, member] of targetOf(assignment).entries()) {
      const { replicas, leaders } = this.loadOf(member)
      const load = { replicas: replicas + change, leaders: leaders + (index === 0 ? change : 0) }
      if (load.replicas === 0) this.#loads.delete(member)
      else this.#loads.set(member, load)
    }
  }
}

/** Who is to hold the partition when nothing moves any more, the preferred leader first. */
export function targetOf ({ replicas, removing }: Assignment): Members {
  return removing.length === 0 ? replicas : replicas.filter(member => !removing.includes(member))
}

function copyInto<K, V> (to: Map<K, V>, from: ReadonlyMap<K, V>): void {
  for (const [key, value] of from) to.set(key, value)
}

function assertKnown (record: never): never {
  throw new Error(`the metadata log holds a record that this version of the program does not know: ${String((record as { kind?: unknown }).kind)}`)
}
