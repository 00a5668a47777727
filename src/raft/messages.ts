/**
 * What the members of a Raft group tell each other. Every message may be lost, doubled, late or out of order: `term` and the
 * receiver's own log decide what it is worth. Offsets are Raft indexes; an end is exclusive.
 */
import type { MemberId, Offset, Term } from '../base/ids.ts'

interface Between {
  readonly from: MemberId
  readonly to: MemberId
  /** The sender's; in `pre-vote` and a granted `pre-voted` the term that an election would begin. */
  readonly term: Term
}

/** Would you vote for me? Changes nothing at the receiver. Answered with {@link PreVoted}. */
export interface PreVote extends Between {
  readonly kind: 'pre-vote'
  /** Counts how often the sender has asked everybody anew, from 1 to 65535 and on from 1; 0: it wants no votes. */
  readonly round: number
  readonly lastTerm: Term
  readonly endOffset: Offset
}

export interface PreVoted extends Between {
  readonly kind: 'pre-voted'
  /** Of the question. */
  readonly round: number
  readonly granted: boolean
}

/** Answered with {@link Voted} once the vote is durable. */
export interface Vote extends Between {
  readonly kind: 'vote'
  readonly lastTerm: Term
  readonly endOffset: Offset
  /** The leader asked for this election: who has just heard from it votes all the same. */
  readonly transfer: boolean
}

export interface Voted extends Between {
  readonly kind: 'voted'
  readonly granted: boolean
}

/** Batches from `offset` on. Answered with {@link EntriesAppended} when they are durable, at once if they do not fit. */
export interface AppendEntries extends Between {
  readonly kind: 'append-entries'
  /** Where the batches begin. */
  readonly offset: Offset
  /** Of the entry before `offset`; 0 at offset 0. */
  readonly previousTerm: Term
  /** Where they end; `offset` for a probe, which carries nothing. */
  readonly endOffset: Offset
  /** Of all of them: a message never crosses from one term to the next. 0 for a probe. */
  readonly entryTerm: Term
  readonly highWatermark: Offset
  /** Whole batches one after the other, stamped. Borrowed: valid only while the message is handled. */
  readonly batches: readonly Uint8Array[]
}

export interface EntriesAppended extends Between {
  readonly kind: 'entries-appended'
  readonly rejected: boolean
  /** Everything below is the leader's, and durable. Rejected: the end of `hintTerm` here. */
  readonly endOffset: Offset
  /** Everything below is the leader's, durable or not. Rejected: `offset` of the message that did not fit. */
  readonly offset: Offset
  /** Rejected: the newest term, at most the message's `previousTerm`, that the log here has entries of; 0: none. */
  readonly hintTerm: Term
  /** It does not hold yet what it forgot, or a restart would say so: no vote can be counted on. Not with what was rejected. */
  readonly forgetful: boolean
}

/** From the leader: it is still there. Answered with {@link HeartbeatAnswered}. */
export interface Heartbeat extends Between {
  readonly kind: 'heartbeat'
  /** At most what the receiver is known to hold. */
  readonly highWatermark: Offset
  /** End of what was sent to the receiver so far: what it does not hold by the time this arrives was lost. */
  readonly sentEnd: Offset
  /** The newest read that waits for a majority's word, see read index; 0: none. */
  readonly readRound: number
  /** The group may go to sleep: nothing is under way. */
  readonly quiesce: boolean
}

export interface HeartbeatAnswered extends Between {
  readonly kind: 'heartbeat-answered'
  readonly sentEnd: Offset
  readonly endOffset: Offset
  readonly readRound: number
}

/**
 * The log of the receiver ends before the leader's begins: it is to begin anew at `offset`, with what the leader knows of before.
 * Answered with {@link EntriesAppended} from there on.
 */
export interface ResetLog extends Between {
  readonly kind: 'reset-log'
  readonly offset: Offset
  /** Of the entry before `offset`. */
  readonly previousTerm: Term
  readonly highWatermark: Offset
  /** What the group's owner must know of the log below `offset`, in its own encoding. */
  readonly state: Uint8Array
}

/** From the leader to the follower that shall lead: begin an election now. */
export interface TimeoutNow extends Between {
  readonly kind: 'timeout-now'
}

export type RaftMessage =
  | PreVote | PreVoted | Vote | Voted | AppendEntries | EntriesAppended | Heartbeat | HeartbeatAnswered | ResetLog | TimeoutNow
