/**
 * Which brokers hold which partition. Each topic is spread evenly first, as its load comes together; among brokers that are equal
 * in that, the one with less of everything else is taken. Replicas go to different racks as long as there are such. The same input
 * gives the same answer: nothing here is left to chance.
 */
import type { MemberId, NodeId } from '../../base/ids.ts'
import type { Members } from './metadata-record.ts'

/** A broker that may be given partitions, and what it has already. */
export interface Candidate {
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly rack: string | null
  /** Of all topics. */
  readonly replicas: number
  /** Partitions of all topics that it is the preferred leader of. */
  readonly leaders: number
  /** On its disk, as it last said. */
  readonly bytes: number
}

/** A candidate while partitions are given out. `own` counts those of the topic at hand. */
interface Tally {
  readonly candidate: Candidate
  own: number
  ownLeaders: number
  replicas: number
  leaders: number
  /** How many partitions of the topic it holds together with each other one. */
  readonly together: Map<Tally, number>
}

export interface Wanted {
  readonly partitions: number
  /** At most as many as there are candidates. */
  readonly replicas: number
  /** Of the partitions that the topic has. */
  readonly existing: readonly Members[]
}

/** Returns the replicas of each new partition, the preferred leader first. */
export function assignPartitions (candidates: readonly Candidate[], { partitions, replicas, existing }: Wanted): Members[] {
  const inOrder = candidates.toSorted((a, b) => a.nodeId - b.nodeId)
  const tallies = new Map(inOrder.map(candidate => [candidate.member, tallyOf(candidate)]))
  for (const members of existing) {
    for (const [index, member] of members.entries()) {
      const tally = tallies.get(member)
      if (tally === undefined) continue
      tally.own++
      if (index === 0) tally.ownLeaders++
    }
  }
  const sets: Tally[][] = []
  for (let partition = 0; partition < partitions; partition++) sets.push(chooseSet([...tallies.values()], replicas, []))
  const leaders = chooseLeaders(sets, [...tallies.values()])
  return sets.map((set, partition) => {
    const leader = leaders[partition]!
    return [leader, ...set.filter(tally => tally !== leader)].map(tally => tally.candidate.member)
  })
}

/** Returns who is to stand in for a replica that leaves; undefined when no candidate is left. `stay` may hold members that are no candidates. */
export function chooseReplacement (candidates: readonly Candidate[], stay: Members, racksOfStay: ReadonlyArray<string | null>): MemberId | undefined {
  const free = candidates.filter(({ member }) => !stay.includes(member)).map(tallyOf)
  return free.length === 0 ? undefined : chooseSet(free, 1, racksOfStay)[0]!.candidate.member
}

function tallyOf (candidate: Candidate): Tally {
  return { candidate, own: 0, ownLeaders: 0, replicas: candidate.replicas, leaders: candidate.leaders, together: new Map() }
}

/** Picks one after the other: from the rack with the fewest replicas of this partition, there who has the least. */
function chooseSet (tallies: readonly Tally[], count: number, racks: ReadonlyArray<string | null>): Tally[] {
  const usedRacks = new Map<string | null, number>()
  for (const rack of racks) usedRacks.set(rack, (usedRacks.get(rack) ?? 0) + 1)
  // A broker that names no rack stands alone.
  const rackUse = ({ candidate: { rack } }: Tally): number => rack === null ? 0 : usedRacks.get(rack) ?? 0
  const chosen: Tally[] = []
  while (chosen.length < count) {
    let best: Tally | undefined
    for (const tally of tallies) {
      if (chosen.includes(tally)) continue
      if (best === undefined || rackUse(tally) - rackUse(best) < 0 || (rackUse(tally) === rackUse(best) && hasLess(tally, best, chosen))) best = tally
    }
    best!.own++
    best!.replicas++
    for (const other of chosen) {
      best!.together.set(other, (best!.together.get(other) ?? 0) + 1)
      other.together.set(best!, (other.together.get(best!) ?? 0) + 1)
    }
    const { rack } = best!.candidate
    usedRacks.set(rack, (usedRacks.get(rack) ?? 0) + 1)
    chosen.push(best!)
  }
  return chosen
}

/** Of equals, one that shares less with those that were chosen: when a broker is lost, its work goes to many. */
function hasLess (a: Tally, b: Tally, chosen: readonly Tally[]): boolean {
  const shared = (tally: Tally): number => chosen.reduce((sum, other) => sum + (tally.together.get(other) ?? 0), 0)
  const difference = a.own - b.own || shared(a) - shared(b) || a.replicas - b.replicas || a.candidate.bytes - b.candidate.bytes || a.candidate.nodeId - b.candidate.nodeId
  return difference < 0
}

/** For each set the one that leads: nobody leads two partitions more than another one, as far as racks allow that. */
function chooseLeaders (sets: Tally[][], tallies: readonly Tally[]): Tally[] {
  const leaders = sets.map(set => {
    const leader = set.reduce((best, tally) => leadsLess(tally, best) ? tally : best)
    leader.ownLeaders++
    leader.leaders++
    return leader
  })
  for (let steps = sets.length; steps > 0 && (passOn(sets, leaders, tallies) || exchange(sets, leaders, tallies)); steps--);
  return leaders
}

function leadsLess (a: Tally, b: Tally): boolean {
  const difference = a.ownLeaders - b.ownLeaders || a.leaders - b.leaders || a.own - b.own || a.candidate.nodeId - b.candidate.nodeId
  return difference < 0
}

/**
 * Takes one partition from who leads the most, along the shortest way on which everybody passes one on, to somebody who leads at
 * least two fewer. @returns false when there is no such way
 */
function passOn (sets: ReadonlyArray<readonly Tally[]>, leaders: Tally[], tallies: readonly Tally[]): boolean {
  const most = tallies.reduce((best, tally) => tally.ownLeaders > best.ownLeaders ? tally : best)
  const given = new Map<Tally, { readonly from: Tally, readonly partition: number }>()
  const reached: Tally[] = [most]
  for (const giver of reached) {
    for (const [partition, set] of sets.entries()) {
      if (leaders[partition] !== giver) continue
      for (const taker of set) {
        if (reached.includes(taker)) continue
        given.set(taker, { from: giver, partition })
        reached.push(taker)
        if (taker.ownLeaders + 2 > most.ownLeaders) continue
        most.ownLeaders--
        taker.ownLeaders++
        for (let at = taker, step = given.get(at); step !== undefined; at = step.from, step = given.get(at)) leaders[step.partition] = at
        return true
      }
    }
  }
  return false
}

/**
 * Where nobody can pass a partition on to who leads the least: that one takes the place of who leads the most in a partition, and
 * gives up to it the place of a follower in another. Everybody holds as many replicas as before.
 */
function exchange (sets: Tally[][], leaders: Tally[], tallies: readonly Tally[]): boolean {
  const most = tallies.reduce((best, tally) => tally.ownLeaders > best.ownLeaders ? tally : best)
  const least = tallies.reduce((best, tally) => tally.ownLeaders < best.ownLeaders ? tally : best)
  if (most.ownLeaders - least.ownLeaders < 2) return false
  const given = sets.findIndex((set, partition) => leaders[partition] === most && !set.includes(least) && fits(set, most, least))
  const taken = sets.findIndex((set, partition) => leaders[partition] !== least && set.includes(least) && !set.includes(most) && fits(set, least, most))
  if (given < 0 || taken < 0) return false
  sets[given] = sets[given]!.map(tally => tally === most ? least : tally)
  sets[taken] = sets[taken]!.map(tally => tally === least ? most : tally)
  leaders[given] = least
  most.ownLeaders--
  least.ownLeaders++
  return true
}

/** Whether the replicas of a partition are in as many racks with `comes` in the place of `goes`. */
function fits (set: readonly Tally[], goes: Tally, comes: Tally): boolean {
  const { rack } = comes.candidate
  return rack === null || rack === goes.candidate.rack || !set.some(tally => tally !== goes && tally.candidate.rack === rack)
}
