/** Section 6 of the Raft paper and chapter 4 of Ongaro's thesis: groups change their members, by learners and joint consensus. */
import t from 'tap'
import type { MemberId, Offset } from '../../src/base/ids.ts'
import { type Configuration, votersOnly } from '../../src/raft/configuration.ts'
import { Configurations } from '../../src/raft/configurations.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Group, type GroupOptions, textsOf } from './kit.ts'
import { describe, makeBatch } from './memory-log.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const ids = (...numbers: number[]): MemberId[] => numbers as MemberId[]
const without = (...numbers: number[]) => ({ from, to }: RaftMessage): boolean => !numbers.includes(from) && !numbers.includes(to)

/** Runs members up to `count`, of which those in `voters` are in the group. */
function groupOf (voters: readonly number[], count: number, options: GroupOptions = {}): Group {
  const group = new Group(Array.from({ length: count }, (_, index) => index + 1), { configuration: votersOnly(voters as MemberId[]), ...options })
  group.elect(voters[0]!)
  return group
}

function setTarget (group: Group, voters: readonly number[], learners: readonly number[] = []): void {
  group.leader!.raft.leading!.setTarget({ voters: voters as MemberId[], learners: learners as MemberId[] })
  group.settle()
}

function history (group: Group, id: number): string[] {
  return group.at(id).log.batches.filter(batch => batch.configuration !== undefined).map(batch => describe(batch.configuration!))
}

const currentOf = (group: Group, id: number): string => describe(group.at(id).raft.configurations.current)

t.test('a voter is replaced: learner, joint consensus, new voters', async t => {
  const group = groupOf([1, 2, 3], 4)
  group.at(1).propose('a')
  group.settle()
  setTarget(group, [1, 2, 4])
  group.run(20)
  t.same(history(group, 1), ['voters 1,2,3 learners 4', 'voters 1,2,4 outgoing 1,2,3', 'voters 1,2,4'])
  t.equal(currentOf(group, 4), 'voters 1,2,4')
  t.same(textsOf(group.at(4)), ['a'])
  t.ok(group.at(1).raft.configurations.isCommitted(group.at(1).raft.highWatermark))
})

t.test('a leader that has not heard of it yet does not undo a change; nor one that led before', async t => {
  const group = groupOf([1, 2, 3], 4)
  const target = (...voters: number[]): { voters: MemberId[], learners: MemberId[] } => ({ voters: ids(...voters), learners: [] })
  group.leader!.raft.leading!.setTarget({ ...target(1, 2, 4), generation: 1 })
  group.run(20)
  t.equal(currentOf(group, 2), 'voters 1,2,4, wanted 1.')
  group.at(1).raft.leading!.transfer(2 as MemberId)
  group.run(20)
  t.equal(group.leader, group.at(2))
  group.at(2).raft.leading!.setTarget({ ...target(1, 2, 3), generation: 0 })
  group.run(20)
  t.equal(currentOf(group, 2), 'voters 1,2,4, wanted 1.')
  group.at(2).raft.leading!.setTarget({ ...target(1, 2, 3), generation: 2 })
  group.run(20)
  t.equal(currentOf(group, 2), 'voters 1,2,3, wanted 2.')
})

t.test('before the first step the leader has committed an entry of its own term', async t => {
  const group = groupOf([1, 2, 3], 4)
  setTarget(group, [1, 2, 3, 4])
  group.run(20)
  t.equal(group.at(1).log.batches[0]!.kind, 'leader-change', 'which it writes if there is none')
  t.equal(currentOf(group, 1), 'voters 1,2,3,4')
  const other = groupOf([1, 2, 3], 4)
  other.at(1).propose('not committed yet')
  other.at(1).raft.leading!.setTarget({ voters: ids(1, 2, 3, 4), learners: [] })
  other.collect()
  t.same(history(other, 1), [])
  other.run(20)
  t.equal(other.at(1).log.batches[0]!.text, 'not committed yet')
  t.equal(currentOf(other, 1), 'voters 1,2,3,4')
})

t.test('from one voter to three and back: nobody commits alone while there are others', async t => {
  const group = groupOf([1], 3)
  group.at(1).propose('alone')
  group.settle()
  setTarget(group, [1, 2, 3])
  group.run(20)
  t.same(history(group, 1), ['voters 1 learners 2,3', 'voters 1,2,3 outgoing 1', 'voters 1,2,3'])
  group.at(1).propose('b')
  group.settle(without(2, 3))
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset - 1)
  group.run(6)
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset)
  setTarget(group, [1])
  group.run(20)
  t.equal(currentOf(group, 1), 'voters 1')
  group.at(1).propose('alone again')
  group.at(1).synced()
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset)
})

t.test('a new voter that does not get the log keeps the group from taking it in, and from nothing else', async t => {
  const group = groupOf([1, 2, 3], 4)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2, 4), learners: [] })
  group.run(60, without(4))
  t.equal(currentOf(group, 1), 'voters 1,2,3 learners 4')
  group.at(1).propose('b')
  group.run(4, without(4))
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset)
  group.run(20)
  t.equal(currentOf(group, 1), 'voters 1,2,4')
})

t.test('joint consensus: both majorities elect, and both commit', async t => {
  const joint: Configuration = { voters: ids(1, 4, 5), outgoing: ids(1, 2, 3), learners: [] }
  const fresh = new Group([1, 2, 3, 4, 5], { configuration: joint, timing: { checkQuorum: false } })
  fresh.at(1).raft.campaign()
  fresh.settle(without(2, 3))
  t.not(fresh.at(1).raft.role, 'leader', 'a majority of the new voters is not enough')
  fresh.at(1).raft.campaign()
  fresh.settle(without(4, 5))
  t.not(fresh.at(1).raft.role, 'leader', 'nor one of the old')
  fresh.at(1).raft.campaign()
  fresh.settle(without(3, 4))
  t.equal(fresh.at(1).raft.role, 'leader')
  fresh.at(1).propose('x')
  fresh.settle(without(2, 3))
  t.equal(fresh.at(1).raft.highWatermark, 0)
  fresh.run(6, without(3, 4))
  t.ok(fresh.at(1).raft.highWatermark > 0)
})

t.test('a new leader goes on where its log stands: it leaves joint consensus by itself', async t => {
  const other = new Group([1, 2, 3, 4], { configuration: { voters: ids(1, 2, 4), outgoing: ids(1, 2, 3), learners: [] } })
  other.at(1).fill('1')
  other.elect(1)
  other.run(20)
  t.same(history(other, 1), ['voters 1,2,4'])
})

t.test('the leader is removed: it commits that without counting itself, and another leads on', async t => {
  const group = groupOf([1, 2, 3], 3)
  group.at(1).propose('a')
  group.settle()
  setTarget(group, [2, 3])
  group.run(20)
  t.ok(group.leader !== undefined && group.leader.self !== 1)
  t.equal(currentOf(group, 2), 'voters 2,3')
  t.equal(group.at(1).raft.role, 'follower')
  const { term } = group.leader!.raft
  group.at(1).raft.campaign()
  group.run(60)
  t.equal(group.leader!.raft.term, term, 'and it never tries again')
})

t.test('a removed voter that does not know it is gone disturbs nobody', async t => {
  const group = groupOf([1, 2, 3], 3)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2), learners: [] })
  group.run(20, without(3))
  t.equal(currentOf(group, 1), 'voters 1,2')
  t.equal(currentOf(group, 3), 'voters 1,2,3')
  group.run(100)
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(1).raft.term, 1)
  t.ok(group.at(1).raft.quiescent, 'and wakes nobody')
})

t.test('voters become learners, and learners voters', async t => {
  const group = groupOf([1, 2, 3], 4)
  setTarget(group, [1, 2, 4], [3])
  group.run(20)
  t.same(history(group, 1), ['voters 1,2,3 learners 4', 'voters 1,2,4 outgoing 1,2,3 learners 3', 'voters 1,2,4 learners 3'])
  group.at(1).propose('a')
  group.settle(without(2, 4))
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset - 1, 'a learner counts for nothing')
  group.run(6)
  t.same(textsOf(group.at(3)), ['a'], 'and gets everything')
  group.at(3).raft.campaign()
  t.equal(group.at(3).raft.role, 'follower')
})

t.test('a learner votes when it is asked: it may have become a voter and not know', async t => {
  const group = new Group([1, 2, 3], { configuration: votersOnly(ids(1, 2, 3)), timing: { checkQuorum: false } })
  group.members.delete(3 as MemberId)
  group.add(3, { voters: ids(1, 2), outgoing: [], learners: ids(3) })
  group.at(1).raft.campaign()
  group.settle(without(2))
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('the target changes on the way: the group turns to the new one', async t => {
  const group = groupOf([1, 2, 3], 5)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2, 4), learners: [] })
  group.run(4, without(4))
  setTarget(group, [1, 2, 5])
  group.run(20)
  t.equal(currentOf(group, 1), 'voters 1,2,5')
  t.equal(currentOf(group, 5), 'voters 1,2,5')
})

t.test('a configuration counts when it is in the log, and no more when it is cut out of it', async t => {
  const group = groupOf([1, 2, 3], 4, { timing: { checkQuorum: false } })
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2, 3), learners: ids(4) })
  group.collect()
  group.settle(({ to, kind }) => to === 3 && kind === 'append-entries')
  t.equal(currentOf(group, 3), 'voters 1,2,3 learners 4')
  group.at(1).crash()
  group.at(2).raft.campaign()
  group.settle(without(3))
  t.not(group.at(2).raft.role, 'leader', 'it needs one of three')
  group.at(2).raft.campaign()
  group.at(3).log.cutTo(group.at(3).log.startOffset + 1 as Offset)
  group.at(3).raft.cut()
  t.equal(currentOf(group, 3), 'voters 1,2,3')
  group.at(1).restart()
  group.run(60)
  for (const id of [1, 2, 3]) t.equal(currentOf(group, id), currentOf(group, group.leader!.self))
})

t.test('a leader whose disk fails under a configuration change forgets it, and nobody is harmed', async t => {
  const group = groupOf([1, 2, 3], 4)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2, 3), learners: ids(4) })
  t.equal(currentOf(group, 1), 'voters 1,2,3 learners 4')
  group.at(1).sent = []
  group.at(1).failDisk()
  t.equal(currentOf(group, 1), 'voters 1,2,3')
  group.at(1).ready()
  group.run(60)
  t.ok(group.leader)
  for (const id of [1, 2, 3]) t.equal(currentOf(group, id), 'voters 1,2,3')
})

t.test('thesis 4.2.2: who is removed by what is not committed may be the only one with the longest log, and leads once more', async t => {
  const group = groupOf([1, 2], 2)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.setTarget({ voters: ids(1), learners: ids(2) })
  group.at(1).synced()
  group.collect()
  for (let i = 0; i < 10 && history(group, 1).length < 2; i++) {
    for (const message of group.bag.splice(0)) group.deliver(message)
    group.at(2).work()
    group.collect()
  }
  t.same(history(group, 1), ['voters 1 outgoing 1,2 learners 2', 'voters 1 learners 2'])
  group.at(1).propose('after it')
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.equal(currentOf(group, 2), 'voters 1 learners 2')
  group.at(1).restart()
  t.equal(currentOf(group, 1), 'voters 1 outgoing 1,2 learners 2', 'the leader lost it: it needs the vote of 2')
  group.at(2).work()
  group.run(100)
  t.equal(currentOf(group, 1), 'voters 1 learners 2')
  t.equal(group.leader?.self, 1)
  t.equal(textsOf(group.at(1)).at(-1), 'after it')
})

t.test('who is removed by what is not committed votes: the others may not have that entry, and need it', async t => {
  const group = new Group([1, 2, 3], { configuration: { voters: ids(1), outgoing: ids(1, 2, 3), learners: [] }, timing: { checkQuorum: false } })
  group.at(1).fill('1 2')
  group.at(2).fill('1')
  group.at(2).log.append(makeBatch(1, 2, 1, 'configuration', '', 100, votersOnly(ids(1))))
  group.at(2).synced()
  group.at(2).fill('', { term: 2 })
  t.equal(currentOf(group, 2), 'voters 1')
  group.at(3).crash()
  group.at(1).raft.campaign()
  group.settle()
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('nobody becomes a voter before it holds on its disk that it is a member: else its vote would be missing', async t => {
  const group = groupOf([1], 2)
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2), learners: [] })
  for (let tick = 0; tick < 20; tick++) {
    group.at(1).work()
    group.at(2).persisted()
    group.tick()
    for (const message of group.bag.splice(0)) group.deliver(message)
  }
  t.equal(currentOf(group, 1), 'voters 1 learners 2')
  t.equal(currentOf(group, 2), 'voters 1 learners 2')
  t.equal(group.at(2).log.durableEnd, 0)
  group.run(20)
  t.equal(currentOf(group, 1), 'voters 1,2')
})

t.test('who gave up its log, and is no member by what it has now, votes for nobody', async t => {
  const group = new Group([1, 2, 3], { timing: { checkQuorum: false } })
  group.members.delete(3 as MemberId)
  group.add(3, votersOnly(ids(1, 2)))
  group.at(2).crash()
  group.at(1).raft.campaign()
  group.settle()
  t.not(group.at(1).raft.role, 'leader')
  t.equal(group.at(3).raft.vote, 0)
})

t.test('a follower that begins anew has the configuration of what it skipped', async t => {
  const group = groupOf([1, 2], 4)
  group.at(1).propose('a')
  group.settle()
  setTarget(group, [1, 2, 3])
  group.run(20)
  group.at(1).propose('b')
  group.run(2)
  for (const id of [1, 2, 3]) group.at(id).retainFrom(group.at(id).raft.highWatermark)
  setTarget(group, [1, 2, 3, 4])
  group.run(30)
  t.ok(group.at(4).log.startOffset > 0)
  t.equal(currentOf(group, 4), 'voters 1,2,3,4')
  group.at(4).restart()
  t.equal(currentOf(group, 4), 'voters 1,2,3,4')
})

t.test('nothing is changed while leadership is handed over, and all of it after', async t => {
  const group = groupOf([1, 2, 3], 4)
  group.at(1).propose('a')
  group.settle()
  group.leader!.raft.leading!.transfer(2 as MemberId)
  group.collect()
  group.bag = []
  group.leader!.raft.leading!.setTarget({ voters: ids(1, 2, 4), learners: [] })
  group.run(4, ({ kind }) => kind !== 'timeout-now')
  t.same(history(group, 1), [])
  group.run(30, ({ kind }) => kind !== 'timeout-now')
  t.equal(currentOf(group, 1), 'voters 1,2,4')
})

t.test('configurations: the newest counts, those that may count again are kept', async t => {
  const at = (n: number): Offset => n as Offset
  const first = votersOnly(ids(1))
  const second = votersOnly(ids(1, 2))
  const third = votersOnly(ids(1, 2, 3))
  const configurations = Configurations.initial(first)
  configurations.append(at(3), second)
  configurations.append(at(5), third)
  configurations.append(at(3), first)
  t.equal(configurations.current, third, 'what is read again is known already')
  t.notOk(configurations.truncate(at(6)))
  t.ok(configurations.truncate(at(5)))
  t.equal(configurations.current, second)
  configurations.append(at(6), third)
  configurations.commit(at(4))
  t.equal(configurations.entries.length, 2)
  t.notOk(configurations.isCommitted(at(6)))
  t.ok(configurations.isCommitted(at(7)))
  configurations.truncate(at(0))
  t.equal(configurations.current, second, 'what is committed stays')
  configurations.replace([{ offset: at(9), configuration: third }])
  t.equal(configurations.current, third)
  t.equal(configurations.offset, 9)
  t.throws(() => new Configurations([]), { name: 'AssertionError' })
})

// ---- who comes later, and begins as one that has forgotten

/** Member 1 leads, with a log; member 2 comes, and the controller means `target`. Messages are small: it is behind for a while. */
function newcomer (target: readonly number[]): Group {
  const group = new Group([1], { limits: { inflightMessagesMax: 2, messageBytesMax: 1000 } })
  group.elect(1)
  for (let i = 0; i < 200; i++) group.at(1).propose('x')
  group.settle()
  group.add(2, votersOnly([]))
  group.at(2).restart({ forgetful: 'surely' })
  group.at(1).raft.leading!.setTarget({ voters: ids(...target), learners: [] })
  return group
}

/** A tick under load: so much is written that what reaches member 2 is always a little behind what is committed. */
function tickUnderLoad (group: Group): void {
  group.tick()
  for (let i = 0; i < 10; i++) group.at(1).propose('y')
  let left = group.at(1).log.endOffset - group.at(2).log.endOffset > 35 ? 2 : 1
  const late: RaftMessage[] = []
  for (let round = 0; round < 1000; round++) {
    for (const member of group.members.values()) if (!member.crashed) member.work()
    group.collect()
    const message = group.bag.shift()
    if (message === undefined) break
    if (message.kind === 'append-entries' && message.batches.length > 0 && left-- <= 0) late.push(message)
    else group.deliver(message)
  }
  group.bag.push(...late)
}

const isJointNow = (group: Group): boolean => group.at(1).raft.configurations.current.outgoing.length > 0

t.test('nobody becomes a voter who may not vote yet: a group must not wait for that vote', async t => {
  for (const target of [[2], [1, 2]]) {
    for (const accident of ['link', 'restart']) {
      const group = newcomer(target)
      for (let ticks = 0; ticks < 500 && !isJointNow(group); ticks++) tickUnderLoad(group)
      t.ok(isJointNow(group), 'also under load it comes to that')
      t.notOk(group.at(2).raft.forgetful, 'and not before it votes')
      group.bag = []
      if (accident === 'link') {
        for (let ticks = 0; ticks < 30; ticks++) {
          group.tick()
          group.settle(() => false)
        }
      } else {
        group.at(1).work()
        group.bag = []
        group.at(1).restart({ highWatermark: group.at(1).raft.highWatermark })
      }
      group.run(100)
      t.ok(group.leader, `${target.join()} after a ${accident} that fails`)
      group.leader?.raft.leading!.setTarget({ voters: ids(...target), learners: [] })
      group.run(100)
      t.equal(currentOf(group, target.at(-1)!), `voters ${target.join()}`)
    }
  }
})

t.test('who has not noted durably that it is whole again becomes no voter', async t => {
  const group = newcomer([1, 2])
  const two = group.at(2)
  two.isNotedForgetful = () => true
  group.run(100)
  t.notOk(two.raft.forgetful)
  t.equal(currentOf(group, 1), 'voters 1 learners 2')
  two.isNotedForgetful = () => false
  group.run(100)
  t.equal(currentOf(group, 1), 'voters 1,2', 'though nothing is written: the leader asks')
})

t.test('who came later, lost its log and knows nobody calls out to whom the controller means', async t => {
  for (const leads of [1, 4]) {
    const group = groupOf([1, 2], 2)
    group.at(1).propose('a')
    group.settle()
    group.add(4, votersOnly([]))
    group.at(4).restart({ forgetful: 'surely' })
    setTarget(group, [1, 2, 4])
    group.run(60)
    if (leads === 4) {
      group.at(1).raft.leading!.transfer(4 as MemberId)
      group.run(60)
    }
    t.equal(group.leader!.self, leads)
    t.ok([1, 2, 4].every(member => group.at(member).raft.quiescent), 'all sleep')
    group.at(4).restart({ forgetful: 'surely', lost: 0 as Offset })
    group.at(4).raft.meant = ids(1, 2, 4)
    group.run(300)
    t.ok(group.leader)
    t.same(textsOf(group.at(4)), ['a'], 'it has everything again')
    t.notOk(group.at(4).raft.forgetful)
  }
})
