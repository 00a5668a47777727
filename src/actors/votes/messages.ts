/** What the keeper of Raft votes understands and answers. */
import type { Reply, Request } from '../../runtime/actor.ts'
import type { Term } from '../../base/ids.ts'

/**
 * Raises a group's term above both what is stored and `floor`, with this node's vote for itself, and makes that durable.
 * Answered with {@link TermRaised} only after the sync.
 */
export interface RaiseTerm extends Request {
  readonly kind: 'raise-term'
  /** Topic id and partition, never a name that can come back. */
  readonly group: string
  /** The newest term in the group's log; 0 for an empty log. */
  readonly floor: number
}

export interface TermRaised extends Reply {
  readonly kind: 'term-raised'
  /** 0: it could not be made durable. */
  readonly term: Term
}

export type VotesRequest = RaiseTerm
