/** What a set of voters has agreed on, computed from what each of them holds. */
import { assert } from '../base/assert.ts'
import type { MemberId, Offset } from '../base/ids.ts'
import { type Configuration, isJoint } from './configuration.ts'

/** Returns the end below which a majority of `ends` holds everything. 1 to 7 of them, any order, left unmodified. */
export function quorumEnd (ends: readonly Offset[]): Offset {
  assert(ends.length > 0, 'a quorum needs at least one voter')
  if (ends.length === 1) return ends[0]!
  const descending = ends.toSorted((a, b) => b - a)
  return descending[descending.length >> 1]!
}

/**
 * Returns the high watermark that the voters' durable ends now allow.
 *
 * An entry of an older term is never committed by counting copies: it becomes visible together with the first
 * entry of this term, so below `termStart` the present mark is returned as it is. A single voter is the exception:
 * no other log can win against its own, so it commits whatever is durable. In joint consensus both sets must agree.
 *
 * @param durableEnd  end of a voter's durable log, leader included; exclusive
 * @param termStart   first offset of the leader's term; inclusive
 * @param current     present high watermark; exclusive: the first offset that consumers may not read
 * @returns           exclusive offset, never below `current` (a new voter may hold less)
 * @throws AssertionError  no voters: a defect of the caller
 *
 * Cost: a sort of at most 7 numbers, once per acknowledgement of a follower; none for a single voter.
 * Source: Ongaro and Ousterhout 2014, section 5.4.2 and figure 8; Ongaro 2014, section 4.3.
 *
 * @example
 * highWatermark(votersOnly([1, 2, 3]), member => [42, 45, 41][member - 1], 38, 39) // 42: two of three hold everything below 42
 * highWatermark(votersOnly([1, 2, 3]), member => [42, 45, 41][member - 1], 43, 39) // 39: offset 41 belongs to an older term
 * highWatermark(votersOnly([1]), () => 42, 43, 39)                                 // 42: a single voter, whatever its term
 */
export function highWatermark (
  configuration: Configuration, durableEnd: (member: MemberId) => Offset, termStart: Offset, current: Offset
): Offset {
  const { voters, outgoing } = configuration
  const single = voters.length === 1 && !isJoint(configuration)
  let end = quorumEnd(voters.map(durableEnd))
  if (isJoint(configuration)) end = Math.min(end, quorumEnd(outgoing.map(durableEnd))) as Offset
  if (end <= termStart && !single) return current
  return Math.max(current, end) as Offset
}
