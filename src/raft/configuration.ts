/** Who is in a Raft group, and when they agree. Joint consensus: while `outgoing` is not empty, both sets must agree on everything. */
import type { MemberId } from '../base/ids.ts'

export interface Configuration {
  readonly voters: readonly MemberId[]
  /** The voters of before, while a change is under way; else empty. */
  readonly outgoing: readonly MemberId[]
  /** Get everything, count for nothing. */
  readonly learners: readonly MemberId[]
  /** Of the target by which the group came to it; left out: it had none. */
  readonly generation?: number
}

export const nobody = 0 as MemberId

export function votersOnly (voters: readonly MemberId[]): Configuration {
  return { voters, outgoing: [], learners: [] }
}

export function isVoter ({ voters, outgoing }: Configuration, member: MemberId): boolean {
  return voters.includes(member) || outgoing.includes(member)
}

export function isJoint ({ outgoing }: Configuration): boolean {
  return outgoing.length > 0
}

export function isOnlyVoter ({ voters, outgoing }: Configuration, member: MemberId): boolean {
  return outgoing.length === 0 && voters.length === 1 && voters[0] === member
}

/** Everybody, each once. */
export function membersOf ({ voters, outgoing, learners }: Configuration): MemberId[] {
  return [...new Set([...voters, ...outgoing, ...learners])]
}

/** Whether `agrees` holds for a majority of the voters, and of the outgoing ones. */
export function hasQuorum (configuration: Configuration, agrees: (member: MemberId) => boolean): boolean {
  return majority(configuration.voters, agrees) && (!isJoint(configuration) || majority(configuration.outgoing, agrees))
}

function majority (members: readonly MemberId[], agrees: (member: MemberId) => boolean): boolean {
  let count = 0
  for (const member of members) if (agrees(member)) count++
  return count > members.length >> 1
}
