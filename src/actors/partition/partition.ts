/**
 * A partition replica: takes batches in, says where they can be read, and answers when they are committed.
 *
 * ```
 *  append -> check header, CRC, sequence -> replica.append -> turn-end: one group write
 *         -> durable -> high watermark -> appended (to those who wait), fetched (to those who watch)
 * ```
 */
import type { Effect, Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { ActorId, Offset, PartitionIndex, Term, ThreadIndex, TopicId } from '../../base/ids.ts'
import {
  BatchFault, baseOffsetOf, baseSequenceOf, isControl, isTransactional, lastOffsetDeltaOf, maxTimestampOf, producerEpochOf, producerIdOf,
  validateBatch
} from '../../record/record-batch.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import type { LogReplay } from '../../log/log.ts'
import type { TimestampPlan } from '../../log/timestamp-search.ts'
import type { Replica, ReplicaMessage } from '../replica.ts'
import { FetchWaiters } from './fetch-waiters.ts'
import {
  offsetQuery, type Append, type DeleteRecords, type EpochEnd, type Fetch, type ListOffset, type PartitionConfig,
  type PartitionRequest
} from './messages.ts'
import { ProducerState } from './producer-state.ts'
import type { Traffic } from './traffic.ts'
import { WaitingAppends } from './waiting-appends.ts'

/** Fetches that may wait at one partition. */
const fetchWaitersMax = 10_000
/** While a partition is written to: checkpoints, and the syncs of `interval`. */
const upkeepMs = 1000
const retentionCheckMs = 30_000
/** Deletions of records that may wait for the disk. */
const deletesMax = 1000
/** So much is appended between two snapshots of the producers: what a start after a crash reads again at most, and a little more. */
const snapshotBytes = 64 * 1024 * 1024
/** A producer that has not written for this long is forgotten: clients give up long before. */
const producerIdleMsMax = 24 * 3600 * 1000

/** Counted by whoever runs the partition; plain adds, called once per batch. */
export interface PartitionMetrics {
  appended (records: number, bytes: number): void
  duplicate (): void
  /** The log takes nothing until {@link accepting}. */
  refusing (reason: string, error: unknown): void
  accepting (): void
}

export interface PartitionOptions {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  readonly replica: Replica
  readonly config: PartitionConfig
  /** As the log has it, see {@link partitionReplay}. */
  readonly producers: ProducerState
  readonly controller: ActorId
  readonly metrics: PartitionMetrics
  /** Bytes that may wait for the disk; more are refused with a retriable error. Admission at the edge keeps this from being reached. */
  readonly pendingBytesMax: number
  /** Wall clock in milliseconds at the monotonic moment `now`. */
  readonly wallMs: (now: number) => number
  readonly traffic: Traffic
  /** Moves the partition to another thread, which restarts it there; undefined where that thread has no room for it. */
  readonly move: (thread: ThreadIndex) => Effect | undefined
}

interface Snapshot { readonly offset: Offset, readonly bytes: Uint8Array }

interface Upkeep extends Message { readonly kind: 'upkeep' }
interface RetentionCheck extends Message { readonly kind: 'retention-check' }
const upkeep: Upkeep = { kind: 'upkeep' }
const retentionCheck: RetentionCheck = { kind: 'retention-check' }

export type PartitionMessage = PartitionRequest | ReplicaMessage | Upkeep | RetentionCheck

export class Partition implements Actor<PartitionMessage> {
  readonly #topicId: TopicId
  readonly #partition: PartitionIndex
  readonly #replica: Replica
  readonly #controller: ActorId
  readonly #metrics: PartitionMetrics
  readonly #pendingBytesMax: number
  readonly #wallMs: (now: number) => number
  readonly #traffic: Traffic
  readonly #move: PartitionOptions['move']
  readonly #config: PartitionConfig

  readonly #producers: ProducerState
  readonly #waiting = new WaitingAppends()
  readonly #watching = new FetchWaiters(fetchWaitersMax)
  #answeredTo: Offset
  #announcedTerm = 0
  /** Requests before the first election; undefined after it. */
  #early: PartitionRequest[] | undefined = []
  /** Deletions whose new start of the log is not durable yet. */
  #deleting: Array<{ readonly target: number, readonly replyTo: ActorId, readonly correlation: number }> = []
  #refusing = false
  #upkeepSet = false
  /** Something was appended since the last upkeep. */
  #written = false
  #checkpointedAt = -Infinity
  #bytesSinceSnapshot = 0
  /** Waits until what it stands for is durable. */
  #snapshot: Snapshot | undefined
  #out: Outbox | undefined

  constructor (options: PartitionOptions) {
    this.#topicId = options.topicId
    this.#partition = options.partition
    this.#replica = options.replica
    this.#producers = options.producers
    this.#controller = options.controller
    this.#metrics = options.metrics
    this.#pendingBytesMax = options.pendingBytesMax
    this.#wallMs = options.wallMs
    this.#traffic = options.traffic
    this.#move = options.move
    this.#config = options.config
    this.#answeredTo = options.replica.highWatermark
  }

  started (out: Outbox): void {
    this.#replica.campaign(out)
    out.timer(retentionCheckMs, retentionCheck)
  }

  receive (message: PartitionMessage, out: Outbox, now: number): void {
    if (this.#early !== undefined && 'replyTo' in message) {
      this.#hold(message)
      return
    }
    switch (message.kind) {
      case 'append': this.#append(message, out, now); break
      case 'fetch': this.#fetch(message, out, now); break
      case 'unwatch': this.#watching.remove(message.replyTo, message.correlation); break
      case 'list-offset': this.#listOffset(message, out); break
      case 'epoch-end': this.#epochEnd(message, out); break
      case 'delete-records': this.#deleteRecords(message, out); break
      case 'announce-leader': this.#announce(out, true); break
      case 'upkeep': this.#upkeep(out, now); break
      case 'retention-check': this.#checkRetention(out, now); break
      default: this.#handleReplica(message, out, now)
    }
  }

  idle (): boolean {
    return this.#waiting.count === 0 && this.#replica.log.pendingBytes === 0
  }

  async close (): Promise<void> {
    if (this.#refusing) this.#metrics.accepting()
    // With batches that were not written yet the producers know more than the log will hold.
    await this.#replica.close(this.#replica.log.pendingBytes === 0 ? this.#producers.snapshot() : undefined)
  }

  /** Requests that come before the first election, a matter of milliseconds, wait for it rather than be refused. */
  #hold (request: PartitionRequest): void {
    // A batch is borrowed: the copy that an early one costs. The credit of the edges bounds how many there are.
    this.#early!.push(request.kind === 'append' ? { ...request, records: new Uint8Array(request.records) } : request)
  }

  /** The first election is over, won or not: what waited for it is handled now. */
  #releaseEarly (out: Outbox, now: number): void {
    const early = this.#early!
    this.#early = undefined
    for (const request of early) this.receive(request, out, now)
  }

  #handleReplica (message: ReplicaMessage, out: Outbox, now: number): void {
    const event = this.#replica.receive(message, out)
    if (this.#early !== undefined && (message.kind === 'term-raised' || message.kind === 'undeliverable')) this.#releaseEarly(out, now)
    if (event === 'cut') {
      if (!this.#refusing) this.#metrics.refusing(String(this.#replica.log.refusal), this.#replica.log.failure)
      this.#refusing = true
      this.#failWaiting(out)
    } else if (event === 'start-moved') {
      this.#answerDeletes(out)
    } else if (event === 'ready' && this.#refusing) {
      this.#refusing = false
      this.#metrics.accepting()
    }
    this.#advance(out)
  }

  #append (append: Append, out: Outbox, now: number): void {
    const { records, acks, replyTo, correlation } = append
    this.#follow(replyTo, out, now)
    const errorCode = this.#appendProblem(records)
    if (errorCode !== ErrorCode.NONE) {
      this.#answerAppend(out, replyTo, correlation, errorCode, -1)
      return
    }
    const log = this.#replica.log
    const id = producerIdOf(records, 0)
    const delta = lastOffsetDeltaOf(records, 0)
    if (id >= 0) {
      const check = this.#producers.check(id, producerEpochOf(records, 0), baseSequenceOf(records, 0), delta)
      if (check.kind === 'duplicate') {
        this.#metrics.duplicate()
        // Stored once. Not committed yet: the answer waits for the original's commit.
        if (acks === 0 || check.lastOffset < this.#replica.highWatermark) this.#answerAppend(out, replyTo, correlation, ErrorCode.NONE, check.baseOffset)
        else this.#waiting.push(log.logEndOffset, check.baseOffset, replyTo, correlation)
        return
      }
      if (check.kind !== 'next') {
        this.#answerAppend(out, replyTo, correlation, check.kind === 'old-epoch' ? ErrorCode.INVALID_PRODUCER_EPOCH : ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
        return
      }
    }
    const baseOffset = log.logEndOffset
    const end = this.#replica.append(records, out)
    if (id >= 0) this.#producers.update(id, producerEpochOf(records, 0), baseSequenceOf(records, 0), baseOffset, delta, maxTimestampOf(records, 0))
    this.#metrics.appended(delta + 1, records.length)
    this.#bytesSinceSnapshot += records.length
    if (this.#bytesSinceSnapshot >= snapshotBytes) {
      this.#bytesSinceSnapshot = 0
      this.#snapshot = { offset: end, bytes: this.#producers.snapshot() }
    }
    this.#keepUp(out)
    if (acks === 0) this.#answerAppend(out, replyTo, correlation, ErrorCode.NONE, baseOffset)
    else this.#waiting.push(end, baseOffset, replyTo, correlation)
  }

  #appendProblem (records: Uint8Array): number {
    const log = this.#replica.log
    if (log.refusal !== undefined) return ErrorCode.KAFKA_STORAGE_ERROR
    if (this.#replica.role !== 'leader') return ErrorCode.NOT_LEADER_OR_FOLLOWER
    if (records.length > this.#config.batchBytesMax) return ErrorCode.MESSAGE_TOO_LARGE
    if (log.pendingBytes + records.length > this.#pendingBytesMax && log.pendingBytes > 0) return ErrorCode.NOT_ENOUGH_REPLICAS
    const fault = validateBatch(records, 0, records.length)
    if (fault !== BatchFault.none) return errorOfFault(fault)
    // Control batches are the broker's own; transactions need a coordinator, which answers InitProducerId.
    return isControl(records, 0) || isTransactional(records, 0) ? ErrorCode.INVALID_RECORD : ErrorCode.NONE
  }

  #answerAppend (out: Outbox, replyTo: ActorId, correlation: number, errorCode: number, baseOffset: number): void {
    out.tell(replyTo, {
      kind: 'appended', correlation, errorCode, baseOffset, logAppendTimeMs: -1, logStartOffset: this.#replica.log.logStartOffset
    } as Message)
  }

  /** Moves to the thread that nearly all requests come from. */
  #follow (edge: ActorId, out: Outbox, now: number): void {
    const thread = this.#traffic.count(edge, now)
    const move = thread === undefined ? undefined : this.#move(thread)
    if (move !== undefined) out.effect(move)
  }

  #fetch (fetch: Fetch, out: Outbox, now: number): void {
    this.#follow(fetch.replyTo, out, now)
    const waits = this.#replica.highWatermark <= fetch.beyond && this.#leaderProblem(fetch.leaderEpoch) === ErrorCode.NONE
    if (!waits || !this.#watching.add(fetch)) this.#answerFetch(fetch, out)
  }

  #answerFetch ({ replyTo, correlation, offset, bytesMax, leaderEpoch }: Fetch, out: Outbox): void {
    const { log, highWatermark } = this.#replica
    let errorCode = this.#leaderProblem(leaderEpoch)
    if (errorCode === ErrorCode.NONE && (offset < log.logStartOffset || offset > log.logEndOffset)) errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
    const plan = errorCode === ErrorCode.NONE && offset < highWatermark ? log.read(offset as Offset, bytesMax, highWatermark) ?? null : null
    out.tell(replyTo, { kind: 'fetched', correlation, errorCode, highWatermark, logStartOffset: log.logStartOffset, plan } as Message)
  }

  #leaderProblem (clientEpoch: number): number {
    if (!this.#replica.readable) return ErrorCode.NOT_LEADER_OR_FOLLOWER
    if (clientEpoch === -1 || clientEpoch === this.#replica.term) return ErrorCode.NONE
    return clientEpoch < this.#replica.term ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  #listOffset ({ replyTo, correlation, timestamp, leaderEpoch }: ListOffset, out: Outbox): void {
    const { log, term, highWatermark } = this.#replica
    const answer = (errorCode: number, offset: number, plan: TimestampPlan | null = null): void => {
      const epoch = offset >= 0 ? Math.max(0, offset < log.logEndOffset ? log.termAt(offset as Offset) ?? 0 : term) : -1
      out.tell(replyTo, { kind: 'listed-offset', correlation, errorCode, offset, leaderEpoch: epoch, plan } as Message)
    }
    const errorCode = this.#leaderProblem(leaderEpoch)
    if (errorCode !== ErrorCode.NONE) return answer(errorCode, -1)
    switch (timestamp) {
      case offsetQuery.latest: return answer(ErrorCode.NONE, highWatermark)
      case offsetQuery.earliest:
      case offsetQuery.earliestLocal: return answer(ErrorCode.NONE, log.logStartOffset)
      case offsetQuery.latestTiered: return answer(ErrorCode.NONE, -1)
      case offsetQuery.maxTimestamp: return answer(ErrorCode.NONE, -1, log.timestampPlan(Infinity, highWatermark))
      default: return answer(ErrorCode.NONE, -1, log.timestampPlan(timestamp, highWatermark))
    }
  }

  #epochEnd ({ replyTo, correlation, leaderEpoch, currentLeaderEpoch }: EpochEnd, out: Outbox): void {
    const errorCode = this.#leaderProblem(currentLeaderEpoch)
    const { log, term } = this.#replica
    const end = errorCode !== ErrorCode.NONE
      ? { term: -1, endOffset: -1 }
      : leaderEpoch === term ? { term, endOffset: log.logEndOffset } : log.epochEndOffset(leaderEpoch as Term) ?? { term: -1, endOffset: -1 }
    out.tell(replyTo, { kind: 'epoch-ended', correlation, errorCode, leaderEpoch: end.term, endOffset: end.endOffset } as Message)
  }

  #deleteRecords ({ replyTo, correlation, offset }: DeleteRecords, out: Outbox): void {
    const { log, highWatermark } = this.#replica
    const target = offset === -1 ? highWatermark : offset
    let errorCode = this.#leaderProblem(-1)
    if (errorCode === ErrorCode.NONE && (target < 0 || target > highWatermark)) errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
    if (errorCode === ErrorCode.NONE && this.#deleting.length >= deletesMax) errorCode = ErrorCode.NOT_ENOUGH_REPLICAS
    if (errorCode !== ErrorCode.NONE) {
      out.tell(replyTo, { kind: 'records-deleted', correlation, errorCode, logStartOffset: -1 } as Message)
      return
    }
    this.#deleting.push({ target, replyTo, correlation })
    if (target > log.logStartOffset) log.deleteBefore(target as Offset, out)
    this.#answerDeletes(out)
  }

  /** A deletion is answered when the log's new start is durable: it must not come back. */
  #answerDeletes (out: Outbox): void {
    const { logStartOffset } = this.#replica.log
    const done = this.#deleting.filter(({ target }) => target <= logStartOffset)
    if (done.length === 0) return
    this.#deleting = this.#deleting.filter(({ target }) => target > logStartOffset)
    for (const { replyTo, correlation } of done) {
      out.tell(replyTo, { kind: 'records-deleted', correlation, errorCode: ErrorCode.NONE, logStartOffset } as Message)
    }
  }

  /** After anything that may have moved the high watermark, the role or the term. */
  #advance (out: Outbox): void {
    const { highWatermark, role, term } = this.#replica
    if (role === 'leader' && term !== this.#announcedTerm) this.#announce(out, false)
    if (highWatermark === this.#answeredTo) return
    this.#answeredTo = highWatermark
    this.#out = out
    this.#waiting.take(highWatermark, this.#committed)
    this.#out = undefined
    for (const fetch of this.#watching.take(highWatermark)) this.#answerFetch(fetch, out)
  }

  readonly #committed = (replyTo: ActorId, correlation: number, baseOffset: number): void => {
    this.#answerAppend(this.#out!, replyTo, correlation, ErrorCode.NONE, baseOffset)
  }

  /** The log was cut, this is no leader any more: what waits is gone or has an unknown outcome, and clients send it again. */
  #failWaiting (out: Outbox): void {
    this.#waiting.take(Infinity, (replyTo, correlation) => this.#answerAppend(out, replyTo, correlation, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1))
    for (const fetch of this.#watching.takeAll()) this.#answerFetch(fetch, out)
    // Sequences of batches that are gone must not make their repetition a duplicate.
    this.#producers.truncate(this.#replica.log.logEndOffset)
    this.#snapshot = undefined
  }

  #announce (out: Outbox, again: boolean): void {
    const { role, term } = this.#replica
    if (role !== 'leader') return
    if (!again) this.#announcedTerm = term
    out.tell(this.#controller, { kind: 'leader-elected', topicId: this.#topicId, partition: this.#partition, term } as Message)
  }

  /** An idle partition has no timer for this: the first append after a pause sets it, and it ends one round after the last. */
  #keepUp (out: Outbox): void {
    this.#written = true
    if (this.#upkeepSet) return
    this.#upkeepSet = true
    out.timer(Math.min(upkeepMs, this.#config.flushIntervalMs), upkeep)
  }

  #upkeep (out: Outbox, now: number): void {
    const { log } = this.#replica
    this.#upkeepSet = false
    log.maintain(now, out)
    const due = now - this.#checkpointedAt >= upkeepMs
    if (due) {
      this.#checkpointedAt = now
      log.checkpoint(out, this.#takeSnapshot())
    }
    const again = this.#written || !due || log.refusal !== undefined
    this.#written = false
    if (again) this.#keepUp(out)
  }

  /** The producers' state, once what it stands for is durable; a restart reads only what was appended behind it. */
  #takeSnapshot (): Snapshot | undefined {
    const snapshot = this.#snapshot
    if (snapshot === undefined || snapshot.offset > this.#replica.log.durableEndOffset) return undefined
    this.#snapshot = undefined
    return snapshot
  }

  #checkRetention (out: Outbox, now: number): void {
    const wallMs = this.#wallMs(now)
    this.#producers.expire(wallMs - producerIdleMsMax)
    this.#replica.log.applyRetention(wallMs, out)
    out.timer(retentionCheckMs, retentionCheck)
  }
}

/** What a partition's log tells while it is opened, made into the state of its producers. */
export function partitionReplay (producers: ProducerState): LogReplay {
  return {
    snapshot: bytes => producers.restore(bytes),
    batch: bytes => {
      const id = producerIdOf(bytes, 0)
      if (id < 0) return
      producers.update(id, producerEpochOf(bytes, 0), baseSequenceOf(bytes, 0), baseOffsetOf(bytes, 0), lastOffsetDeltaOf(bytes, 0), maxTimestampOf(bytes, 0))
    }
  }
}

function errorOfFault (fault: BatchFault): ErrorCode {
  switch (fault) {
    case BatchFault.magic: return ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT
    case BatchFault.count: return ErrorCode.INVALID_RECORD
    case BatchFault.timestamp: return ErrorCode.INVALID_TIMESTAMP
    default: return ErrorCode.CORRUPT_MESSAGE
  }
}
