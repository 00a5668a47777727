/**
 * One consumer group of the classic protocol.
 *
 * ```
 *              first member                    all have joined, or the time is up
 *   Empty ──────────────────▶ PreparingRebalance ───────────────────▶ CompletingRebalance
 *     ▲                          │   ▲      ▲                               │     │ the leader's
 *     └──── nobody has joined ───┘   │      └──── a member comes or goes ───┘     ▼ assignment
 *                                    └─────────── a member comes or goes ────── Stable
 * ```
 * Each rebalance ends in a new generation; what a member says under an older one is refused. A group that is deleted or
 * forgotten is Dead: it is no longer in the coordinator's table, and messages that still name it find nothing.
 */
import { assert } from '../../base/assert.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { caller, joined, refuseJoin, refuseSync, synced } from './answers.ts'
import { CommittedOffsets } from './committed-offsets.ts'
import { Deadline } from './deadline.ts'
import type { GroupConfig } from './group-config.ts'
import type {
  GroupState, Heartbeat, IdleTimer, JoinGroup, Joined, JoinTimer, LeaveGroup, Left,
  OffsetCommit, SessionTimer, SyncGroup, SyncTimer
} from './messages.ts'
import { type Caller, Member, noBytes } from './member.ts'
import { Membership } from './membership.ts'
import { subscribedTopics } from './subscription.ts'
import type { Usage } from './usage.ts'

export class Group {
  readonly groupId: string
  readonly members: Membership
  readonly offsets: CommittedOffsets
  state: GroupState = 'Empty'
  generation = 0
  protocolType: string | null = null
  protocolName: string | null = null
  /** When an empty group is forgotten. */
  readonly idle: Deadline
  readonly #config: GroupConfig
  readonly #join: Deadline
  readonly #sync: Deadline
  /** Members that were told of this generation and have not asked for their assignment. */
  readonly #awaitedSyncs = new Set<string>()
  /** Of a rebalance that began with an empty group: how much longer it may wait for more members, null in any other. */
  #initialWaitMs: number | null = null
  #newMemberAdded = false

  constructor (groupId: string, config: GroupConfig, usage: Usage) {
    const joinTimer: JoinTimer = { kind: 'join-timer', groupId }
    const syncTimer: SyncTimer = { kind: 'sync-timer', groupId }
    const idleTimer: IdleTimer = { kind: 'idle-timer', groupId }
    this.groupId = groupId
    this.#config = config
    this.members = new Membership(usage)
    this.offsets = new CommittedOffsets(usage)
    this.#join = new Deadline(joinTimer)
    this.#sync = new Deadline(syncTimer)
    this.idle = new Deadline(idleTimer)
  }

  /** True while there is nothing in it that anybody could miss. */
  get isUnused (): boolean {
    return this.state === 'Empty' && this.generation === 0 && this.members.pending.size === 0 && this.offsets.partitionCount === 0
  }

  // --- joining

  /** Answers the join now, or when its rebalance is complete. `newMemberId` is the one that a newcomer gets. */
  join (request: JoinGroup, newMemberId: string, out: Outbox, now: number): void {
    if (!this.#supports(request)) refuseJoin(request, request.memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, out)
    else if (request.memberId !== '') this.#joinKnown(request, out, now)
    else this.#joinNew(request, newMemberId, out, now)
  }

  #supports (request: JoinGroup): boolean {
    if (request.protocolType === '' || request.protocols.length === 0) return false
    if (this.members.size === 0) return true
    return request.protocolType === this.protocolType && request.protocols.some(({ name }) => this.members.isCommon(name))
  }

  #joinNew (request: JoinGroup, memberId: string, out: Outbox, now: number): void {
    const holder = request.instanceId === null ? undefined : this.members.staticMemberId(request.instanceId)
    if (holder !== undefined) this.#replaceStatic(request, this.members.get(holder)!, memberId, out, now)
    else if (request.instanceId === null && request.memberIdRequired) this.#addPending(request, memberId, out, now)
    else this.#add(request, memberId, out, now)
  }

  #addPending (request: JoinGroup, memberId: string, out: Outbox, now: number): void {
    if (this.members.pending.size >= this.#config.membersMax) return refuseJoin(request, '', ErrorCode.GROUP_MAX_SIZE_REACHED, out)
    const timer: SessionTimer = { kind: 'session-timer', groupId: this.groupId, memberId }
    const deadline = new Deadline(timer)
    deadline.set(now + request.sessionTimeoutMs, out, now)
    this.members.addPending(memberId, deadline)
    if (this.state === 'Empty') this.keepWhileEmpty(out, now)
    refuseJoin(request, memberId, ErrorCode.MEMBER_ID_REQUIRED, out)
  }

  #add (request: JoinGroup, memberId: string, out: Outbox, now: number): void {
    if (this.members.size >= this.#config.membersMax) return refuseJoin(request, '', ErrorCode.GROUP_MAX_SIZE_REACHED, out)
    const member = new Member(memberId, request)
    member.joining = caller(request)
    if (this.members.size === 0) this.protocolType = request.protocolType
    this.members.add(member)
    if (this.#initialWaitMs !== null) this.#newMemberAdded = true
    member.session.set(now + this.#config.newMemberJoinTimeoutMs, out, now)
    this.#rebalance(out, now)
  }

  #joinKnown (request: JoinGroup, out: Outbox, now: number): void {
    const { memberId } = request
    if (request.instanceId === null && this.members.removePending(memberId, out)) return this.#add(request, memberId, out, now)
    const refusal = this.members.check(memberId, request.instanceId)
    if (refusal !== ErrorCode.NONE) return refuseJoin(request, memberId, refusal, out)
    const member = this.members.get(memberId)!
    // A member that says nothing new missed an answer or was told of the rebalance twice. A leader that comes again wants one:
    // it saw something that changes the assignment.
    const isRepeat = member.matches(request) &&
      (this.state === 'CompletingRebalance' || (this.state === 'Stable' && this.members.leader !== memberId))
    if (isRepeat) {
      this.#answerJoin(member, caller(request), out)
      member.session.set(now + member.sessionTimeoutMs, out, now)
    } else {
      this.#rejoin(member, request, out)
      this.#rebalance(out, now)
    }
  }

  /** A static member that lost its id (a restarted process) goes on in its old place; a process that still uses the old id is fenced. */
  #replaceStatic (request: JoinGroup, old: Member, memberId: string, out: Outbox, now: number): void {
    const oldLeader = this.members.leader
    const member = new Member(memberId, request)
    member.assignment = old.assignment
    member.isNew = false // it has no need to hurry: the session of its place has long begun
    this.#dismiss(old, ErrorCode.FENCED_INSTANCE_ID, out)
    this.members.replace(old, member)
    if (this.#awaitedSyncs.delete(old.memberId)) this.#awaitedSyncs.add(memberId)
    member.session.set(now + member.sessionTimeoutMs, out, now)
    if (this.state !== 'Stable' || this.members.selectProtocol() !== this.protocolName) {
      member.joining = caller(request)
      return this.#rebalance(out, now)
    }
    // Nothing changes for the others. A client that cannot be told to skip the assignment must not take itself for the leader.
    const isLeader = this.members.leader === memberId
    out.tell(request.replyTo, joined(request, {
      ...this.#generationFor(member),
      leader: request.canSkipAssignment ? this.members.leader : oldLeader,
      skipAssignment: request.canSkipAssignment && isLeader,
      members: request.canSkipAssignment && isLeader ? this.members.roster(this.protocolName!) : []
    }))
  }

  #rejoin (member: Member, request: JoinGroup, out: Outbox): void {
    // An earlier JoinGroup of this member was given up by its client, yet it is answered, like everything.
    if (member.joining !== null) refuseJoin(member.joining, member.memberId, ErrorCode.REBALANCE_IN_PROGRESS, out)
    this.members.change(member, () => member.update(request))
    member.joining = caller(request)
  }

  #answerJoin (member: Member, to: Caller, out: Outbox): void {
    const isLeader = this.members.leader === member.memberId
    out.tell(to.replyTo, joined(to, {
      ...this.#generationFor(member),
      leader: this.members.leader,
      members: isLeader ? this.members.roster(this.protocolName!) : []
    }))
  }

  #generationFor (member: Member): Pick<Joined, 'memberId' | 'generation' | 'protocolType' | 'protocolName'> {
    return { memberId: member.memberId, generation: this.generation, protocolType: this.protocolType, protocolName: this.protocolName }
  }

  // --- rebalancing

  /** Begins a rebalance, or ends the one under way if nobody is missing any more. */
  #rebalance (out: Outbox, now: number): void {
    if (this.state === 'PreparingRebalance') return this.#maybeComplete(out, now)
    if (this.state === 'CompletingRebalance') this.#answerSyncs(ErrorCode.REBALANCE_IN_PROGRESS, out, now)
    this.#sync.clear(out)
    this.#awaitedSyncs.clear()
    this.idle.clear(out)
    const wasEmpty = this.state === 'Empty'
    this.state = 'PreparingRebalance'
    if (wasEmpty) this.#waitForFirstMembers(out, now)
    else if (this.members.haveAllJoined) this.#complete(out, now)
    else this.#join.set(now + this.members.rebalanceTimeoutMs, out, now)
  }

  #waitForFirstMembers (out: Outbox, now: number): void {
    const delayMs = this.#config.initialRebalanceDelayMs
    if (delayMs === 0) return this.#complete(out, now)
    this.#initialWaitMs = Math.max(this.members.rebalanceTimeoutMs - delayMs, 0)
    this.#newMemberAdded = false
    this.#join.set(now + delayMs, out, now)
  }

  /** The first rebalance of a group waits its time out, whoever is there. */
  #maybeComplete (out: Outbox, now: number): void {
    if (this.state === 'PreparingRebalance' && this.#initialWaitMs === null && this.members.haveAllJoined) this.#complete(out, now)
  }

  handleJoinTimer (out: Outbox, now: number): void {
    if (!this.#join.hasPassed(out, now)) return
    assert(this.state === 'PreparingRebalance', 'only a rebalance has a join deadline')
    if (this.#newMemberAdded && this.#initialWaitMs !== null && this.#initialWaitMs > 0) {
      const delayMs = Math.min(this.#config.initialRebalanceDelayMs, this.#initialWaitMs)
      this.#newMemberAdded = false
      this.#initialWaitMs -= delayMs
      this.#join.set(now + delayMs, out, now)
    } else {
      this.#complete(out, now)
    }
  }

  /** Begins the next generation with the members that have joined. Static ones stay without joining, until their session ends. */
  #complete (out: Outbox, now: number): void {
    this.#initialWaitMs = null
    this.#join.clear(out)
    for (const member of [...this.members]) {
      if (member.joining === null && member.instanceId === null) this.#remove(member, out)
    }
    if (this.members.size > 0 && !this.members.electJoiningLeader()) {
      return this.#join.set(now + Math.max(this.members.rebalanceTimeoutMs, 1), out, now)
    }
    this.generation = this.generation === 0x7fffffff ? 1 : this.generation + 1
    if (this.members.size === 0) return this.#becomeEmpty(out, now)
    this.state = 'CompletingRebalance'
    this.protocolName = this.members.selectProtocol()
    for (const member of this.members) {
      this.members.change(member, () => { member.assignment = noBytes })
      this.#awaitedSyncs.add(member.memberId)
      if (member.joining !== null) this.#answerJoin(member, member.joining, out)
      member.joining = null
      member.isNew = false
      member.session.set(now + member.sessionTimeoutMs, out, now)
    }
    this.#sync.set(now + this.members.rebalanceTimeoutMs, out, now)
  }

  #becomeEmpty (out: Outbox, now: number): void {
    this.state = 'Empty'
    this.protocolName = null
    this.keepWhileEmpty(out, now)
  }

  /** Starts the time anew after which an empty group is forgotten. */
  keepWhileEmpty (out: Outbox, now: number): void {
    const { offsetsRetentionMs, emptyRetentionMs } = this.#config
    this.idle.set(now + (this.offsets.partitionCount > 0 ? offsetsRetentionMs : emptyRetentionMs), out, now)
  }

  // --- the assignment

  sync (request: SyncGroup, out: Outbox, now: number): void {
    const refusal = this.members.check(request.memberId, request.instanceId) || this.#checkGeneration(request)
    if (refusal !== ErrorCode.NONE) return refuseSync(request, refusal, out)
    const member = this.members.get(request.memberId)!
    if (this.state === 'PreparingRebalance') return refuseSync(request, ErrorCode.REBALANCE_IN_PROGRESS, out)
    if (this.#awaitedSyncs.delete(member.memberId) && this.#awaitedSyncs.size === 0) this.#sync.clear(out)
    if (member.syncing !== null) refuseSync(member.syncing, ErrorCode.REBALANCE_IN_PROGRESS, out)
    member.syncing = caller(request)
    if (this.state === 'CompletingRebalance') {
      if (this.members.leader !== member.memberId) return
      this.#assign(request)
      this.state = 'Stable'
    }
    this.#answerSyncs(ErrorCode.NONE, out, now)
  }

  #checkGeneration (request: SyncGroup): number {
    const { generation, protocolType, protocolName } = request
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION
    const isConsistent = (protocolType === null || protocolType === this.protocolType) &&
      (protocolName === null || protocolName === this.protocolName)
    return isConsistent ? ErrorCode.NONE : ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  }

  #assign (request: SyncGroup): void {
    for (const { memberId, assignment } of request.assignments) {
      const member = this.members.get(memberId)
      if (member !== undefined) this.members.change(member, () => { member.assignment = new Uint8Array(assignment) })
    }
  }

  /** Answers all who wait for their assignment; their sessions, which rested meanwhile, begin anew. */
  #answerSyncs (errorCode: number, out: Outbox, now: number): void {
    for (const member of this.members) {
      if (member.syncing === null) continue
      const { protocolType, protocolName } = this
      if (errorCode !== ErrorCode.NONE) refuseSync(member.syncing, errorCode, out)
      else out.tell(member.syncing.replyTo, synced(member.syncing, { protocolType, protocolName, assignment: member.assignment }))
      member.syncing = null
      member.session.set(now + member.sessionTimeoutMs, out, now)
    }
  }

  /** Members that did not ask for their assignment in time go; if it was the leader, this frees the others. */
  handleSyncTimer (out: Outbox, now: number): void {
    if (!this.#sync.hasPassed(out, now)) return
    assert(this.#awaitedSyncs.size > 0, 'the sync deadline goes with the last member it waits for')
    for (const memberId of [...this.#awaitedSyncs]) this.#remove(this.members.get(memberId)!, out)
    this.#rebalance(out, now)
  }

  // --- staying and going

  /** Returns the error code of the answer. */
  heartbeat ({ memberId, instanceId, generation }: Heartbeat, out: Outbox, now: number): number {
    const refusal = this.members.check(memberId, instanceId)
    if (refusal !== ErrorCode.NONE) return refusal
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION
    this.#keepSession(memberId, out, now)
    return this.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  #keepSession (memberId: string, out: Outbox, now: number): void {
    const member = this.members.get(memberId)
    if (member !== undefined && !member.isNew) member.session.set(now + member.sessionTimeoutMs, out, now)
  }

  handleSessionTimer (memberId: string, out: Outbox, now: number): void {
    if (this.members.pending.get(memberId)?.hasPassed(out, now)) {
      this.members.removePending(memberId, out)
      return this.#maybeComplete(out, now)
    }
    const member = this.members.get(memberId)
    if (member === undefined || !member.session.hasPassed(out, now) || member.isHeld) return
    this.#remove(member, out)
    this.#rebalance(out, now)
  }

  leave ({ members }: LeaveGroup, out: Outbox, now: number): Left['members'] {
    let mustRebalance = false
    const answers = members.map(({ memberId, instanceId }) => {
      const answer = (errorCode: number): Left['members'][number] => ({ memberId, instanceId, errorCode })
      if (this.members.removePending(memberId, out)) return answer(ErrorCode.NONE)
      // An administrator removes a static member by its instance id, without knowing its member id.
      const name = memberId === '' && instanceId !== null ? this.members.staticMemberId(instanceId) ?? '' : memberId
      const refusal = this.members.check(name, instanceId)
      if (refusal !== ErrorCode.NONE) return answer(refusal)
      this.#remove(this.members.get(name)!, out)
      mustRebalance = true
      return answer(ErrorCode.NONE)
    })
    if (mustRebalance) this.#rebalance(out, now)
    else this.#maybeComplete(out, now)
    return answers
  }

  #remove (member: Member, out: Outbox): void {
    this.#dismiss(member, ErrorCode.UNKNOWN_MEMBER_ID, out)
    this.members.remove(member)
  }

  /** Answers what the member still waits for. */
  #dismiss (member: Member, errorCode: number, out: Outbox): void {
    if (member.joining !== null) refuseJoin(member.joining, errorCode === ErrorCode.UNKNOWN_MEMBER_ID ? '' : member.memberId, errorCode, out)
    if (member.syncing !== null) refuseSync(member.syncing, errorCode, out)
    member.joining = null
    member.syncing = null
    member.session.clear(out)
  }

  // --- offsets

  /** Returns why this group may not commit, 0 if it may. A commit keeps its member's session. */
  checkCommit ({ memberId, instanceId, generation }: OffsetCommit, out: Outbox, now: number): number {
    if (this.state === 'Empty' && generation < 0) return ErrorCode.NONE
    const refusal = this.members.check(memberId, instanceId)
    if (refusal !== ErrorCode.NONE) return refusal
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION
    // The member joined this generation, yet does not know its partitions: what it commits belongs to the one before.
    if (this.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS
    this.#keepSession(memberId, out, now)
    return ErrorCode.NONE
  }

  /** True if a member reads this topic, or cannot be understood: then nobody can tell. */
  isSubscribed (topic: string): boolean {
    if (this.protocolType !== 'consumer') return false
    for (const { protocols } of this.members) {
      const metadata = this.protocolName === null ? undefined : protocols.get(this.protocolName)
      if (metadata === undefined || subscribedTopics(metadata)?.has(topic) !== false) return true
    }
    return false
  }

  /** Gives up all that it holds; the coordinator drops the group after this. */
  forget (out: Outbox): void {
    assert(this.members.size === 0, 'only an empty group is forgotten')
    for (const memberId of [...this.members.pending.keys()]) this.members.removePending(memberId, out)
    this.offsets.clear()
    this.idle.clear(out)
    this.state = 'Dead'
  }
}
