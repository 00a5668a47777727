/**
 * The coordinator of all consumer groups, in memory. It finds the group a message is about, sees that all groups together keep
 * within bounds, and answers what concerns several groups; what happens inside one is in {@link Group}.
 */
import { unreachable } from '../../base/assert.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { type Chance, uuidHex } from '../../base/prng.ts'
import type { Actor, Outbox, Request } from '../../runtime/actor.ts'
import { refuseJoin, refuseSync } from './answers.ts'
import { CommittedOffsets, type OffsetRecord } from './committed-offsets.ts'
import { type GroupConfig, groupConfigDefaults } from './group-config.ts'
import { Group } from './group.ts'
import { objectBytes, noBytes, protocolBytes } from './member.ts'
import type {
  DeleteGroups, DescribedGroup, DescribeGroups, GroupMessage, GroupReply, Heartbeat,
  JoinGroup, LeaveGroup, ListGroups, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, TopicErrors
} from './messages.ts'
import { Usage } from './usage.ts'

/** Client ids become part of member ids, which are sent and kept often; longer ones are cut. */
const clientIdLengthMax = 255
/** What a group that does not exist has committed. */
const noOffsets = new CommittedOffsets(new Usage())

export interface GroupCoordinatorOptions {
  readonly chance: Chance
  readonly config?: Partial<GroupConfig>
}

export class GroupCoordinator implements Actor<GroupMessage> {
  readonly #groups = new Map<string, Group>()
  readonly #usage = new Usage()
  readonly #chance: Chance
  readonly #config: GroupConfig

  constructor ({ chance, config }: GroupCoordinatorOptions) {
    this.#chance = chance
    this.#config = { ...groupConfigDefaults, ...config }
  }

  get groupCount (): number { return this.#groups.size }
  get memberCount (): number { return [...this.#groups.values()].reduce((count, group) => count + group.members.size, 0) }
  get usage (): Readonly<Usage> { return this.#usage }

  receive (message: GroupMessage, out: Outbox, now: number): void {
    switch (message.kind) {
      case 'join-group': this.#join(message, out, now); break
      case 'sync-group': this.#sync(message, out, now); break
      case 'heartbeat': this.#heartbeat(message, out, now); break
      case 'leave-group': this.#leave(message, out, now); break
      case 'offset-commit': this.#commit(message, out, now); break
      case 'offset-fetch': this.#fetch(message, out); break
      case 'offset-delete': this.#deleteOffsets(message, out, now); break
      case 'forget-topic': this.#forgetTopic(message.name); break
      case 'describe-groups': this.#describe(message, out); break
      case 'list-groups': this.#list(message, out); break
      case 'delete-groups': this.#delete(message, out); break
      case 'session-timer': this.#groups.get(message.groupId)?.handleSessionTimer(message.memberId, out, now); break
      case 'join-timer': this.#groups.get(message.groupId)?.handleJoinTimer(out, now); break
      case 'sync-timer': this.#groups.get(message.groupId)?.handleSyncTimer(out, now); break
      case 'idle-timer': this.#handleIdleTimer(message.groupId, out, now); break
      default: unreachable(message)
    }
  }

  // --- members

  #join (request: JoinGroup, out: Outbox, now: number): void {
    const refusal = this.#checkJoin(request)
    if (refusal !== ErrorCode.NONE) return refuseJoin(request, request.memberId, refusal, out)
    const group = this.#groups.get(request.groupId) ?? this.#create(request.groupId)
    const newMemberId = request.memberId === '' ? this.#newMemberId(request) : ''
    group.join(request, newMemberId, out, now)
    if (group.isUnused) this.#forget(group, out)
  }

  #checkJoin ({ groupId, memberId, sessionTimeoutMs, protocols }: JoinGroup): number {
    if (groupId === '') return ErrorCode.INVALID_GROUP_ID
    if (sessionTimeoutMs < this.#config.sessionTimeoutMinMs || sessionTimeoutMs > this.#config.sessionTimeoutMaxMs) return ErrorCode.INVALID_SESSION_TIMEOUT
    if (!this.#groups.has(groupId)) {
      if (memberId !== '') return ErrorCode.UNKNOWN_MEMBER_ID
      if (this.#groups.size >= this.#config.groupsMax) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    }
    if (memberId === '' && this.#usage.members >= this.#config.allMembersMax) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    const bytes = protocols.reduce((sum, { name, metadata }) => sum + protocolBytes(name, metadata), 0)
    return this.#hasRoomFor(bytes) ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE
  }

  #newMemberId ({ instanceId, clientId }: JoinGroup): string {
    return `${(instanceId ?? clientId).slice(0, clientIdLengthMax)}-${uuidHex(this.#chance)}`
  }

  #sync (request: SyncGroup, out: Outbox, now: number): void {
    const group = this.#groups.get(request.groupId)
    const bytes = request.assignments.reduce((sum, { assignment }) => sum + assignment.length, 0)
    if (request.groupId === '') refuseSync(request, ErrorCode.INVALID_GROUP_ID, out)
    else if (group === undefined) refuseSync(request, ErrorCode.UNKNOWN_MEMBER_ID, out)
    else if (!this.#hasRoomFor(bytes)) refuseSync(request, ErrorCode.COORDINATOR_NOT_AVAILABLE, out)
    else group.sync(request, out, now)
  }

  #heartbeat (request: Heartbeat, out: Outbox, now: number): void {
    const errorCode = request.groupId === ''
      ? ErrorCode.INVALID_GROUP_ID
      : this.#groups.get(request.groupId)?.heartbeat(request, out, now) ?? ErrorCode.UNKNOWN_MEMBER_ID
    answer(request, { kind: 'heartbeat-taken', correlation: request.correlation, errorCode }, out)
  }

  #leave (request: LeaveGroup, out: Outbox, now: number): void {
    const { correlation, groupId, members } = request
    if (groupId === '') return answer(request, { kind: 'left', correlation, errorCode: ErrorCode.INVALID_GROUP_ID, members: [] }, out)
    const left = this.#groups.get(groupId)?.leave(request, out, now) ??
      members.map(({ memberId, instanceId }) => ({ memberId, instanceId, errorCode: ErrorCode.UNKNOWN_MEMBER_ID }))
    answer(request, { kind: 'left', correlation, errorCode: ErrorCode.NONE, members: left }, out)
  }

  // --- offsets: decided as records, then replayed

  #commit (request: OffsetCommit, out: Outbox, now: number): void {
    const { records, topics } = this.#decideCommit(request, out, now)
    if (records.length > 0) {
      const group = this.#groups.get(request.groupId) ?? this.#create(request.groupId)
      this.#replay(records)
      if (group.state === 'Empty') group.keepWhileEmpty(out, now)
    }
    answer(request, { kind: 'offsets-committed', correlation: request.correlation, topics }, out)
  }

  #decideCommit (request: OffsetCommit, out: Outbox, now: number): { records: OffsetRecord[], topics: TopicErrors[] } {
    const { groupId } = request
    const group = this.#groups.get(groupId)
    const refusal = group === undefined ? this.#checkNewCommit(request) : group.checkCommit(request, out, now)
    const records: OffsetRecord[] = []
    const { bytesMax, committedPartitionsMax, offsetMetadataBytesMax } = this.#config
    let bytes = this.#usage.bytes
    let committedPartitions = this.#usage.committedPartitions
    const topics = request.topics.map(({ name: topic, partitions }) => ({
      name: topic,
      partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
        const refuse = (errorCode: number): { partition: number, errorCode: number } => ({ partition, errorCode })
        if (refusal !== ErrorCode.NONE) return refuse(refusal)
        const metadataBytes = metadata === null ? 0 : Buffer.byteLength(metadata)
        if (metadataBytes > offsetMetadataBytesMax) return refuse(ErrorCode.OFFSET_METADATA_TOO_LARGE)
        const old = group?.offsets.get(topic, partition)
        if (old === undefined && committedPartitions++ >= committedPartitionsMax) return refuse(ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
        const growth = metadataBytes - (old?.metadata.length ?? 0)
        if (growth > 0 && bytes + growth > bytesMax) return refuse(ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
        bytes += growth
        records.push({ groupId, topic, partition, committed: { offset, leaderEpoch, metadata: metadata ?? '' } })
        return refuse(ErrorCode.NONE)
      })
    }))
    return { records, topics }
  }

  /** A group that nobody joined is made by the commit of a consumer that manages its partitions itself. */
  #checkNewCommit ({ generation }: OffsetCommit): number {
    if (generation >= 0) return ErrorCode.ILLEGAL_GENERATION
    return this.#groups.size < this.#config.groupsMax ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE
  }

  #replay (records: readonly OffsetRecord[]): void {
    for (const record of records) this.#groups.get(record.groupId)?.offsets.replay(record)
  }

  #fetch (request: OffsetFetch, out: Outbox): void {
    const groups = request.groups.map(({ groupId, topics }) => ({
      groupId,
      errorCode: ErrorCode.NONE,
      topics: (this.#groups.get(groupId)?.offsets ?? noOffsets).fetch(topics)
    }))
    answer(request, { kind: 'offsets-fetched', correlation: request.correlation, groups }, out)
  }

  #deleteOffsets (request: OffsetDelete, out: Outbox, now: number): void {
    const { correlation, groupId } = request
    const group = this.#groups.get(groupId)
    const refusal = group === undefined
      ? ErrorCode.GROUP_ID_NOT_FOUND
      : group.state !== 'Empty' && group.protocolType !== 'consumer' ? ErrorCode.NON_EMPTY_GROUP : ErrorCode.NONE
    if (group === undefined || refusal !== ErrorCode.NONE) {
      return answer(request, { kind: 'offsets-deleted', correlation, errorCode: refusal, topics: [] }, out)
    }
    const topics = request.topics.map(({ name: topic, partitions }) => {
      const isInUse = group.isSubscribed(topic)
      if (!isInUse) this.#replay(partitions.map(partition => ({ groupId, topic, partition, committed: null })))
      const errorCode = isInUse ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
      return { name: topic, partitions: partitions.map(partition => ({ partition, errorCode })) }
    })
    if (group.state === 'Empty') group.keepWhileEmpty(out, now)
    answer(request, { kind: 'offsets-deleted', correlation, errorCode: ErrorCode.NONE, topics }, out)
  }

  #forgetTopic (topic: string): void {
    for (const group of this.#groups.values()) this.#replay(group.offsets.decideForgetTopic(group.groupId, topic))
  }

  // --- groups

  #describe (request: DescribeGroups, out: Outbox): void {
    const groups = request.groupIds.map(groupId => describe(groupId, this.#groups.get(groupId)))
    answer(request, { kind: 'groups-described', correlation: request.correlation, groups }, out)
  }

  #list (request: ListGroups, out: Outbox): void {
    const passes = (filter: readonly string[], value: string): boolean =>
      filter.length === 0 || filter.some(wanted => wanted.toLowerCase() === value.toLowerCase())
    const groups = Array.from(this.#groups.values())
      .filter(({ state }) => passes(request.states, state) && passes(request.types, 'classic'))
      .map(({ groupId, protocolType, state }) => ({ groupId, protocolType: protocolType ?? '', state, type: 'classic' as const }))
    answer(request, { kind: 'groups-listed', correlation: request.correlation, groups }, out)
  }

  #delete (request: DeleteGroups, out: Outbox): void {
    const groups = request.groupIds.map(groupId => {
      const group = this.#groups.get(groupId)
      if (group === undefined) return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND }
      if (group.state !== 'Empty') return { groupId, errorCode: ErrorCode.NON_EMPTY_GROUP }
      this.#forget(group, out)
      return { groupId, errorCode: ErrorCode.NONE }
    })
    answer(request, { kind: 'groups-deleted', correlation: request.correlation, groups }, out)
  }

  #handleIdleTimer (groupId: string, out: Outbox, now: number): void {
    const group = this.#groups.get(groupId)
    if (group?.idle.hasPassed(out, now)) this.#forget(group, out)
  }

  #create (groupId: string): Group {
    const group = new Group(groupId, this.#config, this.#usage)
    this.#groups.set(groupId, group)
    this.#usage.bytes += objectBytes + groupId.length
    return group
  }

  #forget (group: Group, out: Outbox): void {
    group.forget(out)
    this.#groups.delete(group.groupId)
    this.#usage.bytes -= objectBytes + group.groupId.length
  }

  #hasRoomFor (bytes: number): boolean {
    return this.#usage.bytes + bytes <= this.#config.bytesMax
  }
}

function describe (groupId: string, group: Group | undefined): DescribedGroup {
  const isStable = group?.state === 'Stable'
  return {
    groupId,
    errorCode: ErrorCode.NONE,
    state: group?.state ?? 'Dead',
    protocolType: group?.protocolType ?? '',
    protocolName: (isStable ? group.protocolName : null) ?? '',
    members: Array.from(group?.members ?? [], ({ memberId, instanceId, clientId, clientHost, protocols, assignment }) => ({
      memberId,
      instanceId,
      clientId,
      clientHost,
      metadata: (isStable ? protocols.get(group!.protocolName!) : undefined) ?? noBytes,
      assignment: isStable ? assignment : noBytes
    }))
  }
}

function answer (request: Request, reply: GroupReply, out: Outbox): void {
  out.tell(request.replyTo, reply)
}
