/**
 * Fetch: asks each partition where its bytes lie, waits for enough of them, reads them on this thread, and answers.
 *
 * ```
 *  plan ----> enough, or nothing to wait for ----> read ----> answer
 *    ^  \                                           ^
 *    |   not enough                                 | time is up
 *    |    v                                         |
 *    +-- watch: each partition answers again when its high watermark moves
 * ```
 */
import { noActor, noNode } from '../../actors/controller/messages.ts'
import type { Fetched } from '../../actors/partition/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { metrics } from '../../base/metrics.ts'
import type { ActorId, NodeId, TopicId } from '../../base/ids.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { fetch } from '../../protocol/apis/fetch.ts'
import type { Message, Reply, TimerId, Undeliverable } from '../../runtime/actor.ts'
import type { Exchange, Work } from '../exchange.ts'
import { FetchSession, fetchTargets, sessionPartitionsMax, type FetchTarget } from '../fetch-session.ts'
import type { Network, TimeWaiter } from '../network.ts'
import type { Asker } from '../open-requests.ts'
import type { FetchReader, ReadLease } from '../fetch-reader.ts'
import { LeaderHints } from './leader-hints.ts'
import { preferredReplica } from './read-replica.ts'

type Request = RequestOf<typeof fetch>
type Response = ResponseOf<typeof fetch>
type PartitionResponse = Response['topics'][number]['partitions'][number]

/** Bytes of one answer, whatever the client asks for: what one answer holds of the read memory. */
const answerBytesMax = 8 * 1024 * 1024
const maxWaitMsMax = 300_000
/** A partition that moves is asked again after so long, where it is then. */
const askAgainMs = 5
/** A partition answers a plan at once; one that does not within this is gone. */
const planDeadlineMs = 30_000

interface Part {
  readonly target: FetchTarget
  readonly actor: ActorId
  readonly topicId: TopicId | undefined
  errorCode: number
  highWatermark: number
  logStartOffset: number
  plan: Fetched['plan']
  diverging: NonNullable<Fetched['diverging']> | null
  /** Where the client is to read instead, {@link noNode}: here. */
  readReplica: NodeId
  /** As the request's sums have it. */
  tells: boolean
  plannedBytes: number
  lease: ReadLease | undefined
  /** A question is open at the partition. */
  waiting: boolean
  /** Of that question. */
  correlation: number
  /** Of that question: the high watermark above which it is answered. */
  beyond: number
}

const noBytes = new Uint8Array(0)
const none: readonly never[] = []

export function handleFetch (exchange: Exchange, request: Request, network: Network): boolean {
  const { session } = exchange
  const { sessionId, sessionEpoch } = request
  if (!session.beginFetch()) return false
  let fetchSession: FetchSession | undefined
  let incremental = false
  if (sessionEpoch === -1) {
    if (sessionId !== 0) session.fetchSession = undefined
  } else if (sessionEpoch === 0) {
    const targets = fetchTargets(request.topics)
    session.fetchSession = targets.size <= sessionPartitionsMax ? new FetchSession(network.nextFetchSessionId(), targets) : undefined
    fetchSession = session.fetchSession
  } else {
    fetchSession = session.fetchSession
    const errorCode = fetchSession === undefined || fetchSession.id !== sessionId
      ? ErrorCode.FETCH_SESSION_ID_NOT_FOUND
      : fetchSession.epoch !== sessionEpoch ? ErrorCode.INVALID_FETCH_SESSION_EPOCH : ErrorCode.NONE
    if (errorCode !== ErrorCode.NONE) {
      session.fetchEnded()
      exchange.answer({ errorCode, sessionId: 0, topics: [] } satisfies Response)
      return true
    }
    fetchSession!.update(request)
    incremental = true
  }
  const targets = fetchSession?.targets() ?? [...fetchTargets(request.topics).values()]
  new FetchRequest(exchange, request, network, targets, fetchSession, incremental).plan()
  return true
}

class FetchRequest implements Asker, TimeWaiter, Work {
  readonly #exchange: Exchange
  readonly #network: Network
  readonly #session: FetchSession | undefined
  readonly #incremental: boolean
  readonly #bytesMin: number
  readonly #bytesMax: number
  readonly #waitMs: number
  /** Where the client stands; '' where followers do not answer it, or its version cannot say it. */
  readonly #rack: string
  readonly #parts: Part[]
  /** Plans or reads to come, and one more while requests are being sent. */
  #open = 1
  #phase: 'plan' | 'watch' | 'read' = 'plan'
  #timer: TimerId | undefined
  /** Parts whose partition moved while it was watched. */
  #moved: number[] = []
  /** Parts of which there is something to say at once, and bytes that the others have: kept up to date, as each answer asks for them. */
  #tellingParts = 0
  #plannedBytes = 0
  /** Bytes copied out of partitions' memory. */
  #copiedBytes = 0

  constructor (exchange: Exchange, request: Request, network: Network, targets: readonly FetchTarget[], session: FetchSession | undefined, incremental: boolean) {
    this.#exchange = exchange
    exchange.work = this
    this.#network = network
    this.#session = session
    this.#incremental = incremental
    this.#bytesMin = request.minBytes
    this.#bytesMax = Math.min(Math.max(0, request.maxBytes), answerBytesMax)
    this.#waitMs = Math.min(Math.max(0, request.maxWaitMs), maxWaitMsMax)
    this.#rack = network.options.enableFollowerRead === true ? request.rackId : ''
    this.#parts = targets.map(target => this.#part(target))
    for (const part of this.#parts) this.#count(part)
  }

  #part (target: FetchTarget): Part {
    const image = this.#network.metadata.find(target.topic, target.topicId)
    const partition = image?.partitions[target.index]
    const errorCode = partition !== undefined
      ? partition.actor === noActor ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE
      : image === undefined && target.topic === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return {
      target,
      actor: partition?.actor ?? noActor,
      topicId: image?.id,
      errorCode,
      highWatermark: -1,
      logStartOffset: -1,
      plan: null,
      diverging: null,
      readReplica: noNode,
      tells: false,
      plannedBytes: 0,
      lease: undefined,
      waiting: false,
      correlation: 0,
      beyond: -1
    }
  }

  plan (): void {
    for (let i = 0; i < this.#parts.length; i++) {
      if (this.#parts[i]!.errorCode === ErrorCode.NONE) this.#ask(i, -1, planDeadlineMs)
    }
    this.#planned()
  }

  #ask (i: number, beyond: number, deadlineMs: number): void {
    const part = this.#parts[i]!
    this.#open++
    part.waiting = true
    part.beyond = beyond
    const bytesMax = Math.min(Math.max(0, part.target.bytesMax), this.#bytesMax)
    const { offset, leaderEpoch, lastFetchedEpoch } = part.target
    const replicaOk = this.#rack !== ''
    // The answer may come before this returns.
    const correlation = this.#network.ask(this, i, part.actor, { kind: 'fetch', offset, bytesMax, leaderEpoch, beyond, replicaOk, lastFetchedEpoch }, 0, deadlineMs)
    part.correlation = correlation
  }

  answered (i: number, reply: Reply): void {
    const part = this.#parts[i]!
    part.waiting = false
    if (reply.kind === 'fetched') {
      const { errorCode, highWatermark, logStartOffset, diverging } = reply as Fetched
      part.errorCode = errorCode
      part.highWatermark = highWatermark
      part.logStartOffset = logStartOffset
      part.diverging = diverging ?? null
      part.readReplica = errorCode === ErrorCode.NONE && this.#rack !== '' ? this.#readReplica(part.target) : noNode
      const plan = part.readReplica === noNode && part.diverging === null ? (reply as Fetched).plan : null
      this.#dropCopy(part)
      part.plan = plan
      if (plan?.memory !== undefined) this.#copy(part, plan, plan.memory)
    } else if ((reply as Undeliverable).reason === 'moved' && this.#phase === 'watch') {
      // The partition goes to another thread while this waits: nothing is lost, it is asked again there.
      this.#open--
      if (this.#moved.push(i) === 1) this.#network.onTimer(askAgainMs, { timeUp: () => this.#watchMoved() })
      return
    } else {
      this.#dropCopy(part)
      // Consumers know what to do with this error only: ask for the leader, and then again.
      part.errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER
    }
    this.#count(part)
    if (this.#phase === 'watch') {
      this.#open--
      this.#watched(i)
    } else {
      this.#planned()
    }
  }

  #readReplica ({ topic, topicId, index }: FetchTarget): NodeId {
    const { metadata } = this.#network
    const image = metadata.find(topic, topicId)
    const partition = image?.partitions[index]
    const nodeId = partition === undefined ? noNode : preferredReplica(partition, this.#rack, index, metadata)
    const { session, startedAt } = this.#exchange
    return nodeId === noNode || session.sentAway.sends(`${image!.id}/${index}`, startedAt) ? nodeId : noNode
  }

  /** Bytes lent out of a partition's memory are valid only now. They are copied as far as the answer has room for them: the file has them too. */
  #copy (part: Part, plan: NonNullable<Part['plan']>, memory: Uint8Array): void {
    if (this.#copiedBytes === 0 || this.#copiedBytes + memory.length <= this.#bytesMax) part.lease = this.#network.reader.copy(memory)
    if (part.lease === undefined) part.plan = { ...plan, memory: undefined }
    else this.#copiedBytes += memory.length
  }

  #dropCopy (part: Part): void {
    this.#copiedBytes -= part.lease?.bytes.length ?? 0
    part.lease?.release()
    part.lease = undefined
  }

  #planned (): void {
    if (--this.#open > 0) return
    if (this.#enough() || this.#waitMs === 0 || this.#parts.length === 0 || this.#exchange.session.connection.closed) {
      this.#read()
      return
    }
    this.#phase = 'watch'
    this.#timer = this.#network.onTimer(this.#waitMs, this)
    // An answer may come while later partitions are still being asked; nothing is left to ask then.
    for (let i = 0; i < this.#parts.length && this.#phase === 'watch'; i++) this.#watch(i)
  }

  #watch (i: number): void {
    this.#ask(i, this.#parts[i]!.highWatermark, this.#waitMs + planDeadlineMs)
  }

  #watchMoved (): void {
    const moved = this.#moved
    this.#moved = []
    for (let n = 0; n < moved.length && this.#phase === 'watch'; n++) this.#watch(moved[n]!)
  }

  #watched (i: number): void {
    if (this.#enough()) {
      this.#stopWatching()
      this.#read()
    } else if (this.#parts[i]!.highWatermark > this.#parts[i]!.beyond) {
      this.#watch(i)
    }
    // Else the partition had no room for one that waits, and answered at once: asking again would go round in a circle until time is up.
  }

  /** The client has waited long enough, or is gone. A timer that was due before it was cancelled says so too late. */
  timeUp (): void {
    if (this.#phase !== 'watch') return
    this.#stopWatching()
    this.#read()
  }

  abandoned (): void {
    this.timeUp()
  }

  #stopWatching (): void {
    // First of all: where an answer is given up, others may be handled at once.
    this.#phase = 'read'
    if (this.#timer !== undefined) this.#network.cancelTimer(this.#timer)
    for (const part of this.#parts) {
      if (!part.waiting) continue
      part.waiting = false
      this.#network.forget(part.correlation)
      this.#network.tell(part.actor, { kind: 'unwatch', replyTo: this.#network.self, correlation: part.correlation } as Message)
    }
    this.#open = 0
  }

  /** Whether there is something to say: an error, another place to read from, or as many bytes as the client wants at least. */
  #enough (): boolean {
    return this.#tellingParts > 0 || this.#plannedBytes >= this.#bytesMin
  }

  /** Takes a part that has changed into the sums, in place of what it was. */
  #count (part: Part): void {
    const { errorCode, plan, diverging, readReplica, target } = part
    const tells = errorCode !== ErrorCode.NONE || readReplica !== noNode || diverging !== null
    const bytes = tells || plan === null ? 0 : Math.min(plan.bytes, Math.max(0, target.bytesMax))
    this.#tellingParts += Number(tells) - Number(part.tells)
    this.#plannedBytes += bytes - part.plannedBytes
    part.tells = tells
    part.plannedBytes = bytes
  }

  #read (): void {
    this.#phase = 'read'
    // One more than there are reads, until all have been begun.
    this.#open = 1
    if (this.#exchange.session.connection.closed) {
      for (const part of this.#parts) this.#dropCopy(part)
      return
    }
    const reader: FetchReader = this.#network.reader
    let bytesLeft = this.#bytesMax
    let first = true
    for (const part of this.#parts) {
      const { plan } = part
      if (plan === null || part.errorCode !== ErrorCode.NONE) continue
      const bytes = Math.min(plan.bytes, Math.max(0, part.target.bytesMax), bytesLeft)
      if (part.lease !== undefined) {
        if (!first && part.lease.bytes.length > bytes) {
          this.#dropCopy(part)
          continue
        }
        bytesLeft -= part.lease.bytes.length
      } else {
        // The first partition with data gets at least one batch, however large.
        if (!first && bytes <= 0) continue
        this.#open++
        reader.read(this.#network.options.partitionDirectory(part.topicId!, part.target.index), plan, bytes, first, (error, lease) => {
          part.lease = lease
          if (error !== undefined) part.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
          this.#settle()
        })
        bytesLeft -= bytes
      }
      first = false
    }
    this.#settle()
  }

  #settle (): void {
    if (--this.#open > 0) return
    const topics: Array<{ name: string, topicId: string, partitions: PartitionResponse[] }> = []
    let hints: LeaderHints | undefined
    for (const part of this.#parts) {
      const { target, errorCode, highWatermark, logStartOffset, lease, diverging, readReplica } = part
      const records = errorCode === ErrorCode.NONE && lease !== undefined ? lease.bytes : noBytes
      if (errorCode !== ErrorCode.NONE) this.#network.countError(errorCode)
      if (records.length > 0) this.#network.count(part.plan?.memory === undefined ? metrics.fetchedFileBytes : metrics.fetchedMemoryBytes, records.length)
      if (this.#incremental && records.length === 0 && errorCode === ErrorCode.NONE && readReplica === noNode && diverging === null &&
        highWatermark === target.toldHighWatermark && logStartOffset === target.toldLogStartOffset) continue
      target.toldHighWatermark = errorCode === ErrorCode.NONE ? highWatermark : -1
      target.toldLogStartOffset = logStartOffset
      if (records.length > 0) this.#session?.rotate(target)
      let topic = topics[topics.length - 1]
      if (topic === undefined || topic.name !== target.topic || topic.topicId !== target.topicId) {
        topics.push(topic = { name: target.topic, topicId: target.topicId, partitions: [] })
      }
      let currentLeader: PartitionResponse['currentLeader'] = null
      if (errorCode !== ErrorCode.NONE && this.#exchange.session.takesHints) {
        hints ??= new LeaderHints(this.#network.metadata)
        currentLeader = hints.of(errorCode, this.#network.metadata.find(target.topic, target.topicId)?.partitions[target.index])
      }
      topic.partitions.push({
        index: target.index,
        errorCode,
        highWatermark,
        lastStableOffset: highWatermark,
        logStartOffset,
        divergingEpoch: diverging,
        currentLeader,
        abortedTransactions: null,
        preferredReadReplica: readReplica,
        records
      })
    }
    this.#network.countLatency(metrics.fetchSeconds, this.#exchange)
    this.#exchange.answer({ sessionId: this.#session?.id ?? 0, topics, nodeEndpoints: hints?.endpoints ?? none } satisfies Response)
  }

  /** The answer has left, or never will. */
  release (): void {
    for (const part of this.#parts) part.lease?.release()
    this.#exchange.session.fetchEnded()
  }
}
