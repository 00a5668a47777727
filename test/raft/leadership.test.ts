/** Sections 3.10 (transfer) and 6.4 (read index) of Ongaro's thesis; groups that sleep and wake; voters that have forgotten. */
import t from 'tap'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import { isJoint } from '../../src/raft/configuration.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Group, type Member } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const id = (n: number): MemberId => n as MemberId
const without = (...ids: number[]) => ({ from, to }: RaftMessage): boolean => !ids.includes(from) && !ids.includes(to)

function led (count = 3): Group {
  const group = new Group(Array.from({ length: count }, (_, index) => index + 1))
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  return group
}

function asleep (count = 3): Group {
  const group = led(count)
  group.run(12)
  return group
}

const sleepers = (group: Group): number[] => [...group.members.values()].filter(({ raft }) => raft.quiescent).map(({ self }) => self)

// ---- transfer

t.test('3.10: leadership goes to who is asked, at once when it has everything', async t => {
  const group = led()
  t.ok(group.at(1).raft.leading!.transfer(id(2)))
  group.settle()
  t.equal(group.at(2).raft.role, 'leader')
  t.equal(group.at(2).raft.term, 2)
  t.equal(group.at(1).raft.leader, 2)
})

t.test('3.10: nothing is appended meanwhile, and the other first gets what it lacks', async t => {
  const group = led()
  group.at(1).propose('b')
  group.collect()
  group.bag = []
  t.ok(group.at(1).raft.leading!.transfer(id(2)))
  t.notOk(group.at(1).raft.canAppend)
  t.equal(group.at(1).propose('c'), undefined)
  t.notOk(group.at(1).sent.some(({ kind }) => kind === 'timeout-now'))
  group.run(6)
  t.equal(group.at(2).raft.role, 'leader')
  t.equal(group.at(2).log.batches[1]!.text, 'b')
})

t.test('3.10: it is given up after an election timeout', async t => {
  const group = led()
  group.at(1).raft.leading!.transfer(id(2))
  group.run(9, without(2))
  t.notOk(group.at(1).raft.canAppend)
  group.run(2, without(2))
  t.ok(group.at(1).raft.canAppend)
  t.equal(group.at(1).raft.role, 'leader')
  group.at(1).propose('b')
  group.run(6)
  t.equal(group.at(1).raft.highWatermark, 2)
})

t.test('3.10: another may be asked instead', async t => {
  const group = led()
  group.at(1).raft.leading!.transfer(id(2))
  group.collect()
  group.bag = []
  group.at(1).raft.leading!.transfer(id(3))
  group.settle()
  t.equal(group.at(3).raft.role, 'leader')
})

t.test('3.10: not to oneself, to a stranger, to a learner', async t => {
  const group = new Group([1, 2, 3], { configuration: { voters: [id(1), id(2)], outgoing: [], learners: [id(3)] } })
  group.elect(1)
  for (const to of [1, 3, 9]) t.notOk(group.at(1).raft.leading!.transfer(id(to)))
  t.ok(group.at(1).raft.canAppend)
})

t.test('3.10: an order of an older term is void, and one that comes twice begins one election', async t => {
  const group = led()
  group.at(1).raft.leading!.transfer(id(2))
  group.collect()
  const [order] = group.bag.filter(({ kind }) => kind === 'timeout-now')
  group.settle()
  const { term } = group.at(2).raft
  group.deliver(order!)
  group.settle()
  t.equal(group.at(2).raft.term, term)
  t.equal(group.at(2).raft.role, 'leader')
})

t.test('3.10: a learner that gets the order does nothing', async t => {
  const group = new Group([1, 2, 3], { configuration: { voters: [id(1), id(2)], outgoing: [], learners: [id(3)] } })
  group.elect(1)
  group.at(3).raft.step({ kind: 'timeout-now', from: id(1), to: id(3), term: 1 as Term })
  t.equal(group.at(3).raft.role, 'follower')
  t.equal(group.at(3).raft.term, 1)
})

// ---- read index

t.test('6.4: a read waits until a majority has said that it still follows', async t => {
  const group = led(5)
  const leader = group.at(1).raft.leading!
  const read = leader.readIndex()!
  t.equal(read.offset, 1)
  t.equal(leader.confirmedRound, 0)
  group.settle(({ from, to }) => from === 2 || to === 2)
  t.equal(leader.confirmedRound, 0)
  const again = leader.readIndex()!
  t.ok(again.round > read.round)
  group.settle(({ from, to }) => [2, 3].includes(from) || [2, 3].includes(to))
  t.equal(leader.confirmedRound, again.round, 'a later word stands for all before it')
})

t.test('6.4: an answer to an earlier heartbeat confirms nothing', async t => {
  const group = led()
  group.tick()
  group.tick()
  const late = group.bag.splice(0)
  const read = group.at(1).raft.leading!.readIndex()!
  group.at(1).sent = []
  for (const message of late) group.deliver(message)
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.ok(group.at(1).raft.leading!.confirmedRound < read.round)
  group.run(2)
  t.equal(group.at(1).raft.leading!.confirmedRound, read.round, 'the next heartbeat asks again')
})

t.test('6.4: a leader that was deposed and does not know gets no confirmation', async t => {
  const group = led()
  group.run(3)
  const read = group.at(1).raft.leading!.readIndex()!
  group.at(1).sent = []
  group.run(30, without(1))
  t.ok(group.leader!.self !== 1)
  const { raft } = group.at(1)
  t.equal(raft.leading === undefined || raft.leading.confirmedRound < read.round, true)
  group.run(4)
  t.equal(raft.role, 'follower')
})

t.test('6.4: a single voter asks nobody, and a group that sleeps wakes for it', async t => {
  const alone = new Group([1])
  alone.elect(1)
  const read = alone.at(1).raft.leading!.readIndex()!
  t.equal(alone.at(1).raft.leading!.confirmedRound, read.round)
  const group = asleep()
  const { round } = group.at(1).raft.leading!.readIndex()!
  t.notOk(group.at(1).raft.quiescent)
  group.settle()
  t.equal(group.at(1).raft.leading!.confirmedRound, round)
  group.run(12)
  t.same(sleepers(group), [1, 2, 3])
})

// ---- sleep

t.test('a group with nothing to do goes to sleep, and says nothing more', async t => {
  const group = asleep()
  t.same(sleepers(group), [1, 2, 3])
  for (const member of group.members.values()) t.equal(member.raft.highWatermark, 1)
  group.tick()
  t.same(group.bag, [])
})

t.test('an append wakes it, and then it sleeps again', async t => {
  const group = asleep()
  group.at(1).propose('b')
  group.settle()
  t.same(sleepers(group), [])
  t.equal(group.at(1).raft.highWatermark, 2)
  group.run(12)
  t.same(sleepers(group), [1, 2, 3])
  t.equal(group.at(3).raft.highWatermark, 2)
})

t.test('it does not sleep while something is not committed, not durable, or not known to be there', async t => {
  for (const lost of [without(3), ({ kind }: RaftMessage) => kind !== 'entries-appended', ({ kind }: RaftMessage) => kind !== 'heartbeat-answered']) {
    const group = led()
    group.at(1).propose('b')
    group.run(9, lost)
    t.notOk(group.at(1).raft.quiescent)
  }
})

t.test('a follower that lacks something does not sleep, whatever it is told', async t => {
  const group = led()
  const quiesce = { kind: 'heartbeat', from: id(1), to: id(2), term: 1 as Term, highWatermark: 2 as Offset, sentEnd: 2 as Offset, readRound: 0, quiesce: true } as const
  group.at(2).step(quiesce)
  t.notOk(group.at(2).raft.quiescent)
  t.match(group.at(2).sent, [{ kind: 'heartbeat-answered', endOffset: 1, sentEnd: 2 }])
})

t.test('the word to sleep gets lost: who stays awake wakes the leader, and all is well', async t => {
  const group = led()
  group.run(12, message => message.kind !== 'heartbeat' || message.to !== 3 || !message.quiesce)
  t.same(sleepers(group), [1, 2])
  const { term } = group.at(1).raft
  group.run(60)
  t.same(sleepers(group), [1, 2, 3])
  t.equal(group.at(1).raft.term, term)
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('late votes do not wake a follower: the leader sleeps, and would not tell it that it leads', async t => {
  const group = led()
  group.at(3).crash()
  for (const one of [1, 2]) group.at(one).raft.peerStatus(id(3), false)
  group.run(12)
  const { term } = group.at(1).raft
  const late = { from: id(3), to: id(2), term }
  group.at(2).step({ ...late, kind: 'pre-voted', round: 1, granted: false })
  group.at(2).step({ ...late, kind: 'pre-voted', round: 1, term: term + 1 as Term, granted: true })
  group.at(2).step({ ...late, kind: 'voted', granted: false })
  group.at(2).step({ ...late, kind: 'vote', lastTerm: term, endOffset: 1 as Offset, transfer: false })
  group.run(60)
  t.same(sleepers(group).filter(one => one !== 3), [1, 2])
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(1).raft.term, term)
})

t.test('a group sleeps though a member is gone, and wakes when it is back', async t => {
  const group = led()
  group.at(3).crash()
  group.at(1).raft.peerStatus(id(3), false)
  group.at(2).raft.peerStatus(id(3), false)
  group.at(1).propose('b')
  group.run(12)
  t.same(sleepers(group).filter(one => one !== 3), [1, 2])
  group.at(3).restart()
  for (const one of [1, 2]) group.at(one).raft.peerStatus(id(3), true)
  group.run(30)
  t.equal(group.at(3).raft.highWatermark, 2)
  t.same(sleepers(group), [1, 2, 3])
})

t.test('a leader that is elected later knows who is gone, and sleeps as well', async t => {
  const group = led()
  group.at(3).crash()
  for (const one of [1, 2]) group.at(one).raft.peerStatus(id(3), false)
  group.at(1).raft.leading!.transfer(id(2))
  group.run(20)
  t.equal(group.leader!.self, 2)
  t.same(sleepers(group).filter(one => one !== 3), [1, 2])
})

t.test('the leader of a group that sleeps dies: the links wake the others', async t => {
  const group = asleep()
  group.at(1).crash()
  for (const one of [2, 3]) group.at(one).raft.peerStatus(id(1), false)
  group.run(10)
  t.ok(group.leader !== undefined && group.leader.self !== 1)
})

t.test('the leader of a group that sleeps restarts, and nobody tells the others: it wakes them', async t => {
  const group = asleep()
  group.at(1).restart()
  group.run(40)
  t.ok(group.leader)
  const lost = asleep()
  lost.at(1).restart({ forgetful: 'surely', lost: 0 as Offset })
  lost.run(60)
  t.ok(lost.leader !== undefined && lost.leader.self !== 1, 'also when it cannot lead itself')
  t.equal(lost.at(1).raft.leader, lost.leader!.self)
})

t.test('a follower or learner of a group that sleeps restarts: it asks, and is told', async t => {
  const group = new Group([1, 2, 3, 4], { configuration: { voters: [id(1), id(2), id(3)], outgoing: [], learners: [id(4)] } })
  group.elect(1)
  group.at(1).propose('a')
  group.run(12)
  t.same(sleepers(group), [1, 2, 3, 4])
  for (const one of [3, 4]) group.at(one).restart()
  group.run(60)
  t.equal(group.at(1).raft.term, 1)
  t.same(sleepers(group), [1, 2, 3, 4])
  for (const one of [3, 4]) {
    t.equal(group.at(one).raft.leader, 1)
    t.equal(group.at(one).raft.highWatermark, 1)
    t.ok(group.at(one).raft.established)
  }
})

t.test('a single voter needs no clock', async t => {
  const group = new Group([1])
  group.elect(1)
  group.run(10)
  t.same(sleepers(group), [1])
  group.at(1).propose('a')
  group.at(1).synced()
  t.equal(group.at(1).raft.highWatermark, 1)
})

// ---- voters that have forgotten

function vote (group: Group, from: number, to: number): unknown {
  const { log, raft } = group.at(from)
  group.at(to).raft.step({ kind: 'pre-vote', from: id(from), to: id(to), term: raft.term + 1 as Term, round: 1, lastTerm: log.lastTerm, endOffset: log.endOffset })
  return group.at(to).sent.splice(0)
}

function forgetting (how: 'maybe' | 'surely', lost = 1): { group: Group, member: Member } {
  const group = led()
  for (const text of ['b', 'c']) group.at(1).propose(text)
  group.settle()
  group.at(2).crash()
  group.at(2).restart({ forgetful: how, lost: lost as Offset })
  return { group, member: group.at(2) }
}

/** What was committed last is on members 1 and 2 alone. */
function ledWithout3 (): Group {
  const group = led()
  for (const text of ['b', 'c']) {
    group.at(1).propose(text)
    group.settle(without(3))
  }
  return group
}

t.test('a voter that may have forgotten votes for nobody, and does not try to lead', async t => {
  for (const how of ['maybe', 'surely'] as const) {
    const { group, member } = forgetting(how)
    t.match(vote(group, 1, 2), [{ kind: 'pre-voted', granted: false }])
    member.raft.step({ kind: 'vote', from: id(3), to: id(2), term: 2 as Term, lastTerm: 9 as Term, endOffset: 9 as Offset, transfer: true })
    member.work()
    t.match(member.sent.at(-1), { kind: 'voted', granted: false })
    member.raft.campaign()
    t.equal(member.raft.role, 'follower')
  }
})

t.test('it votes again once it holds everything that was committed, on disk', async t => {
  const { group, member } = forgetting('surely')
  group.run(4, message => message.kind !== 'append-entries' || message.batches.length === 0 || message.to !== 2)
  t.ok(member.raft.forgetful)
  group.run(6)
  t.equal(member.log.durableEnd, 3)
  t.notOk(member.raft.forgetful)
})

t.test('what a new leader calls committed is not the whole of it before it has committed itself', async t => {
  const { group, member } = forgetting('surely')
  group.at(1).restart()
  group.at(1).raft.campaign()
  group.settle(message => without(2)(message) && !(message.kind === 'append-entries' && message.batches.length > 0))
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(1).raft.highWatermark, 0)
  for (let i = 0; i < 12; i++) {
    group.tick(1)
    group.settle(message => without(3)(message) && !(message.kind === 'append-entries' && message.batches.length > 0))
  }
  t.ok(member.raft.forgetful, 'everything below the leader\'s mark is here, and that says nothing')
  group.run(20)
  t.notOk(member.raft.forgetful)
})

t.test('it may forget again, and what it knew about the first time is worth nothing then', async t => {
  const { group, member } = forgetting('maybe')
  group.run(12)
  t.notOk(member.raft.forgetful)
  group.at(1).propose('d')
  group.settle()
  member.log.cutTo(2 as Offset) // a sync failed, and the disk had kept less than it said
  member.raft.forget()
  member.raft.cut()
  member.raft.durable()
  t.ok(member.raft.forgetful)
  group.run(12)
  t.notOk(member.raft.forgetful)
  t.equal(member.log.durableEnd, 4)
  member.restart({ forgetful: 'surely' })
  member.raft.forget()
  for (let i = 0; i < 500; i++) member.raft.tick()
  t.ok(member.raft.forgetful, 'who surely has forgotten does not become one who may have')
})

t.test('who sleeps, and whose disk takes back what it acknowledged, wakes and gets it again', async t => {
  const group = led()
  for (const text of ['b', 'c']) group.at(1).propose(text)
  group.settle()
  group.run(12)
  t.same(sleepers(group), [1, 2, 3])
  const { log, raft } = group.at(3)
  log.cutTo(1 as Offset)
  raft.forget()
  raft.cut()
  raft.durable()
  group.run(60)
  t.equal(log.endOffset, 3)
  t.notOk(raft.forgetful)
  t.same(sleepers(group), [1, 2, 3])
})

t.test('an idle group: it may vote again when the leader says that all is committed', async t => {
  const { group, member } = forgetting('surely', 3)
  group.run(60)
  t.notOk(member.raft.forgetful)
  t.same(sleepers(group), [1, 2, 3])
})

t.test('of a majority that has forgotten nothing, and cannot decide by itself, who holds the most gets the vote of one that may have', async t => {
  const group = ledWithout3()
  for (const one of [1, 2, 3]) group.at(one).crash()
  group.at(1).restart()
  group.at(2).restart({ forgetful: 'maybe', lost: 1 as Offset })
  group.at(3).restart()
  // What was committed is on member 1 alone, which hears nobody else who may vote for it.
  const apart = (message: RaftMessage): boolean => !(message.from === 3 && message.to === 1)
  const leaders: Array<number | undefined> = []
  for (let i = 0; i < 500; i++) {
    group.tick()
    group.settle(apart)
    leaders.push(group.leader?.self)
  }
  t.equal(leaders.findIndex(leader => leader !== undefined) > 60, true, 'they might have chosen one without it')
  t.same([...new Set(leaders)], [undefined, 1])
  group.run(80)
  t.equal(group.at(1).raft.role, 'leader')
  t.notOk(group.at(2).raft.forgetful)
})

t.test('a majority needs the vote of one that may have forgotten, by a change that it has forgotten too', async t => {
  const group = led()
  group.at(1).raft.leading!.setTarget({ voters: [id(1), id(3)], learners: [] })
  group.settle(({ from, to, kind }) => kind !== 'entries-appended' || from !== 3 || to !== 1)
  t.ok(isJoint(group.at(1).raft.configurations.current), 'not committed yet')
  group.at(3).crash()
  group.at(1).crash()
  group.at(1).restart()
  group.at(3).restart({ forgetful: 'maybe', lost: 1 as Offset })
  t.notOk(isJoint(group.at(3).raft.configurations.current))
  group.run(200)
  t.ok([1, 2].includes(group.leader!.self))
  t.notOk(group.at(3).raft.forgetful)
})

t.test('who may have forgotten and is cut off learns nothing by waiting', async t => {
  const group = ledWithout3()
  group.at(2).crash()
  group.at(1).crash()
  group.at(2).restart({ forgetful: 'maybe', lost: 1 as Offset })
  for (let i = 0; i < 500; i++) group.at(2).raft.tick()
  t.ok(group.at(2).raft.forgetful)
  // Its doubt begins to end now, in time for who holds what was committed.
  group.run(60)
  t.equal(group.leader, undefined)
  group.at(1).restart()
  group.run(60)
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('all may have forgotten at once: after some timeouts they go on with what they have; who surely has does not', async t => {
  const group = led()
  for (const one of [1, 2, 3]) group.at(one).restart({ forgetful: 'maybe' })
  group.run(60)
  t.equal(group.leader, undefined)
  group.run(120)
  t.ok(group.leader)
  const lost = led()
  for (const one of [1, 2, 3]) lost.at(one).restart({ forgetful: 'surely' })
  lost.run(400)
  t.equal(lost.leader, undefined)
})

t.test('3.10: asked again and again it ends all the same, and batches are taken in between', async t => {
  const group = led()
  let taken = 0
  for (let tick = 0; tick < 100; tick++) {
    // Its orders are lost.
    if (tick % 9 === 0) group.at(1).raft.leading!.transfer(id(2))
    group.run(1, ({ kind }) => kind !== 'timeout-now')
    if (group.at(1).raft.canAppend) taken++
  }
  t.ok(taken > 0)
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('whose doubt ended by time alone does not lead while somebody with more wants to', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  for (const text of ['a', 'b']) group.at(1).propose(text)
  group.settle(without(3))
  t.equal(group.at(1).raft.highWatermark, 2, 'with what 2 is about to lose')
  group.at(1).restart()
  group.at(2).restart({ forgetful: 'maybe', lost: 1 as Offset })
  // 1 and 3, which have forgotten nothing, do not reach each other; and what 1 asks does not arrive just when the doubt ends.
  const reaches = ({ from, to }: RaftMessage): boolean => from + to !== 4
  group.run(90, reaches)
  t.ok(group.at(2).raft.forgetful)
  group.run(60, message => reaches(message) && message.from !== 1)
  t.notOk(group.at(2).raft.forgetful)
  t.equal(group.leader, undefined)
  group.run(40, reaches)
  t.equal(group.leader?.self, 1, 'it gets this vote')
  t.equal(group.at(2).log.endOffset, group.at(1).log.endOffset)
})

t.test('if who has more is heard no more, it leads in the end', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  for (const text of ['a', 'b']) group.at(1).propose(text)
  group.settle(without(3))
  group.at(1).restart()
  group.at(2).restart({ forgetful: 'maybe', lost: 1 as Offset })
  group.run(60, ({ from, to }) => from + to !== 4)
  group.at(1).crash()
  group.run(1000)
  t.equal(group.leader, undefined, 'it may come back with what was committed')
  group.run(500)
  t.equal(group.leader?.self, 2)
})
