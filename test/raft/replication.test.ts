/** Sections 5.3, 5.4.2, 5.4.3, 5.5 and 7 of the Raft paper, figures 7 and 8, and what RingMQ adds: how a log becomes the same everywhere. */
import t from 'tap'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import type { AppendEntries, EntriesAppended, RaftMessage } from '../../src/raft/messages.ts'
import { Group, type GroupOptions, shapeOf, textsOf } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const clockless: GroupOptions = { timing: { checkQuorum: false } }
const without = (...ids: number[]) => ({ from, to }: RaftMessage): boolean => !ids.includes(from) && !ids.includes(to)
const carries = (message: RaftMessage): boolean => message.kind === 'append-entries' && message.batches.length > 0

t.test('5.3: a leader appends, sends to all at once, and commits with a majority of disks', async t => {
  const group = new Group([1, 2, 3, 4, 5])
  const leader = group.elect(1)
  leader.propose('a')
  t.equal(leader.log.durableEnd, 0)
  t.same(leader.sent.map(({ kind, to }) => [kind, to]), [2, 3, 4, 5].map(to => ['append-entries', to]), 'while its own disk still writes')
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.equal(leader.raft.highWatermark, 0)
  group.at(2).synced()
  group.at(3).synced()
  group.settle(({ from }) => from === 2 || from === 3)
  t.equal(leader.log.durableEnd, 1)
  t.equal(leader.raft.highWatermark, 1)
})

t.test('5.3: the leader\'s own disk need not be among the majority', async t => {
  const group = new Group([1, 2, 3])
  const leader = group.elect(1)
  leader.propose('a')
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  for (const one of [2, 3]) group.at(one).synced()
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.equal(leader.log.durableEnd, 0)
  t.equal(leader.raft.highWatermark, 1)
})

t.test('5.3: a follower acknowledges what is on its disk, in one word for all of it', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  for (const text of ['a', 'b', 'c']) group.at(1).propose(text)
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.same(group.bag, [])
  group.at(2).synced()
  t.match(group.at(2).sent, [{ kind: 'entries-appended', endOffset: 3, offset: 3, rejected: false }])
  t.equal(group.at(2).sent.length, 1)
})

t.test('5.3: followers learn what is committed, and never more than is on their disk', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  group.at(1).propose('b')
  group.collect()
  const toThird = group.bag.find(({ to }) => to === 3) as AppendEntries
  t.equal(toThird.highWatermark, 1)
  group.settle(without(3))
  group.at(3).step({ ...toThird, highWatermark: 2 as Offset })
  t.equal(group.at(3).raft.highWatermark, 1)
  group.at(3).synced()
  t.equal(group.at(3).raft.highWatermark, 2)
})

t.test('5.3: an append that does not fit is refused, with a hint where the logs part', async t => {
  const cases: ReadonlyArray<[own: string, offset: number, previousTerm: number, hint: Partial<EntriesAppended> | undefined]> = [
    ['1 1 2', 3, 2, undefined],
    ['1 1 2', 2, 1, undefined],
    ['1 1 2', 0, 0, undefined],
    ['1 1 2', 4, 2, { hintTerm: 2 as Term, endOffset: 3 as Offset }],
    ['1 1 2', 3, 1, { hintTerm: 1 as Term, endOffset: 2 as Offset }],
    ['1 1 2', 3, 3, { hintTerm: 2 as Term, endOffset: 3 as Offset }],
    ['4 4', 2, 3, { hintTerm: 0 as Term, endOffset: 0 as Offset }],
    ['', 2, 1, { hintTerm: 0 as Term, endOffset: 0 as Offset }]
  ]
  for (const [own, offset, previousTerm, hint] of cases) {
    const member = new Group([1, 2, 3]).at(2)
    member.fill(own, { term: 5 })
    member.raft.step({
      kind: 'append-entries',
      from: 1 as MemberId,
      to: 2 as MemberId,
      term: 5 as Term,
      offset: offset as Offset,
      previousTerm: previousTerm as Term,
      endOffset: offset as Offset,
      entryTerm: 0 as Term,
      highWatermark: 0 as Offset,
      batches: []
    })
    t.match(member.sent, [hint === undefined ? { rejected: false, endOffset: offset } : { rejected: true, offset, ...hint }], `"${own}" at ${offset} after term ${previousTerm}`)
  }
})

/** Offsets instead of the figure's indexes: its entry 1 is here at offset 0. */
const figure7: ReadonlyArray<[name: string, follower: string]> = [
  ['a', '1 1 1 4 4 5 5 6 6'], ['b', '1 1 1 4'], ['c', '1 1 1 4 4 5 5 6 6 6 6'], ['d', '1 1 1 4 4 5 5 6 6 6 7 7'],
  ['e', '1 1 1 4 4 4 4'], ['f', '1 1 1 2 2 2 3 3 3 3 3']
]

t.test('figure 7: whatever a follower\'s log has become, it becomes the leader\'s', async t => {
  for (const [name, log] of figure7) {
    const group = new Group([1, 2, 3], clockless)
    group.at(1).fill('1 1 1 4 4 5 5 6 6 6', { term: 7 })
    group.at(2).fill(log, { term: 7 })
    group.at(3).fill('1 1 1', { term: 7 })
    group.at(1).raft.campaign()
    const messages: RaftMessage[] = []
    for (let tick = 0; tick < 10; tick++) {
      group.settle(message => messages.push(message) > 0)
      group.tick()
    }
    t.equal(group.at(1).raft.role, 'leader', name)
    t.equal(shapeOf(group.at(2)), shapeOf(group.at(1)), name)
    t.equal(group.at(2).raft.highWatermark, 11, name)
    const refusals = messages.filter(message => message.from === 2 && message.kind === 'entries-appended' && message.rejected).length
    t.ok(refusals <= 4, `${name}: ${refusals} refusals; a whole term is passed over at once, and some messages were on their way`)
  }
})

t.test('figure 8: an entry of an older term is not committed by counting copies', async t => {
  const group = new Group([1, 2, 3, 4, 5], clockless)
  group.at(1).fill('1 2', { term: 3 })
  for (const one of [2, 3]) group.at(one).fill('1', { term: 2 })
  group.at(4).fill('1', { term: 3 })
  group.at(5).fill('1 3')
  group.at(1).raft.campaign()
  // (c): what was of term 2 gets to the majority, the leader's own entry to nobody.
  group.settle(message => without(5)(message) && !(carries(message) && (message as AppendEntries).entryTerm === 4))
  t.equal(group.at(1).raft.term, 4)
  t.same([2, 3, 4].map(one => group.at(one).log.endOffset), [2, 2, 2])
  t.equal(group.at(1).raft.highWatermark, 0, 'not committed, though a majority holds it')
  // (d): who has an entry of term 3 can still be elected.
  group.at(1).crash()
  group.bag = []
  group.at(5).raft.campaign() // and learns of the newest term
  group.settle()
  group.elect(5)
  group.run(4)
  t.equal(group.at(2).log.termAt(1 as Offset), 3)
  t.equal(group.at(5).raft.highWatermark, 3)
})

t.test('figure 8 (e): with an entry of its own term the leader commits what is before it, and nobody without them can win', async t => {
  const group = new Group([1, 2, 3, 4, 5], clockless)
  group.at(1).fill('1 2', { term: 3 })
  for (const one of [2, 3, 4]) group.at(one).fill('1', { term: 3 })
  group.at(5).fill('1 3')
  group.at(1).raft.campaign()
  group.settle(without(5))
  t.equal(group.at(1).raft.highWatermark, 3)
  group.at(1).crash()
  group.at(5).raft.campaign()
  group.settle()
  t.not(group.at(5).raft.role, 'leader')
  group.run(60)
  t.ok(group.leader !== undefined && group.leader.self !== 5)
  t.equal(group.leader!.log.termAt(1 as Offset), 2)
})

t.test('5.4.3: what was acknowledged outlives any minority', async t => {
  for (const lost of [[1, 2], [1, 3], [2, 3], [1, 5], [4, 5]]) {
    const group = new Group([1, 2, 3, 4, 5], clockless)
    group.elect(1)
    group.at(1).propose('kept')
    group.settle(without(4, 5))
    t.equal(group.at(1).raft.highWatermark, 1)
    group.at(1).propose('not acknowledged')
    group.collect()
    group.bag = []
    for (const one of lost) group.at(one).crash()
    for (const one of [1, 2, 3, 4, 5]) if (!lost.includes(one)) group.at(one).restart()
    group.run(100)
    t.ok(group.leader, `without ${lost.join()}`)
    t.equal(textsOf(group.leader!)[0], 'kept', `without ${lost.join()}`)
    t.ok(group.leader!.raft.highWatermark >= 1)
  }
})

t.test('5.5: messages that are doubled, late or out of order change nothing', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.elect(1)
  const sent: RaftMessage[] = []
  for (const text of ['a', 'b', 'c']) {
    group.at(1).propose(text)
    group.settle(message => sent.push(message) > 0)
  }
  group.run(2, message => sent.push(message) > 0)
  const before = [...group.members.values()].map(member => `${member.raft.toString()} ${shapeOf(member)}`)
  for (const message of [...sent.toReversed(), ...sent]) group.deliver(message)
  group.settle()
  t.same([...group.members.values()].map(member => `${member.raft.toString()} ${shapeOf(member)}`), before)
})

t.test('appends that overtake each other: the later is refused, then all comes again', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  for (const text of ['a', 'b', 'c']) group.at(1).propose(text)
  group.collect()
  group.bag.reverse()
  group.settle()
  group.run(8)
  t.same(textsOf(group.at(2)), ['a', 'b', 'c'])
  t.equal(group.at(2).raft.highWatermark, 3)
})

t.test('a lost acknowledgement is asked for again', async t => {
  const group = new Group([1, 2])
  group.elect(1)
  group.at(1).propose('a')
  group.settle(({ kind }) => kind !== 'entries-appended')
  t.equal(group.at(1).raft.highWatermark, 0)
  group.run(4)
  t.equal(group.at(1).raft.highWatermark, 1)
})

t.test('all acknowledgements of a full window are lost: the leader does not wait for ever', async t => {
  const group = new Group([1, 2], { limits: { inflightBytesMax: 300 } })
  group.elect(1)
  for (let i = 0; i < 6; i++) group.at(1).propose(`${i}`)
  group.settle(({ kind }) => kind !== 'entries-appended')
  t.equal(group.at(2).log.endOffset, 3, 'the window is full')
  group.run(6)
  t.equal(group.at(1).raft.highWatermark, 6)
})

t.test('lost appends are found by the next heartbeat', async t => {
  const group = new Group([1, 2])
  group.elect(1)
  group.at(1).propose('a')
  group.settle(message => !carries(message))
  t.equal(group.at(2).log.endOffset, 0)
  group.run(4)
  t.equal(group.at(1).raft.highWatermark, 1)
})

t.test('what is on its way to a follower is bounded by bytes, and one batch is always allowed', async t => {
  const group = new Group([1, 2, 3], { limits: { inflightBytesMax: 1_000, messageBytesMax: 400 } })
  group.elect(1)
  group.at(1).propose('large', 1, 5_000)
  for (let i = 0; i < 40; i++) group.at(1).propose(`${i}`)
  group.collect()
  const to2 = group.bag.filter(message => message.to === 2 && carries(message)) as AppendEntries[]
  t.equal(to2.length, 1)
  group.settle()
  group.at(1).propose('one more')
  group.collect()
  for (let i = 0; i < 40; i++) group.at(1).propose(`${i}`)
  group.collect()
  const bytes = group.bag.filter(message => message.to === 2 && carries(message)).flatMap(message => (message as AppendEntries).batches).reduce((sum, { length }) => sum + length, 0)
  t.equal(bytes, 1_000)
  group.settle()
  t.equal(group.at(1).raft.highWatermark, group.at(1).log.endOffset)
})

t.test('a message carries batches of one term only, about as many bytes as allowed', async t => {
  const group = new Group([1, 2], { ...clockless, limits: { messageBytesMax: 250 } })
  group.at(1).fill('1 1 1 2 2 3')
  group.at(2).fill('', { term: 3 })
  group.at(1).raft.campaign()
  const seen: string[] = []
  group.settle(message => {
    if (carries(message)) seen.push(`${(message as AppendEntries).offset}-${(message as AppendEntries).endOffset}@${(message as AppendEntries).entryTerm}`)
    return true
  })
  t.same(seen, ['0-2@1', '2-3@1', '3-5@2', '5-6@3', '6-7@4'])
  t.equal(group.at(1).raft.highWatermark, 7)
})

t.test('batches that are only on disk are read for a follower, one read at a time', async t => {
  const group = new Group([1, 2, 3], { ...clockless, limits: { messageBytesMax: 250 } })
  group.at(1).fill('1 1 1 1 1')
  group.at(2).fill('1 1 1 1 1')
  group.at(3).fill('1')
  group.at(1).log.memoryStart = 5 as Offset
  group.elect(1)
  group.run(6)
  t.equal(shapeOf(group.at(3)), shapeOf(group.at(1)))
  t.equal(group.at(3).raft.highWatermark, 6)
})

t.test('what was read for a follower is given up when retention was faster', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.at(1).fill('1 1 1 1 1')
  group.at(2).fill('1 1 1 1 1')
  group.at(3).fill('1')
  group.at(1).log.memoryStart = 5 as Offset
  group.at(1).raft.campaign()
  for (let i = 0; i < 60 && group.at(1).loads.length === 0; i++) {
    for (const one of [1, 2, 3]) {
      group.at(one).persisted()
      group.at(one).synced()
    }
    group.collect()
    const message = group.bag.shift()
    if (message !== undefined) group.deliver(message)
  }
  const { to, offset } = group.at(1).loads[0]!
  const { pieces, endOffset } = group.at(1).log.read(offset, 5 as Offset, 250)
  group.at(1).retainFrom(4 as Offset)
  group.at(1).loads = []
  group.at(1).raft.loaded(to, offset, endOffset, pieces)
  group.run(6)
  t.equal(group.at(3).log.startOffset, 4, 'it began anew')
  t.equal(group.at(3).raft.highWatermark, 6)
})

t.test('7: a follower that is behind the log\'s start begins anew there, and goes on', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a', 5)
  group.settle(without(3))
  group.at(1).retainFrom(5 as Offset)
  group.at(1).propose('b')
  group.run(6)
  t.equal(group.at(3).log.startOffset, 5)
  t.same(textsOf(group.at(3)), ['b'])
  t.equal(group.at(3).raft.highWatermark, 6)
  t.equal(group.at(3).log.termAt(4 as Offset), 1, 'it knows the term of what is before')
})

t.test('7: who lacks too much begins where the owner has a snapshot; one that is newer meanwhile does not send it there again', async t => {
  const group = new Group([1, 2, 3], clockless)
  const leader = group.elect(1)
  for (const text of ['a', 'b', 'c', 'd', 'e']) {
    leader.propose(text)
    group.settle(without(3))
  }
  leader.retainFrom(2 as Offset)
  leader.snapshotAt = 3 as Offset
  group.run(2, ({ kind }) => kind !== 'entries-appended')
  const member = group.at(3)
  t.equal(member.log.startOffset, 3)
  leader.snapshotAt = 5 as Offset
  let resets = 0
  group.run(3, ({ kind }) => {
    if (kind === 'reset-log') resets++
    return kind !== 'entries-appended' && kind !== 'reset-log'
  })
  t.ok(resets > 0)
  member.raft.wasReset() // says again what it holds
  group.settle(({ kind }) => kind !== 'reset-log')
  t.same(textsOf(member), ['d', 'e'])
  t.equal(member.log.startOffset, 3)
})

t.test('7: a log that begins anew under one leader is still good under the next', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.elect(1)
  group.at(1).propose('a', 5)
  group.settle(without(3))
  group.run(2, without(3))
  for (const one of [1, 2]) group.at(one).retainFrom(5 as Offset)
  group.run(2, ({ kind }) => kind !== 'reset-log')
  group.tick(1)
  group.tick(1)
  for (let i = 0; i < 20 && group.at(3).resetting === undefined; i++) {
    group.collect()
    const message = group.bag.shift()
    if (message !== undefined) group.deliver(message)
    else group.tick(1)
  }
  t.ok(group.at(3).resetting)
  group.at(1).crash()
  group.bag = []
  group.at(2).raft.campaign()
  group.at(2).work()
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  group.at(3).persisted()
  group.run(20)
  t.equal(group.leader?.self, 2)
  t.equal(group.at(3).log.startOffset, 5)
  t.equal(group.at(3).raft.highWatermark, group.at(2).log.endOffset)
})

t.test('DESIGN 1.7: a fresh topic\'s first message has offset 0', async t => {
  for (const ids of [[1], [1, 2, 3]]) {
    const group = new Group(ids)
    group.elect(1)
    t.equal(group.at(1).propose('first'), 0)
    group.settle()
    t.equal(group.at(1).raft.highWatermark, 1)
  }
})

t.test('DESIGN 1.7: a leader change is written to a log that is not empty, in a group of several voters, and commits what was before', async t => {
  const group = new Group([1, 2, 3])
  for (const one of [1, 2, 3]) group.at(one).fill('1 1', { term: 4 })
  group.elect(1)
  t.equal(group.at(1).log.batches.at(-1)!.key, '2-3@5 leader-change')
  t.equal(group.at(1).raft.highWatermark, 3)
})

t.test('DESIGN 1.7: a single voter writes none, and commits what is durable, whatever its term', async t => {
  const group = new Group([1])
  group.at(1).fill('1 2')
  group.elect(1)
  t.equal(group.at(1).raft.term, 3)
  t.equal(group.at(1).log.endOffset, 2)
  t.equal(group.at(1).raft.highWatermark, 2)
  t.equal(group.at(1).raft.established, true)
  group.at(1).propose('a')
  t.equal(group.at(1).raft.highWatermark, 2)
  group.at(1).synced()
  t.equal(group.at(1).raft.highWatermark, 3)
})

t.test('the high watermark is established by the first commit of the leader\'s own term', async t => {
  const group = new Group([1, 2, 3], clockless)
  for (const one of [1, 2, 3]) group.at(one).fill('1 1')
  group.at(1).raft.campaign()
  group.settle(message => !carries(message))
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(1).raft.established, false)
  t.equal(group.at(1).raft.leading!.readIndex(), undefined)
  group.run(6)
  t.equal(group.at(1).raft.established, true)
  t.ok(group.at(1).raft.leading!.readIndex())
  const fresh = new Group([1, 2, 3])
  t.equal(fresh.elect(1).raft.established, true, 'an empty log: nothing was ever committed')
})

t.test('a log that was cut: its owner is a follower, and never writes again in that term', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  group.at(1).propose('of a failing disk')
  group.collect()
  group.at(1).failDisk()
  t.equal(group.at(1).raft.role, 'follower')
  t.equal(group.at(1).propose('b'), undefined)
  group.at(1).ready()
  group.run(60)
  t.ok(group.leader!.raft.term > 1)
  for (const one of [1, 2, 3]) t.equal(shapeOf(group.at(one)), shapeOf(group.leader!))
})

t.test('a follower whose disk fails takes everything again', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  group.at(1).propose('b')
  group.collect()
  for (const message of group.bag.splice(0)) group.deliver(message)
  t.equal(group.at(2).log.endOffset, 2)
  group.at(2).failDisk()
  t.equal(group.at(2).log.endOffset, 1)
  group.run(6)
  t.equal(group.at(2).log.endOffset, 1, 'not while its disk takes nothing')
  group.at(2).ready()
  group.run(6)
  t.same(textsOf(group.at(2)), ['a', 'b'])
  t.equal(group.at(2).raft.highWatermark, 2)
})

t.test('a follower that lost what it had acknowledged gets it again; nothing is counted that it lacks', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  for (const text of ['a', 'b', 'c']) group.at(1).propose(text)
  group.settle()
  group.at(2).restart({ lost: 1 as Offset })
  group.run(6)
  t.same(textsOf(group.at(2)), ['a', 'b', 'c'])
  group.at(2).restart({ lost: 1 as Offset })
  group.at(1).raft.step({ kind: 'entries-appended', from: 2 as MemberId, to: 1 as MemberId, term: 1 as Term, rejected: false, endOffset: 1 as Offset, offset: 1 as Offset, hintTerm: 0 as Term, forgetful: false })
  group.run(2, ({ kind }) => kind !== 'append-entries' && kind !== 'entries-appended')
  group.run(6)
  t.equal(group.at(1).raft.leading!.progress.get(2 as MemberId)!.match, 3)
})

t.test('how long a follower has been behind, a new one for how long since the term began', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.run(10)
  const lag = (member: number, ticksMax: number, newTicksMax: number): boolean => group.leader!.raft.leading!.progress.get(member as MemberId)!.lags(ticksMax, newTicksMax)
  group.at(3).crash()
  for (let i = 0; i < 30; i++) {
    group.at(1).propose('b')
    group.run(1)
  }
  t.same([lag(3, 40, 10), lag(3, 20, 10)], [false, true], 'it held everything once in this term')
  t.notOk(lag(2, 2, 2), 'who has it after a moment does not lag')
  group.at(1).raft.leading!.transfer(2 as MemberId)
  group.run(4)
  t.equal(group.leader, group.at(2))
  t.notOk(lag(3, 100, 10), 'it is not known yet')
  for (let i = 0; i < 12; i++) {
    group.at(2).propose('c')
    group.run(1)
  }
  t.same([lag(3, 100, 10), lag(1, 2, 2)], [true, false])
})
