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
import type { ActorId, Offset, PartitionIndex, ThreadIndex, TopicId } from '../../base/ids.ts'
import {
  BatchFault, baseSequenceOf, isControl, isTransactional, lastOffsetDeltaOf, maxTimestampOf, producerEpochOf, producerIdOf,
  recordCountOf, validateBatch
} from '../../record/record-batch.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import type { Replica, ReplicaMessage, ReplicaOwner } from '../replica.ts'
import { Announcements } from './announcements.ts'
import { Deletions } from './deletions.ts'
import { DoubtedRefusals, type Refused } from './doubted-refusals.ts'
import { FetchWaiters } from './fetch-waiters.ts'
import { HeldRequests } from './held-requests.ts'
import type {
  Append, Fetch, PartitionAssigned, PartitionConfig, PartitionConfigured, PartitionRequest, TakeLead, TransferLeader, Unwatch
} from './messages.ts'
import type { PartitionState } from './partition-state.ts'
import type { ProducerState } from './producer-state.ts'
import { Reads } from './reads.ts'
import type { Traffic } from './traffic.ts'
import { WaitingAppends } from './waiting-appends.ts'

/** Fetches that may wait at one partition. */
const fetchWaitersMax = 10_000
const doubtedMax = 1000
/** While a partition is written to: checkpoints, and the syncs of `interval`. */
const upkeepMs = 1000
const retentionCheckMs = 30_000
/** So much is appended between two snapshots of the producers: what a start after a crash reads again at most, and a little more. */
const snapshotBytes = 64 * 1024 * 1024
/** A producer that has not written for this long is forgotten: clients give up long before. */
const producerIdleMsMax = 24 * 3600 * 1000

/** Counted by whoever runs the partition; plain adds, called once per batch. */
export interface PartitionMetrics {
  appended (records: number, bytes: number): void
  /** As follower. */
  replicated (records: number, bytes: number): void
  /** This replica began to lead, or ended. */
  leading (leads: boolean): void
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
  /** As the log has it: what the replica's {@link GroupState} was made with. */
  readonly state: PartitionState
  /** What a topic's settings come to, with the broker's for the rest. */
  readonly configOf: (settings: Readonly<Record<string, string>>) => PartitionConfig
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

export type PartitionMessage =
  | PartitionRequest | PartitionAssigned | PartitionConfigured | TransferLeader | TakeLead | ReplicaMessage | Upkeep | RetentionCheck

export class Partition implements Actor<PartitionMessage>, ReplicaOwner {
  readonly #topicId: TopicId
  readonly #partition: PartitionIndex
  readonly #replica: Replica
  readonly #controller: ActorId
  readonly #metrics: PartitionMetrics
  readonly #pendingBytesMax: number
  readonly #wallMs: (now: number) => number
  readonly #traffic: Traffic
  readonly #move: PartitionOptions['move']
  readonly #configOf: PartitionOptions['configOf']
  #config: PartitionConfig

  readonly #state: PartitionState
  readonly #producers: ProducerState
  readonly #reads: Reads
  readonly #deletions: Deletions
  /** With acks=all they wait for their commit, with acks=1 for the leader's own disk. */
  readonly #waiting = new WaitingAppends()
  readonly #waitingOwn = new WaitingAppends()
  readonly #watching = new FetchWaiters(fetchWaitersMax)
  readonly #doubted: DoubtedRefusals
  readonly #held: HeldRequests
  readonly #announcements: Announcements
  #answeredTo: Offset
  #leads = false
  #refusing = false
  #upkeepSet = false
  /** Something was appended since the last upkeep. */
  #written = false
  #checkpointedAt = -Infinity
  #bytesSinceSnapshot = 0
  /** Waits until what it stands for is durable and committed. */
  #snapshot: Snapshot | undefined
  #snapshotVersion: number
  /** Where the log ended when that was looked at last. */
  #endSeen: Offset
  #out: Outbox | undefined

  constructor (options: PartitionOptions) {
    this.#topicId = options.topicId
    this.#partition = options.partition
    this.#replica = options.replica
    this.#state = options.state
    this.#producers = options.state.producers
    this.#controller = options.controller
    this.#metrics = options.metrics
    this.#pendingBytesMax = options.pendingBytesMax
    this.#wallMs = options.wallMs
    this.#traffic = options.traffic
    this.#move = options.move
    this.#config = options.config
    this.#configOf = options.configOf
    this.#answeredTo = options.replica.highWatermark
    this.#reads = new Reads(options.replica)
    this.#doubted = new DoubtedRefusals(options.replica, doubtedMax)
    this.#held = new HeldRequests(options.replica.electsItself)
    this.#announcements = new Announcements(options)
    this.#deletions = new Deletions(options.replica, options.state.starts)
    this.#snapshotVersion = options.replica.state.configurations.version
    this.#endSeen = options.replica.log.logEndOffset
    options.replica.own(this)
  }

  started (out: Outbox): void {
    this.#replica.start(out)
    out.tell(this.#controller, { kind: 'partition-started', topicId: this.#topicId, partition: this.#partition } as Message)
    out.timer(retentionCheckMs, retentionCheck)
  }

  receive (message: PartitionMessage, out: Outbox, now: number): void {
    if (this.#held.isOver(now)) this.#release(out, now)
    if (this.#held.holds && 'replyTo' in message) {
      this.#held.add(message, now)
      return
    }
    switch (message.kind) {
      case 'append': this.#append(message, out, now); break
      case 'fetch': this.#fetch(message, out, now); break
      case 'unwatch': this.#unwatch(message); break
      case 'list-offset': this.#reads.listOffset(message, out); break
      case 'epoch-end': this.#reads.epochEnd(message, out); break
      case 'delete-records': this.#deletions.request(message, this.#writeProblem(), out); break
      case 'announce-leader': if (this.#replica.role === 'leader') this.#announcements.tell(true, out); break
      case 'partition-assigned': this.#assign(message as PartitionAssigned, out); break
      case 'partition-configured': this.#configure((message as PartitionConfigured).config, out); break
      case 'transfer-leader': this.#handOver(message as TransferLeader, out, now); break
      case 'take-lead':
        this.#replica.takeLead((message as TakeLead).term, out)
        this.#advance(out, false)
        break
      case 'upkeep': this.#upkeep(out, now); break
      case 'retention-check': this.#checkRetention(out, now); break
      default: this.#handleReplica(message, out, now)
    }
  }

  idle (): boolean {
    return this.#waiting.count + this.#waitingOwn.count + this.#held.count + this.#doubted.count === 0 && this.#replica.log.pendingBytes === 0
  }

  async close (): Promise<void> {
    if (this.#refusing) this.#metrics.accepting()
    if (this.#leads) this.#metrics.leading(false)
    // With batches that were not written yet the producers know more than the log will hold.
    await this.#replica.close(this.#replica.log.pendingBytes === 0)
  }

  /** Who leads is decided, or the wait was too long: what waited for that is handled now. */
  #release (out: Outbox, now: number): void {
    const held = this.#held.release()
    this.#advance(out, false)
    for (const request of held) this.receive(request, out, now)
  }

  /** Whoever were sent away now would find nobody else who leads yet: requests wait until somebody does. */
  #handOver ({ to }: TransferLeader, out: Outbox, now: number): void {
    if (this.#replica.transfer(to, out)) this.#held.begin(now)
  }

  #handleReplica (message: ReplicaMessage, out: Outbox, now: number): void {
    const event = this.#replica.receive(message, out)
    if (this.#held.holds && (!this.#replica.undecided || message.kind === 'undeliverable' || this.#held.isOver(now))) this.#release(out, now)
    if (event === 'cut') {
      if (!this.#refusing) this.#metrics.refusing(String(this.#replica.log.refusal), this.#replica.log.failure)
      this.#refusing = true
    } else if (event === 'ready' && this.#refusing) {
      this.#refusing = false
      this.#metrics.accepting()
    }
    this.#advance(out, message.kind === 'raft-tick' || message.kind === 'peer-status')
  }

  // ---- what the replica tells

  appended (batch: Uint8Array): void {
    this.#metrics.replicated(recordCountOf(batch, 0), batch.length)
    this.#took(batch.length)
  }

  truncated (end: Offset): void {
    this.#state.truncate(end)
    this.#snapshot = undefined
  }

  // ---- requests

  #append (append: Append, out: Outbox, now: number): void {
    const { records, acks, replyTo, correlation } = append
    this.#follow(replyTo, out, now)
    const errorCode = this.#appendProblem(records, acks)
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
        if (acks === 0 || check.lastOffset < this.#acknowledgedEnd) this.#answerAppend(out, replyTo, correlation, ErrorCode.NONE, check.baseOffset)
        else this.#waiting.push(log.logEndOffset, check.baseOffset, replyTo, correlation)
        return
      }
      if (check.kind === 'old-epoch') {
        this.#answerAppend(out, replyTo, correlation, ErrorCode.INVALID_PRODUCER_EPOCH, -1)
        return
      }
      if (check.kind !== 'next') {
        this.#refuse({ kind: 'append', replyTo, correlation }, out)
        return
      }
    }
    const baseOffset = log.logEndOffset
    const end = this.#replica.append(records, out)
    if (id >= 0) this.#producers.update(id, producerEpochOf(records, 0), baseSequenceOf(records, 0), baseOffset, delta, maxTimestampOf(records, 0))
    this.#metrics.appended(delta + 1, records.length)
    this.#took(records.length)
    this.#watchLog(out)
    if (acks === 0) this.#answerAppend(out, replyTo, correlation, ErrorCode.NONE, baseOffset)
    else (acks === 1 ? this.#waitingOwn : this.#waiting).push(end, baseOffset, replyTo, correlation)
  }

  /** So much more is in the log. */
  #took (bytes: number): void {
    this.#bytesSinceSnapshot += bytes
    if (this.#bytesSinceSnapshot < snapshotBytes) return
    this.#takeSnapshot()
  }

  /** Notes the state as of the log's end; it is saved once all of that is committed. */
  #takeSnapshot (): void {
    this.#bytesSinceSnapshot = 0
    this.#snapshotVersion = this.#replica.state.configurations.version
    this.#snapshot = { offset: this.#replica.log.logEndOffset, bytes: this.#replica.state.snapshot() }
  }

  #writeProblem (): number {
    const { log, role } = this.#replica
    if (role !== 'leader') return log.refusal === undefined || log.refusal === 'truncating' ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.KAFKA_STORAGE_ERROR
    if (log.refusal !== undefined) return ErrorCode.KAFKA_STORAGE_ERROR
    return this.#replica.canAppend ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER
  }

  #appendProblem (records: Uint8Array, acks: number): number {
    const log = this.#replica.log
    const problem = this.#writeProblem()
    if (problem !== ErrorCode.NONE) return problem
    if (acks === -1 && this.#config.minInsyncReplicas > 1 && this.#replica.inSync().length < this.#config.minInsyncReplicas) return ErrorCode.NOT_ENOUGH_REPLICAS
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

  /** Moves to the thread that nearly all requests come from. A move is a restart, and that of a group's leader an election: only who is alone moves. */
  #follow (edge: ActorId, out: Outbox, now: number): void {
    const thread = this.#traffic.count(edge, now)
    const move = thread === undefined || !this.#replica.isAlone ? undefined : this.#move(thread)
    if (move !== undefined) out.effect(move)
  }

  #fetch (fetch: Fetch, out: Outbox, now: number): void {
    this.#follow(fetch.replyTo, out, now)
    const waits = this.#replica.highWatermark <= fetch.beyond && this.#reads.fetchProblem(fetch) === ErrorCode.NONE
    if (waits && this.#watching.add(fetch)) return
    if (this.#reads.isBeyond(fetch)) this.#refuse(fetch, out)
    else this.#reads.answerFetch(fetch, out)
  }

  /** What the client takes for final is said once others have confirmed that this leads; who is alone knows it. */
  #refuse (refused: Refused, out: Outbox): void {
    const { isAlone } = this.#replica
    if (isAlone || !this.#doubted.add(refused, out)) this.#answerRefused(refused, isAlone, out)
  }

  #answerRefused (refused: Refused, confirmed: boolean, out: Outbox): void {
    if (refused.kind === 'fetch') this.#reads.answerFetch(refused, out, confirmed)
    else this.#answerAppend(out, refused.replyTo, refused.correlation, confirmed ? ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER : ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
  }

  #unwatch ({ replyTo, correlation }: Unwatch): void {
    this.#watching.remove(replyTo, correlation)
    this.#doubted.remove(replyTo, correlation)
  }

  /** Who shall hold the partition. A leader goes there by itself; one that is not newer than the last is late. */
  #assign ({ voters, generation }: PartitionAssigned, out: Outbox): void {
    if (generation <= this.#announcements.generation) return
    this.#announcements.generation = generation
    this.#replica.setTarget({ voters, learners: [], generation }, out)
    this.#advance(out, true)
  }

  #configure (settings: Readonly<Record<string, string>>, out: Outbox): void {
    this.#config = this.#configOf(settings)
    this.#replica.log.configure(this.#config)
    // What waited for more replicas may have enough now.
    this.#advance(out, false)
  }

  // ---- what follows

  /** After anything that may have moved the high watermark, the role, the term or the group. `look`: also who is in sync. */
  #advance (out: Outbox, look: boolean): void {
    const { highWatermark, role, term } = this.#replica
    const leads = role === 'leader'
    // While it hands over, whose batches are under way is told with the others: when it is known who leads.
    if (this.#leads && !leads && this.#held.holds) return
    if (this.#leads && (!leads || term !== this.#announcements.term)) this.#failWaiting(out)
    if (leads !== this.#leads) this.#metrics.leading(leads)
    this.#leads = leads
    const { configurations } = this.#replica.state
    if (leads && (look || this.#announcements.isDue)) this.#announcements.tell(false, out)
    // Who is in the group must outlive the batch that says it: retention may take that.
    if (configurations.version !== this.#snapshotVersion) this.#takeSnapshot()
    if (leads) this.#acknowledge(out)
    if (leads) for (const refused of this.#doubted.takeConfirmed()) this.#answerRefused(refused, true, out)
    this.#deletions.move(out)
    if (leads) this.#deletions.share(out)
    this.#watchLog(out)
    if (highWatermark === this.#answeredTo) return
    this.#answeredTo = highWatermark
    for (const fetch of this.#watching.take(highWatermark)) this.#reads.answerFetch(fetch, out)
  }

  #acknowledge (out: Outbox): void {
    this.#out = out
    if (this.#waitingOwn.count > 0) this.#waitingOwn.take(this.#replica.log.durableEndOffset, this.#committed)
    if (this.#waiting.count > 0) this.#waiting.take(this.#acknowledgedEnd, this.#committed)
    this.#out = undefined
  }

  /** Exclusive: what acks=all may answer. */
  get #acknowledgedEnd (): Offset {
    return this.#replica.acknowledgedEnd(this.#config.minInsyncReplicas)
  }

  readonly #committed = (replyTo: ActorId, correlation: number, baseOffset: number): void => {
    this.#answerAppend(this.#out!, replyTo, correlation, ErrorCode.NONE, baseOffset)
  }

  /** This is no leader any more: what waits is gone or has an unknown outcome, and clients send it again. */
  #failWaiting (out: Outbox): void {
    const fail = (replyTo: ActorId, correlation: number): void => this.#answerAppend(out, replyTo, correlation, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
    this.#waiting.take(Infinity, fail)
    this.#waitingOwn.take(Infinity, fail)
    for (const fetch of this.#watching.takeAll()) this.#reads.answerFetch(fetch, out)
    for (const refused of this.#doubted.takeAll()) this.#answerRefused(refused, false, out)
    this.#deletions.fail(out)
  }

  /** Whatever made the log longer, clients or Raft, is to be looked after; so is what waits for the disk to do better. */
  #watchLog (out: Outbox): void {
    const { log } = this.#replica
    if (log.logEndOffset !== this.#endSeen) {
      this.#endSeen = log.logEndOffset
      this.#written = true
    }
    if (this.#written || log.needsUpkeep || this.#deletions.isWaiting || this.#canSaveSnapshot) this.#keepUp(out)
  }

  /** An idle partition has no timer for this: the first append after a pause sets it, and it ends one round after the last. */
  #keepUp (out: Outbox): void {
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
      log.checkpoint(out, this.#takeSavableSnapshot())
    }
    const again = this.#written || !due
    this.#written = false
    this.#deletions.move(out)
    if (again) this.#keepUp(out)
    else this.#watchLog(out)
  }

  /** What the snapshot stands for is durable, and will not be cut. */
  get #canSaveSnapshot (): boolean {
    const { log, highWatermark } = this.#replica
    return this.#snapshot !== undefined && this.#snapshot.offset <= log.durableEndOffset && this.#snapshot.offset <= highWatermark
  }

  /** The snapshot, once it can be saved; a restart reads only what was appended behind it. */
  #takeSavableSnapshot (): Snapshot | undefined {
    if (!this.#canSaveSnapshot) return undefined
    const snapshot = this.#snapshot
    this.#snapshot = undefined
    return snapshot
  }

  #checkRetention (out: Outbox, now: number): void {
    const wallMs = this.#wallMs(now)
    this.#producers.expire(wallMs - producerIdleMsMax)
    const { log, state } = this.#replica
    const neededFrom = state.neededFrom(log.snapshotOffset)
    log.applyRetention(wallMs, out, neededFrom)
    // The snapshot that was to say who is in the group has not come to the disk.
    if (neededFrom !== Infinity && this.#snapshot === undefined) this.#takeSnapshot()
    this.#watchLog(out)
    out.timer(retentionCheckMs, retentionCheck)
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
