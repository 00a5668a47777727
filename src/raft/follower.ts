/**
 * What a member does with its leader's words. Everything below `verified` is known to be the leader's; acknowledged is only what
 * of that is durable here, so an acknowledgement stays true whatever order messages come in.
 *
 * ```
 *  start ……… high watermark ……… durable ……… verified ……… end of the log
 *            [ committed ]      [ acknowledged when durable ][ of an older leader, perhaps to be cut ]
 * ```
 */
import type { Offset, Term } from '../base/ids.ts'
import type { AppendEntries, Heartbeat, ResetLog } from './messages.ts'
import type { Raft } from './raft.ts'
import { nobody } from './configuration.ts'

const none = -1 as Offset

export class Follower {
  readonly #raft: Raft
  /** Exclusive; {@link none} before the first message of this term's leader that fits. */
  #verified = none
  #acknowledged = none
  /** The leader's high watermark. */
  #committed = 0 as Offset
  /** The present term's leader has said what is committed. */
  #heard = false
  #established = false
  /** The first high watermark that this term's leader told a member that had forgotten, and that may say what was committed by then. */
  #mark = none
  /** A member that had forgotten what it held holds all of it again once it has this on disk; {@link none}: not known yet. */
  #recoveredAt = none

  constructor (raft: Raft) {
    this.#raft = raft
  }

  /**
   * Everything that was committed before the present term is known to be: something of this term is committed, and nothing of an
   * earlier term can be committed behind it. In an empty group there is nothing.
   */
  get established (): boolean {
    if (this.#established || !this.#heard) return this.#established
    const { highWatermark, log, term } = this.#raft
    this.#established = highWatermark === 0 ? this.#committed === 0 && log.endOffset === 0 : log.termAt(highWatermark - 1 as Offset) === term
    return this.#established
  }

  /** A term begins, or its leader is gone: nothing is verified any more. */
  begin (): void {
    this.#verified = this.#acknowledged = this.#mark = this.#recoveredAt = none
    this.#committed = 0 as Offset
    this.#heard = this.#established = false
  }

  append (message: AppendEntries): void {
    const { log, port } = this.#raft
    this.#raft.wake()
    // Being cut, or out of space: the leader finds out with its next heartbeat, and sends this again.
    if (!log.writable) return
    if (!this.#fits(message.offset, message.previousTerm)) {
      this.#reject(message)
      return
    }
    // What lies below the log's start is committed, and the same everywhere.
    const from = Math.max(message.offset, log.startOffset) as Offset
    const conflict = this.#conflict(from, message.endOffset, message.entryTerm)
    if (conflict !== none) {
      if (conflict < this.#raft.highWatermark) port.stray(conflict)
      else port.truncate(conflict)
      return
    }
    if (message.endOffset > log.endOffset) port.append(message.batches, log.endOffset)
    this.#verify(Math.max(from, message.endOffset) as Offset, message.highWatermark)
    this.#recollect(message.highWatermark)
    const pending = log.durableEnd < this.#verified
    if (!pending || message.endOffset === message.offset) this.#answer()
  }

  /** @returns whether the group goes to sleep; then there is no answer */
  heartbeat (message: Heartbeat): boolean {
    const { log } = this.#raft
    if (this.#verified !== none) this.#verify(this.#verified, message.highWatermark)
    // What lies below the log's start is every leader's. Behind what is verified may be left what an older leader could not
    // commit: it harms nobody until this one writes again.
    const verified = Math.max(this.#verified, log.startOffset) as Offset
    if (message.quiesce && message.sentEnd === verified && log.durableEnd >= verified && this.#raft.highWatermark === verified) {
      // The leader has committed all that it has, and it is here.
      this.#established = true
      this.#raft.caughtUp()
      return true
    }
    this.#raft.send({
      kind: 'heartbeat-answered',
      from: this.#raft.self,
      to: message.from,
      term: this.#raft.term,
      sentEnd: message.sentEnd,
      endOffset: verified,
      readRound: message.readRound
    })
    return false
  }

  reset (message: ResetLog): void {
    const { log, port } = this.#raft
    this.#raft.wake()
    if (!log.writable) return
    const { offset, previousTerm } = message
    if (offset <= log.startOffset || this.#fits(offset, previousTerm)) {
      this.#verify(Math.max(offset, log.startOffset) as Offset, message.highWatermark)
      this.#answer()
    } else {
      // The leader's log begins with what is committed; what stands here instead, or is missing, never was.
      port.reset(offset, previousTerm, message.state)
    }
  }

  wasReset (): void {
    const { log } = this.#raft
    // The leader may be another by now: what is committed stays so, and is every leader's.
    this.#raft.advanceHighWatermark(log.endOffset)
    if (log.endOffset > this.#verified) this.#verified = log.endOffset
    this.#answer()
  }

  /** More is durable: the leader is told, once. */
  acknowledge (): void {
    const { log } = this.#raft
    if (this.#verified === none) return
    if (this.#recoveredAt !== none && log.durableEnd >= this.#recoveredAt) this.#raft.caughtUp()
    this.#advance()
    if (Math.min(this.#verified, log.durableEnd) > this.#acknowledged) this.#answer()
  }

  /** What it was told before about how to recover is about an earlier loss. */
  forget (): void {
    this.#mark = this.#recoveredAt = none
  }

  /** The log was cut. */
  cut (): void {
    const end = this.#raft.log.endOffset
    if (this.#verified > end) this.#verified = end
    if (this.#acknowledged > end) this.#acknowledged = end
  }

  #fits (offset: Offset, previousTerm: Term): boolean {
    const { log } = this.#raft
    if (offset > log.endOffset) return false
    if (offset <= log.startOffset) return true
    return log.termAt(offset - 1 as Offset) === previousTerm
  }

  /** Where the log here goes another way than `[from, end)` of one term; {@link none} if it does not. Same offset and term: same batch. */
  #conflict (from: Offset, end: Offset, term: Term): Offset {
    const { log } = this.#raft
    const both = Math.min(end, log.endOffset)
    if (from >= both) return none
    if (log.termAt(from) !== term) return from
    const { endOffset } = log.epochEnd(term)!
    return endOffset < both ? endOffset : none
  }

  #verify (end: Offset, leadersHighWatermark: Offset): void {
    if (end > this.#verified) this.#verified = end
    if (leadersHighWatermark > this.#committed) this.#committed = leadersHighWatermark
    this.#heard = true
    this.#advance()
  }

  /** What is not durable here is not called committed here either: a failing disk may take it away again. */
  #advance (): void {
    this.#raft.advanceHighWatermark(Math.min(this.#committed, this.#verified, this.#raft.log.durableEnd) as Offset)
  }

  /**
   * A member that had forgotten holds again what was committed when it began to listen as soon as it has everything below a high
   * watermark of then; under load the newest one is always a little ahead. It says all only if the leader had committed in its own
   * term, which shows when the entry below it is here. And heartbeats do not tell all of it.
   */
  #recollect (leadersHighWatermark: Offset): void {
    const { forgetful, log, term } = this.#raft
    if (!forgetful || this.#recoveredAt !== none) return
    if (this.#mark === none) this.#mark = leadersHighWatermark
    if (this.#verified < this.#mark) return
    const mark = this.#mark
    this.#mark = none
    if (log.termAt(mark - 1 as Offset) !== term) return
    this.#recoveredAt = mark
    if (log.durableEnd >= mark) this.#raft.caughtUp()
  }

  #answer (): void {
    const { self: from, leader: to, term, log } = this.#raft
    if (to === nobody || this.#verified === none) return
    const endOffset = Math.min(this.#verified, log.durableEnd) as Offset
    this.#acknowledged = endOffset
    const forgetful = this.#raft.forgetful || this.#raft.port.isNotedForgetful()
    this.#raft.send({ kind: 'entries-appended', from, to, term, rejected: false, endOffset, offset: this.#verified, hintTerm: 0 as Term, forgetful })
  }

  #reject ({ from: to, offset, previousTerm }: AppendEntries): void {
    const { self: from, term, log } = this.#raft
    const hint = log.epochEnd(previousTerm)
    const endOffset = Math.min(hint?.endOffset ?? log.startOffset, log.endOffset) as Offset
    this.#raft.send({ kind: 'entries-appended', from, to, term, rejected: true, endOffset, offset, hintTerm: hint?.term ?? 0 as Term, forgetful: false })
  }
}
