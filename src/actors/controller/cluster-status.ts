/** The state of the cluster for people and their tools, as the active controller sees it. */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId } from '../../base/ids.ts'
import type { PlainReply } from './answers.ts'
import { brokerImage, presentLeadership } from './image.ts'
import type { LeadersTable } from './leaders-table.ts'
import { noNode, type BrokerStatus, type QuorumMember } from './messages.ts'
import { targetOf, type MetadataState } from './metadata-state.ts'
import type { ControllerOptions } from './options.ts'
import type { Sessions } from './sessions.ts'

export interface StatusSources {
  readonly options: ControllerOptions
  readonly state: MetadataState
  readonly leaders: LeadersTable
  readonly sessions: Sessions
  readonly now: number
}

type Described = Extract<PlainReply, { kind: 'quorum-described' }>

export function describeQuorum (sources: StatusSources): Described {
  const { options: { replica, nodeId, member: self }, state, sessions, now } = sources
  const progress = new Map(replica.progress().map(({ member, endOffset }) => [member, endOffset]))
  const describe = (member: MemberId): QuorumMember => {
    const known = state.members.get(member)
    return {
      member,
      nodeId: known?.nodeId ?? noNode,
      directoryId: known?.directoryId ?? '',
      endOffset: progress.get(member) ?? -1,
      silentMs: member === self ? 0 : known === undefined ? -1 : sessions.silentMs(known.nodeId, now)
    }
  }
  const { voters, learners } = replica.configuration
  return {
    kind: 'quorum-described',
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    leader: nodeId,
    term: replica.term,
    highWatermark: replica.highWatermark,
    voters: voters.map(describe),
    observers: learners.map(describe),
    featureLevel: state.featureLevel,
    ...partitionsStatus(sources)
  }
}

function partitionsStatus ({ state, leaders, sessions, now, options }: StatusSources): Pick<Described, 'brokers' | 'partitions' | 'leaderless' | 'underReplicated' | 'reassigning'> {
  const leads = new Map<MemberId, number>()
  const behind = new Map<MemberId, number>()
  const add = (counts: Map<MemberId, number>, member: MemberId): void => { counts.set(member, (counts.get(member) ?? 0) + 1) }
  let leaderless = 0
  let underReplicated = 0
  for (const topic of state.topics.values()) {
    for (const [partition, assignment] of topic.partitions.entries()) {
      const leadership = presentLeadership(topic.id, partition, state, leaders)
      if (leadership === undefined) leaderless++
      else add(leads, leadership.leader)
      const late = targetOf(assignment).filter(member => leadership?.inSync.includes(member) !== true)
      // A folder that was replaced is missing to the one in its place.
      for (const member of late) add(behind, state.memberOf(state.nodeOf(member)!) ?? member)
      if (late.length > 0) underReplicated++
    }
  }
  const brokers = [...state.brokers.values()].map((broker): BrokerStatus => ({
    ...brokerImage(broker),
    draining: broker.draining,
    leaving: sessions.isLeaving(broker.nodeId),
    replicas: state.loadOf(broker.member).replicas,
    leaders: leads.get(broker.member) ?? 0,
    behind: behind.get(broker.member) ?? 0,
    silentMs: broker.nodeId === options.nodeId ? 0 : sessions.silentMs(broker.nodeId, now)
  }))
  return { brokers: brokers.toSorted((a, b) => a.nodeId - b.nodeId), partitions: state.partitionCount, leaderless, underReplicated, reassigning: state.movingCount }
}
