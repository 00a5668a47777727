/** One broker of a test: its controller, and what stands around it. */
import { Controller } from '../../../src/actors/controller/controller.ts'
import type { ClusterImage, MetadataChanged, MetadataReplaced, PartitionSpec, TopicImage } from '../../../src/actors/controller/messages.ts'
import { Metadata } from '../../../src/actors/controller/metadata.ts'
import type { ControllerOptions, ControllerTiming } from '../../../src/actors/controller/options.ts'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { ActorId, MemberId, NodeId, PartitionIndex, TopicId } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { ActorKit, type KitOutbox } from '../../runtime/kit.ts'
import type { Cluster } from './cluster-kit.ts'
import type { FakeGroup, FakePartition } from './fake-groups.ts'
import { FakeReplica } from './fake-replica.ts'
import { registration } from './records.ts'

export type AnyMessage = Message & Record<string, any>

const edgeId = 1 as ActorId
const linksId = 2 as ActorId
const groupsId = 3 as ActorId
const clientId = 4 as ActorId
const controllerId = 5 as ActorId
const partitionsFrom = 100

const timing: ControllerTiming = { beatMs: 1000, sessionMs: 6000, balanceMs: 10_000, patienceMs: 10_000 }

export class BrokerNode {
  readonly cluster: Cluster
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly id: number
  kit!: ActorKit
  replica: FakeReplica
  metadata!: Metadata
  up = true
  /** What runs here, by actor. */
  readonly partitions = new Map<ActorId, FakePartition>()
  readonly files = new Set<string>()
  /** Where there is one, the controller hears later that partitions run. */
  unheard: Array<() => void> | undefined
  readonly groups = new Map<string, ActorId>()
  readonly answers: AnyMessage[] = []
  readonly forgotten: string[] = []
  peers: ReadonlyArray<{ member: MemberId, host: string, port: number }> = []
  /** The image of its network actor. */
  readonly topics = new Map<TopicId, TopicImage>()
  image: ClusterImage | undefined
  notes: string[] = []
  /** Of its partitions. */
  usedBytes = 0
  change: Parameters<typeof registration>[1]
  /** Those that it knows of when it looks for the others, besides its peers: `discovery.endpoints`. */
  endpoints: string[] = []
  readonly #waiting = new Map<number, (answer: AnyMessage) => void>()
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
    const { snapshots } = this.replica.log
    const metadata = this.metadata = new Metadata(cluster.founders)
    metadata.restore(snapshots.at(-1)!.bytes)
    for (const { batch } of this.replica.entries) metadata.apply(batch)
    metadata.opened()
    const options: ControllerOptions = {
      replica: this.replica,
      metadata,
      compaction: cluster.compaction,
      placer: {
        place: (topicId, specs) => ({
          run: post => {
            const placed = { kind: 'partitions-placed', topicId, partitions: specs.map(({ partition }) => partition), actors: specs.map(spec => this.#place(spec)) } as Message
            if (this.unheard === undefined) post(placed)
            else this.unheard.push(() => post(placed))
          }
        }),
        stop: (topicId, partitions) => ({
          run: post => {
            for (const partition of partitions) this.#stop(topicId, partition)
            post({ kind: 'partitions-stopped', topicId, partitions, stopped: true } as Message)
          }
        }),
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
      comeBack: peers => ({ run: post => this.#askToJoin(peers.map(({ host }) => host), answer => post(answer)) }),
      chance: seededChance(cluster.seed * 10_000 + cluster.lives++),
      defaultPartitions: 1,
      defaultReplicas: 1,
      controllerVoters: 3,
      partitionsMax: 1000,
      timing,
      usedBytes: () => this.usedBytes,
      note: (_fields, text) => { this.notes.push(text) }
    }
    const controller = new Controller(options)
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

  /** Over connections of its own to whoever is at these addresses: they need not know where this one is. */
  #askToJoin (hosts: readonly string[], done: (answer: AnyMessage) => void): void {
    const asked = this.cluster.nodes.filter(node => node !== this && node.up && [...this.endpoints, ...hosts].includes(node.raftHost))
    const answers: AnyMessage[] = []
    const hear = (answer: AnyMessage): void => {
      answers.push(answer)
      if (answers.length < asked.length) return
      const joined = answers.find(({ errorCode, member }) => errorCode === ErrorCode.NONE && member === this.member)
      const refused = answers.find(({ errorCode }) => errorCode === ErrorCode.DUPLICATE_RESOURCE)
      this.cluster.later(() => done({ kind: 'join-asked', peers: joined?.peers ?? [], refusal: joined === undefined ? refused?.errorMessage : undefined }))
    }
    if (asked.length === 0) this.cluster.later(() => done({ kind: 'join-asked', peers: [], refusal: undefined }))
    for (const node of asked) {
      this.cluster.later(() => {
        if (!node.up) return hear({ kind: 'joined', errorCode: ErrorCode.NOT_CONTROLLER })
        node.#waiting.set(node.#correlation, hear)
        node.ask({ kind: 'join', body: registration(this.id, this.change) })
      })
    }
  }

  /** Its links lead to where that one is. */
  reaches ({ member, raftHost }: BrokerNode): boolean {
    return this.peers.some(peer => peer.member === member && peer.host === raftHost)
  }

  get raftHost (): string { return registration(this.id, this.change).raftHost }

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
      case clientId:
        this.answers.push(message)
        this.#waiting.get(message.correlation)?.(message)
        break
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
    const group = this.cluster.groups.of(spec)
    for (const [actor, partition] of this.partitions) if (partition.group === group) return actor
    const actor = this.#actorNext++ as ActorId
    this.partitions.set(actor, { group, spec, generation: -1, voters: [], config: spec.config })
    this.files.add(`${spec.topicId}-${spec.partition}`)
    return actor
  }

  #stop (topicId: TopicId, partition: PartitionIndex): void {
    for (const [actor, { group }] of this.partitions) if (group.topicId === topicId && group.partition === partition) this.partitions.delete(actor)
  }

  #remove (topicId: TopicId, partition: PartitionIndex): void {
    this.#stop(topicId, partition)
    this.files.delete(`${topicId}-${partition}`)
  }

  runs (group: FakeGroup): FakePartition | undefined {
    return this.up ? [...this.partitions.values()].find(partition => partition.group === group) : undefined
  }

  #tellPartition (actor: ActorId, message: AnyMessage): void {
    const partition = this.partitions.get(actor)
    if (partition === undefined) return
    switch (message.kind) {
      case 'announce-leader': this.cluster.later(() => this.cluster.groups.announce(partition.group)); break
      case 'partition-assigned':
        if (message.generation <= partition.generation) break
        partition.generation = message.generation
        partition.voters = message.voters
        if (partition.group.leader === this.member) this.cluster.later(() => this.cluster.groups.announce(partition.group))
        break
      case 'partition-configured': partition.config = message.config; break
      case 'transfer-leader': if (partition.group.leader === this.member) partition.group.transferTo = message.to; break
      case 'take-lead': if (partition.group.term === message.term) partition.group.transferTo = this.member; break
      default: throw new Error(`a partition does not know ${message.kind}`)
    }
  }
}
