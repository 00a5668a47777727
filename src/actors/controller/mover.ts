/**
 * Which partitions must move because a replica's place is given up: its broker is drained, or its data folder was lost and the node
 * has come back with another one. A few at a time: who comes gets the whole log over the network.
 */
import type { MemberId, NodeId, PartitionIndex } from '../../base/ids.ts'
import { chooseReplacement, type Candidate } from './assignment.ts'
import type { Members, PartitionReassigned } from './metadata-record.ts'
import { targetOf, type MetadataState } from './metadata-state.ts'
import { moveTo, replaced } from './reassignment.ts'

export interface MoverContext {
  readonly state: MetadataState
  /** Brokers that may be given partitions. */
  readonly candidates: readonly Candidate[]
}

/** Returns at most `count` records; none when nothing must move, or nobody can take it. */
export function neededMoves ({ state, candidates }: MoverContext, count: number): PartitionReassigned[] {
  const leaving = new Set([...state.loadedMembers()].filter(member => mustLeave(member, state)))
  const records: PartitionReassigned[] = []
  if (leaving.size === 0 || count <= 0) return records
  const room = candidates.map(candidate => ({ ...candidate }))
  for (const topic of state.topics.values()) {
    for (const [partition, assignment] of topic.partitions.entries()) {
      const before = targetOf(assignment)
      if (!before.some(member => leaving.has(member))) continue
      const after = withoutLeaving(before, leaving, state, room)
      const record = moveTo({ id: topic.id, partition: partition as PartitionIndex }, assignment, after)
      if (record !== undefined) records.push(record)
      if (records.length >= count) return records
    }
  }
  return records
}

/** Replicas that a broker still has to give up or to be rid of, by whichever of its folders. */
export function replicasLeft (nodeId: NodeId, state: MetadataState): number {
  const members = foldersOf(nodeId, state)
  let count = members.reduce((sum, member) => sum + state.loadOf(member).replicas, 0)
  for (const { assignment } of state.moving()) if (assignment.removing.some(member => members.includes(member))) count++
  return count
}

/** The smallest number of brokers that could take over what a broker holds; 0 when it holds nothing. */
export function brokersNeeded (nodeId: NodeId, state: MetadataState): number {
  const members = foldersOf(nodeId, state)
  let most = 0
  for (const topic of state.topics.values()) {
    for (const assignment of topic.partitions) {
      const target = targetOf(assignment)
      if (target.length > most && target.some(member => members.includes(member))) most = target.length
    }
  }
  return most
}

function foldersOf (nodeId: NodeId, state: MetadataState): MemberId[] {
  return [...state.members].filter(([, known]) => known.nodeId === nodeId).map(([member]) => member)
}

function mustLeave (member: MemberId, state: MetadataState): boolean {
  if (state.isRetired(member)) return true
  return state.brokers.get(state.nodeOf(member)!)?.draining === true
}

/** The same replicas with others in the place of those that leave, in the same order; one that nobody can replace stays. */
function withoutLeaving (before: Members, leaving: ReadonlySet<MemberId>, state: MetadataState, room: Array<Candidate & { replicas: number }>): Members {
  let after = before
  for (const member of before) {
    if (!leaving.has(member)) continue
    const substitute = substituteFor(member, after, leaving, state, room)
    if (substitute === undefined) continue
    after = replaced(after, member, substitute)
    const taken = room.find(candidate => candidate.member === substitute)
    if (taken !== undefined) taken.replicas++
  }
  return after
}

function substituteFor (member: MemberId, present: Members, leaving: ReadonlySet<MemberId>, state: MetadataState, room: readonly Candidate[]): MemberId | undefined {
  const successor = state.memberOf(state.nodeOf(member)!)
  // The same broker with another folder: its partitions come back to it, and to nobody else while it may yet come.
  if (successor !== undefined && successor !== member && state.brokers.get(state.nodeOf(member)!)!.draining === false) {
    return present.includes(successor) || !room.some(candidate => candidate.member === successor) ? undefined : successor
  }
  const stay = present.filter(other => other !== member)
  const racks = stay.filter(other => !leaving.has(other)).map(other => state.brokers.get(state.nodeOf(other)!)?.rack ?? null)
  // A node holds a partition once, by whichever of its folders.
  const nodes = new Set(stay.map(other => state.nodeOf(other)))
  return chooseReplacement(room.filter(({ nodeId }) => !nodes.has(nodeId)), present, racks)
}
