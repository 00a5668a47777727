/**
 * What the leader of a group does in its term: sends its log to the others, counts what they hold, commits, keeps its place,
 * hands it over, and changes who is in the group. Followers are written to while its own disk still writes.
 */
import type { MemberId, Offset, Term } from '../base/ids.ts'
import { hasQuorum, isVoter, membersOf, nobody } from './configuration.ts'
import { Membership, type Target } from './membership.ts'
import type { EntriesAppended, HeartbeatAnswered } from './messages.ts'
import { Progress } from './progress.ts'
import { highWatermark } from './quorum.ts'
import type { Raft } from './raft.ts'

/** Heartbeats in a row without anything to do, after which a group goes to sleep. */
const idleHeartbeats = 3
/** Election timeouts between the tries of a leader with a full disk to find another one. */
const offerTimeouts = 4

export class Leader {
  readonly #raft: Raft
  readonly #progress = new Map<MemberId, Progress>()
  readonly #membership: Membership
  /** First offset of the term. */
  readonly termStart: Offset
  /** Who is to lead next; meanwhile nothing is appended. */
  transferee: MemberId = nobody
  #transferTicks = 0
  /** Hand-overs that it has asked for because it cannot write itself. */
  #offers = 0
  #ticks = 0
  #idle = 0
  /** The log's end two heartbeats ago, and one: who holds the first is as good as caught up. */
  #endBefore: Offset
  #endLast: Offset
  /** The newest read that was asked for. */
  #readRound = 0

  readonly #durableEnd = (member: MemberId): Offset =>
    member === this.#raft.self ? this.#raft.log.durableEnd : this.#progress.get(member)!.match

  constructor (raft: Raft) {
    this.#raft = raft
    this.termStart = this.#endBefore = this.#endLast = raft.log.endOffset
    this.#membership = new Membership(raft, this)
  }

  begin (): void {
    this.#meetMembers()
    this.#open()
    this.replicate()
    this.advance()
  }

  /**
   * Entries of older terms are committed by one of this term; an empty log has none, and a single voter needs nobody's consent.
   * @returns whether there is one now that was not
   */
  #open (): boolean {
    const { log, port } = this.#raft
    if (log.endOffset > this.termStart || !log.writable) return false
    if (this.termStart > 0 && !this.#raft.isOnlyVoter) {
      port.appendLeaderChange()
      return true
    }
    return false
  }

  /** Everybody else in the group. */
  get progress (): ReadonlyMap<MemberId, Progress> { return this.#progress }

  /** An entry of this term is committed: what was committed before it is known to be. */
  get hasCommitted (): boolean {
    return this.#raft.highWatermark > this.termStart
  }

  get established (): boolean {
    return this.hasCommitted || this.#raft.isOnlyVoter || this.termStart === 0
  }

  /** Whether a member holds what this log held a moment ago. */
  isCaughtUp (member: MemberId): boolean {
    if (member === this.#raft.self) return true
    const progress = this.#progress.get(member)
    return progress !== undefined && progress.state === 'replicate' && progress.match >= this.#endBefore
  }

  // ---- the clock

  tick (): void {
    const { heartbeatTicks, electionTicks, checkQuorum } = this.#raft.timing
    this.#ticks++
    this.#makeUseOfRoom()
    if (this.transferee !== nobody && ++this.#transferTicks >= electionTicks) this.transferee = nobody
    if (this.#ticks % electionTicks === 0 && checkQuorum && !this.#checkQuorum()) {
      this.#raft.becomeFollower(this.#raft.term, nobody)
      return
    }
    if (this.#ticks % heartbeatTicks !== 0) return
    for (const progress of this.#progress.values()) progress.passed(heartbeatTicks, this.isCaughtUp(progress.member))
    this.#endBefore = this.#endLast
    this.#endLast = this.#raft.log.endOffset
    this.#membership.converge()
    // The group may have changed hands by that.
    if (this.#raft.leading !== this) return
    this.#idle = this.#canSleep() ? this.#idle + 1 : 0
    // Everybody who is there must have answered since: a leader that nobody hears may not sleep over that.
    if (this.#idle <= 1) for (const progress of this.#progress.values()) progress.heard = false
    const quiesce = this.#idle >= idleHeartbeats && this.#isHeard
    this.#heartbeats(quiesce)
    if (quiesce) {
      this.#idle = 0
      this.#raft.sleep()
    }
  }

  /** For who was elected with a full disk: there may be room by now, here or elsewhere. */
  #makeUseOfRoom (): void {
    const { log, timing } = this.#raft
    if (!log.writable) {
      if (this.#ticks % (offerTimeouts * timing.electionTicks) === 0) this.#offerLead()
    } else if (this.#open()) this.replicate()
  }

  #checkQuorum (): boolean {
    const { self, configurations } = this.#raft
    const reached = hasQuorum(configurations.current, member => member === self || this.#progress.get(member)!.active)
    for (const progress of this.#progress.values()) progress.active = false
    return reached
  }

  /** Everybody who is there holds everything, and knows that it is committed. */
  #canSleep (): boolean {
    const { log, highWatermark, configurations, self } = this.#raft
    const end = log.endOffset
    if (highWatermark !== end || log.durableEnd !== end || !log.writable || this.transferee !== nobody || !this.#membership.settled) return false
    for (const { down, state, match, readRound } of this.#progress.values()) {
      if (!down && (state !== 'replicate' || match !== end || readRound !== this.#readRound)) return false
    }
    return hasQuorum(configurations.current, member => member === self || !this.#progress.get(member)!.down)
  }

  get #isHeard (): boolean {
    for (const { down, heard } of this.#progress.values()) if (!down && !heard) return false
    return true
  }

  #heartbeats (quiesce: boolean): void {
    const { self, term, log, highWatermark } = this.#raft
    for (const { member, match, next, state } of this.#progress.values()) {
      this.#raft.send({
        kind: 'heartbeat',
        from: self,
        to: member,
        term,
        highWatermark: Math.min(highWatermark, match) as Offset,
        sentEnd: state === 'replicate' ? next : 0 as Offset,
        readRound: this.#readRound,
        // Who is gone, and lacks something, is to go on asking when it is back.
        quiesce: quiesce && state === 'replicate' && match === log.endOffset
      })
    }
  }

  // ---- the log on its way to the others

  replicate (): void {
    for (const progress of this.#progress.values()) this.#send(progress)
  }

  #send (progress: Progress): void {
    const { log, limits, port } = this.#raft
    if (progress.loading) return
    if (progress.state !== 'replicate') {
      if (!progress.asked) this.#probe(progress)
      return
    }
    while (progress.next < log.endOffset && !progress.inflights.full) {
      const offset = progress.next
      const entryTerm = log.termAt(offset)
      if (offset < log.startOffset || entryTerm === undefined) {
        progress.becomeProbe(offset)
        this.#probe(progress)
        return
      }
      const end = Math.min(log.epochEnd(entryTerm)!.endOffset, log.endOffset) as Offset
      const entries = log.entries(offset, end, limits.messageBytesMax)
      if (entries === undefined) {
        progress.loading = true
        port.load(progress.member, offset, end, limits.messageBytesMax)
        return
      }
      this.#sendEntries(progress, entryTerm, entries.endOffset, entries.pieces, entries.bytes)
    }
  }

  #sendEntries (progress: Progress, entryTerm: Term, endOffset: Offset, batches: readonly Uint8Array[], bytes: number): void {
    const { self, term, highWatermark } = this.#raft
    const offset = progress.next
    progress.inflights.add(endOffset, bytes)
    progress.next = endOffset
    this.#raft.send({
      kind: 'append-entries', from: self, to: progress.member, term, offset, previousTerm: this.#termBefore(offset), endOffset, entryTerm, highWatermark, batches
    })
  }

  /** Asks whether the logs agree at `next`; a member whose log ends before this one begins is told to begin anew. */
  #probe (progress: Progress): void {
    const { self, term, log, port, highWatermark } = this.#raft
    progress.asked = true
    if (progress.state !== 'reset' && progress.next >= log.startOffset) return this.#ask(progress.member, progress.next)
    const { offset, state } = port.snapshot()
    progress.becomeReset(offset)
    this.#raft.send({ kind: 'reset-log', from: self, to: progress.member, term, offset, previousTerm: this.#termBefore(offset), highWatermark, state })
  }

  /** An append without batches: whoever holds the entry before `offset` answers at once with what is durable there. */
  #ask (to: MemberId, offset: Offset): void {
    const { self: from, term, highWatermark } = this.#raft
    this.#raft.send({
      kind: 'append-entries', from, to, term, offset, previousTerm: this.#termBefore(offset), endOffset: offset, entryTerm: 0 as Term, highWatermark, batches: []
    })
  }

  #termBefore (offset: Offset): Term {
    return offset === 0 ? 0 as Term : this.#raft.log.termAt(offset - 1 as Offset) ?? 0 as Term
  }

  loaded (to: MemberId, offset: Offset, endOffset: Offset, pieces: readonly Uint8Array[] | undefined): void {
    const progress = this.#progress.get(to)
    if (progress === undefined || !progress.loading) return
    progress.loading = false
    // Asked anew meanwhile; or the disk would not give it, which the next heartbeat tries again.
    if (progress.state !== 'replicate' || progress.next !== offset || pieces === undefined) return
    const entryTerm = offset < this.#raft.log.startOffset ? undefined : this.#raft.log.termAt(offset)
    if (entryTerm !== undefined && !progress.inflights.full) this.#sendEntries(progress, entryTerm, endOffset, pieces, pieces.reduce((sum, piece) => sum + piece.length, 0))
    this.#send(progress)
  }

  // ---- what the others say

  step (message: EntriesAppended | HeartbeatAnswered): void {
    const progress = this.#progress.get(message.from)
    if (progress === undefined) return // no member any more
    progress.active = true
    progress.down = false
    if (message.kind === 'heartbeat-answered') this.#heartbeatAnswered(progress, message)
    else if (message.rejected) this.#rejected(progress, message)
    else this.#accepted(progress, message)
  }

  #heartbeatAnswered (progress: Progress, message: HeartbeatAnswered): void {
    progress.asked = false
    progress.heard = true
    if (message.readRound > progress.readRound) progress.readRound = message.readRound
    // What had been sent before the heartbeat was not there when it came: it was lost on the way, or given up there.
    const lost = progress.state === 'replicate' && !progress.loading && message.sentEnd > 0 && message.endOffset < message.sentEnd && progress.next >= message.sentEnd
    if (lost) progress.becomeProbe(Math.max(progress.match, message.endOffset) as Offset)
    // It is all there, and nothing was acknowledged for a whole heartbeat: the disk there is slow, or the word of it was lost.
    const unheard = progress.match === progress.matchBefore && progress.match < message.sentEnd
    // Or a member that has forgotten is to learn what is committed, and to say that it holds that now.
    if (!lost && progress.state === 'replicate' && (unheard || !progress.whole)) this.#ask(progress.member, message.sentEnd)
    progress.matchBefore = progress.match
    this.#send(progress)
  }

  #accepted (progress: Progress, { endOffset, offset, forgetful }: EntriesAppended): void {
    progress.whole = !forgetful
    const news = progress.holds(endOffset)
    // A reset is answered late, perhaps, when another one was sent that begins further on.
    const from = progress.state === 'reset' ? this.#raft.log.startOffset : progress.next
    if (progress.state !== 'replicate' && offset >= from) progress.becomeReplicate(offset)
    if (news) this.advance()
    if (this.#raft.leading !== this) return
    this.#send(progress)
    if (progress.member === this.transferee) this.#handOver(progress)
  }

  #rejected (progress: Progress, { offset, hintTerm, endOffset }: EntriesAppended): void {
    // One that is late is of an offset that is long settled.
    if (progress.state === 'replicate' ? offset <= progress.match : offset !== progress.next) return
    const { log } = this.#raft
    const own = log.epochEnd(hintTerm)
    // The same term on both sides was written by the same leader: the logs agree as far as the shorter one goes. Else
    // what the member has of `hintTerm` is of no use, and neither is what this log has behind the newest term below it.
    const common = own === undefined ? log.startOffset : own.term === hintTerm ? Math.min(own.endOffset, endOffset) : own.endOffset
    const next = Math.max(0, Math.min(common, offset - 1)) as Offset
    progress.becomeProbe(next)
    this.#send(progress)
  }

  // ---- commit

  /** More is durable somewhere. */
  advance (): void {
    const raft = this.#raft
    const before = raft.highWatermark
    raft.advanceHighWatermark(highWatermark(raft.configurations.current, this.#durableEnd, this.termStart, before))
    if (raft.highWatermark > before) this.#membership.converge()
  }

  /**
   * Asks for the right to read what is committed now: the present high watermark may be read once {@link confirmedRound} has
   * reached the round that this returns. Undefined while an earlier leader's commits are not known.
   */
  readIndex (): { readonly round: number, readonly offset: Offset } | undefined {
    if (!this.established) return undefined
    this.#raft.wake()
    this.#readRound++
    if (this.#progress.size > 0) this.#heartbeats(false)
    return { round: this.#readRound, offset: this.#raft.highWatermark }
  }

  /** A majority has said after this round was begun that it follows this leader. */
  get confirmedRound (): number {
    const { self, configurations } = this.#raft
    for (let round = this.#readRound; round > 0; round = this.#roundBefore(round)) {
      if (hasQuorum(configurations.current, member => member === self || this.#progress.get(member)!.readRound >= round)) return round
    }
    return 0
  }

  #roundBefore (round: number): number {
    let before = 0
    for (const progress of this.#progress.values()) if (progress.readRound < round && progress.readRound > before) before = progress.readRound
    return before
  }

  // ---- hand-over

  /** Lets another voter lead: as soon as it holds everything it is told to begin an election. @returns false: it cannot be */
  transfer (to: MemberId): boolean {
    const { configurations, timing } = this.#raft
    const progress = this.#progress.get(to)
    if (progress === undefined || !configurations.current.voters.includes(to)) return false
    // Who has lagged behind for that long, its disk is full perhaps, would not get it before this is given up; and until then nothing is appended.
    if (progress.behindTicks >= timing.electionTicks || !progress.whole) return false
    this.#raft.wake()
    // Asked again and again it must end all the same: nothing is appended meanwhile.
    if (this.transferee === nobody) this.#transferTicks = 0
    this.transferee = to
    this.#handOver(progress)
    this.#send(progress)
    return true
  }

  #handOver ({ member, match }: Progress): void {
    if (match === this.#raft.log.endOffset) this.#sendTimeoutNow(member)
  }

  #sendTimeoutNow (to: MemberId): void {
    this.#raft.send({ kind: 'timeout-now', from: this.#raft.self, to, term: this.#raft.term })
  }

  /** No voter any more, or its disk failed: the best of the others leads on. */
  stepAside (): void {
    let best: Progress | undefined
    for (const progress of this.#progress.values()) {
      if (this.#couldLead(progress) && (best === undefined || progress.match > best.match)) best = progress
    }
    if (best !== undefined) this.#sendTimeoutNow(best.member)
    this.#raft.becomeFollower(this.#raft.term, nobody)
  }

  /** Asks one of those that hold everything to begin an election, each time another one. Who cannot write either lets it pass. */
  #offerLead (): void {
    const { endOffset } = this.#raft.log
    const whole = [...this.#progress.values()].filter(progress => this.#couldLead(progress) && progress.match === endOffset)
    if (whole.length > 0) this.#sendTimeoutNow(whole[this.#offers++ % whole.length]!.member)
  }

  #couldLead ({ member, down }: Progress): boolean {
    return !down && isVoter(this.#raft.configurations.current, member)
  }

  // ---- members

  /** Who shall be in the group: it gets there by itself, step by step. */
  setTarget (target: Target): void {
    this.#membership.setTarget(target)
  }

  /** The log has a new configuration, or lost one. */
  configured (): void {
    this.#meetMembers()
    this.replicate()
  }

  peerStatus (member: MemberId, up: boolean): void {
    const progress = this.#progress.get(member)
    if (progress === undefined) return
    progress.down = !up
    if (up) progress.asked = false
    this.#send(progress)
  }

  #meetMembers (): void {
    const { self, configurations, log, limits } = this.#raft
    const members = membersOf(configurations.current)
    for (const member of members) {
      if (member === self || this.#progress.has(member)) continue
      const progress = new Progress(member, log.endOffset, limits)
      progress.down = this.#raft.isDown(member)
      this.#progress.set(member, progress)
    }
    for (const member of this.#progress.keys()) if (!members.includes(member)) this.#progress.delete(member)
  }
}
