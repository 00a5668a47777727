/**
 * The controller: the cluster's topics, their partitions and the producer ids, as a state machine over the metadata log.
 *
 * Every change is first DECIDED (checked, turned into records), then committed in the log, and only REPLAY of a
 * committed record changes state: the same code runs when a restarted controller reads its log.
 *
 * ```
 *  create-topics -> decide -> [ log ] -> replay -> place partitions -> leaders elected -> answer
 * ```
 */
import { assert } from '../../base/assert.ts'
import type { Effect, Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { ActorId, Offset, PartitionIndex, Term, TopicId } from '../../base/ids.ts'
import { uuidHex, type Chance } from '../../base/prng.ts'
import { topicNameProblem, topicSettingProblem } from '../../base/topic-config.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import { announceLeader, type LeaderElected } from '../partition/messages.ts'
import type { Replica, ReplicaMessage } from '../replica.ts'
import {
  noActor, type AllocateProducerId, type ControllerRequest, type CreateExpired, type CreateTopics, type DeleteTopics,
  type PartitionSpec, type PartitionsPlaced, type PlacementFailed, type SubscribeMetadata, type TopicImage,
  type TopicRequest, type TopicResult
} from './messages.ts'
import { readMetadata, writeMetadata, type MetadataRecord } from './metadata-record.ts'

/** Producer ids are made durable in blocks, so that most allocations need no disk. A restart skips the rest of a block. */
const producerIdBlock = 1000
/** Topics whose creation was asked for and has not been answered. */
const creationsMax = 10_000
/** A placement that failed is tried again after this long. */
const placementRetryMs = 1000

const zeroId = '0'.repeat(32) as TopicId

/** Starts and removes partition actors; the supervisor behind it chooses their threads. Its effects post `partitions-placed` or `placement-failed`. */
export interface Placer {
  place (topicId: TopicId, partitions: readonly PartitionSpec[]): Effect
  /** Stops the actors, where there are any, and removes their files. Doing it again is no harm. */
  remove (topicId: TopicId, partitions: number): Effect
}

interface Topic {
  readonly name: string
  readonly id: TopicId
  readonly config: Readonly<Record<string, string>>
  readonly partitionCount: number
  readonly replicas: number
  /** In the order of the partitions; empty until they are placed. */
  actors: readonly ActorId[]
  /** Of each partition's leader, 0 while there is none. */
  readonly terms: Term[]
}

/** A create request: open until every one of its topics has an answer. */
interface Creation {
  readonly request: CreateTopics
  readonly results: TopicResult[]
  /** Topics whose partitions do not all have leaders yet. */
  readonly waiting: Set<TopicId>
}

/** What to do when the log has committed everything below `endOffset`. */
interface Decision {
  readonly endOffset: Offset
  readonly records: readonly MetadataRecord[]
  readonly answer: (out: Outbox) => void
}

export interface ControllerOptions {
  readonly replica: Replica
  readonly placer: Placer
  /** The group coordinator, which forgets the offsets of deleted topics. */
  readonly groups: ActorId
  /** The network actors of all threads: each holds an image of the metadata. */
  readonly edges: readonly ActorId[]
  readonly chance: Chance
  readonly defaultPartitions: number
  /** Partitions of all topics together. */
  readonly partitionsMax: number
}

export type ControllerMessage =
  | ControllerRequest | LeaderElected | PartitionsPlaced | PlacementFailed | CreateExpired | ReplicaMessage | RetryPlacement

interface RetryPlacement extends Message {
  readonly kind: 'retry-placement'
  readonly topicId: TopicId
}

export class Controller implements Actor<ControllerMessage> {
  readonly #replica: Replica
  readonly #placer: Placer
  readonly #groups: ActorId
  readonly #edges: readonly ActorId[]
  readonly #chance: Chance
  readonly #defaultPartitions: number
  readonly #partitionsMax: number

  readonly #topics = new Map<TopicId, Topic>()
  readonly #idByName = new Map<string, TopicId>()
  readonly #doomed: Array<{ readonly id: TopicId, readonly partitions: number }> = []
  #ledTerm = 0
  #partitionCount = 0
  #producerIdNext = 0
  #producerIdEnd = 0
  #producerIdDurableEnd = 0

  /** Names whose creation is decided and not yet replayed. */
  readonly #decidedNames = new Set<string>()
  readonly #decisions: Decision[] = []
  readonly #creations = new Map<number, Creation>()
  #creationNext = 1
  readonly #changed = new Set<Topic>()
  readonly #producerIdWaiters: AllocateProducerId[] = []
  /** Edges that asked before the first election, by their id: a listener that opened now would meet clients that nobody can serve yet. */
  readonly #earlySubscribers = new Map<ActorId, SubscribeMetadata>()

  constructor (options: ControllerOptions) {
    this.#replica = options.replica
    this.#placer = options.placer
    this.#groups = options.groups
    this.#edges = options.edges
    this.#chance = options.chance
    this.#defaultPartitions = options.defaultPartitions
    this.#partitionsMax = options.partitionsMax
  }

  /** Takes in a committed batch of the metadata log while the controller is being started: `replay` without effects. */
  restore (batch: Uint8Array): void {
    for (const record of readMetadata(batch)) this.#replay(record)
  }

  started (out: Outbox): void {
    this.#replica.campaign(out)
  }

  receive (message: ControllerMessage, out: Outbox): void {
    switch (message.kind) {
      case 'create-topics': this.#createTopics(message, out); break
      case 'delete-topics': this.#deleteTopics(message, out); break
      case 'allocate-producer-id': this.#allocateProducerId(message, out); break
      case 'subscribe-metadata': this.#subscribe(message, out); break
      case 'partitions-placed': this.#partitionsPlaced(message, out); break
      case 'placement-failed': out.timer(placementRetryMs, { kind: 'retry-placement', topicId: message.topicId } as Message); break
      case 'retry-placement': this.#place(message.topicId, out); break
      case 'leader-elected': this.#leaderElected(message, out); break
      case 'create-expired': this.#finishCreation(message.creation, ErrorCode.REQUEST_TIMED_OUT, out); break
      default:
        if (message.kind === 'turn-end') this.#publishChanges(out)
        this.#handleReplica(message, out)
    }
    this.#applyCommitted(out)
  }

  #handleReplica (message: ReplicaMessage, out: Outbox): void {
    // Decisions that were never committed are gone with a cut log; starting anew answers those who wait for them.
    if (this.#replica.receive(message, out) === 'cut') throw new Error('the metadata log was cut')
    if (this.#replica.role === 'leader' && this.#replica.term !== this.#ledTerm) {
      this.#ledTerm = this.#replica.term
      for (const edge of this.#edges) out.tell(edge, { kind: 'metadata-replaced', topics: this.#images() } as Message)
      for (const early of this.#earlySubscribers.values()) this.#answerImage(early, out)
      this.#earlySubscribers.clear()
      for (const topic of this.#topics.values()) this.#place(topic.id, out)
      this.#removeFiles(out)
    }
  }

  async close (): Promise<void> {
    await this.#replica.close()
  }

  // ---- decide

  #createTopics (request: CreateTopics, out: Outbox): void {
    if (this.#replica.role !== 'leader' || this.#creations.size >= creationsMax) {
      const results = request.topics.map(topic => failed(topic, ErrorCode.NOT_CONTROLLER, 'the controller is not ready'))
      out.tell(request.replyTo, { kind: 'topics-created', correlation: request.correlation, results } as Message)
      return
    }
    const creation: Creation = { request, results: [], waiting: new Set() }
    const records: MetadataRecord[] = []
    const namesSeen = new Set<string>()
    let partitionCount = this.#partitionCount
    for (const topic of request.topics) {
      const partitions = topic.partitions === -1 ? this.#defaultPartitions : topic.partitions
      const problem = namesSeen.has(topic.name)
        ? failed(topic, ErrorCode.INVALID_REQUEST, 'the topic is named twice in one request')
        : this.#topicProblem(topic, partitions, partitionCount)
      namesSeen.add(topic.name)
      if (problem !== undefined) {
        creation.results.push(problem)
        continue
      }
      partitionCount += partitions
      const id = uuidHex(this.#chance) as TopicId
      creation.results.push({ name: topic.name, id, errorCode: ErrorCode.NONE, errorMessage: null, partitions, replicas: 1, config: topic.config })
      if (!request.validateOnly) {
        records.push({ kind: 'topic-created', name: topic.name, id, partitions, replicas: 1, config: topic.config })
        creation.waiting.add(id)
        this.#decidedNames.add(topic.name)
      }
    }
    const number = this.#creationNext++
    this.#creations.set(number, creation)
    if (records.length === 0) {
      this.#finishCreation(number, ErrorCode.NONE, out)
      return
    }
    out.timer(request.timeoutMs, { kind: 'create-expired', creation: number } as Message)
    this.#commit(records, () => {}, out)
  }

  #topicProblem (topic: TopicRequest, partitions: number, partitionCount: number): TopicResult | undefined {
    const name = topicNameProblem(topic.name)
    if (name !== undefined) return failed(topic, ErrorCode.INVALID_TOPIC_EXCEPTION, name)
    if (this.#idByName.has(topic.name) || this.#decidedNames.has(topic.name)) return failed(topic, ErrorCode.TOPIC_ALREADY_EXISTS, `topic ${topic.name} exists already`)
    if (partitions < 1) return failed(topic, ErrorCode.INVALID_PARTITIONS, 'a topic has at least one partition')
    if (partitionCount + partitions > this.#partitionsMax) return failed(topic, ErrorCode.INVALID_PARTITIONS, `a broker holds at most ${this.#partitionsMax} partitions`)
    if (topic.replicas !== -1 && topic.replicas !== 1) return failed(topic, ErrorCode.INVALID_REPLICATION_FACTOR, `${topic.replicas} replicas need as many brokers; there is 1`)
    for (const [key, value] of Object.entries(topic.config)) {
      const problem = topicSettingProblem(key, value)
      if (problem !== undefined) return failed(topic, ErrorCode.INVALID_CONFIG, problem)
    }
    return undefined
  }

  #deleteTopics (request: DeleteTopics, out: Outbox): void {
    const records: MetadataRecord[] = []
    const results = request.topics.map(({ name, id }) => {
      if (this.#replica.role !== 'leader') return { name, id, errorCode: ErrorCode.NOT_CONTROLLER, errorMessage: 'the controller is not ready' }
      const found = name === null ? this.#topics.get(id!) : this.#topics.get(this.#idByName.get(name) ?? zeroId)
      if (found === undefined) {
        const errorCode = name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return { name, id, errorCode, errorMessage: 'there is no such topic' }
      }
      records.push({ kind: 'topic-deleted', id: found.id })
      return { name: found.name, id: found.id, errorCode: ErrorCode.NONE, errorMessage: null }
    })
    const answer = (out: Outbox): void => {
      out.tell(request.replyTo, { kind: 'topics-deleted', correlation: request.correlation, results } as Message)
    }
    if (records.length === 0) answer(out)
    else this.#commit(records, answer, out)
  }

  #allocateProducerId (request: AllocateProducerId, out: Outbox): void {
    if (this.#replica.role !== 'leader' || this.#producerIdWaiters.length >= creationsMax) {
      out.tell(request.replyTo, { kind: 'producer-id-allocated', correlation: request.correlation, errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, producerId: -1 } as Message)
      return
    }
    this.#producerIdWaiters.push(request)
    // With others waiting a block is on its way already.
    if (this.#producerIdWaiters.length === 1) this.#giveProducerIds(out)
  }

  #giveProducerIds (out: Outbox): void {
    while (this.#producerIdWaiters.length > 0 && this.#producerIdNext < this.#producerIdEnd) {
      const { replyTo, correlation } = this.#producerIdWaiters.shift()!
      out.tell(replyTo, { kind: 'producer-id-allocated', correlation, errorCode: ErrorCode.NONE, producerId: this.#producerIdNext++ } as Message)
    }
    if (this.#producerIdWaiters.length === 0) return
    const start = this.#producerIdDurableEnd
    const end = start + producerIdBlock
    this.#commit([{ kind: 'producer-ids-reserved', end }], out => {
      this.#producerIdNext = start
      this.#producerIdEnd = end
      this.#giveProducerIds(out)
    }, out)
  }

  #commit (records: readonly MetadataRecord[], answer: (out: Outbox) => void, out: Outbox): void {
    const endOffset = this.#replica.append(writeMetadata(records), out)
    this.#decisions.push({ endOffset, records, answer })
  }

  // ---- replay

  #applyCommitted (out: Outbox): void {
    while (this.#decisions.length > 0 && this.#decisions[0]!.endOffset <= this.#replica.highWatermark) {
      const { records, answer } = this.#decisions.shift()!
      for (const record of records) {
        const deleted = record.kind === 'topic-deleted' ? this.#topics.get(record.id) : undefined
        this.#replay(record)
        if (record.kind === 'topic-created') this.#place(record.id, out)
        if (deleted !== undefined) {
          this.#publish([], [deleted.id], out)
          out.tell(this.#groups, { kind: 'forget-topic', name: deleted.name } as Message)
          this.#removeFiles(out)
        }
      }
      answer(out)
    }
  }

  #replay (record: MetadataRecord): void {
    switch (record.kind) {
      case 'topic-created': {
        const { name, id, config, partitions, replicas } = record
        assert(!this.#idByName.has(name), 'a topic is created once')
        const terms = new Array<Term>(partitions).fill(0 as Term)
        this.#topics.set(id, { name, id, config, partitionCount: partitions, replicas, actors: [], terms })
        this.#idByName.set(name, id)
        this.#decidedNames.delete(name)
        this.#partitionCount += partitions
        break
      }
      case 'topic-deleted': {
        const topic = this.#topics.get(record.id)
        if (topic === undefined) break // two deletions of one topic may both have been decided
        this.#doomed.push({ id: topic.id, partitions: topic.partitionCount })
        this.#topics.delete(record.id)
        this.#idByName.delete(topic.name)
        this.#partitionCount -= topic.partitionCount
        break
      }
      case 'producer-ids-reserved':
        this.#producerIdDurableEnd = record.end
        break
    }
  }

  // ---- effects of a committed change

  #place (topicId: TopicId, out: Outbox): void {
    const topic = this.#topics.get(topicId)
    if (topic === undefined || topic.actors.length > 0) return
    const partitions: PartitionSpec[] = []
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      partitions.push({ topicId, topic: topic.name, partition: partition as PartitionIndex, config: topic.config })
    }
    out.effect(this.#placer.place(topicId, partitions))
  }

  /** Of topics whose deletion is committed. At a start that is every deletion in the log: the last stop may have come first. */
  #removeFiles (out: Outbox): void {
    for (const { id, partitions } of this.#doomed) out.effect(this.#placer.remove(id, partitions))
    this.#doomed.length = 0
  }

  #partitionsPlaced ({ topicId, actors }: PartitionsPlaced, out: Outbox): void {
    const topic = this.#topics.get(topicId)
    if (topic === undefined) { // deleted while it was being placed
      out.effect(this.#placer.remove(topicId, actors.length))
      return
    }
    topic.actors = actors
    this.#change(topic, out)
    // Leaders announce themselves when they are elected; those elected before now, or before this controller, are asked.
    for (const actor of actors) out.tell(actor, announceLeader)
  }

  /** A leader may be announced late or twice, and before its placement is known: a newer term wins. */
  #leaderElected ({ topicId, partition, term }: LeaderElected, out: Outbox): void {
    const topic = this.#topics.get(topicId)
    if (topic === undefined || partition >= topic.partitionCount || topic.terms[partition]! >= term) return
    topic.terms[partition] = term
    if (topic.actors.length > 0) this.#change(topic, out)
  }

  /** The topic's image is another one; it is published at the end of the turn, as leaders of many partitions come together. */
  #change (topic: Topic, out: Outbox): void {
    this.#changed.add(topic)
    out.turnEnd()
  }

  /** Publishes what has changed, and answers who created topics of which all partitions have leaders now. */
  #publishChanges (out: Outbox): void {
    if (this.#changed.size === 0) return
    const topics = [...this.#changed].filter(topic => this.#topics.has(topic.id))
    this.#changed.clear()
    this.#publish(topics, [], out)
    const ready = topics.filter(topic => !topic.terms.includes(0 as Term))
    for (const [number, { waiting }] of this.#creations) {
      for (const topic of ready) {
        if (waiting.delete(topic.id) && waiting.size === 0) this.#finishCreation(number, ErrorCode.NONE, out)
      }
    }
  }

  #finishCreation (number: number, lateCode: number, out: Outbox): void {
    const creation = this.#creations.get(number)
    if (creation === undefined) return // the timer of an answered creation
    this.#creations.delete(number)
    const { request, waiting } = creation
    const results = creation.results.map(result => waiting.has(result.id)
      ? { ...result, errorCode: lateCode, errorMessage: 'the topic is created; its partitions have no leaders yet' }
      : result)
    out.tell(request.replyTo, { kind: 'topics-created', correlation: request.correlation, results } as Message)
  }

  #subscribe (request: SubscribeMetadata, out: Outbox): void {
    if (this.#ledTerm === 0) this.#earlySubscribers.set(request.replyTo, request)
    else this.#answerImage(request, out)
  }

  #answerImage ({ replyTo, correlation }: SubscribeMetadata, out: Outbox): void {
    out.tell(replyTo, { kind: 'metadata-image', correlation, topics: this.#images() } as Message)
  }

  #images (): TopicImage[] {
    return [...this.#topics.values()].map(image)
  }

  #publish (topics: readonly Topic[], deleted: readonly TopicId[], out: Outbox): void {
    const message = { kind: 'metadata-changed', topics: topics.map(image), deleted } as Message
    for (const edge of this.#edges) out.tell(edge, message)
  }
}

function image ({ name, id, config, actors, terms }: Topic): TopicImage {
  return { name, id, config, partitions: terms.map((term, partition) => ({ actor: actors[partition] ?? noActor, term })) }
}

function failed (topic: TopicRequest, errorCode: number, errorMessage: string): TopicResult {
  return { name: topic.name, id: zeroId, errorCode, errorMessage, partitions: -1, replicas: -1, config: topic.config }
}
