/**
 * How the replicas of a partition change. The metadata log holds the intent; the partition's leader goes there by itself (learners,
 * joint consensus), and once it says that it has arrived, a second record lets go of those that leave.
 *
 * ```
 *   1 2 3                                    nothing moves
 *   4 2 3 1    adding 4    removing 1        what is meant is 4 2 3; until it is reached, 1 keeps its files and its vote
 *   4 2 3                                    the leader has said: voters 4 2 3, committed. Now 1 is stopped and its files go
 * ```
 * Taking a move back is a move to where it began: a replica that came may be a voter by now, and must not vanish.
 */
import type { MemberId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Members, PartitionReassigned } from './metadata-record.ts'
import { targetOf, type Assignment } from './metadata-state.ts'

export interface Place {
  readonly id: TopicId
  readonly partition: PartitionIndex
}

/** The record that makes `target` what is meant; undefined when it is already. */
export function moveTo ({ id, partition }: Place, assignment: Assignment, target: Members): PartitionReassigned | undefined {
  const present = targetOf(assignment)
  if (sameOrder(present, target)) return undefined
  const { replicas, origin } = assignment
  const before = origin ?? replicas
  const removing = replicas.filter(member => !target.includes(member))
  const adding = target.filter(member => !before.includes(member))
  // The same replicas in another order: nobody comes or goes, so there is nothing to wait for.
  const settled = origin === null && adding.length === 0 && removing.length === 0
  return { kind: 'partition-reassigned', id, partition, replicas: [...target, ...removing], adding, removing, ...(settled ? {} : { origin: before }) }
}

/** The record that takes a move back; undefined when there is none. */
export function moveBack (place: Place, assignment: Assignment): PartitionReassigned | undefined {
  const { origin, replicas } = assignment
  if (origin === null) return undefined
  const removing = replicas.filter(member => !origin.includes(member))
  return { kind: 'partition-reassigned', ...place, replicas: [...origin, ...removing], adding: [], removing, origin }
}

/** The record that ends a move, once the group has as voters just those that are meant. */
export function arrive ({ id, partition }: Place, assignment: Assignment): PartitionReassigned {
  return { kind: 'partition-reassigned', id, partition, replicas: targetOf(assignment), adding: [], removing: [] }
}

/** What a leader says of its group, as far as a move depends on it. */
export interface Arrival {
  readonly generation: number
  readonly voters: Members
  readonly joint: boolean
}

/**
 * Whether the leader has done what is meant. It must have known the present intent when it said so: a word from before may tell of
 * voters that the group had then and has left since, on the way to something that was taken back.
 */
export function hasArrived (assignment: Assignment, { generation, voters, joint }: Arrival): boolean {
  return assignment.origin !== null && generation === assignment.generation && !joint && sameMembers(voters, targetOf(assignment))
}

/** `members` with one in the place of another. */
export function replaced (members: Members, from: MemberId, to: MemberId): Members {
  return members.map(member => member === from ? to : member)
}

export function sameMembers (a: Members, b: Members): boolean {
  return a.length === b.length && a.every(member => b.includes(member))
}

function sameOrder (a: Members, b: Members): boolean {
  return a.length === b.length && a.every((member, index) => member === b[index])
}
