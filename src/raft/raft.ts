/**
 * One member of a Raft group: a machine without clock, disk, network or chance of its own. What happens comes in as calls
 * (a message, a tick, an append that became durable), what is to be done goes out through {@link RaftPort}.
 *
 * ```
 *                 election timeout            majority would vote            majority votes
 *   follower ----------------------> pre-candidate ----------------> candidate -----------> leader
 *      ^  ^                               |                              |                    |
 *      |  +------- a leader, a newer term +------------------------------+                    |
 *      +--------------------- a newer term, no quorum in reach, its log was cut --------------+
 * ```
 * Offsets are indexes: a batch is one entry that spans several. Whatever depends on term or vote being durable is held until it is.
 * A message may be late, doubled, reordered or lost: an older term makes it void, and within a term acknowledgements only
 * ever claim more, while what does not fit is answered with where the log here ends.
 *
 * Source: Ongaro and Ousterhout 2014; Ongaro 2014 (pre-vote 9.6, transfer 3.10, read index 6.4, joint consensus 4.3, campaigns of who is removed 4.2.2).
 */
import { assert } from '../base/assert.ts'
import type { MemberId, Offset, Term } from '../base/ids.ts'
import { Candidacy } from './candidacy.ts'
import { isJoint, isOnlyVoter, isVoter, membersOf, nobody } from './configuration.ts'
import type { Configurations } from './configurations.ts'
import { Follower } from './follower.ts'
import { Forgetting } from './forgetting.ts'
import { HardState } from './hard-state.ts'
import { Leader } from './leader.ts'
import { isLonger, type LogEnd } from './log-end.ts'
import type { Heartbeat, PreVote, PreVoted, RaftMessage, Vote, Voted } from './messages.ts'
import type { RaftLimits, RaftOptions, RaftTiming } from './options.ts'
import type { RaftLog, RaftPort } from './ports.ts'

export type { RaftLimits, RaftOptions, RaftTiming } from './options.ts'

/** After so many election timeouts in a row without a leader also who has a full disk stands for election: others with room had their chance. */
const fullTimeouts = 3

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

export class Raft {
  readonly self: MemberId
  readonly log: RaftLog
  readonly port: RaftPort
  readonly configurations: Configurations
  readonly timing: RaftTiming
  readonly limits: RaftLimits

  role: Role = 'follower'
  /** Of this term, as far as it is known; 0: nobody. */
  leader: MemberId = nobody
  /** Exclusive. */
  highWatermark: Offset
  /** Who is to be in the group, as the controller means it: whom a member that knows nobody calls out to. */
  meant: readonly MemberId[]
  /** Nothing happens in the group: no ticks are needed until something does. See docs/raft.md. */
  quiescent = false

  readonly #hardState: HardState
  readonly #follower = new Follower(this)
  #leading: Leader | undefined
  /** In ticks: since the last word of the leader, or since the election began. */
  #elapsed = 0
  #timeout = 0
  readonly #candidacy = new Candidacy(this)
  /** Members that the links call gone: a leader that is elected now starts with that. */
  readonly #down = new Set<MemberId>()
  /** Election timeouts in a row in which it could not lead, and heard nobody who does. */
  #unled = 0
  readonly #forgetting: Forgetting

  constructor (options: RaftOptions) {
    assert(options.term >= options.log.lastTerm, 'a term that the log has seen has begun')
    this.self = options.self
    this.log = options.log
    this.port = options.port
    this.configurations = options.configurations
    this.timing = options.timing
    this.limits = options.limits
    this.meant = options.meant ?? []
    this.#hardState = new HardState(options.port, options.term, options.vote)
    this.highWatermark = options.highWatermark
    this.configurations.commit(options.highWatermark)
    this.#forgetting = new Forgetting(options.forgetful, options.self, options.timing.electionTicks)
    this.#drawTimeout()
  }

  // ---- what is asked of it

  get term (): Term { return this.#hardState.term }

  get vote (): MemberId { return this.#hardState.vote }

  /** Its part as leader; undefined while it is none. */
  get leading (): Leader | undefined { return this.#leading }

  /** The present high watermark was learnt in the present term: what an earlier leader committed is below it. */
  get established (): boolean {
    return this.#leading !== undefined ? this.#leading.established : this.#follower.established
  }

  get isOnlyVoter (): boolean { return isOnlyVoter(this.configurations.current, this.self) }

  /** Batches may be appended here now. */
  get canAppend (): boolean {
    return this.#leading !== undefined && this.#leading.transferee === nobody && this.log.writable
  }

  // ---- what happens

  /** One unit of the Raft clock has passed. */
  tick (): void {
    if (this.quiescent) return
    this.#forgetting.tick(this.configurations.current)
    if (this.#leading !== undefined) {
      this.#leading.tick()
      return
    }
    // Until its term and vote are on disk it can say nothing.
    if (this.#hardState.isUnsaved) return
    this.#elapsed++
    if (this.#elapsed >= this.#timeout) {
      if (this.#mayLead) this.campaign()
      else this.#callOut()
    } else if (this.role !== 'follower' && this.#elapsed % this.timing.heartbeatTicks === 0) this.#candidacy.ask()
  }

  /** Begins an election: in a group of several voters by asking first whether it could be won. */
  campaign (): void {
    if (this.role === 'leader' || !this.#mayLead) return
    this.wake()
    this.#beginElection(this.isOnlyVoter ? 'candidate' : 'pre-candidate', false)
  }

  /** The first to try in a new group, or the one that led before a restart: whoever asks at once spares all others their timeout. */
  campaignSoon (): void {
    if (this.role === 'follower' && this.leader === nobody) this.#timeout = this.#elapsed + 1
  }

  step (message: RaftMessage): void {
    assert(message.to === this.self, 'a message reaches the member it was sent to')
    this.#down.delete(message.from)
    this.#forgetting.heard(message.from)
    if (message.kind === 'pre-vote') return this.#answerPreVote(message)
    if (message.kind === 'vote' && this.#hearsFromLeader && !message.transfer && message.from !== this.leader) return
    if (message.term < this.term) return this.#refuseOldTerm(message)
    // A follower that sleeps is woken by its leader alone, or by a newer term: by a late vote it would wait for heartbeats that a leader asleep does not send.
    if (this.#leading !== undefined) this.wake()
    const tentative = message.kind === 'pre-voted' && message.granted
    if (message.term > this.term && !tentative) {
      // The vote is saved together with the term: one write.
      const vote = message.kind === 'vote' && this.#mayVoteFor(message) && this.#isUpToDate(message) ? message.from : nobody
      this.becomeFollower(message.term, nobody, vote)
    }
    switch (message.kind) {
      case 'vote': this.#answerVote(message); break
      case 'pre-voted':
      case 'voted': this.#countVote(message); break
      case 'append-entries':
      case 'heartbeat':
      case 'reset-log':
        this.#hearLeader(message.from)
        if (message.kind === 'append-entries') this.#follower.append(message)
        else if (message.kind === 'reset-log') this.#follower.reset(message)
        else this.#heartbeat(message)
        break
      case 'entries-appended':
      case 'heartbeat-answered':
        this.#leading?.step(message)
        break
      case 'timeout-now':
        if (this.role !== 'leader' && this.#mayLead) {
          this.wake()
          this.#beginElection('candidate', true)
        }
    }
  }

  /** Term and vote as given to {@link RaftPort.persist} are on disk. */
  persisted (term: Term, vote: MemberId): void {
    if (!this.#hardState.saved(term, vote) || vote !== this.self) return
    this.#candidacy.voteSaved()
    this.#countElection()
  }

  /** The log here has grown by the leader's own appends. */
  appended (): void {
    if (this.#leading === undefined) return
    this.wake()
    this.#leading.replicate()
  }

  /** More of the log is durable. */
  durable (): void {
    if (this.#leading !== undefined) this.#leading.advance()
    else this.#follower.acknowledge()
  }

  /** The log lost its end: by {@link RaftPort.truncate}, or because the disk failed. */
  cut (): void {
    // Who sleeps lacks something now: the leader is to hear of it.
    this.wake()
    this.configurations.truncate(this.log.endOffset)
    this.#follower.cut()
    // A leader may not go on in its term: two different batches could stand at one (offset, term). Nor may who wants to lead:
    // it was, or will be, voted for because of what is gone.
    if (this.#leading !== undefined) this.#leading.stepAside()
    else if (this.role !== 'follower') this.becomeFollower(this.term, nobody)
    // A leader may have committed what only others hold; and unless each write is synced, what was committed may be lost here.
    this.highWatermark = Math.min(this.highWatermark, this.log.endOffset) as Offset
  }

  /** The log was begun anew, as {@link RaftPort.reset} said. */
  wasReset (): void {
    this.#follower.wasReset()
  }

  /** What {@link RaftPort.load} asked for; `undefined` when it could not be read. */
  loaded (to: MemberId, offset: Offset, endOffset: Offset, pieces: readonly Uint8Array[] | undefined): void {
    this.#leading?.loaded(to, offset, endOffset, pieces)
  }

  /** A control batch with a configuration is in the log at `offset`. */
  configured (): void {
    this.wake()
    this.#leading?.configured()
  }

  /** The links say that a node is gone, or there again. Only a hint: it makes waiting shorter, and decides nothing. */
  peerStatus (member: MemberId, up: boolean): void {
    if (!membersOf(this.configurations.current).includes(member)) return
    if (up) this.#down.delete(member)
    else this.#down.add(member)
    if (this.#leading !== undefined) {
      this.wake()
      this.#leading.peerStatus(member, up)
    } else if (!up && member === this.leader) {
      this.wake()
      this.leader = nobody
      this.#elapsed = 0
      this.#timeout = 1 + Math.floor(this.port.random() * this.timing.heartbeatTicks * 2)
    }
  }

  // ---- what leader and follower share

  send (message: RaftMessage): void {
    this.#hardState.send(message)
  }

  becomeFollower (term: Term, leader: MemberId, vote = nobody): void {
    this.wake()
    this.#leading = undefined
    this.#follow(leader)
    if (term > this.term) this.#remember(term, vote)
    this.#follower.begin()
    this.#elapsed = 0
    this.#drawTimeout()
  }

  /** Something happens: the clock of this group runs again. */
  wake (): void {
    this.quiescent = false
  }

  sleep (): void {
    this.quiescent = true
    this.#elapsed = 0
  }

  advanceHighWatermark (end: Offset): void {
    if (end <= this.highWatermark) return
    this.highWatermark = end
    this.configurations.commit(end)
  }

  /** Some of what was acknowledged here is lost: see `forgetful`, `maybe`. */
  forget (): void {
    this.#forgetting.begin()
    this.#follower.forget()
  }

  /** This voter holds everything that was committed when it began to listen: it may vote again. */
  caughtUp (): void {
    this.#forgetting.end()
  }

  get forgetful (): boolean { return this.#forgetting.lasts }

  isDown (member: MemberId): boolean { return this.#down.has(member) }

  // ---- elections

  /**
   * Also who is no voter any more, while that is not known to be committed: its log may be the longest, and those who do not have its
   * end yet need its vote. It counts for nothing in its own election.
   */
  get #mayLead (): boolean {
    return this.#canLead && !this.forgetful && !this.#forgetting.yields && this.configurations.entries.some(({ configuration }) => isVoter(configuration, this.self))
  }

  /** Its log takes batches; or nobody's seems to, and with a leader there are at least reads. */
  get #canLead (): boolean {
    return this.log.writable || (this.log.full && this.#unled >= fullTimeouts)
  }

  /**
   * Who is no member by its own log may have been one before, with a log that it gave up: somebody who has heard of neither
   * would count its vote, and it no longer knows what it once acknowledged. Once its log says that it is one again, it holds that too.
   * While what removes it is not known to be committed its vote is still needed.
   */
  #mayVoteFor (end: LogEnd): boolean {
    return (!this.forgetful || this.#forgetting.favours(end)) && this.configurations.entries.some(({ configuration }) => membersOf(configuration).includes(this.self))
  }

  /** A leader is there: who asks for votes now was only cut off from it. */
  get #hearsFromLeader (): boolean {
    return this.timing.checkQuorum && this.leader !== nobody && (this.role === 'leader' || this.#elapsed < this.timing.electionTicks)
  }

  #drawTimeout (): void {
    this.#timeout = this.timing.electionTicks + Math.floor(this.port.random() * this.timing.electionTicks)
  }

  #remember (term: Term, vote: MemberId): void {
    // What an earlier leader's word made of the log here says nothing about the next one's, also where this member raises the term.
    if (term > this.term) this.#follower.begin()
    this.#hardState.remember(term, vote)
  }

  #beginElection (role: 'pre-candidate' | 'candidate', transferred: boolean): void {
    this.role = role
    this.leader = nobody
    this.#elapsed = 0
    this.#drawTimeout()
    if (role === 'candidate') {
      this.#timeout *= this.#candidacy.stand(transferred)
      this.#remember(this.term + 1 as Term, this.self)
    } else {
      this.#candidacy.prepare()
    }
    this.#candidacy.ask()
    this.#countElection()
  }

  /**
   * Who may not lead (a learner, a forgetful voter, one whose disk is full) and hears nothing asks all the same, with a log that
   * nobody votes for: a leader that sleeps answers with a heartbeat, and voters that sleep learn that this one leads no more.
   */
  #callOut (): void {
    this.#unled++
    this.#elapsed = 0
    this.#drawTimeout()
    this.#follow(nobody)
    const known = membersOf(this.configurations.current)
    const members = known.includes(this.self) ? known : this.meant
    if (!members.includes(this.self)) return
    for (const to of members) {
      if (to !== this.self) this.send({ kind: 'pre-vote', from: this.self, to, term: this.term + 1 as Term, round: 0, lastTerm: 0 as Term, endOffset: 0 as Offset })
    }
  }

  #isUpToDate (message: PreVote | Vote): boolean {
    return !isLonger(this.log, message)
  }

  #answerPreVote (message: PreVote): void {
    // Who may not lead calls out with an empty log.
    if (message.endOffset > 0) this.#forgetting.heardCandidate(message.from, message, isLonger(message, this.log))
    // The group sleeps here and not there: a word of the leader puts that right.
    if (this.#leading?.progress.has(message.from) === true) this.wake()
    if (message.term > this.term) {
      if (message.from === this.leader) {
        // It restarted or gave up, and leads no more: nobody must sleep on in the belief that it does.
        this.wake()
        this.leader = nobody
      } else if (this.#hearsFromLeader) return
    }
    const granted = message.term > this.term && this.#mayVoteFor(message) && this.#isUpToDate(message)
    // A refusal carries the term here, so that who lags behind catches up with it.
    this.send({ kind: 'pre-voted', from: this.self, to: message.from, term: granted ? message.term : this.term, round: message.round, granted })
  }

  #answerVote (message: Vote): void {
    const free = this.vote === message.from || (this.vote === nobody && this.leader === nobody)
    const granted = free && this.#mayVoteFor(message) && this.#isUpToDate(message)
    if (granted) {
      this.#elapsed = 0
      if (this.vote !== message.from) this.#remember(this.term, message.from)
    }
    this.send({ kind: 'voted', from: this.self, to: message.from, term: this.term, granted })
  }

  #countVote (message: PreVoted | Voted): void {
    this.#candidacy.count(message)
    this.#countElection()
  }

  #countElection (): void {
    switch (this.#candidacy.outcome) {
      case 'elected':
        if (this.#canLead) this.#becomeLeader()
        else this.becomeFollower(this.term, nobody)
        break
      case 'electable': this.#beginElection('candidate', false); break
      // The next try comes with the timeout, or from somebody else.
      case 'lost': this.#follow(nobody)
    }
  }

  #follow (leader: MemberId): void {
    this.role = 'follower'
    this.leader = leader
    this.#candidacy.withdraw()
  }

  #becomeLeader (): void {
    this.role = 'leader'
    this.leader = this.self
    this.#unled = 0
    this.#candidacy.decided()
    this.#leading = new Leader(this)
    this.#leading.begin()
  }

  // ---- words of others

  #refuseOldTerm (message: RaftMessage): void {
    switch (message.kind) {
      // Who leads or wants to lead in an older term learns of the newer one.
      case 'append-entries':
      case 'heartbeat':
      case 'reset-log':
        this.send({
          kind: 'heartbeat-answered', from: this.self, to: message.from, term: this.term, sentEnd: 0 as Offset, endOffset: 0 as Offset, readRound: 0
        })
        break
      case 'vote':
        this.send({ kind: 'voted', from: this.self, to: message.from, term: this.term, granted: false })
        break
      default:
    }
  }

  #hearLeader (from: MemberId): void {
    assert(this.role !== 'leader', 'a term has one leader')
    if (this.role !== 'follower' || this.leader !== from) {
      this.wake()
      this.#follow(from)
      this.#drawTimeout()
    }
    this.#elapsed = this.#unled = 0
    this.#candidacy.decided()
    this.#forgetting.heardLeader()
  }

  #heartbeat (message: Heartbeat): void {
    if (!this.#follower.heartbeat(message)) this.wake()
    else this.sleep()
  }

  /** For a log line: who is in the group, and in which way. */
  toString (): string {
    const { voters, outgoing, learners } = this.configurations.current
    const joint = isJoint(this.configurations.current) ? ` out ${outgoing.join(',')}` : ''
    const learning = learners.length > 0 ? ` learning ${learners.join(',')}` : ''
    return `${this.self} ${this.role} term ${this.term} leader ${this.leader} end ${this.log.endOffset} hw ${this.highWatermark} voters ${voters.join(',')}${joint}${learning}`
  }
}
