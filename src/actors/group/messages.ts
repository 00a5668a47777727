/**
 * What the group coordinator is asked, what it answers, and the timers it sets for itself.
 * Only plain data, so that a message is a call on the same thread and MessagePack to another one. Byte fields of a request
 * are borrowed: the coordinator copies what it keeps. Byte fields of an answer belong to the coordinator and never change.
 * `errorCode` is a number of `ErrorCode`, 0 for none.
 */
import type { Reply, Request, Message } from '../../runtime/actor.ts'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/** Enters a group, or enters it anew for its next generation. Answered when the rebalance is complete, which may take the rebalance timeout. */
export interface JoinGroup extends Request {
  readonly kind: 'join-group'
  readonly groupId: string
  /** Empty for a newcomer. */
  readonly memberId: string
  /** `group.instance.id` of a static member, else null. */
  readonly instanceId: string | null
  readonly clientId: string
  /** The client's address as users see it, for example `/127.0.0.1`. */
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  /** The session timeout where the client's version has no such field. */
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  /** In the order of the member's preference. */
  readonly protocols: readonly { readonly name: string, readonly metadata: Uint8Array }[]
  /** True from JoinGroup version 4: a newcomer is told its id first, and has to come again with it. */
  readonly memberIdRequired: boolean
  /** True from JoinGroup version 9: a returning static leader may be told to keep the assignment that there is. */
  readonly canSkipAssignment: boolean
}

export interface Joined extends Reply {
  readonly kind: 'joined'
  readonly errorCode: number
  /** -1 with an error. */
  readonly generation: number
  readonly protocolType: string | null
  /** Versions that cannot say null say an empty string. */
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** Filled for the leader alone. */
  readonly members: readonly { readonly memberId: string, readonly instanceId: string | null, readonly metadata: Uint8Array }[]
}

/** Asks for the member's assignment; the leader's carries everybody's. Answered when the leader's has come. */
export interface SyncGroup extends Request {
  readonly kind: 'sync-group'
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly instanceId: string | null
  /** Null where the version does not have it. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string, readonly assignment: Uint8Array }[]
}

export interface Synced extends Reply {
  readonly kind: 'synced'
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface Heartbeat extends Request {
  readonly kind: 'heartbeat'
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly instanceId: string | null
}

export interface HeartbeatTaken extends Reply {
  readonly kind: 'heartbeat-taken'
  readonly errorCode: number
}

export interface LeaveGroup extends Request {
  readonly kind: 'leave-group'
  readonly groupId: string
  /** One where the version has no list; an empty memberId with an instanceId removes that static member. */
  readonly members: readonly { readonly memberId: string, readonly instanceId: string | null }[]
}

export interface Left extends Reply {
  readonly kind: 'left'
  /** Of the whole request; versions without a list answer the only member's error where this is 0. */
  readonly errorCode: number
  readonly members: readonly { readonly memberId: string, readonly instanceId: string | null, readonly errorCode: number }[]
}

/** The asker has checked that the partitions exist: the coordinator does not know topics. */
export interface OffsetCommit extends Request {
  readonly kind: 'offset-commit'
  readonly groupId: string
  /** -1 from a consumer that manages its partitions itself. */
  readonly generation: number
  readonly memberId: string
  readonly instanceId: string | null
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partition: number, readonly offset: number, readonly leaderEpoch: number, readonly metadata: string | null }[]
  }[]
}

/** Shared by the answers that have nothing but an error for each partition. */
export interface TopicErrors {
  readonly name: string
  readonly partitions: readonly { readonly partition: number, readonly errorCode: number }[]
}

export interface OffsetsCommitted extends Reply {
  readonly kind: 'offsets-committed'
  readonly topics: readonly TopicErrors[]
}

export interface OffsetFetch extends Request {
  readonly kind: 'offset-fetch'
  /** One where the version has no list. `topics` null: everything that the group has committed. */
  readonly groups: readonly { readonly groupId: string, readonly topics: readonly { readonly name: string, readonly partitions: readonly number[] }[] | null }[]
}

export interface OffsetsFetched extends Reply {
  readonly kind: 'offsets-fetched'
  readonly groups: readonly FetchedGroup[]
}

export interface FetchedGroup {
  readonly groupId: string
  readonly errorCode: number
  readonly topics: readonly {
    readonly name: string
    /** `offset` and `leaderEpoch` are -1 and `metadata` is empty where nothing is committed. */
    readonly partitions: readonly { readonly partition: number, readonly offset: number, readonly leaderEpoch: number, readonly metadata: string, readonly errorCode: number }[]
  }[]
}

export interface OffsetDelete extends Request {
  readonly kind: 'offset-delete'
  readonly groupId: string
  readonly topics: readonly { readonly name: string, readonly partitions: readonly number[] }[]
}

export interface OffsetsDeleted extends Reply {
  readonly kind: 'offsets-deleted'
  /** Of the whole request; `topics` is empty then. */
  readonly errorCode: number
  readonly topics: readonly TopicErrors[]
}

/** A topic is gone: its committed offsets must not meet a new topic of that name. Not answered. */
export interface ForgetTopic extends Message {
  readonly kind: 'forget-topic'
  readonly name: string
}

export interface DescribeGroups extends Request {
  readonly kind: 'describe-groups'
  readonly groupIds: readonly string[]
}

export interface GroupsDescribed extends Reply {
  readonly kind: 'groups-described'
  readonly groups: readonly DescribedGroup[]
}

export interface DescribedGroup {
  readonly groupId: string
  readonly errorCode: number
  /** `Dead` for a group that does not exist. */
  readonly state: GroupState
  readonly protocolType: string
  /** Empty, as the members' bytes are, unless the group is stable. */
  readonly protocolName: string
  readonly members: readonly {
    readonly memberId: string
    readonly instanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}

export interface ListGroups extends Request {
  readonly kind: 'list-groups'
  /** Both filters in any case of letters; an empty one lets everything pass. The only type there is, is `classic`. */
  readonly states: readonly string[]
  readonly types: readonly string[]
}

export interface GroupsListed extends Reply {
  readonly kind: 'groups-listed'
  readonly groups: readonly { readonly groupId: string, readonly protocolType: string, readonly state: GroupState, readonly type: 'classic' }[]
}

export interface DeleteGroups extends Request {
  readonly kind: 'delete-groups'
  readonly groupIds: readonly string[]
}

export interface GroupsDeleted extends Reply {
  readonly kind: 'groups-deleted'
  readonly groups: readonly { readonly groupId: string, readonly errorCode: number }[]
}

/** The coordinator's own timers. Any of them may be late, doubled or of an earlier group of that name: the stored deadline decides. */
export interface SessionTimer extends Message { readonly kind: 'session-timer', readonly groupId: string, readonly memberId: string }
export interface JoinTimer extends Message { readonly kind: 'join-timer', readonly groupId: string }
export interface SyncTimer extends Message { readonly kind: 'sync-timer', readonly groupId: string }
export interface IdleTimer extends Message { readonly kind: 'idle-timer', readonly groupId: string }

export type GroupRequest = JoinGroup | SyncGroup | Heartbeat | LeaveGroup | OffsetCommit | OffsetFetch | OffsetDelete |
  DescribeGroups | ListGroups | DeleteGroups
export type GroupReply = Joined | Synced | HeartbeatTaken | Left | OffsetsCommitted | OffsetsFetched | OffsetsDeleted |
  GroupsDescribed | GroupsListed | GroupsDeleted
export type GroupTimer = SessionTimer | JoinTimer | SyncTimer | IdleTimer
export type GroupMessage = GroupRequest | ForgetTopic | GroupTimer
