/** What a set of voters has agreed on, computed from what each of them holds. */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/ids.ts'

/**
 * Returns the high watermark that the voters' durable offsets now allow.
 *
 * An entry of an older term is never committed by counting copies: it becomes visible together with the first
 * entry of this term, so below `termStart` the present mark is returned as it is. A single voter is the exception:
 * no other log can win against its own, so it commits whatever is durable.
 *
 * @param durableEnds  end of each voter's durable log, leader included; exclusive, any order, 1 to 7 elements, left unmodified
 * @param termStart    first offset of the leader's term; inclusive
 * @param current      present high watermark; exclusive: the first offset that consumers may not read
 * @returns            exclusive offset, never below `current` (a new voter may hold less)
 * @throws AssertionError  no voters: a defect of the caller
 *
 * Cost: one comparison for a single voter, else one sort of at most 7 numbers, once per group commit.
 * Source: Ongaro and Ousterhout 2014, section 5.4.2 and figure 8.
 *
 * @example
 * highWatermark([42, 45, 41], 38, 39) // 42: two of three voters hold everything below 42
 * highWatermark([42, 45, 41], 43, 39) // 39: offset 41 belongs to an older term
 * highWatermark([42], 43, 39)         // 42: a single voter commits what is durable, whatever its term
 */
export function highWatermark (durableEnds: readonly Offset[], termStart: Offset, current: Offset): Offset {
  assert(durableEnds.length > 0, 'a quorum needs at least one voter')
  if (durableEnds.length === 1) return Math.max(current, durableEnds[0]!) as Offset
  const descending = durableEnds.toSorted((a, b) => b - a)
  const quorumEnd = descending[descending.length >> 1]!
  if (quorumEnd <= termStart) return current
  return Math.max(current, quorumEnd) as Offset
}
