/** What the keeper of Raft votes understands and answers. */
import type { Reply, Request } from '../../runtime/actor.ts'
import type { GroupKey, MemberId, Term } from '../../base/ids.ts'

/** Asks what was last made durable for a group. Answered with {@link VoteRead}. */
export interface ReadVote extends Request {
  readonly kind: 'read-vote'
  readonly group: GroupKey
}

export interface VoteRead extends Reply {
  readonly kind: 'vote-read'
  /** 0: never saved. */
  readonly term: Term
  /** 0: nobody. */
  readonly vote: MemberId
}

/** Makes term and vote durable, and answers with {@link VoteSaved} only after that. Of one group they are saved in the order they come. */
export interface SaveVote extends Request {
  readonly kind: 'save-vote'
  readonly group: GroupKey
  readonly term: Term
  readonly vote: MemberId
}

export interface VoteSaved extends Reply {
  readonly kind: 'vote-saved'
  readonly term: Term
  readonly vote: MemberId
  /** False: it could not be made durable. */
  readonly saved: boolean
}

export type VotesRequest = ReadVote | SaveVote
