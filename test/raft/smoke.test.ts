import t from 'tap'
import { Group, textsOf } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

t.test('three members elect a leader, append and commit', t => {
  const group = new Group([1, 2, 3])
  group.at(1).raft.campaign()
  group.settle()
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(1).raft.term, 1)
  t.equal(group.at(1).log.endOffset, 0, 'an empty log needs no leader change')
  t.equal(group.at(1).propose('a'), 0)
  t.equal(group.at(1).propose('b', 3), 1)
  t.equal(group.at(1).raft.highWatermark, 0)
  group.settle()
  t.equal(group.at(1).raft.highWatermark, 4)
  group.run(2)
  for (const member of group.members.values()) {
    t.equal(member.raft.highWatermark, 4)
    t.equal(member.raft.leader, 1)
    t.same(textsOf(member), ['a', 'b'])
  }
  t.end()
})
