/** The group APIs: translated to the coordinator's messages and back. */
import type { BrokerImage } from '../../actors/controller/messages.ts'
import type {
  GroupsDeleted, GroupsDescribed, GroupsListed, HeartbeatTaken, Joined, Left,
  OffsetsCommitted, OffsetsFetched, Synced
} from '../../actors/group/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { deleteGroups } from '../../protocol/apis/delete-groups.ts'
import type { describeGroups } from '../../protocol/apis/describe-groups.ts'
import type { findCoordinator as findCoordinatorApi } from '../../protocol/apis/find-coordinator.ts'
import type { heartbeat } from '../../protocol/apis/heartbeat.ts'
import type { joinGroup } from '../../protocol/apis/join-group.ts'
import type { leaveGroup } from '../../protocol/apis/leave-group.ts'
import type { listGroups } from '../../protocol/apis/list-groups.ts'
import type { offsetCommit } from '../../protocol/apis/offset-commit.ts'
import type { offsetFetch } from '../../protocol/apis/offset-fetch.ts'
import type { syncGroup } from '../../protocol/apis/sync-group.ts'
import { zeroUuid } from '../../protocol/schema.ts'
import type { Reply } from '../../runtime/actor.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Question } from '../questions.ts'
import { askOne } from './ask-one.ts'
import { mergedBy } from './distinct.ts'

/** A coordinator that has not answered an ordinary question by then is gone. */
const deadlineMs = 30_000
/** A join or sync waits for the other members, up to the longest of their rebalance timeouts. */
const joinDeadlineMsMax = 31 * 60_000
const keyTypeGroup = 0

/**
 * The broker that runs all groups: the live one with the lowest number. Brokers that see this differently for a moment do no lasting
 * harm: members look for the coordinator again when one of them says that it is another.
 */
function coordinatorOf ({ metadata }: Network): BrokerImage | undefined {
  return metadata.live[0]
}

function coordinates (network: Network): boolean {
  return coordinatorOf(network)?.nodeId === network.metadata.cluster.self
}

/** As {@link askOne}, of the group coordinator here, if this is the broker that runs the groups. */
function askGroups<R extends Reply, Response> (
  exchange: Exchange, network: Network, question: Question, deadlineMs: number,
  failed: (errorCode: number) => Response, succeeded: (reply: R) => Response
): void {
  if (coordinates(network)) askOne(exchange, network, network.groups, question, deadlineMs, errorCode => failed(coordinatorError(errorCode)), succeeded)
  else exchange.answer(failed(ErrorCode.NOT_COORDINATOR))
}

/** Errors that a client of the group APIs understands as "look for the coordinator again". */
function coordinatorError (errorCode: number): number {
  return errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER ? ErrorCode.NOT_COORDINATOR : ErrorCode.COORDINATOR_NOT_AVAILABLE
}

export function handleFindCoordinator (exchange: Exchange, request: RequestOf<typeof findCoordinatorApi>, network: Network): boolean {
  const coordinator = findCoordinator(request.keyType, network)
  exchange.answer({
    ...coordinator, coordinators: request.coordinatorKeys.map(key => ({ key, ...coordinator }))
  } satisfies ResponseOf<typeof findCoordinatorApi>)
  return true
}

function findCoordinator (keyType: number, network: Network): { errorCode: number, errorMessage: string | null, nodeId: number, host: string, port: number } {
  const nobody = { nodeId: -1, host: '', port: -1 }
  if (keyType !== keyTypeGroup) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `there are no coordinators of type ${keyType}`, ...nobody }
  const broker = coordinatorOf(network)
  if (broker === undefined) return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, errorMessage: 'no broker is known that lives', ...nobody }
  const { nodeId, host, port } = broker
  return { errorCode: ErrorCode.NONE, errorMessage: null, nodeId, host, port }
}

export function handleJoinGroup (exchange: Exchange, request: RequestOf<typeof joinGroup>, network: Network): boolean {
  type Response = ResponseOf<typeof joinGroup>
  const { groupId, memberId, groupInstanceId, sessionTimeoutMs, protocolType, protocols } = request
  const rebalanceTimeoutMs = request.rebalanceTimeoutMs === -1 ? sessionTimeoutMs : request.rebalanceTimeoutMs
  const { version, session } = exchange
  askGroups(exchange, network, {
    kind: 'join-group',
    groupId,
    memberId,
    instanceId: groupInstanceId,
    clientId: session.clientId ?? '',
    clientHost: `/${session.connection.remote.replace(/:\d+$/, '')}`,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    protocolType,
    protocols,
    memberIdRequired: version >= 4,
    canSkipAssignment: version >= 9
  }, joinDeadlineMsMax,
  (errorCode): Response => ({ errorCode, protocolName: version >= 7 ? null : '', leader: '', memberId, members: [] }),
  (joined: Joined): Response => ({
    errorCode: joined.errorCode,
    generationId: joined.generation,
    protocolType: joined.protocolType,
    protocolName: joined.protocolName ?? (version >= 7 ? null : ''),
    leader: joined.leader,
    skipAssignment: joined.skipAssignment,
    memberId: joined.memberId,
    members: joined.members.map(({ memberId, instanceId, metadata }) => ({ memberId, groupInstanceId: instanceId, metadata }))
  }))
  return true
}

export function handleSyncGroup (exchange: Exchange, request: RequestOf<typeof syncGroup>, network: Network): boolean {
  type Response = ResponseOf<typeof syncGroup>
  const { groupId, generationId, memberId, groupInstanceId, protocolType, protocolName, assignments } = request
  askGroups(exchange, network, {
    kind: 'sync-group', groupId, generation: generationId, memberId, instanceId: groupInstanceId, protocolType, protocolName, assignments
  }, joinDeadlineMsMax,
  (errorCode): Response => ({ errorCode, assignment: new Uint8Array(0) }),
  ({ errorCode, protocolType, protocolName, assignment }: Synced): Response => ({ errorCode, protocolType, protocolName, assignment }))
  return true
}

export function handleHeartbeat (exchange: Exchange, request: RequestOf<typeof heartbeat>, network: Network): boolean {
  type Response = ResponseOf<typeof heartbeat>
  const { groupId, generationId, memberId, groupInstanceId } = request
  askGroups(exchange, network, { kind: 'heartbeat', groupId, generation: generationId, memberId, instanceId: groupInstanceId }, deadlineMs,
    (errorCode): Response => ({ errorCode }),
    ({ errorCode }: HeartbeatTaken): Response => ({ errorCode }))
  return true
}

export function handleLeaveGroup (exchange: Exchange, request: RequestOf<typeof leaveGroup>, network: Network): boolean {
  type Response = ResponseOf<typeof leaveGroup>
  const single = exchange.version <= 2
  const members = single ? [{ memberId: request.memberId, instanceId: null }] : request.members.map(({ memberId, groupInstanceId }) => ({ memberId, instanceId: groupInstanceId }))
  askGroups(exchange, network, { kind: 'leave-group', groupId: request.groupId, members }, deadlineMs,
    (errorCode): Response => ({ errorCode }),
    ({ errorCode, members }: Left): Response => ({
      errorCode: single && errorCode === ErrorCode.NONE ? members[0]?.errorCode ?? ErrorCode.NONE : errorCode,
      members: members.map(({ memberId, instanceId, errorCode }) => ({ memberId, groupInstanceId: instanceId, errorCode }))
    }))
  return true
}

export function handleOffsetCommit (exchange: Exchange, request: RequestOf<typeof offsetCommit>, network: Network): boolean {
  type Response = ResponseOf<typeof offsetCommit>
  const { groupId, generationIdOrMemberEpoch, memberId, groupInstanceId } = request
  // Topics and partitions that do not exist are answered here; the coordinator gets the rest.
  const resolved = request.topics.map(topic => {
    const image = network.metadata.find(topic.name, topic.topicId)
    const known = topic.partitions.filter(({ index }) => image?.partitions[index] !== undefined)
    return { topic, image, known }
  })
  const topics = resolved.filter(({ known }) => known.length > 0).map(({ image, known }) => ({
    name: image!.name,
    partitions: known.map(({ index, committedOffset, committedLeaderEpoch, committedMetadata }) => ({
      partition: index, offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata: committedMetadata
    }))
  }))
  const respond = (codeOf: (name: string, index: number) => number): Response => ({
    topics: resolved.map(({ topic, image }) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map(({ index }) => ({
        index,
        errorCode: image?.partitions[index] === undefined
          ? topic.name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : codeOf(image.name, index)
      }))
    }))
  })
  askGroups(exchange, network, {
    kind: 'offset-commit', groupId, generation: generationIdOrMemberEpoch, memberId, instanceId: groupInstanceId, topics
  }, deadlineMs,
  errorCode => respond(() => errorCode),
  (reply: OffsetsCommitted) => {
    const codes = new Map(reply.topics.flatMap(({ name, partitions }) => partitions.map(({ partition, errorCode }) => [`${name}/${partition}`, errorCode])))
    return respond((name, index) => codes.get(`${name}/${index}`) ?? ErrorCode.UNKNOWN_SERVER_ERROR)
  })
  return true
}

interface AskedGroup {
  readonly groupId: string
  readonly topics: ReadonlyArray<{ readonly name: string, readonly topicId: string, readonly partitionIndexes: readonly number[] }> | null
}

/** Each group, each topic of it and each partition of that once. Where one of them asks for all topics, all it is. */
function distinctGroups (groups: readonly AskedGroup[]): readonly AskedGroup[] {
  const merged = mergedBy(groups, ({ groupId }) => groupId, same => ({
    groupId: same[0]!.groupId, topics: same.some(({ topics }) => topics === null) ? null : same.flatMap(({ topics }) => topics!)
  }))
  return merged.map(({ groupId, topics }) => ({
    groupId,
    topics: topics === null
      ? null
      : [...Map.groupBy(topics, ({ name, topicId }) => `${topicId}/${name}`).values()].map(same => ({
          ...same[0]!, partitionIndexes: [...new Set(same.flatMap(({ partitionIndexes }) => partitionIndexes))]
        }))
  }))
}

export function handleOffsetFetch (exchange: Exchange, request: RequestOf<typeof offsetFetch>, network: Network): boolean {
  type Response = ResponseOf<typeof offsetFetch>
  const single = exchange.version <= 7
  const byId = exchange.version >= 10
  const asked = distinctGroups(single ? [{ groupId: request.groupId, topics: request.topics?.map(topic => ({ ...topic, topicId: zeroUuid })) ?? null }] : request.groups)
  const wanted = asked.map(({ groupId, topics }) => ({
    groupId,
    topics: topics?.map(({ name, topicId, partitionIndexes }) => ({ name: byId ? network.metadata.byId(topicId)?.name ?? '' : name, partitions: partitionIndexes })) ?? null
  }))
  const failed = (errorCode: number): Response => single
    ? { errorCode, topics: [] }
    : { groups: wanted.map(({ groupId }) => ({ groupId, topics: [], errorCode })) }
  askGroups(exchange, network, { kind: 'offset-fetch', groups: wanted }, deadlineMs, failed, ({ groups }: OffsetsFetched): Response => {
    const rows = groups.map(({ groupId, errorCode, topics }, at) => ({
      groupId,
      errorCode,
      topics: topics.map(({ name, partitions }, topicAt) => {
        const topicId = byId ? network.metadata.byName(name)?.id ?? asked[at]?.topics?.[topicAt]?.topicId : undefined
        return {
          name,
          ...topicId === undefined ? {} : { topicId },
          partitions: partitions.map(({ partition, offset, leaderEpoch, metadata, errorCode }) => ({
            index: partition,
            committedOffset: offset,
            committedLeaderEpoch: leaderEpoch,
            metadata,
            errorCode: byId && name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : errorCode
          }))
        }
      })
    }))
    return single ? { errorCode: rows[0]!.errorCode, topics: rows[0]!.topics } : { groups: rows }
  })
  return true
}

export function handleDescribeGroups (exchange: Exchange, request: RequestOf<typeof describeGroups>, network: Network): boolean {
  type Response = ResponseOf<typeof describeGroups>
  const groupIds = [...new Set(request.groups)]
  askGroups(exchange, network, { kind: 'describe-groups', groupIds }, deadlineMs,
    (errorCode): Response => ({
      groups: groupIds.map(groupId => ({ errorCode, groupId, groupState: '', protocolType: '', protocolData: '', members: [] }))
    }),
    ({ groups }: GroupsDescribed): Response => ({
      groups: groups.map(({ groupId, errorCode, state, protocolType, protocolName, members }) => ({
        errorCode,
        groupId,
        groupState: state,
        protocolType,
        protocolData: protocolName,
        members: members.map(({ memberId, instanceId, clientId, clientHost, metadata, assignment }) => ({
          memberId, groupInstanceId: instanceId, clientId, clientHost, memberMetadata: metadata, memberAssignment: assignment
        }))
      }))
    }))
  return true
}

export function handleListGroups (exchange: Exchange, request: RequestOf<typeof listGroups>, network: Network): boolean {
  type Response = ResponseOf<typeof listGroups>
  if (!coordinates(network)) {
    // Clients ask all brokers: this one has none.
    exchange.answer({ errorCode: ErrorCode.NONE, groups: [] } satisfies Response)
    return true
  }
  askGroups(exchange, network, { kind: 'list-groups', states: request.statesFilter, types: request.typesFilter }, deadlineMs,
    (errorCode): Response => ({ errorCode, groups: [] }),
    ({ groups }: GroupsListed): Response => ({
      errorCode: ErrorCode.NONE,
      groups: groups.map(({ groupId, protocolType, state, type }) => ({ groupId, protocolType, groupState: state, groupType: type }))
    }))
  return true
}

export function handleDeleteGroups (exchange: Exchange, request: RequestOf<typeof deleteGroups>, network: Network): boolean {
  type Response = ResponseOf<typeof deleteGroups>
  askGroups(exchange, network, { kind: 'delete-groups', groupIds: request.groupNames }, deadlineMs,
    (errorCode): Response => ({ results: request.groupNames.map(groupId => ({ groupId, errorCode })) }),
    ({ groups }: GroupsDeleted): Response => ({ results: groups }))
  return true
}
