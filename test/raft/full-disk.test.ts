/** Logs that take no batches because their disks are full: others lead; if there are none, somebody does for those who read, until there is room. */
import t from 'tap'
import type { MemberId, Term } from '../../src/base/ids.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Group, type Member, shapeOf, textsOf } from './kit.ts'

const id = (n: number): MemberId => n as MemberId
const without = (...ids: number[]) => ({ from, to }: RaftMessage): boolean => !ids.includes(from) && !ids.includes(to)

function led (): Group {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.run(4)
  return group
}

/** Nobody has room, and one of them leads. */
function allFull (): { readonly group: Group, readonly leader: Member } {
  const group = led()
  for (const member of group.members.values()) member.fillDisk()
  group.run(150)
  return { group, leader: group.leader! }
}

t.test('who has a full disk leaves it to the others to stand for election', async t => {
  const group = led()
  group.at(2).fillDisk()
  group.at(1).crash()
  const sent: string[] = []
  group.run(100, ({ kind, from, to }) => {
    if (from === 2 && kind === 'vote') sent.push(kind)
    return without(1)({ from, to } as RaftMessage)
  })
  t.equal(group.leader, group.at(3))
  t.same(sent, [])
})

t.test('when all are full one of them leads after some timeouts, appends nothing, and stays', async t => {
  const group = led()
  for (const member of group.members.values()) member.fillDisk()
  group.run(30)
  t.equal(group.leader, undefined, 'somebody with room may still come')
  group.run(120)
  const leader = group.leader!
  const { term } = leader.raft
  t.same([leader.raft.canAppend, leader.raft.highWatermark, shapeOf(leader)], [false, 1, '0-1@1 a'])
  group.run(300)
  t.same([group.leader, leader.raft.term, leader.raft.quiescent], [leader, term, false], 'nobody tries again, and it looks out for room')
})

t.test('room at the leader: it commits in its term', async t => {
  const { group, leader } = allFull()
  const { term } = leader.raft
  for (const member of group.members.values()) member.ready()
  group.run(6)
  t.same([leader.raft.role, leader.raft.term, leader.raft.highWatermark], ['leader', term, 2])
  t.ok(leader.raft.established)
  leader.propose('b')
  group.run(6)
  for (const member of group.members.values()) t.same(textsOf(member), ['a', 'b'])
  group.run(20)
  t.ok(leader.raft.quiescent)
})

t.test('room elsewhere: it hands over, not to who has none either', async t => {
  const { group, leader } = allFull()
  const [one, other] = [...group.members.values()].filter(member => member !== leader) as [Member, Member]
  const { term } = leader.raft
  one.raft.step({ kind: 'timeout-now', from: leader.self, to: one.self, term })
  group.settle()
  t.same([one.raft.role, one.raft.term], ['follower', term], 'it lets the order pass')
  other.ready()
  group.run(100)
  t.equal(group.leader, other)
  t.equal(other.raft.term, term + 1, 'one hand-over')
  other.propose('b')
  one.ready()
  group.run(10)
  t.equal(other.raft.highWatermark, other.log.endOffset)
  t.same(textsOf(one), ['a', 'b'])
  leader.ready()
  group.run(10)
  t.same([textsOf(leader), group.leader], [['a', 'b'], other])
})

t.test('room at all others: the leader does not sleep over it that all is said and done', async t => {
  const { group, leader } = allFull()
  for (const member of group.members.values()) if (member !== leader) member.ready()
  group.run(100)
  t.not(group.leader?.self, leader.self)
  t.ok(group.leader!.raft.canAppend)
})

t.test('only who has a full disk has it all: it leads, gives it to the others, and hands over', async t => {
  const group = led()
  group.at(3).crash()
  const [old, other] = [group.at(1), group.at(2)]
  old.propose('b')
  old.synced()
  old.propose('c')
  group.collect()
  group.bag = []
  old.fillDisk()
  group.run(200, without(3))
  t.equal(group.leader, other)
  t.same([textsOf(old), textsOf(other)], [['a', 'b'], ['a', 'b']])
})

t.test('leadership is not handed to who has lagged behind for long: that would only stop the appends', async t => {
  const group = led()
  group.at(3).fillDisk()
  group.at(1).propose('b')
  group.run(20)
  t.notOk(group.at(1).raft.leading!.transfer(id(3)))
  t.ok(group.at(1).raft.canAppend)
  group.at(3).ready()
  group.run(6)
  t.ok(group.at(1).raft.leading!.transfer(id(3)))
  group.run(2)
  t.equal(group.leader, group.at(3))
  t.equal(group.at(3).raft.term, 2 as Term)
})
