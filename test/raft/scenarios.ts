/** Where the model begins, and what may happen from there: each shows some part of the machine within few steps. */
import { assert } from '../../src/base/assert.ts'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import { type GroupOptions, Group, type Machine } from './kit.ts'
import { check, type Memory, nothing, see } from './invariants.ts'
import { makeBatch } from './memory-log.ts'
import type { Exploration } from './model.ts'

export type Scenario = Pick<Exploration, 'group' | 'budget'> & Partial<Exploration>

const clockless: GroupOptions = { timing: { checkQuorum: false, heartbeatTicks: 1, electionTicks: 3 } }
const clocked: GroupOptions = { timing: { checkQuorum: true, heartbeatTicks: 1, electionTicks: 3 } }

/** A bound that a short way can reach. */
export const smallBounds = [{ file: 'inflights.ts', find: 'const messagesMax = 256', replace: 'const messagesMax = 4' }] as const

function led (ids: readonly number[], options: GroupOptions): Group {
  const group = new Group(ids, options)
  group.elect(ids[0]!)
  return group
}

export const scenarios: Readonly<Record<string, (machine: Machine) => Scenario>> = {
  /** Everybody tries to lead; promises are forgotten if they were not on disk. */
  elections: machine => ({ group: new Group([1, 2, 3], { ...clockless, machine }), budget: { campaign: 3, crash: 1, double: 1 }, bagMax: 4 }),

  'elections by two': machine => ({ group: new Group([1, 2], { ...clockless, machine }), budget: { campaign: 4, crash: 2, double: 1 }, bagMax: 5 }),

  /** Two have asked everybody for their vote in the same term. */
  'two candidates': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    candidates(group, 1, 3)
    return { group, budget: { crash: 1, double: 1, propose: 1 }, bagMax: 6 }
  },

  /** The same, and one of them holds what an older leader wrote and nobody else has. */
  'two candidates and a lost entry': machine => {
    const group = led([1, 2, 3], { ...clockless, machine })
    group.at(1).propose('a')
    group.settle(message => message.to === 3)
    group.at(1).log.cutTo(group.at(1).log.startOffset)
    group.at(1).restart()
    group.run(1)
    candidates(group, 2, 3)
    return { group, budget: { propose: 1, tick: 1 }, bagMax: 5 }
  },

  /** A leader writes, and another comes after it. */
  'two writers': machine => ({ group: led([1, 2], { ...clockless, machine }), budget: { campaign: 2, propose: 2, crash: 1, tick: 1 }, bagMax: 4 }),

  'three writers': machine => ({ group: led([1, 2, 3], { ...clockless, machine }), budget: { campaign: 1, propose: 2, crash: 1 }, bagMax: 5 }),

  /** Figure 8 of the paper at (c): the second entry is of an older term than the one that may overwrite it. */
  'figure 8': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).fill('1 2', { term: 3 })
    group.at(2).fill('1', { term: 2 })
    group.at(3).fill('1 3')
    return { group, budget: { campaign: 2 }, bagMax: 4 }
  },

  /** An answer of the last election is still on its way when the next one begins. */
  'a late vote': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).raft.campaign()
    group.settle(message => message.kind !== 'voted' && message.to !== 3)
    group.bag = []
    group.at(3).fill('', { term: 1 })
    candidates(group, 1, 3)
    group.bag.push({ kind: 'voted', from: 2 as MemberId, to: 1 as MemberId, term: 1 as Term, granted: true })
    return { group, budget: { crash: 1 }, bagMax: 5, keepsOldAnswers: true }
  },

  /** Something is committed, and one member knows nothing of it. */
  'elections after a commit': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).raft.campaign()
    group.settle(message => message.to !== 3)
    group.at(1).propose('a')
    group.settle(message => message.to !== 3)
    group.at(3).fill('', { term: 1 })
    return { group, budget: { campaign: 2, crash: 1 }, bagMax: 4 }
  },

  /** Figure 8 at (d): the longer log is of an older term, and must not win. */
  'a long old log': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).fill('1 2', { term: 3 })
    group.at(2).fill('1 2')
    group.at(3).fill('1 1 1 1', { term: 4 })
    group.at(1).raft.campaign()
    group.settle(message => message.to !== 3)
    return { group, budget: { campaign: 2 }, bagMax: 4 }
  },

  /** It asks for votes with a log that its disk does not hold yet. */
  'a candidate with a failing disk': machine => {
    const group = led([1, 2, 3], { ...clockless, machine })
    group.at(1).propose('a')
    group.collect()
    const toThird = group.bag.find(message => message.to === 3)!
    group.settle(message => message.to !== 3)
    group.deliver(toThird)
    return { group, budget: { campaign: 2, diskFailure: 1 }, bagMax: 5 }
  },

  /** Logs that went apart: everything must be cut to where they agree. */
  divergence: machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).fill('1 1 4')
    group.at(2).fill('1 2 2 2')
    group.at(3).fill('1 1 3')
    return { group, budget: { campaign: 2, tick: 1, propose: 1 }, bagMax: 4 }
  },

  /** The same after an election that one member knows nothing of. */
  'a divergent follower': machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).fill('1 1 4')
    group.at(2).fill('1 1')
    group.at(3).fill('1 1 2 2')
    group.at(1).raft.campaign()
    group.settle(message => message.to !== 3)
    return { group, budget: { tick: 1, propose: 1 }, bagMax: 4 }
  },

  /** What a disk gives up was never acknowledged. */
  'failing disks': machine => {
    const group = led([1, 2, 3], { ...clockless, machine })
    group.at(1).propose('a')
    group.collect()
    return { group, budget: { campaign: 1, diskFailure: 2, propose: 1 }, bagMax: 5 }
  },

  /** A group that sleeps, and is torn from it. */
  sleep: machine => {
    const group = led([1, 2, 3], { ...clocked, machine })
    group.at(1).propose('a')
    group.settle()
    group.run(12)
    return { group, budget: { tick: 7, crash: 1, propose: 1, linkDown: 1 }, bagMax: 4 }
  },

  /** Clocks, leases and check-quorum. */
  clocks: machine => ({ group: new Group([1, 2, 3], { ...clocked, machine }), budget: { tick: 12, propose: 1, crash: 1 }, bagMax: 4 }),

  transfer: machine => {
    const group = led([1, 2, 3], { ...clocked, machine })
    group.at(1).propose('a')
    group.collect()
    return { group, budget: { transfer: 1, tick: 3, propose: 1, crash: 1 }, bagMax: 4 }
  },

  /** From two voters to one and back to two others. */
  membership: machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine, configuration: { voters: [1, 2] as MemberId[], outgoing: [], learners: [] } })
    group.elect(1)
    group.at(1).propose('a')
    group.settle()
    group.run(3)
    group.at(1).raft.leading!.setTarget({ voters: [1, 3] as MemberId[], learners: [] })
    group.collect()
    return { group, budget: { tick: 3, campaign: 1, crash: 1 }, bagMax: 4, changing: true }
  },

  /** One becomes two, at once after the first entry. */
  'a second voter': machine => {
    const group = new Group([1, 2], { ...clockless, machine, configuration: { voters: [1] as MemberId[], outgoing: [], learners: [] } })
    group.elect(1)
    group.at(1).raft.leading!.setTarget({ voters: [1, 2] as MemberId[], learners: [] })
    group.at(1).work()
    group.collect()
    return { group, budget: { crash: 2, tick: 3 }, bagMax: 4, changing: true }
  },

  /** One wrote that it leaves two, and crashed; the other went on with a third, which is gone by now, and needs that vote. */
  'a removed voter and a newer term': machine => {
    const group = new Group([1, 2], { ...clockless, machine, configuration: { voters: [1] as MemberId[], outgoing: [1, 2, 3] as MemberId[], learners: [] } })
    group.at(1).fill('1 2')
    group.at(2).fill('1')
    group.at(2).log.append(makeBatch(1, 2, 1, 'configuration', '', 100, { voters: [1] as MemberId[], outgoing: [], learners: [] }))
    group.at(2).synced()
    group.at(2).fill('', { term: 2 })
    return { group, budget: { campaign: 2, crash: 1 }, bagMax: 4, changing: true }
  },

  /** The leader of two stays alone, and loses what says so; the other has it, and no vote any more. */
  'a voter becomes a learner': machine => {
    const group = led([1, 2], { ...clockless, machine })
    group.at(1).propose('a')
    group.settle()
    group.run(3)
    group.at(1).raft.leading!.setTarget({ voters: [1] as MemberId[], learners: [2] as MemberId[] })
    group.collect()
    return { group, budget: { crash: 1, campaign: 1, tick: 1 }, bagMax: 4, changing: true }
  },

  /** Two of three voters are to be replaced at once: neither the old nor the new majority may decide alone. */
  'joint consensus': machine => {
    const group = fiveOfWhich(machine)
    group.at(1).raft.leading!.setTarget({ voters: [1, 4, 5] as MemberId[], learners: [] })
    group.collect()
    return { group, budget: { tick: 1 }, bagMax: 6, changing: true }
  },

  /** The same, and the new voters have the entry about it while the old have not: one of each wants to lead. */
  'two candidates in joint consensus': machine => {
    const group = fiveOfWhich(machine)
    group.at(1).raft.leading!.setTarget({ voters: [1, 4, 5] as MemberId[], learners: [] })
    group.settle(message => message.to === 4 || message.to === 5)
    candidates(group, 2, 4)
    return { group, budget: {}, bagMax: 8, changing: true }
  },

  /** A voter has lost what it had acknowledged; who leads again does not know what it once had committed. */
  'a voter that has forgotten': machine => {
    const group = led([1, 2, 3], { ...clockless, machine })
    group.at(1).propose('a')
    group.settle()
    for (const text of ['b', 'c']) group.at(1).propose(text)
    group.settle(message => message.to !== 3)
    const memory = check([...group.members.values()].map(see), nothing, true) as Memory
    group.at(2).restart({ forgetful: 'surely', lost: 1 as Offset })
    group.at(1).restart({ highWatermark: 1 as Offset })
    group.at(1).raft.campaign()
    group.settle(message => message.to !== 2 && !(message.kind === 'append-entries' && message.batches.length > 0))
    return { group, budget: { campaign: 1, tick: 2 }, bagMax: 5, changing: true, memory }
  },

  /** A follower whose log ends before the leader's begins. */
  reset: machine => {
    const group = new Group([1, 2, 3], { ...clockless, machine })
    group.at(1).fill('1 1 1')
    group.at(2).fill('1 1 1')
    group.at(3).fill('1')
    group.at(1).raft.campaign()
    group.settle(message => message.from !== 3 && message.to !== 3)
    group.at(1).retainFrom(group.at(1).raft.highWatermark)
    return { group, budget: { tick: 3, crash: 1, campaign: 1, propose: 1 }, bagMax: 4, changing: true }
  }
}

/** Lets both of them pass the question whether they could win, and stand for election in one term. */
function candidates (group: Group, ...ids: readonly number[]): void {
  for (const id of ids) group.at(id).raft.campaign()
  group.settle(({ kind, to, from }) => (kind === 'pre-vote' && !ids.includes(to)) || (kind === 'pre-voted' && !ids.includes(from)))
  for (const id of ids) group.at(id).raft.tick() // asks once more
  group.collect()
  assert(group.bag.some(({ kind, from }) => kind === 'vote' && from === ids[0]) && group.bag.some(({ kind, from }) => kind === 'vote' && from === ids[1]), 'both stand for election')
}

/** Three voters and two learners that hold everything; 1 leads. */
function fiveOfWhich (machine: Machine): Group {
  const group = new Group([1, 2, 3, 4, 5], { ...clockless, machine, configuration: { voters: [1, 2, 3] as MemberId[], outgoing: [], learners: [4, 5] as MemberId[] } })
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  group.run(4)
  return group
}
