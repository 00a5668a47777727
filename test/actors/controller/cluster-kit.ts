/**
 * Controllers of several brokers on one thread, with a clock of the test's own. What is not theirs is simple and obeys: a metadata group
 * that commits what a majority has, partitions that have a leader as soon as a majority of their voters runs, links that carry
 * messages or lose them.
 */
import { Controller } from '../../../src/actors/controller/controller.ts'
import type { ClusterImage, MetadataChanged, MetadataReplaced, TopicImage, PartitionSpec } from '../../../src/actors/controller/messages.ts'
import type { MetadataReplica } from '../../../src/actors/controller/metadata-replica.ts'
import type { ControllerOptions, ControllerTiming } from '../../../src/actors/controller/options.ts'
import type { ReplicaMessage, ReplicaOwner } from '../../../src/actors/replica.ts'
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId, MemberId, NodeId, Offset, PartitionIndex, Term, TopicId } from '../../../src/base/ids.ts'
import type { Founder } from '../../../src/base/address.ts'
import { decode, encode } from '../../../src/base/msgpack.ts'
import { seededChance } from '../../../src/base/prng.ts'
import type { Configuration } from '../../../src/raft/configuration.ts'
import { lastOffsetDeltaOf } from '../../../src/record/record-batch.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'
import { ActorKit, type KitOutbox } from '../../runtime/kit.ts'
import { founders as foundersOf, registration } from './records.ts'

export type AnyMessage = Message & Record<string, any>

const edgeId = 1 as ActorId
const linksId = 2 as ActorId
const groupsId = 3 as ActorId
const clientId = 4 as ActorId
const controllerId = 5 as ActorId
const partitionsFrom = 100

export const timing: ControllerTiming = { beatMs: 1000, sessionMs: 6000, balanceMs: 10_000, patienceMs: 10_000 }

interface LogEntry { readonly batch: Uint8Array, readonly end: Offset, readonly term: number }

/** A replica of the metadata group: a log in memory, and a group that the test leads by the hand. */
class FakeReplica implements MetadataReplica {
  readonly log = { refusal: undefined as string | undefined, maintain: () => {}, checkpoint: () => {} }
  readonly entries: LogEntry[] = []
  readonly node: BrokerNode
  role = 'follower'
  term = 0 as Term
  leader = 0 as MemberId
  highWatermark = 0 as Offset
  established = false
  owner: ReplicaOwner | undefined
  target: { voters: readonly MemberId[], learners: readonly MemberId[] } | undefined
  transferee = 0 as MemberId

  constructor (node: BrokerNode) {
    this.node = node
  }

  get end (): Offset { return this.entries.at(-1)?.end ?? 0 as Offset }
  get configuration (): Configuration { return this.node.cluster.metadata }
  get canAppend (): boolean { return this.role === 'leader' && this.transferee === 0 && this.log.refusal === undefined }

  own (owner: ReplicaOwner): void { this.owner = owner }
  start (): void {}
  async close (): Promise<void> {}
  receive (_message: ReplicaMessage, _out: Outbox): 'none' { return 'none' }

  append (batch: Uint8Array, out: Outbox): Offset {
    if (!this.canAppend) throw new Error('appended where nothing can be')
    const copy = new Uint8Array(batch)
    new DataView(copy.buffer).setBigInt64(0, BigInt(this.end))
    const end = this.end + lastOffsetDeltaOf(copy, 0) + 1 as Offset
    this.entries.push({ batch: copy, end, term: this.term })
    out.turnEnd()
    return end
  }

  setTarget (voters: readonly MemberId[], learners: readonly MemberId[]): void {
    this.target = { voters, learners }
  }

  transfer (to: MemberId): boolean {
    this.transferee = to
    return true
  }

  progress (): Array<{ member: MemberId, endOffset: Offset, inSync: boolean }> {
    const { voters, learners } = this.configuration
    return [...voters, ...learners].map(member => {
      const other = this.node.cluster.byMember(member)
      return { member, endOffset: other?.replica.end ?? 0 as Offset, inSync: other?.up === true }
    })
  }
}

/** A partition's group: who runs a replica of it, and who leads. */
interface FakeGroup {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  voters: readonly MemberId[]
  term: number
  leader: MemberId
  /** As its leader was last told. */
  target: { voters: readonly MemberId[], generation: number } | undefined
  transferTo: MemberId
  /** Stays where it is, whatever is meant. */
  frozen: boolean
}

interface FakePartition { readonly group: FakeGroup, readonly spec: PartitionSpec, generation: number, voters: readonly MemberId[], config: unknown }

export class BrokerNode {
  readonly cluster: Cluster
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly id: number
  kit!: ActorKit
  replica: FakeReplica
  up = true
  /** What runs here, by actor. */
  readonly partitions = new Map<ActorId, FakePartition>()
  readonly files = new Set<string>()
  readonly groups = new Map<string, ActorId>()
  readonly answers: AnyMessage[] = []
  readonly forgotten: string[] = []
  peers: ReadonlyArray<{ member: MemberId, host: string, port: number }> = []
  /** The image of its network actor. */
  readonly topics = new Map<TopicId, TopicImage>()
  image: ClusterImage | undefined
  notes: string[] = []
  change: Parameters<typeof registration>[1]
  #correlation = 1
  #actorNext = partitionsFrom

  constructor (cluster: Cluster, id: number, nodeId: number, member: number, change: Parameters<typeof registration>[1] = {}) {
    this.cluster = cluster
    this.id = id
    this.nodeId = nodeId as NodeId
    this.member = member as MemberId
    this.change = change
    this.replica = new FakeReplica(this)
  }

  start (): void {
    const { cluster, nodeId, member } = this
    const options: ControllerOptions = {
      replica: this.replica,
      placer: {
        place: (topicId, specs) => ({ run: post => post({ kind: 'partitions-placed', topicId, partitions: specs.map(({ partition }) => partition), actors: specs.map(spec => this.#place(spec)) } as Message) }),
        remove: (topicId, partitions) => ({
          run: post => {
            for (const partition of partitions) this.#remove(topicId, partition)
            post({ kind: 'partitions-removed', topicId, partitions, removed: true } as Message)
          }
        })
      },
      groups: groupsId,
      edges: [edgeId],
      peers: cluster.alone ? [] : [linksId],
      clusterId: 'cluster',
      nodeId,
      member,
      registration: registration(this.id, this.change),
      founders: cluster.founders,
      knownPeers: cluster.founders,
      chance: seededChance(cluster.seed * 10_000 + cluster.lives++),
      defaultPartitions: 1,
      defaultReplicas: 1,
      controllerVoters: 3,
      partitionsMax: 1000,
      timing,
      usedBytes: () => 0,
      note: (_fields, text) => { this.notes.push(text) }
    }
    const controller = new Controller(options)
    for (const { batch } of this.replica.entries) controller.restore(batch)
    this.kit = new ActorKit(controller as never, { self: controllerId, now: cluster.now })
    this.#take(this.kit.start())
    // Links that begin: everything they are told has to come again.
    this.groups.clear()
    this.feed({ kind: 'subscribe-peers', actor: linksId })
  }

  get controller (): Controller { return this.kit.actor as unknown as Controller }

  feed (message: AnyMessage): void {
    if (!this.up) return
    this.kit.now = this.cluster.now
    this.#take(this.kit.feed(message as never))
  }

  /** @returns where the answer will be */
  ask (request: Record<string, unknown>): number {
    const correlation = this.#correlation++
    this.feed({ ...request, replyTo: clientId, correlation } as unknown as AnyMessage)
    return correlation
  }

  answer (correlation: number): AnyMessage | undefined {
    return this.answers.find(answer => answer.correlation === correlation)
  }

  tickTo (now: number): void {
    if (!this.up) return
    for (const out of this.kit.advance(now - this.kit.now)) this.#take(out)
  }

  /** Does what a turn of the event loop leaves. */
  #take (out: KitOutbox): void {
    for (const { to, message } of out.told) this.#deliver(to, message as AnyMessage)
    const { kit } = this
    // What an earlier life had begun is not told to this one.
    for (const effect of out.effects) effect.run(message => this.cluster.later(() => { if (kit === this.kit) this.feed(message as AnyMessage) }))
    if (out.turnEndAsked) this.cluster.turnEnd(this)
  }

  #deliver (to: ActorId, message: AnyMessage): void {
    switch (to) {
      case edgeId: this.#show(message); break
      case linksId: this.#link(message); break
      case groupsId: this.forgotten.push(message.name); break
      case clientId: this.answers.push(message); break
      default: this.#tellPartition(to, message)
    }
  }

  #show (message: AnyMessage): void {
    const { kind } = message
    if (kind === 'metadata-replaced') this.topics.clear()
    const change = message as unknown as MetadataReplaced | MetadataChanged
    for (const topic of change.topics) this.topics.set(topic.id, topic)
    if (change.kind === 'metadata-changed') for (const id of change.deleted) this.topics.delete(id)
    if (change.cluster !== null) this.image = change.cluster
  }

  #link (message: AnyMessage): void {
    switch (message.kind) {
      case 'peers-changed': this.peers = message.peers; break
      case 'groups-changed':
        for (const group of message.removed) this.groups.delete(group)
        for (const { group, actor } of message.placed) this.groups.set(group, actor)
        break
      case 'controller-out': this.cluster.carry(this, message.to, message.body); break
      default: throw new Error(`links do not know ${message.kind}`)
    }
  }

  #place (spec: PartitionSpec): ActorId {
    const group = this.cluster.group(spec)
    for (const [actor, partition] of this.partitions) if (partition.group === group) return actor
    const actor = this.#actorNext++ as ActorId
    this.partitions.set(actor, { group, spec, generation: -1, voters: [], config: spec.config })
    this.files.add(`${spec.topicId}-${spec.partition}`)
    return actor
  }

  #remove (topicId: TopicId, partition: PartitionIndex): void {
    for (const [actor, { group }] of this.partitions) if (group.topicId === topicId && group.partition === partition) this.partitions.delete(actor)
    this.files.delete(`${topicId}-${partition}`)
  }

  runs (group: FakeGroup): FakePartition | undefined {
    return this.up ? [...this.partitions.values()].find(partition => partition.group === group) : undefined
  }

  #tellPartition (actor: ActorId, message: AnyMessage): void {
    const partition = this.partitions.get(actor)
    if (partition === undefined) return
    switch (message.kind) {
      case 'announce-leader': this.cluster.later(() => this.cluster.announce(partition.group)); break
      case 'partition-assigned':
        if (message.generation <= partition.generation) break
        partition.generation = message.generation
        partition.voters = message.voters
        break
      case 'partition-configured': partition.config = message.config; break
      case 'transfer-leader': if (partition.group.leader === this.member) partition.group.transferTo = message.to; break
      default: throw new Error(`a partition does not know ${message.kind}`)
    }
  }
}

export class Cluster {
  readonly founders: readonly Founder[]
  readonly nodes: BrokerNode[] = []
  readonly alone: boolean
  readonly seed: number
  now = 1000
  metadata: Configuration
  /** Whether a message between two brokers arrives. */
  carries: (from: BrokerNode, to: BrokerNode, body: AnyMessage) => boolean = () => true
  readonly #groups = new Map<string, FakeGroup>()
  readonly #work: Array<() => void> = []
  readonly #turnEnds = new Set<BrokerNode>()
  readonly carried: string[] = []

  constructor ({ founders = 3, alone = false, seed = 1, change = () => ({}) }: { founders?: number, alone?: boolean, seed?: number, change?: (id: number) => Parameters<typeof registration>[1] } = {}) {
    this.founders = foundersOf(founders)
    this.alone = alone
    this.seed = seed
    this.metadata = { voters: this.founders.map(({ member }) => member), outgoing: [], learners: [] }
    for (let id = 1; id <= founders; id++) this.nodes.push(new BrokerNode(this, id, id, id, change(id)))
    for (const node of this.nodes) node.start()
  }

  node (id: number): BrokerNode { return this.nodes.find(node => node.id === id)! }
  byMember (member: MemberId): BrokerNode | undefined { return this.nodes.find(node => node.member === member) }
  /** An older one may not know yet that it is none. */
  get leader (): BrokerNode | undefined {
    return this.nodes.filter(({ up, replica }) => up && replica.role === 'leader').toSorted((a, b) => b.replica.term - a.replica.term)[0]
  }

  // ---- the metadata group

  /** Brokers that a majority could make the leader: they hold everything that was ever committed. */
  get electable (): BrokerNode[] {
    const furthest = this.nodes.reduce((best, node) => node.replica.highWatermark > best.replica.highWatermark ? node : best)
    const committed = furthest.replica.entries.filter(({ end }) => end <= furthest.replica.highWatermark)
    const { voters } = this.metadata
    const up = this.nodes.filter(node => node.up && voters.includes(node.member))
    if (up.length * 2 <= voters.length) return []
    return up.filter(({ replica }) => committed.every(({ batch }, index) => replica.entries[index]?.batch === batch))
  }

  /** Somebody with the longest log among a majority leads in a new term. */
  elect (id: number): void {
    const leader = this.node(id)
    const term = Math.max(...this.nodes.map(({ replica }) => replica.term)) + 1 as Term
    for (const node of this.nodes) {
      if (!node.up) continue
      const { replica } = node
      replica.role = node === leader ? 'leader' : 'follower'
      replica.term = term
      replica.leader = leader.member
      replica.established = false
      replica.target = undefined
      replica.transferee = 0 as MemberId
      if (node !== leader) this.#adopt(node, leader)
      node.feed({ kind: 'raft-in' })
    }
    this.settle()
  }

  /** Nobody leads for a while. */
  depose (): void {
    for (const { replica } of this.nodes) {
      replica.role = 'follower'
      replica.leader = 0 as MemberId
      replica.established = false
    }
    for (const node of this.nodes) node.feed({ kind: 'raft-tick' })
  }

  /** A follower's log becomes the leader's. */
  #adopt (node: BrokerNode, leader: BrokerNode): void {
    const { replica } = node
    let same = 0
    while (same < replica.entries.length && replica.entries[same]!.batch === leader.replica.entries[same]?.batch) same++
    if (same < replica.entries.length) {
      replica.entries.length = same
      const end = replica.end
      this.#inTurn(node, () => replica.owner!.truncated(end))
    }
    for (const entry of leader.replica.entries.slice(same)) {
      replica.entries.push(entry)
      this.#inTurn(node, () => replica.owner!.appended(entry.batch))
    }
  }

  /** As if the replica had been told by a message; the actor looks after it what has changed. */
  #inTurn (node: BrokerNode, work: () => void): void {
    const receive = node.replica.receive
    node.replica.receive = () => {
      work()
      return 'none'
    }
    node.feed({ kind: 'raft-in' })
    node.replica.receive = receive
  }

  /** Every start of a controller draws other numbers. */
  lives = 0
  replicates = true

  #replicate (): void {
    const leader = this.leader
    if (leader === undefined || !this.replicates) return
    const { voters, learners } = this.metadata
    for (const node of this.nodes) {
      if (node === leader || !node.up || !(voters.includes(node.member) || learners.includes(node.member))) continue
      if (node.replica.leader !== leader.member) {
        node.replica.leader = leader.member
        node.replica.term = leader.replica.term
        node.replica.role = 'follower'
      }
      this.#adopt(node, leader)
    }
    const having = (end: Offset): number => voters.filter(voter => {
      const node = this.byMember(voter)
      return node?.up === true && node.replica.end >= end
    }).length
    if (having(leader.replica.end) * 2 <= voters.length) return
    for (const node of this.nodes) {
      if (!node.up || node.replica.leader !== leader.member || (node.replica.highWatermark === leader.replica.end && node.replica.established)) continue
      node.replica.highWatermark = Math.min(leader.replica.end, node.replica.end) as Offset
      node.replica.established = true
      node.feed({ kind: 'raft-in' })
    }
    const { target, transferee } = leader.replica
    if (target !== undefined) this.metadata = { voters: target.voters, outgoing: [], learners: target.learners }
    const successor = this.byMember(transferee)
    if (successor?.up === true) this.elect(successor.id)
  }

  // ---- partitions

  group ({ topicId, partition, initial }: PartitionSpec): FakeGroup {
    const key = `${topicId}-${partition}`
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, group = { topicId, partition, voters: initial, term: 0, leader: 0 as MemberId, target: undefined, transferTo: 0 as MemberId, frozen: false })
    return group
  }

  groups (): IterableIterator<FakeGroup> { return this.#groups.values() }
  groupAt (topicId: TopicId, partition: number): FakeGroup { return this.#groups.get(`${topicId}-${partition}`)! }

  #running (group: FakeGroup): MemberId[] {
    return this.nodes.filter(node => node.runs(group) !== undefined).map(({ member }) => member)
  }

  /** Lets every group do what it can now. @returns whether something has changed */
  #stepGroups (): boolean {
    let changed = false
    for (const group of this.#groups.values()) {
      if (group.frozen) continue
      const running = this.#running(group)
      const votersUp = group.voters.filter(voter => running.includes(voter))
      if (votersUp.length * 2 <= group.voters.length) continue
      const leader = group.leader
      if (group.transferTo !== 0 && votersUp.includes(group.transferTo)) group.leader = group.transferTo
      else if (!votersUp.includes(group.leader)) group.leader = votersUp[0]!
      group.transferTo = 0 as MemberId
      if (group.leader !== leader) {
        group.term++
        this.announce(group)
        changed = true
      }
      const told = this.byMember(group.leader)!.runs(group)!
      const { voters, generation } = told
      if (generation < 0 || (group.target?.generation ?? -1) >= generation) continue
      if (!voters.every(voter => running.includes(voter))) continue
      group.target = { voters, generation }
      group.voters = voters
      changed = true
      this.announce(group)
    }
    return changed
  }

  announce (group: FakeGroup): void {
    const leader = this.byMember(group.leader)
    const told = leader?.runs(group)
    if (leader === undefined || told === undefined) return
    const running = this.#running(group)
    this.later(() => leader.feed({
      kind: 'leader-elected',
      topicId: group.topicId,
      partition: group.partition,
      term: group.term,
      leader: group.leader,
      inSync: group.voters.filter(voter => running.includes(voter)),
      voters: group.voters,
      joint: told.generation >= 0 && (group.target?.generation ?? -1) < told.generation,
      generation: told.generation
    }))
  }

  // ---- what happens between them

  later (work: () => void): void { this.#work.push(work) }
  turnEnd (node: BrokerNode): void { this.#turnEnds.add(node) }

  carry (from: BrokerNode, to: MemberId, body: AnyMessage): void {
    const target = this.byMember(to)
    const known = from.peers.some(({ member }) => member === to)
    // As on the wire, and at another moment.
    const copy = decode<AnyMessage>(encode(body))
    if (target === undefined || !known || !from.up || !this.carries(from, target, copy)) return
    this.carried.push(`${from.id}>${target.id} ${body.kind}`)
    this.later(() => target.feed({ kind: 'controller-in', from: from.member, body: copy }))
  }

  /** Until nothing happens by itself. */
  settle (): void {
    for (let left = 20_000; left > 0; left--) {
      const work = this.#work.shift()
      if (work !== undefined) {
        work()
        continue
      }
      if (this.#turnEnds.size > 0) {
        const nodes = [...this.#turnEnds]
        this.#turnEnds.clear()
        for (const node of nodes) node.feed({ kind: 'turn-end' })
        continue
      }
      const ends = this.nodes.map(({ replica }) => `${replica.end} ${replica.highWatermark} ${replica.established} ${replica.role}`).join()
      this.#replicate()
      const moved = ends !== this.nodes.map(({ replica }) => `${replica.end} ${replica.highWatermark} ${replica.established} ${replica.role}`).join()
      if (!this.#stepGroups() && !moved && this.#work.length === 0 && this.#turnEnds.size === 0) return
    }
    throw new Error('it does not come to rest')
  }

  advance (ms: number): void {
    const end = this.now + ms
    while (this.now < end) {
      this.now = Math.min(end, this.now + 100)
      for (const node of this.nodes) node.tickTo(this.now)
      this.settle()
    }
  }

  // ---- brokers that come and go

  stop (id: number): void {
    const node = this.node(id)
    node.up = false
    if (node.replica.role === 'leader') node.replica.role = 'follower'
    for (const other of this.nodes) if (other !== node) other.feed({ kind: 'member-status', member: node.member, up: false })
    this.settle()
  }

  /** The process starts again, with the disk that it had. */
  restart (id: number): void {
    const node = this.node(id)
    node.up = true
    node.partitions.clear()
    node.topics.clear()
    node.image = undefined
    node.replica.role = 'follower'
    node.replica.leader = 0 as MemberId
    node.replica.established = false
    node.replica.target = undefined
    node.start()
    this.#meet(node)
  }

  /** A broker that has joined, or a folder in the place of another one. */
  add (id: number, nodeId: number, member: number, change: Parameters<typeof registration>[1] = {}): BrokerNode {
    const node = new BrokerNode(this, id, nodeId, member, change)
    const before = this.nodes.findIndex(other => other.id === id)
    if (before >= 0) this.nodes.splice(before, 1)
    this.nodes.push(node)
    node.start()
    this.#meet(node)
    return node
  }

  #meet (node: BrokerNode): void {
    for (const other of this.nodes) {
      if (other === node || !other.up) continue
      other.feed({ kind: 'member-status', member: node.member, up: true })
      node.feed({ kind: 'member-status', member: other.member, up: true })
    }
    this.settle()
  }

  /** All links are up, and the first broker leads. */
  static ready (options: ConstructorParameters<typeof Cluster>[0] = {}): Cluster {
    const cluster = new Cluster(options)
    for (const node of cluster.nodes) {
      for (const other of cluster.nodes) if (other !== node) node.feed({ kind: 'member-status', member: other.member, up: true })
    }
    cluster.elect(1)
    cluster.advance(2000)
    return cluster
  }
}

/** A topic's partitions as an image shows them: leader, then replicas. */
export function shown (topic: TopicImage | undefined): Array<[leader: number, replicas: number[]]> {
  return topic?.partitions.map(({ leader, replicas }) => [leader, [...replicas]]) ?? []
}

