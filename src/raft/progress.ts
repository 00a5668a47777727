/**
 * What a leader knows of one other member.
 *
 * ```
 *            accepted                      behind the log's start
 *   probe ------------> replicate          probe --------------> reset
 *     ^                     |                ^                     |
 *     +---- rejected, lost -+                +------ accepted -----+ (to replicate)
 * ```
 * probe: one empty message at a time asks whether the logs agree at `next`. replicate: batches follow each other without waiting,
 * within {@link Inflights}. reset: the member was told to begin anew where the leader's log begins.
 */
import type { MemberId, Offset } from '../base/ids.ts'
import { Inflights } from './inflights.ts'
import type { RaftLimits } from './raft.ts'

export class Progress {
  readonly member: MemberId
  readonly inflights: Inflights
  state: 'probe' | 'replicate' | 'reset' = 'probe'
  /** Exclusive: the member holds everything below durably, as it last said in this term. */
  match = 0 as Offset
  /** `match` when the last heartbeat was answered. */
  matchBefore = 0 as Offset
  /** Where the next message begins. In `replicate` everything below was sent. */
  next: Offset
  /** The probe, or the reset, was sent: no other before a heartbeat came through. */
  asked = false
  /** Batches are being read from disk. */
  loading = false
  /** It was heard of since the last check of the quorum. */
  active = true
  /** It answered a heartbeat since the group became idle. */
  heard = false
  /** The links say that its node is gone. */
  down = false
  /** How long it has not held what the leader held a moment before. */
  behindTicks = 0
  /** It has held that once in this term. */
  wasCaughtUp = false
  /** It said last that its vote can be counted on. */
  whole = false
  /** The newest read round it has answered. */
  readRound = 0

  constructor (member: MemberId, next: Offset, { inflightBytesMax, inflightMessagesMax }: RaftLimits) {
    this.member = member
    this.next = next
    this.inflights = new Inflights(inflightBytesMax, inflightMessagesMax)
  }

  /** Some time has passed. @param caughtUp  it holds what the leader held a moment before */
  passed (ticks: number, caughtUp: boolean): void {
    this.behindTicks = caughtUp ? 0 : this.behindTicks + ticks
    this.wasCaughtUp ||= caughtUp
  }

  /** It has been behind for so long; `newTicksMax`: or for so long since this leader's term began. */
  lags (ticksMax: number, newTicksMax: number): boolean {
    return this.behindTicks >= (this.wasCaughtUp ? ticksMax : newTicksMax)
  }

  becomeProbe (next: Offset): void {
    this.state = 'probe'
    this.next = next
    // A member that lost what it had (its disk was not synced, as its log is set) holds less than it once said.
    if (next < this.match) this.match = next
    this.asked = false
    this.inflights.clear()
  }

  becomeReplicate (next: Offset): void {
    this.state = 'replicate'
    this.next = next
    this.asked = false
    this.inflights.clear()
  }

  becomeReset (offset: Offset): void {
    this.state = 'reset'
    this.next = offset
    this.inflights.clear()
  }

  /** @returns whether it is news */
  holds (endOffset: Offset): boolean {
    this.inflights.freeUpTo(endOffset)
    if (endOffset <= this.match) return false
    this.match = endOffset
    return true
  }
}
