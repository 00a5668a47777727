/**
 * One replica of a Raft group: joins what raft decides (who leads, what is committed) with what the log remembers, and both with
 * the disk's votes, the clock and the links to other brokers. Partition and controller each own one.
 *
 * ```
 *   vote-read --> Raft machine <--- raft-in, raft-tick, peer-status, entries-loaded
 *                  |   |    \
 *       save-vote <+   |     +--> raft-out (links of this thread)
 *                      v
 *                     Log <---> log messages, turn-end: one group write, then followers get what was appended in the turn
 * ```
 * Messages of Raft that come before the vote was read are dropped: whoever sent them asks again.
 */
import { assert } from '../base/assert.ts'
import type { Effect, Message } from '../base/effect.ts'
import type { ActorId, GroupKey, MemberId, Offset, Term } from '../base/ids.ts'
import type { Chance } from '../base/prng.ts'
import type { Log, LogEvent, LogMessage } from '../log/log.ts'
import { type Configuration, isJoint, isOnlyVoter, membersOf, nobody } from '../raft/configuration.ts'
import type { Target } from '../raft/membership.ts'
import type { RaftPort } from '../raft/ports.ts'
import type { Progress } from '../raft/progress.ts'
import { Raft, type RaftLimits, type RaftTiming, type Role } from '../raft/raft.ts'
import { baseOffsetOf, batchBytesOf, lastOffsetDeltaOf, leaderEpochOf, maxTimestampOf, nextOffsetOf } from '../record/record-batch.ts'
import { configurationBatch, leaderChangeBatch } from '../record/control-record.ts'
import type { Outbox, TurnEnd, Undeliverable } from '../runtime/actor.ts'
import type { GroupState } from './group-state.ts'
import type { PeerStatus, RaftIn } from './peers/messages.ts'
import { isSound, joined, type ReadEntries } from './replica-entries.ts'
import { ReplicaLosses, type LossEffects, type LossMessage } from './replica-losses.ts'
import { ReplicaLog } from './replica-log.ts'
import { ReplicaVotes, type VotesAgain } from './replica-votes.ts'
import type { VoteRead, VoteSaved } from './votes/messages.ts'

interface RaftTick extends Message { readonly kind: 'raft-tick' }
interface EntriesLoaded extends Message {
  readonly kind: 'entries-loaded'
  readonly to: MemberId
  readonly offset: Offset
  /** Undefined: they could not be read. */
  readonly batches: Uint8Array | undefined
}
const raftTick: RaftTick = { kind: 'raft-tick' }

/** Messages that are the replica's own: its owner hands everything it does not know itself to {@link Replica.receive}. */
export type ReplicaMessage = LogMessage | VoteRead | VoteSaved | TurnEnd | Undeliverable | RaftIn | PeerStatus | RaftTick | VotesAgain | EntriesLoaded | LossMessage

export interface ReplicaTiming extends RaftTiming {
  readonly tickMs: number
  /** A member that has not held what the leader held for this long is not in sync: `replica.lag.time.max.ms`. */
  readonly lagMsMax: number
}

export interface ReplicaOptions {
  readonly log: Log
  readonly state: GroupState
  readonly group: GroupKey
  readonly self: MemberId
  readonly votes: ActorId
  /** The links to other brokers of this thread. */
  readonly peers: ActorId
  readonly chance: Chance
  readonly timing: ReplicaTiming
  readonly limits: RaftLimits
  readonly readEntries: ReadEntries
  /** It stands for election. */
  readonly onElection: () => void
  /** See {@link Raft}. */
  readonly forgetful?: 'maybe' | 'surely' | undefined
  /** Who is to be in the group, as the controller means it: a forgetful member that remembers none of them waits for their word. */
  readonly meant?: readonly MemberId[]
  readonly notes?: LossEffects
  /** There is a note of it. */
  readonly noted?: boolean
}

/** Told of what a follower's log goes through; a leader's appends are its own. */
export interface ReplicaOwner {
  /** A batch of the leader's is in the log here. Borrowed. It may still be taken back. */
  appended (batch: Uint8Array): void
  /** The log now ends at `end`: what was behind it is gone. */
  truncated (end: Offset): void
}

export interface MemberProgress {
  readonly member: MemberId
  /** Exclusive: durable there. */
  readonly endOffset: Offset
  readonly inSync: boolean
}

export class Replica {
  readonly log: Log
  readonly group: GroupKey
  readonly self: MemberId
  readonly state: GroupState
  readonly #options: ReplicaOptions
  #owner: ReplicaOwner = { appended: () => {}, truncated: () => {} }
  #raft: Raft | undefined
  #out!: Outbox
  #ticking = false
  readonly #losses: ReplicaLosses
  readonly #votes: ReplicaVotes
  #target: Target | undefined
  /** The term whose leadership was told the target. */
  #toldTerm = 0
  /** What was durable when that was told last: others may count on it. */
  #durableEnd = 0 as Offset
  /** The log begins anew, with this state. */
  #resetTo: Uint8Array | undefined
  readonly #port: RaftPort

  constructor (options: ReplicaOptions) {
    this.#options = options
    this.log = options.log
    this.group = options.group
    this.self = options.self
    this.state = options.state
    this.#losses = new ReplicaLosses(options.notes, options.forgetful !== undefined, options.noted === true)
    this.#votes = new ReplicaVotes(options.votes, options.group)
    this.#port = this.#makePort()
  }

  /** Whoever derives state from the log. Set before {@link start}. */
  own (owner: ReplicaOwner): void {
    this.#owner = owner
  }

  // ---- what is known

  get role (): Role { return this.#raft?.role ?? 'follower' }
  get term (): Term { return this.#raft?.term ?? 0 as Term }
  get leader (): MemberId { return this.#raft?.leader ?? nobody }
  /** It has lost, or may have, what it once acknowledged, and does not hold it again yet. */
  get forgetful (): boolean { return this.#losses.forgetful }
  get quiescent (): boolean { return this.#raft?.quiescent ?? false }

  /** Exclusive: the first offset that may not be read. */
  get highWatermark (): Offset {
    return this.#raft?.highWatermark ?? this.log.highWatermark
  }

  /** The high watermark was learnt in the present term: nothing above it was ever shown to anyone. */
  get established (): boolean { return this.#raft?.established ?? false }

  get configuration (): Configuration { return this.state.configurations.current }

  /** The newest that is committed: a newer one in the log may still be undone. */
  get committedConfiguration (): Configuration {
    const { entries } = this.state.configurations
    return (entries.findLast(({ offset }) => offset < this.highWatermark) ?? entries[0]!).configuration
  }

  /** There is nobody else in the group, not even a learner. */
  get isAlone (): boolean {
    const members = membersOf(this.configuration)
    return members.length === 1 && members[0] === this.self
  }

  /** It is the only voter, and leads as soon as its vote is on disk. Not who lost something: others may have become voters in what is lost. */
  get electsItself (): boolean {
    const { forgetful, meant = [] } = this.#options
    const meansOthers = meant.some(member => member !== this.self)
    return isOnlyVoter(this.configuration, this.self) && (forgetful === undefined || (forgetful === 'maybe' && !meansOthers))
  }

  /** What is derived from the log, as of its end; for an owner that takes in only what is committed, as of that. */
  snapshot (): Uint8Array {
    return this.state.snapshot(this.state.appliedEnd)
  }

  /** Batches may be appended here now. */
  get canAppend (): boolean { return this.#raft?.canAppend ?? false }
  /** It leads, or led a moment ago, and who does next is not known here: an election or a transfer is under way. */
  get undecided (): boolean { return this.role === 'leader' ? this.#raft!.leading!.transferee !== nobody : this.leader === nobody }

  /** It leads, or is the only one there is and has led: nobody else can have committed anything. */
  get readable (): boolean {
    return this.role === 'leader' || (this.#raft !== undefined && this.term > 0 && this.#raft.isOnlyVoter && !this.#raft.forgetful)
  }

  /** Leader only: what the members hold; itself first. */
  progress (): MemberProgress[] {
    const progress = [{ member: this.self, endOffset: this.log.durableEndOffset, inSync: true }]
    for (const one of this.#raft?.leading?.progress.values() ?? []) {
      progress.push({ member: one.member, endOffset: one.match, inSync: this.#isInSync(one) })
    }
    return progress
  }

  #isInSync (progress: Progress): boolean {
    return !progress.down && progress.behindTicks * this.#options.timing.tickMs < this.#options.timing.lagMsMax
  }

  /** Leader only: voters in sync, the leader too. */
  inSync (): MemberId[] {
    return this.progress().filter(({ member, inSync }) => inSync && this.configuration.voters.includes(member)).map(({ member }) => member)
  }

  /** Exclusive: what is committed, and on the disks of at least `replicasMin` voters besides. */
  acknowledgedEnd (replicasMin: number): Offset {
    const { voters } = this.configuration
    const wanted = Math.min(replicasMin, voters.length)
    if (wanted <= (voters.length >> 1) + 1) return this.highWatermark
    const ends = this.progress().filter(({ member }) => voters.includes(member)).map(({ endOffset }) => endOffset).sort((a, b) => b - a)
    return Math.min(this.highWatermark, ends[wanted - 1] ?? 0) as Offset
  }

  // ---- what is asked of it

  /** Every start comes back as follower: leadership always takes a new term, made durable first. */
  start (out: Outbox): void {
    this.#votes.read(out)
  }

  /**
   * Appends a batch under the leader's term; it becomes durable with the group that this turn's end writes.
   * @returns the end offset, exclusive: committed once the high watermark reaches it
   */
  append (batch: Uint8Array, out: Outbox): Offset {
    this.log.append(batch, this.term, lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
    out.turnEnd()
    return this.log.logEndOffset
  }

  /** Who shall be in the group. Whoever leads it gets there by itself, step by step. */
  setTarget (target: Target, out: Outbox): void {
    this.#out = out
    this.#target = target
    this.#toldTerm = 0
    if (this.#raft !== undefined) this.#raft.meant = target.voters
    this.#settle()
  }

  /** Whether what is wanted of the group has been reached, and is committed. */
  get settled (): boolean {
    const { current } = this.state.configurations
    if (isJoint(current) || !this.state.configurations.isCommitted(this.highWatermark)) return false
    if (this.#target === undefined) return true
    const { voters, learners } = this.#target
    const wanted = new Set([...voters, ...learners])
    const members = membersOf(current)
    return members.length === wanted.size && members.every(member => wanted.has(member)) &&
      current.voters.length === voters.length && current.voters.every(voter => voters.includes(voter))
  }

  /** Lets another voter lead. @returns false: it cannot be, or this is not the leader */
  transfer (to: MemberId, out: Outbox): boolean {
    this.#out = out
    const begun = this.#raft?.leading?.transfer(to) ?? false
    this.#settle()
    return begun
  }

  /** Stands for election as if the leader of `term` had asked for that, which cannot be asked itself. */
  takeLead (term: Term, out: Outbox): void {
    this.#out = out
    if (this.#raft !== undefined && this.term === term && this.leader !== nobody) this.#raft.step({ kind: 'timeout-now', from: this.leader, to: this.self, term })
    this.#settle()
  }

  /** Leader only: asks the others whether it still leads. @returns the round of the question */
  readIndex (out: Outbox): number {
    this.#out = out
    const { round } = this.#raft!.leading!.readIndex()!
    this.#settle()
    return round
  }

  /** Leader only: the newest round in which a majority said that it does. */
  get confirmedRound (): number { return this.#raft!.leading!.confirmedRound }

  /**
   * Takes a message that concerns raft or the log. The high watermark, role and term may have moved when it returns.
   * @returns what happened to the log, 'none' otherwise
   * @throws the disk's error when the log cannot go on: the actor is restarted and recovers from its files
   */
  receive (message: ReplicaMessage, out: Outbox): LogEvent {
    this.#out = out
    const event = this.#handle(message)
    this.#settle()
    return event
  }

  /** @param owned  the owner's state as of the log's end is sound, see {@link Log.close} */
  async close (owned: boolean): Promise<void> {
    await this.log.close(owned ? this.state.snapshot() : undefined)
  }

  // ---- what happens

  #handle (message: ReplicaMessage): LogEvent {
    switch (message.kind) {
      case 'turn-end':
        this.log.flush(this.#out)
        this.#raft?.appended()
        return 'none'
      case 'raft-tick':
        this.#ticking = false
        this.#raft?.tick()
        return 'none'
      case 'raft-in':
        this.#step(message as RaftIn)
        return 'none'
      case 'peer-status':
        this.#raft?.peerStatus((message as PeerStatus).member, (message as PeerStatus).up)
        return 'none'
      case 'entries-loaded':
        this.#loaded(message as EntriesLoaded)
        return 'none'
      case 'vote-read':
        if (this.#votes.wasRead()) this.#begin(message as VoteRead)
        return 'none'
      case 'vote-saved': {
        const { term, vote } = message as VoteSaved
        if (this.#votes.wasSaved(message as VoteSaved, this.#out)) this.#raft!.persisted(term, vote)
        return 'none'
      }
      case 'votes-again':
        this.#votes.again(this.#out)
        return 'none'
      case 'loss-begun': case 'loss-over': case 'note-again': case 'log-astray':
        this.#losses.handle(message as LossMessage, this.#out)
        return 'none'
      case 'undeliverable':
        this.#votes.failed((message as Undeliverable).correlation, this.#out)
        return 'none'
      default:
        return this.#logMoved(message as LogMessage)
    }
  }

  #begin ({ term, vote }: VoteRead): void {
    const { log, state } = this
    const known = Math.max(term, log.lastTerm) as Term
    this.#durableEnd = log.durableEndOffset
    const alone = this.electsItself
    const raft = this.#raft = new Raft({
      self: this.self,
      log: new ReplicaLog(log),
      port: this.#port,
      configurations: state.configurations,
      term: known,
      vote: known === term ? vote : nobody,
      // A single voter: what its log holds after recovery is committed.
      highWatermark: alone ? log.durableEndOffset : log.highWatermark,
      timing: this.#options.timing,
      limits: this.#options.limits,
      forgetful: alone ? undefined : this.#options.forgetful,
      ...this.#options.meant === undefined ? {} : { meant: this.#options.meant }
    })
    if (alone) raft.campaign()
    // A new group's preferred leader, and who led last, need not wait to see whether somebody else does.
    else if (vote === this.self || (known === 0 && state.configurations.current.voters[0] === this.self)) raft.campaignSoon()
  }

  #step ({ message }: RaftIn): void {
    if (message.to !== this.self || this.#raft === undefined) return
    if (message.kind === 'append-entries' && message.endOffset > message.offset) {
      const batches = joined(message.batches)
      if (!isSound(batches, message)) return // as if it had been lost: it comes again
      this.#raft.step({ ...message, batches: [batches] })
    } else this.#raft.step(message)
  }

  #logMoved (message: LogMessage): LogEvent {
    const event = this.log.handle(message, this.#out)
    switch (event) {
      case 'durable':
        this.#durableEnd = this.log.durableEndOffset
        this.#raft?.durable()
        break
      case 'cut':
        this.#resetTo = undefined // it did not come to that
        // Unless each write is synced, a sync that fails takes back what was acknowledged before.
        if (this.log.durableEndOffset < this.#durableEnd && this.#raft?.isOnlyVoter === false) {
          this.#raft.forget()
          this.#losses.begin(this.#out)
        }
        this.#wasCut()
        break
      case 'truncated':
        this.#wasCut()
        break
      case 'ready':
        if (this.#raft?.isOnlyVoter === true) this.#raft.campaign()
        break
      case 'broken': throw this.log.failure ?? new Error('the log is broken')
    }
    return event
  }

  /** What was behind the log's end now is gone; or all of it, and it begins where the leader's does. */
  #wasCut (): void {
    const raft = this.#raft
    const { logEndOffset } = this.log
    const state = this.#resetTo
    this.#durableEnd = this.log.durableEndOffset
    this.#resetTo = undefined
    if (state !== undefined) this.state.restore(state)
    this.#owner.truncated(logEndOffset)
    if (raft === undefined) this.state.configurations.truncate(logEndOffset)
    else raft.cut()
    if (state !== undefined) raft?.wasReset()
  }

  /** After anything that may have moved something. */
  #settle (): void {
    const raft = this.#raft
    if (raft === undefined) return
    if (this.forgetful && !raft.forgetful) this.#losses.end(this.#out)
    if (raft.highWatermark > this.log.highWatermark) this.log.advanceHighWatermark(raft.highWatermark)
    // What has no number was wanted by who led then; whoever leads next may have wanted something else since.
    if (raft.leading === undefined && this.#target?.generation === undefined) this.#target = undefined
    if (raft.leading !== undefined && this.#target !== undefined && this.#toldTerm !== raft.term) {
      this.#toldTerm = raft.term
      raft.leading.setTarget(this.#target)
    }
    if (this.#ticking || raft.quiescent || (raft.leading !== undefined && raft.leading.progress.size === 0)) return
    this.#ticking = true
    this.#out.timer(this.#options.timing.tickMs, raftTick)
  }

  // ---- what raft wants

  #makePort (): RaftPort {
    return {
      send: message => this.#out.tell(this.#options.peers, { kind: 'raft-out', group: this.group, message } as Message),
      persist: (term, vote) => {
        if (vote === this.self) this.#options.onElection()
        this.#votes.save({ term, vote }, this.#out)
      },
      append: (batches, from) => this.#appendEntries(batches[0]!, from),
      appendLeaderChange: () => this.#appendControl(leaderChangeBatch(this.self, this.configuration.voters)),
      appendConfiguration: configuration => this.#appendControl(configurationBatch(configuration)),
      truncate: end => this.log.truncate(end, this.#out),
      stray: offset => {
        assert(this.log.config.flush !== 'always', 'what is committed is never cut')
        this.#losses.stray(offset, this.#out)
      },
      load: (to, offset, endOffset, bytesMax) => this.#out.effect(this.#load(to, offset, endOffset, bytesMax)),
      snapshot: () => {
        const offset = this.state.appliedEnd ?? this.log.firstOffset
        assert(offset >= this.log.firstOffset, 'the owner has taken in what the log no longer has')
        return { offset, state: this.state.snapshot(offset) }
      },
      reset: (offset, previousTerm, state) => {
        const states = this.#resetTo = this.state.adopt(state)
        this.log.restart({ offset, previousTerm, states }, this.#out)
      },
      isNotedForgetful: () => this.#losses.noted,
      random: () => this.#options.chance.next()
    }
  }

  #appendControl (batch: Uint8Array): Offset {
    return this.append(batch, this.#out) - 1 as Offset
  }

  /** Takes in the leader's batches as they are; they were found sound. */
  #appendEntries (batches: Uint8Array, from: Offset): void {
    for (let at = 0; at < batches.length;) {
      const end = at + batchBytesOf(batches, at)
      if (baseOffsetOf(batches, at) >= from) {
        const batch = batches.subarray(at, end)
        this.log.append(batch, leaderEpochOf(batch, 0) as Term, lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
        if (this.state.apply(batch)) this.#raft!.configured()
        this.#owner.appended(batch)
      }
      at = end
    }
    this.#out.turnEnd()
  }

  #load (to: MemberId, offset: Offset, endOffset: Offset, bytesMax: number): Effect {
    const { tickMs, lagMsMax, electionTicks } = this.#options.timing
    const lags = this.#raft!.leading!.progress.get(to)!.lags(lagMsMax / tickMs, electionTicks)
    const plan = this.log.readStored(offset, bytesMax, Math.min(endOffset, this.log.durableEndOffset) as Offset)
    return {
      run: post => {
        const done = (batches: Uint8Array | undefined): void => post({ kind: 'entries-loaded', to, offset, batches } as EntriesLoaded)
        if (plan === undefined) done(undefined)
        else this.#options.readEntries({ ...plan, memory: undefined }, bytesMax, lags, done)
      }
    }
  }

  #loaded ({ to, offset, batches }: EntriesLoaded): void {
    let end = offset
    if (batches === undefined || batches.length === 0 || baseOffsetOf(batches, 0) !== offset) return this.#raft!.loaded(to, offset, end, undefined)
    for (let at = 0; at < batches.length; at += batchBytesOf(batches, at)) end = nextOffsetOf(batches, at) as Offset
    this.#raft!.loaded(to, offset, end, [batches])
  }
}
