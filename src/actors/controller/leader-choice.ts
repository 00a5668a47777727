/** Who should lead what, and which leaders are to hand over for that: pure questions to the tables. */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, PartitionIndex } from '../../base/ids.ts'
import type { LeadersTable, Leadership } from './leaders-table.ts'
import { noNode, type ElectLeaders, type PartitionResult, type TransferLeaders } from './messages.ts'
import { targetOf, type Assignment, type MetadataState, type TopicState } from './metadata-state.ts'

export interface LeaderContext {
  readonly state: MetadataState
  readonly leaders: LeadersTable
  /** It may be given something to lead: it is there, and meant to stay. */
  readonly mayLead: (member: MemberId) => boolean
}

/** A partition to be handed over, or why it is not. */
export type Choice =
  | { readonly to: MemberId }
  | { readonly to?: undefined, readonly errorCode: number, readonly errorMessage: string }

const refuse = (errorCode: number, errorMessage: string): Choice => ({ errorCode, errorMessage })

/** Who the preferred leader's election would make the leader. */
export function choosePreferred (assignment: Assignment, leadership: Leadership | undefined, { mayLead }: LeaderContext): Choice {
  const preferred = targetOf(assignment)[0]!
  if (leadership?.leader === preferred) return refuse(ErrorCode.ELECTION_NOT_NEEDED, 'the preferred replica leads already')
  if (leadership === undefined) return refuse(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, 'the partition has no leader that could hand over')
  if (!leadership.inSync.includes(preferred) || !mayLead(preferred)) return refuse(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, 'the preferred replica is not in sync, or not there')
  return { to: preferred }
}

/** Who is to lead instead of the present leader: `wanted`, or whoever leads least of those that could. */
export function chooseSuccessor (assignment: Assignment, leadership: Leadership | undefined, wanted: MemberId | undefined, { mayLead }: LeaderContext, leads: (member: MemberId) => number): Choice {
  if (leadership === undefined) return refuse(ErrorCode.LEADER_NOT_AVAILABLE, 'the partition has no leader that could hand over')
  const target = targetOf(assignment)
  if (wanted !== undefined) {
    if (!target.includes(wanted)) return refuse(ErrorCode.REPLICA_NOT_AVAILABLE, 'it holds no replica of the partition')
    if (wanted === leadership.leader) return refuse(ErrorCode.ELECTION_NOT_NEEDED, 'it leads already')
    return leadership.inSync.includes(wanted) && mayLead(wanted) ? { to: wanted } : refuse(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'its replica is not in sync, or not there')
  }
  const others = target.filter(member => member !== leadership.leader && leadership.inSync.includes(member) && mayLead(member))
  if (others.length === 0) return refuse(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'no other replica is in sync and there')
  return { to: others.reduce((best, member) => leads(member) < leads(best) ? member : best) }
}

export interface Question {
  readonly topic: string
  readonly partition: PartitionIndex
  readonly found: { readonly topic: TopicState, readonly assignment: Assignment } | undefined
}

/** The partitions that a request names; all there are for null. */
export function * questionsOf (partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }> | null, state: MetadataState): Generator<Question> {
  if (partitions === null) {
    for (const topic of state.topics.values()) {
      for (const [partition, assignment] of topic.partitions.entries()) yield { topic: topic.name, partition: partition as PartitionIndex, found: { topic, assignment } }
    }
    return
  }
  for (const { topic: name, partition } of partitions) {
    const topic = state.topicByName(name)
    const assignment = topic?.partitions[partition]
    yield { topic: name, partition: partition as PartitionIndex, found: topic === undefined || assignment === undefined ? undefined : { topic, assignment } }
  }
}

export interface HandOverPlan {
  readonly results: PartitionResult[]
  readonly moves: ReadonlyArray<{ readonly index: number, readonly topic: TopicState, readonly partition: PartitionIndex, readonly to: MemberId, readonly from: MemberId }>
}

/** What a request for other leaders comes to. */
export function planHandOver (request: Pick<ElectLeaders, 'kind' | 'preferred' | 'partitions'> | Pick<TransferLeaders, 'kind' | 'partitions'>, context: LeaderContext): HandOverPlan {
  const { state, leaders } = context
  const results: PartitionResult[] = []
  const moves: Array<HandOverPlan['moves'][number]> = []
  const given = new Map<MemberId, number>()
  const leads = (member: MemberId): number => state.loadOf(member).leaders + (given.get(member) ?? 0)
  let position = 0
  for (const { topic: name, partition, found } of questionsOf(request.partitions, state)) {
    const wanted = request.kind === 'transfer-leaders' ? request.partitions[position]!.to : noNode
    position++
    const answer = (errorCode: number, errorMessage: string | null): void => { results.push({ topic: name, partition, errorCode, errorMessage }) }
    if (found === undefined) {
      answer(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such partition')
      continue
    }
    const leadership = leaders.get(found.topic.id, partition)
    const choice = request.kind === 'transfer-leaders'
      ? transferChoice(found.assignment, leadership, wanted, context, leads)
      : request.preferred ? choosePreferred(found.assignment, leadership, context) : uncleanChoice(leadership)
    if (choice.to !== undefined) {
      moves.push({ index: results.length, topic: found.topic, partition, to: choice.to, from: leadership!.leader })
      given.set(choice.to, (given.get(choice.to) ?? 0) + 1)
      answer(ErrorCode.NONE, null)
    } else if (request.partitions !== null || choice.errorCode !== ErrorCode.ELECTION_NOT_NEEDED) {
      answer(choice.errorCode, choice.errorMessage)
    }
  }
  return { results, moves }
}

function transferChoice (assignment: Assignment, leadership: Leadership | undefined, wanted: number, context: LeaderContext, leads: (member: MemberId) => number): Choice {
  if (wanted === noNode) return chooseSuccessor(assignment, leadership, undefined, context, leads)
  // A node may have two members here while its folder is replaced: the one that is meant to stay.
  const member = targetOf(assignment).find(member => context.state.nodeOf(member) === wanted)
  return member === undefined
    ? refuse(ErrorCode.REPLICA_NOT_AVAILABLE, `broker ${wanted} holds no replica of the partition`)
    : chooseSuccessor(assignment, leadership, member, context, leads)
}

function uncleanChoice (leadership: Leadership | undefined): Choice {
  return leadership !== undefined
    ? refuse(ErrorCode.ELECTION_NOT_NEEDED, 'the partition has a leader')
    : refuse(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'an unclean election would lose what was acknowledged: no replica is made the leader without a majority')
}
