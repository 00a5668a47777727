/** Whether a group, whatever state it is in, comes to rest well once everybody runs, disks work and messages arrive. */
import { seededChance } from '../../src/base/prng.ts'
import type { Group } from './kit.ts'

/** Elections that nobody wins are rare when timeouts differ: so many timeouts are enough. */
const timeouts = 20

/** For the model: looks at one of `every` so many states, half of them with all that was on its way lost. */
export function samples (every: number): { readonly every: number, readonly check: (group: Group) => string | undefined } {
  return {
    every,
    check: group => {
      if (group.bag.length % 2 === 1) group.bag = []
      return whatIsLeftUndone(group)
    }
  }
}

/** @returns what is not as it should be */
export function whatIsLeftUndone (group: Group, seed = 1): string | undefined {
  const chance = seededChance(seed)
  const members = [...group.members.values()]
  for (const member of members) {
    if (member.crashed) member.restart()
    member.options = { ...member.options, random: () => chance.next() }
    member.ready()
  }
  const { electionTicks } = group.options.timing
  const patience = timeouts * electionTicks
  const first = rest(group, patience)
  if (first !== undefined) return first
  const leader = group.leader!
  if (leader.propose('a last one') === undefined) return 'the leader takes no batches'
  return rest(group, patience)
}

function rest (group: Group, patience: number): string | undefined {
  let problem: string | undefined = 'nothing was tried'
  for (let tick = 0; tick < patience && problem !== undefined; tick++) {
    group.tick()
    group.settle()
    problem = unrest(group)
  }
  return problem === undefined ? undefined : `${problem}: ${[...group.members.values()].map(member => member.raft.toString() + (member.raft.quiescent ? ' asleep' : '')).join('; ')}`
}

function unrest (group: Group): string | undefined {
  const { leader } = group
  if (leader === undefined) return 'nobody leads'
  const end = leader.log.endOffset
  if (leader.raft.highWatermark !== end) return 'something is not committed'
  const { voters, outgoing, learners } = leader.raft.configurations.current
  if (outgoing.length > 0) return 'a change of the members is not done'
  for (const id of [...voters, ...learners]) {
    const { raft, log } = group.members.get(id)!
    if (raft.term !== leader.raft.term || raft.leader !== leader.self) return `${id} does not follow`
    // A leader that has not written in its term says nothing about what an older one left behind the end of its own log.
    if (log.durableEnd < end || (log.endOffset !== end && leader.log.lastTerm === leader.raft.term)) return `${id} has another log`
    if (raft.highWatermark !== end) return `${id} does not know what is committed`
    if (!raft.quiescent) return `${id} does not sleep`
  }
}
