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
  const tallies = new Map(candidates.map(candidate => [candidate.member, tallyOf(candidate)]))
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
  return { candidate, own: 0, ownLeaders: 0, replicas: candidate.replicas, leaders: candidate.leaders }
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
      if (best === undefined || rackUse(tally) - rackUse(best) < 0 || (rackUse(tally) === rackUse(best) && hasLess(tally, best))) best = tally
    }
    best!.own++
    best!.replicas++
    const { rack } = best!.candidate
    usedRacks.set(rack, (usedRacks.get(rack) ?? 0) + 1)
    chosen.push(best!)
  }
  return chosen
}

function hasLess (a: Tally, b: Tally): boolean {
  const difference = a.own - b.own || a.replicas - b.replicas || a.candidate.bytes - b.candidate.bytes || a.candidate.nodeId - b.candidate.nodeId
  return difference < 0
}

/** For each set the one that leads: nobody leads two partitions more than another who could have had one of them. */
function chooseLeaders (sets: ReadonlyArray<readonly Tally[]>, tallies: readonly Tally[]): Tally[] {
  const leaders = sets.map(set => {
    const leader = set.reduce((best, tally) => leadsLess(tally, best) ? tally : best)
    leader.ownLeaders++
    leader.leaders++
    return leader
  })
  for (let steps = sets.length; steps > 0 && passOn(sets, leaders, tallies); steps--);
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
