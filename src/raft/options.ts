/** What one member of a Raft group is made with. */
import type { MemberId, Offset, Term } from '../base/ids.ts'
import type { Configurations } from './configurations.ts'
import type { RaftLog, RaftPort } from './ports.ts'

export interface RaftTiming {
  readonly heartbeatTicks: number
  /** An election begins after this long without a leader, up to twice as long by chance. */
  readonly electionTicks: number
  /** A leader that hears from no majority for `electionTicks` steps down; and who hears from a leader votes for nobody else. */
  readonly checkQuorum: boolean
}

export interface RaftLimits {
  /** Bytes on their way to one follower, and messages: a power of two, at most 256. */
  readonly inflightBytesMax: number
  readonly inflightMessagesMax: number
  /** Bytes of one message to a follower. */
  readonly messageBytesMax: number
}

export interface RaftOptions {
  readonly self: MemberId
  readonly log: RaftLog
  readonly port: RaftPort
  readonly configurations: Configurations
  /** As it was last durable; at least the log's last one, which may have become durable before it. */
  readonly term: Term
  readonly vote: MemberId
  /** What is known to be committed; for a single voter, all that is durable. */
  readonly highWatermark: Offset
  readonly timing: RaftTiming
  readonly limits: RaftLimits
  /** The log has lost (`surely`), or may have lost (`maybe`), what this member once acknowledged: see {@link Forgetting}. */
  readonly forgetful?: 'maybe' | 'surely' | undefined
  /** See {@link Raft.meant}; nobody by default. */
  readonly meant?: readonly MemberId[]
}
