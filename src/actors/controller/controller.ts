/**
 * The controller of this broker. On every broker it replays what the metadata log has committed, runs the replicas that this broker is to
 * hold, and tells its network actors what clients may know. On the broker that leads the metadata group it is the active one, which
 * alone decides; the others pass requests on to it.
 *
 * ```
 *  request --> active here? --yes--> decide --> [ metadata log ] --> committed --> replay on every broker --> replicas, images, answer
 *                   |                                                                                              |
 *                   +--no--> forward to the active one ------- its answer, once this broker has replayed it <------+
 * ```
 */
import type { Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, Offset, TopicId } from '../../base/ids.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import type { LeaderElected } from '../partition/messages.ts'
import type { GroupsChanged, MemberStatus } from '../peers/messages.ts'
import type { ReplicaMessage, ReplicaOwner } from '../replica.ts'
import { Active } from './active.ts'
import { refusal, type ActiveRequest, type Answer } from './answers.ts'
import type { BetweenMessage, BrokerBeat, Forward, HandOver, TakeOverAsked } from './between.ts'
import { ComingBack, type JoinAsked } from './coming-back.ts'
import { controllerTick, controllerUpkeep, type Asked, type ControllerMessage } from './controller-message.ts'
import { awaitLeaders, Creations } from './creations.ts'
import { Departure } from './departure.ts'
import { Forwards } from './forwards.ts'
import { Gossip } from './gossip.ts'
import { clusterImage } from './image.ts'
import { LeadersTable, type LeaderWord } from './leaders-table.ts'
import { LocalReplicas, type RetryPlacement } from './local-replicas.ts'
import { noActor, type BrokerLeaving, type BrokerRegistration, type PartitionsPlaced, type SubscribePeers } from './messages.ts'
import { MetadataCompaction } from './metadata-compaction.ts'
import type { Decided, MetadataEntries } from './metadata-entries.ts'
import { writeMetadata, type MetadataRecord } from './metadata-record.ts'
import type { MetadataState, TopicState } from './metadata-state.ts'
import { metadataGroupKey, type ControllerOptions } from './options.ts'
import { OwnBroker } from './own-broker.ts'
import { PeerList } from './peer-list.ts'
import { Publisher } from './publisher.ts'
import { assertFit, assertLevel, memberWith } from './registration.ts'

export type { ControllerOptions, Placer } from './options.ts'

/** While the metadata log is written to, or takes no writes: checkpoints, and the look whether its disk has room again. */
const upkeepMs = 1000

export class Controller implements Actor<ControllerMessage>, ReplicaOwner {
  readonly #options: ControllerOptions
  readonly #isClustered: boolean
  /** As it is committed. */
  readonly #state: MetadataState
  readonly #entries: MetadataEntries
  readonly #leaders: LeadersTable
  readonly #replicas: LocalReplicas
  readonly #publisher: Publisher
  readonly #gossip: Gossip
  readonly #forwards: Forwards
  readonly #creations = new Creations()
  readonly #departure: Departure
  readonly #peers: PeerList
  readonly #broker: OwnBroker
  readonly #comingBack: ComingBack
  readonly #compaction: MetadataCompaction
  /** Whether the links reach a member; not there: they have not said. */
  readonly #links = new Map<MemberId, boolean>()
  #active: Active | undefined
  #leader = 0 as MemberId
  #startedAt = 0
  #now = 0
  #out!: Outbox
  /** What the active controller was last told in a beat. */
  #reportedReady = false
  #upkeepSet = false

  constructor (options: ControllerOptions) {
    const { nodeId, member: self, peers, knownPeers, partitionsMax, placer, edges, registration, replica, metadata } = options
    const { state } = metadata
    this.#state = state
    this.#entries = metadata.entries
    const leaders = this.#leaders = new LeadersTable({ partitionsMax, isKnown: id => state.topics.has(id) })
    this.#options = options
    this.#isClustered = peers.length > 0
    const replicas = this.#replicas = new LocalReplicas({ placer, self, peers, state, readMetadata: done => this.#readMetadata(done) })
    this.#publisher = new Publisher({
      edges,
      sources: { state, leaders, self: nodeId, actorOf: ({ id }, partition) => replicas.actorOf(id, partition) },
      cluster: () => clusterImage(state, { nodeId, member: self, registration }, this.#leader)
    })
    this.#gossip = new Gossip({ self, leaders, links: peers[0], others: () => this.#others() })
    this.#forwards = new Forwards(options.chance.uint32())
    this.#departure = new Departure({ self, replica, leaders, replicas, mayLead: member => this.#mayLead(member) })
    this.#peers = new PeerList({ self, links: peers, state, known: knownPeers })
    this.#broker = new OwnBroker(options, state)
    this.#comingBack = new ComingBack(options)
    this.#compaction = new MetadataCompaction(replica, metadata, options.compaction)
    replica.own(this)
  }

  started (out: Outbox, now: number): void {
    this.#out = out
    this.#now = this.#startedAt = now
    for (const record of this.#entries.peek()) this.#peers.hint(record)
    for (const topic of this.#state.topics.values()) this.#met(topic)
    this.#replicas.left(this.#options.metadata.held())
    this.#options.metadata.held = () => this.#replicas.held()
    this.#replay(this.#options.replica.highWatermark)
    this.#replicas.run(out)
    const own: GroupsChanged = { kind: 'groups-changed', placed: [{ group: metadataGroupKey, actor: out.self }], removed: [] }
    for (const links of this.#options.peers) out.tell(links, own)
    this.#peers.tell(out)
    this.#options.replica.start(out)
    if (this.#isClustered) out.timer(this.#options.timing.beatMs, controllerTick)
  }

  receive (message: ControllerMessage, out: Outbox, now: number): void {
    this.#out = out
    this.#now = now
    switch (message.kind) {
      case 'subscribe-metadata': this.#publisher.subscribe(message, out); break
      case 'subscribe-peers': this.#subscribePeers(message); break
      case 'broker-leaving': this.#leave(message); break
      case 'controller-in': this.#hear(message.from, message.body as BetweenMessage); break
      case 'member-status': this.#linkChanged(message); break
      case 'leader-elected': this.#leaderElected(message); break
      case 'partition-started': this.#tellIntent(message.topicId, message.partition); break
      case 'partitions-placed': this.#placed(message); break
      case 'placement-failed': this.#replicas.failed(message, out); break
      case 'partitions-stopped': this.#replicas.stopped(message, out); break
      case 'partitions-removed': this.#replicas.removed(message, out); break
      case 'retry-placement': this.#replicas.retry(message as RetryPlacement, out); break
      case 'create-expired': this.#creations.expire(message.creation, out); break
      case 'join-asked': this.#joinAsked(message); break
      case 'departure-step': this.#departure.step(out, now); break
      case 'controller-tick': this.#tick(); break
      case 'controller-upkeep': this.#upkeep(); break
      default:
        if ('replyTo' in message) this.#ask(message)
        else this.#handleReplica(message)
    }
    this.#follow()
  }

  async close (): Promise<void> {
    await this.#options.replica.close(false)
  }

  // ---- the metadata log

  /** As follower: the metadata have it by now. */
  appended (): void {
    this.#keepUp()
  }

  truncated (end: Offset): void {
    for (const { decided } of this.#entries.truncate(end)) for (const tell of decided) tell(false, this.#out)
    const before = this.#options.metadata.takeReplaced()
    if (before !== undefined) this.#begunAnew(before)
  }

  /** A snapshot of the leader's stands for what the log here never had. */
  #begunAnew (before: ReadonlyMap<TopicId, TopicState>): void {
    const { topics, featureLevel } = this.#state
    assertLevel(featureLevel, this.#options.registration)
    for (const topic of before.values()) if (!topics.has(topic.id)) this.#deleted(topic, this.#state.topicByName(topic.name) === undefined)
    for (const topic of topics.values()) {
      this.#met(topic)
      this.#replicas.configured(topic, this.#out)
      this.#publisher.topic(topic.id, this.#out)
    }
    this.#publisher.cluster(this.#out)
    this.#peers.tell(this.#out)
  }

  #handleReplica (message: ReplicaMessage): void {
    if (message.kind === 'turn-end') this.#endTurn()
    const event = this.#options.replica.receive(message, this.#out)
    if (event === 'cut') {
      this.#options.note({ refusal: this.#options.replica.log.refusal }, 'the metadata log takes no writes')
      this.#keepUp()
    }
  }

  readonly #commit = (records: readonly MetadataRecord[], decided: Decided, out: Outbox): void => {
    const endOffset = this.#options.replica.append(writeMetadata(records), out)
    this.#entries.push({ endOffset, records, decided: [decided], restored: false })
    this.#keepUp()
  }

  /** Replays what is committed; then whoever waits for it is told, and finds it in the image of this broker's network actors. */
  #replay (highWatermark: Offset): void {
    const decided: Decided[] = []
    for (let entry = this.#entries.take(highWatermark); entry !== undefined; entry = this.#entries.take(highWatermark)) {
      for (const record of entry.records) this.#apply(record, entry.restored)
      decided.push(...entry.decided)
    }
    if (decided.length > 0) this.#publish()
    for (const tell of decided) tell(true, this.#out)
  }

  #apply (record: MetadataRecord, restored: boolean): void {
    const out = this.#out
    assertFit(record, this.#options.registration)
    const { topic, partitions, deleted, config, brokers } = this.#state.apply(record)
    if (topic !== undefined) {
      this.#leaders.meet(topic.id)
      if (config === true) this.#replicas.configured(topic, out)
      else this.#replicas.assigned(topic, partitions ?? [...topic.partitions.keys()], out)
      this.#publisher.topic(topic.id, out)
    }
    // An earlier life has said it; by now the name may be that of another topic.
    if (deleted !== undefined) this.#deleted(deleted, !restored)
    if (brokers === true) this.#brokersChanged(record)
  }

  /** A topic of a snapshot. */
  #met (topic: TopicState): void {
    this.#leaders.meet(topic.id)
    this.#replicas.assigned(topic, [...topic.partitions.keys()], this.#out)
  }

  /** @param forget  the group coordinator does not know yet that the name means nothing any more */
  #deleted (topic: TopicState, forget: boolean): void {
    const out = this.#out
    this.#replicas.deleted(topic, out)
    this.#leaders.forget(topic.id)
    this.#publisher.deleted(topic.id, out)
    this.#creations.settled(topic.id, out)
    if (forget) out.tell(this.#options.groups, { kind: 'forget-topic', name: topic.name } as Message)
  }

  #brokersChanged (record: MetadataRecord): void {
    this.#publisher.cluster(this.#out)
    this.#peers.tell(this.#out)
    if (!('nodeId' in record) || !this.#publisher.begun) return
    // Whether a broker is there is part of what is told of each of its partitions.
    const isOn = (member: MemberId): boolean => this.#state.nodeOf(member) === record.nodeId
    for (const topic of this.#state.topics.values()) {
      if (topic.partitions.some(({ replicas }) => replicas.some(isOn))) this.#publisher.topic(topic.id, this.#out)
    }
  }

  // ---- who decides

  /** After anything that may have moved the high watermark, the role or the leader. */
  #follow (): void {
    const { replica, note } = this.#options
    const { role, term, leader } = replica
    const active = this.#active
    this.#replay(replica.highWatermark)
    this.#forwards.replayed(this.#entries.replayedEnd, this.#out)
    if (active !== undefined && (role !== 'leader' || term !== active.term)) {
      note({ term: active.term }, 'this is no longer the active controller')
      active.end(this.#out)
      this.#active = undefined
    }
    if (this.#active === undefined && role === 'leader' && replica.established && this.#entries.count === 0) this.#activate()
    if (leader !== this.#leader) {
      this.#leader = leader
      this.#publisher.cluster(this.#out)
      this.#report()
    } else if (this.#active !== active || this.#broker.isReady !== this.#reportedReady) {
      this.#report()
    }
    if (!this.#publisher.begun && this.#mayServe) this.#publisher.begin(this.#out)
    this.#active?.replayed(this.#out)
  }

  #activate (): void {
    const { options, leaders, entries } = { options: this.#options, leaders: this.#leaders, entries: this.#entries }
    options.note({ term: options.replica.term }, 'this is the active controller')
    this.#active = new Active(this.#state, {
      options,
      leaders,
      entries,
      peers: () => this.#peers.all(),
      commit: this.#commit,
      tell: (to, message) => to === options.member ? this.#hear(to, message) : this.#send(to, message)
    }, this.#now)
  }

  /** Clients may be told what is known here. Without an active controller in reach that may be old, and is better than nothing after a while. */
  get #mayServe (): boolean {
    const { replica, timing } = this.#options
    if (!this.#isClustered) return replica.role === 'leader' && replica.established
    if (this.#broker.isReady && !this.#broker.isFenced) return true
    return this.#now - this.#startedAt >= timing.patienceMs && this.#broker.isMember && !this.#comingBack.isRefused
  }

  // ---- requests

  #ask ({ replyTo, correlation, ...request }: Asked): void {
    this.#request(request, (reply, out) => out.tell(replyTo, { ...reply, correlation } as Message & { correlation: number }))
  }

  #request (request: ActiveRequest, asked: Answer): void {
    const answer = awaitLeaders(request, asked, { creations: this.#creations, state: this.#state, isLed: id => this.#isLed(id), startedAt: this.#now, now: () => this.#now })
    if (this.#active !== undefined) {
      this.#active.handle(request, answer, this.#out, this.#now)
      return
    }
    const { member } = this.#options
    if (this.#leader === 0 || this.#leader === member) {
      const reason = request.kind === 'join' ? this.#meet(request.body) : undefined
      answer(refusal(request, reason === undefined ? ErrorCode.NOT_CONTROLLER : ErrorCode.DUPLICATE_RESOURCE, reason ?? 'no active controller is known at this moment'), this.#out)
      return
    }
    const forward = this.#forwards.add(request, answer, this.#leader, this.#out, this.#now)
    if (forward !== undefined) this.#send(this.#leader, forward)
  }

  /**
   * A member that looks for its cluster while nobody leads: a leader can be elected only by those that find each other.
   * @returns why it is no member any more
   */
  #meet ({ directoryId, name, raftHost: host, raftPort: port }: BrokerRegistration): string | undefined {
    const member = memberWith(directoryId, this.#state)
    if (member === undefined) return undefined
    const nodeId = this.#state.nodeOf(member)!
    if (this.#state.isRetired(member)) return `the data folder of ${name} was that of node ${nodeId}, which has another one now or was removed`
    this.#peers.hear([{ member, nodeId, host, port }], this.#out, this.#now)
    return undefined
  }

  #joinAsked (message: JoinAsked): void {
    this.#comingBack.asked(message, this.#now)
    this.#peers.hear(message.peers, this.#out, this.#now)
  }

  #readMetadata (done: (known: boolean, out: Outbox) => void): void {
    this.#request({ kind: 'read-metadata', timeoutMs: 0 }, (reply, out) => done(reply.kind === 'metadata-read' && reply.errorCode === ErrorCode.NONE, out))
  }

  #isLed (id: TopicId): boolean {
    const count = this.#state.topics.get(id)?.partitions.length ?? 0
    for (let partition = 0; partition < count; partition++) if (this.#leaders.get(id, partition) === undefined) return false
    return count > 0
  }

  #leave (request: BrokerLeaving): void {
    this.#broker.leaving = true
    this.#departure.ask(request, this.#out, this.#now)
    this.#report()
  }

  // ---- other brokers

  #send (to: MemberId, body: BetweenMessage): void {
    this.#out.tell(this.#options.peers[0]!, { kind: 'controller-out', to, body } as Message)
  }

  #hear (from: MemberId, body: BetweenMessage): void {
    switch (body.kind) {
      case 'forward': this.#forwarded(from, body); break
      case 'forward-answered': this.#forwards.answered(body, this.#entries.replayedEnd, this.#out); break
      // Of its own partitions alone: nobody else knows as well.
      case 'leaders-told': for (const word of body.leaders) if (word.leader === from) this.#learn(word); break
      case 'broker-beat': this.#heard(from, body); break
      case 'hand-over': this.#handOver(body); break
      case 'take-over': this.#takeOver(body); break
      default: // of a newer program, which knows that there are older ones
    }
  }

  /** Only the active one answers: passed on and on, a request would never end. */
  #forwarded (from: MemberId, { life, number, request }: Forward): void {
    const asked = request as ActiveRequest
    if (asked.kind === 'register-broker' && asked.member !== from) return
    const answer: Answer = reply => this.#send(from, { kind: 'forward-answered', life, number, reply, endOffset: this.#entries.replayedEnd })
    if (this.#active !== undefined) this.#active.handle(asked, answer, this.#out, this.#now)
    else answer(refusal(asked, ErrorCode.NOT_CONTROLLER, 'the controller has moved'), this.#out)
  }

  /** An earlier folder of a node does not speak for it. */
  #heard (from: MemberId, beat: BrokerBeat): void {
    const nodeId = this.#state.nodeOf(from)
    if (nodeId !== undefined && !this.#state.isRetired(from)) this.#active?.beat(nodeId, beat, this.#out, this.#now)
  }

  #handOver ({ partitions }: HandOver): void {
    for (const { topicId, partition, to } of partitions) this.#tellPartition(topicId, partition, { kind: 'transfer-leader', to } as Message)
  }

  #takeOver ({ partitions }: TakeOverAsked): void {
    for (const { topicId, partition, term } of partitions) this.#tellPartition(topicId, partition, { kind: 'take-lead', term } as Message)
  }

  #tellPartition (topicId: TopicId, partition: number, message: Message): void {
    const actor = this.#replicas.actorOf(topicId, partition)
    if (actor !== noActor) this.#out.tell(actor, message)
  }

  #linkChanged ({ member, up }: MemberStatus): void {
    this.#links.set(member, up)
    const nodeId = this.#state.nodeOf(member)
    if (nodeId !== undefined && !this.#state.isRetired(member)) this.#active?.link(nodeId, up)
    if (up) this.#gossip.greet(member, this.#out)
    else this.#forwards.lost(member, this.#out)
    if (up && member === this.#leader) this.#report()
  }

  #others (): MemberId[] {
    return [...this.#state.brokers.values()].map(({ member }) => member).filter(member => member !== this.#options.member)
  }

  #mayLead (member: MemberId): boolean {
    const broker = this.#state.brokers.get(this.#state.nodeOf(member)!)
    return broker?.member === member && !broker.fenced && this.#links.get(member) === true
  }

  #subscribePeers ({ actor }: SubscribePeers): void {
    this.#peers.greet(actor, this.#out)
    const placed = [{ group: metadataGroupKey, actor: this.#out.self }, ...this.#replicas.groups()]
    this.#out.tell(actor, { kind: 'groups-changed', placed, removed: [] } as Message)
  }

  // ---- leaders

  #leaderElected ({ topicId, partition, term, leader, inSync, voters, joint = false, generation = -1 }: LeaderElected): void {
    // Nobody could send it anything yet, and clients would be told to try; it is asked again as soon as it is known.
    if (this.#replicas.actorOf(topicId, partition) === noActor) return
    const self = this.#options.member
    const word: LeaderWord = {
      topicId, partition, term, leader: leader ?? self, inSync: inSync ?? [self], voters: voters ?? [self], joint, generation, saidAt: this.#now
    }
    if (this.#learn(word)) this.#gossip.add(word, this.#out)
    // It has restarted since it was told.
    if (this.#isClustered && this.#state.topics.get(topicId)?.partitions[partition]?.generation !== generation) this.#tellIntent(topicId, partition)
  }

  #tellIntent (topicId: TopicId, partition: number): void {
    const topic = this.#state.topics.get(topicId)
    if (topic?.partitions[partition] !== undefined) this.#replicas.tellIntent(topic, partition, this.#out)
  }

  #learn (word: LeaderWord): boolean {
    if (!this.#leaders.learn(word)) return false
    this.#publisher.topic(word.topicId, this.#out)
    this.#active?.leaderChanged(word.topicId, word.partition, this.#out)
    return true
  }

  #placed (message: PartitionsPlaced): void {
    this.#replicas.placed(message, this.#out)
    this.#publisher.topic(message.topicId, this.#out)
  }

  // ---- what time brings

  #endTurn (): void {
    this.#active?.turnEnd(this.#out)
    this.#gossip.flush(this.#out)
    this.#publish()
  }

  /** Publishes what has changed; who waits for the leaders of new partitions is answered then. */
  #publish (): void {
    for (const id of this.#publisher.publish(this.#out)) if (this.#creations.count > 0 && this.#isLed(id)) this.#creations.settled(id, this.#out)
  }

  #tick (): void {
    this.#out.timer(this.#options.timing.beatMs, controllerTick)
    this.#report()
    this.#gossip.refresh(this.#out)
    this.#forwards.expire(this.#now, this.#out)
    this.#peers.expire(this.#out, this.#now)
    this.#comingBack.tick(this.#leader !== 0 && this.#broker.isReady, () => this.#peers.all(), this.#out, this.#now)
    this.#active?.tick(this.#out, this.#now)
  }

  /** Tells the active controller that this broker is there, and what it is like if that is not known yet. */
  #report (): void {
    const { nodeId, member } = this.#options
    const beat = this.#broker.beat()
    this.#reportedReady = beat.ready
    if (this.#active !== undefined) this.#active.beat(nodeId, beat, this.#out, this.#now)
    else if (this.#leader !== 0 && this.#leader !== member) this.#send(this.#leader, beat)
    else return
    this.#replicas.verify()
    this.#broker.register((registration, answer) => this.#request(registration, answer))
  }

  #keepUp (): void {
    if (this.#upkeepSet) return
    this.#upkeepSet = true
    this.#out.timer(upkeepMs, controllerUpkeep)
  }

  #upkeep (): void {
    const { log } = this.#options.replica
    this.#upkeepSet = false
    log.maintain(this.#now, this.#out)
    const goesOn = this.#compaction.run(this.#out)
    if (goesOn || log.refusal !== undefined) this.#keepUp()
  }
}
