/** What a partition understands and answers. Offsets are safe integers; error codes are Kafka's numbers (0: none). */
import type { Reply, Request, Message } from '../../runtime/actor.ts'
import type { LogConfig, ReadPlan } from '../../log/log.ts'
import type { TimestampPlan } from '../../log/timestamp-search.ts'
import type { ActorId, MemberId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'

/** Appends one record batch. Answered with {@link Appended} once the batch is committed (`acks` -1), on the leader's own disk (1), or at once (0). */
export interface Append extends Request {
  readonly kind: 'append'
  /** -1 all, 1 leader, 0 nobody waits: the answer then only gives the credit back. */
  readonly acks: number
  /** One record batch, untouched. Borrowed: valid only inside `receive`. */
  readonly records: Uint8Array
}

export interface Appended extends Reply {
  readonly kind: 'appended'
  readonly errorCode: number
  /** -1 with an error. */
  readonly baseOffset: number
  /** -1 unless the topic's timestamps are the broker's. */
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
}

/**
 * Asks where the bytes from `offset` on lie. Answered once with {@link Fetched}: as soon as the high watermark is above
 * `beyond`, or at once with an error; an {@link Unwatch} forgets it unanswered.
 */
export interface Fetch extends Request {
  readonly kind: 'fetch'
  readonly offset: number
  readonly bytesMax: number
  /** The leader epoch the client believes in, -1 for none. */
  readonly leaderEpoch: number
  /** -1: answer at once, with whatever there is. */
  readonly beyond: number
  /** A follower may answer, with what lies below the high watermark that it knows. Left out: the leader alone. */
  readonly replicaOk?: boolean
  /** The epoch of the last record that the client has; -1 or left out: it does not say. */
  readonly lastFetchedEpoch?: number
}

export interface Fetched extends Reply {
  readonly kind: 'fetched'
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  /** Where to read, null for nothing. Its `memory`, when there, is borrowed: valid only inside `receive`. */
  readonly plan: ReadPlan | null
  /** The client's log left this one: the largest epoch up to its `lastFetchedEpoch` that there is here, and where it ends. There is no plan then. */
  readonly diverging?: { readonly epoch: number, readonly endOffset: number } | null
}

/** Forgets a fetch that waits. Not answered; one that was answered already is no harm. */
export interface Unwatch extends Message {
  readonly kind: 'unwatch'
  readonly replyTo: ActorId
  readonly correlation: number
}

/** Special values of {@link ListOffset.timestamp}, as on the wire. */
export const offsetQuery = { latest: -1, earliest: -2, maxTimestamp: -3, earliestLocal: -4, latestTiered: -5 } as const

export interface ListOffset extends Request {
  readonly kind: 'list-offset'
  /** Milliseconds since 1970, or one of {@link offsetQuery}. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface ListedOffset extends Reply {
  readonly kind: 'listed-offset'
  readonly errorCode: number
  /** -1 when no record is that young. */
  readonly offset: number
  readonly leaderEpoch: number
  /** When set, the answer lies in the files: the asker's thread searches them. */
  readonly plan: TimestampPlan | null
}

/** Asks where the epoch ended. Answered with {@link EpochEnded}. */
export interface EpochEnd extends Request {
  readonly kind: 'epoch-end'
  readonly leaderEpoch: number
  readonly currentLeaderEpoch: number
}

export interface EpochEnded extends Reply {
  readonly kind: 'epoch-ended'
  readonly errorCode: number
  readonly leaderEpoch: number
  readonly endOffset: number
}

/** Deletes everything below `offset` (exclusive end). -1: up to the high watermark. */
export interface DeleteRecords extends Request {
  readonly kind: 'delete-records'
  readonly offset: number
}

export interface RecordsDeleted extends Reply {
  readonly kind: 'records-deleted'
  readonly errorCode: number
  readonly logStartOffset: number
}

/** Asks a partition to say {@link LeaderElected} again if it leads. */
export interface AnnounceLeader extends Message {
  readonly kind: 'announce-leader'
}
export const announceLeader: AnnounceLeader = { kind: 'announce-leader' }

/**
 * From the controller of this broker: who is to vote in the partition's group, the preferred leader first. Said when the replica is
 * placed and whenever it changes; a leader goes there by itself, and says how far it is with {@link LeaderElected}.
 */
export interface PartitionAssigned extends Message {
  readonly kind: 'partition-assigned'
  readonly voters: readonly MemberId[]
  /** Grows with each change of the partition's replicas in the metadata log. One that is not newer is old news. */
  readonly generation: number
}

/** To the controller of its broker, from a replica that starts: what it was made from may be of long ago. Answered with what is meant now. */
export interface PartitionStarted extends Message {
  readonly kind: 'partition-started'
  readonly topicId: TopicId
  readonly partition: PartitionIndex
}

/** From the controller of this broker: the topic's settings have changed. */
export interface PartitionConfigured extends Message {
  readonly kind: 'partition-configured'
  readonly config: Readonly<Record<string, string>>
}

/** From the controller of this broker: the partition is to be led by `to`, if that one is in sync. Who does not lead ignores it. */
export interface TransferLeader extends Message {
  readonly kind: 'transfer-leader'
  readonly to: MemberId
}

/** From the controller of this broker: the leader of `term` cannot be reached; this replica is to lead. Of another term by now it ignores it. */
export interface TakeLead extends Message {
  readonly kind: 'take-lead'
  readonly term: Term
}

/** Said to the controller of its broker by a leader that takes requests: once in each term, and when one of these changes. */
export interface LeaderElected extends Message {
  readonly kind: 'leader-elected'
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  readonly term: Term
  /** Left out: the only member of its group. */
  readonly leader?: MemberId
  /** Voters that have what is committed, as of a moment ago. The leader is one of them. */
  readonly inSync?: readonly MemberId[]
  /** Of the newest configuration that is committed: a newer one in the log may still be undone. */
  readonly voters?: readonly MemberId[]
  /** A change of the voters is under way, or known and not begun. */
  readonly joint?: boolean
  /** Of the newest {@link PartitionAssigned} that was taken in before this was said. */
  readonly generation?: number
}

export interface PartitionConfig extends LogConfig {
  /** Bytes of the largest batch, `max.message.bytes`. */
  readonly batchBytesMax: number
  /** Voters that must hold a batch before acks=all is answered, `min.insync.replicas`. */
  readonly minInsyncReplicas: number
}

export type PartitionRequest = Append | Fetch | Unwatch | ListOffset | EpochEnd | DeleteRecords | AnnounceLeader
export type PartitionReply = Appended | Fetched | ListedOffset | EpochEnded | RecordsDeleted
