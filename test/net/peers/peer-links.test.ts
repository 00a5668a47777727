import t from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import type { MemberId, Term } from '../../../src/base/ids.ts'
import { metrics, peerDropReasons } from '../../../src/base/metrics.ts'
import { beatFrame, Purpose, welcomeFrame } from '../../../src/net/peers/frames.ts'
import type { RaftMessage } from '../../../src/raft/messages.ts'
import { oneOfEachKind } from '../../raft/messages.ts'
import { FakeBroker, type FakeConnection } from './fake-broker.ts'
import { Broker, controllerId, groupIds, groups, openPair, until } from './peer-kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

t.test('messages of every kind arrive byte for byte, in order, at the group they are for', async t => {
  const [a, b] = await openPair(t)
  const sent = oneOfEachKind().map(message => ({ ...message, from: a.member, to: b.member }) as RaftMessage)
  for (const [i, group] of groups.entries()) {
    for (const message of sent) a.raft({ ...message, term: i + 1 } as RaftMessage, group)
  }
  await until(() => b.got('raft-in').length === sent.length * groups.length)
  groups.forEach((_, i) => t.same(b.raftOf(groupIds[i]!), sent.map(message => ({ ...message, term: i + 1 }))))
  b.raft({ kind: 'timeout-now', to: a.member } as never)
  await until(() => a.got('raft-in').length === 1)
  t.same([...a.crashes, ...b.crashes], [])
})

t.test('large messages of many pieces, and what follows them in the same turn', async t => {
  const [a, b] = await openPair(t, { limits: { frameBytesMax: 40 << 20 } }, { limits: { frameBytesMax: 40 << 20 } })
  const sizes = [[3], [61, 70_000, 0, 1_000_003], [300_000, 300_001], [9_000_000, 5], [], [20_000_000, 1]]
  let sent = 0
  for (const [i, pieces] of sizes.entries()) {
    const batches = pieces.map((size, j) => new Uint8Array(size).fill(16 * i + j + 1))
    const message = { kind: 'append-entries', from: a.member, to: b.member, term: 7, offset: i, previousTerm: 3, endOffset: i + 1, entryTerm: 7, highWatermark: i, batches }
    a.raft(message as unknown as RaftMessage)
    // Only borrowed: whoever sent it goes on with its memory.
    for (const batch of batches) batch.fill(0xff)
    a.raft({ kind: 'heartbeat', to: b.member, highWatermark: i, sentEnd: i + 1, readRound: 0, quiesce: false } as never)
    sent += 2
    if (i % 2 === 1) await until(() => b.got('raft-in').length === sent)
  }
  await until(() => b.got('raft-in').length === sent)
  const got = b.raftOf(groupIds[0]!)
  t.same(got.map(({ kind }) => kind), sizes.flatMap(() => ['append-entries', 'heartbeat']))
  for (const [i, pieces] of sizes.entries()) {
    const { batches } = got[2 * i] as RaftMessage & { batches: Uint8Array[] }
    t.same(batches.map(batch => batch.length), pieces)
    t.ok(batches.every((batch, j) => batch.every(byte => byte === 16 * i + j + 1)), `${pieces.join(', ')} bytes`)
  }
})

t.test('controllers talk', async t => {
  const [a, b] = await openPair(t)
  const body = { kind: 'forward', correlation: 5, request: { kind: 'create-topics', names: ['x', 'y'], bytes: new Uint8Array([1, 2]) } }
  a.tell({ kind: 'controller-out', to: b.member, body } as Message)
  b.tell({ kind: 'controller-out', to: a.member, body: { kind: 'leaders-told', list: Array.from({ length: 20_000 }, (_, i) => ({ i })) } } as Message)
  await until(() => b.got('controller-in').length === 1 && a.got('controller-in').length === 1)
  t.same(b.got('controller-in', controllerId), [{ kind: 'controller-in', from: 1, body }])
  t.equal(a.got('controller-in', controllerId)[0]!.body.list.length, 20_000)
  a.tell({ kind: 'controller-out', to: 9 as MemberId, body } as Message)
  t.equal(b.got('controller-in').length, 1)
})

const timeoutNow = { kind: 'timeout-now' } as const
const entries = (offset: number, bytes: number): Partial<RaftMessage> => ({
  kind: 'append-entries', offset, previousTerm: 1, endOffset: offset + 1, entryTerm: 1, highWatermark: 0, batches: [new Uint8Array(bytes).fill(offset)]
}) as unknown as Partial<RaftMessage>
const droppedFor = (broker: Broker, reason: (typeof peerDropReasons)[number]): number => broker.count(metrics.peerDropped, peerDropReasons.indexOf(reason))

t.test('links of a broker that crash come back, know groups and peers again, and messages flow', async t => {
  const [a, b] = await openPair(t)
  const life = b.links[0]
  b.crash()
  await until(() => b.links[0] !== life)
  // Sent again and again, as Raft does: some are lost while the links are made anew.
  for (let i = 0; a.got('raft-in').length === 0 || b.got('raft-in').length === 0; i++) {
    a.raft({ ...timeoutNow, to: b.member })
    b.raft({ ...timeoutNow, to: a.member })
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  t.equal(b.crashes.length, 1)
  t.ok(b.got('subscribe-peers').length >= 2)
  t.same(a.crashes, [])
})

t.test('a connection that ends is made again, as often as it ends', async t => {
  const a = await Broker.open(t, { member: 1 })
  const fake = await FakeBroker.listen(t, 2)
  a.knowAddresses(fake.address)
  for (let i = 1; i <= 4; i++) {
    await until(() => fake.of(Purpose.bulk).length === i && a.count(metrics.peerLinks) === 2)
    const connection = fake.of(Purpose.bulk)[i - 1]!
    t.match(connection.hello, { from: 1, to: 2, clusterId: 'cluster-1', nodeName: 'node-1', directoryId: a.member.toString().padStart(32, '0'), thread: 0 })
    a.raft({ ...timeoutNow, to: fake.member })
    await until(() => connection.frames.length === 1)
    connection.socket.destroy()
    await until(() => a.count(metrics.peerLinks) < 2)
    a.raft({ ...timeoutNow, to: fake.member })
  }
  t.ok(droppedFor(a, 'closed') >= 1)
  t.equal(fake.of(Purpose.bulk).flatMap(({ frames }) => frames).length, 4)
})

t.test('one that does not welcome, or says something else, is tried again', async t => {
  const a = await Broker.open(t, { member: 1 })
  type Answer = (fake: FakeBroker, connection: FakeConnection, correlation: number) => void
  const answers: Answer[] = [
    (fake, connection, correlation) => fake.refuse(connection, correlation, 'not yet'),
    (fake, { socket }) => { socket.write(welcomeFrame(0, { version: 2, member: fake.member })) },
    (_, { socket }) => { socket.write(welcomeFrame(0, { version: 1, member: 99 as MemberId })) },
    (_, { socket }) => { socket.write(beatFrame(1, 0, 5)) },
    (_, { socket }) => { socket.end(Buffer.from([0, 0, 0, 8, 0, 0])) },
    (_, { socket }) => { socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff])) },
    () => {} // it says nothing
  ]
  const fakes = await Promise.all(answers.map(async (answer, i) => {
    const fake = await FakeBroker.listen(t, 2 + i)
    const welcome = fake.onFrame
    let first = true
    fake.onFrame = (connection, frame) => {
      if (connection.hello?.purpose !== Purpose.bulk || !first) return welcome(connection, frame)
      first = false
      answer(fake, connection, frame.correlation)
    }
    return fake
  }))
  a.knowAddresses(...fakes.map(({ address }) => address))
  await until(() => a.count(metrics.peerLinks) === 2 * fakes.length)
  t.same(fakes.map(fake => fake.of(Purpose.bulk).length), answers.map(() => 2))
  t.equal(a.said(/cannot be reached/).length, fakes.length)
  t.same(a.crashes, [])
})

t.test('a peer that does not read: what waits for it is bounded, small messages have room longer, and the rest arrives whole', async t => {
  const send = { unsentBytesMax: 4 << 20, reserveBytes: 64 << 10 }
  const a = await Broker.open(t, { member: 1, limits: { send } })
  const fake = await FakeBroker.listen(t, 2)
  a.knowAddresses(fake.address)
  await until(() => fake.of(Purpose.bulk).length === 1 && a.count(metrics.peerLinks) === 2)
  const [connection] = fake.of(Purpose.bulk)
  connection!.socket.pause()
  let large = 0
  for (let before = 0; before === 0; before = droppedFor(a, 'unsent'), large++) {
    a.raft({ to: fake.member, ...entries(large, 300_000) })
    await new Promise(resolve => setImmediate(resolve))
    if (large > 1000) throw new Error('nothing is dropped')
  }
  const accepted = large - droppedFor(a, 'unsent')
  // The kernel has some too, on both sides.
  t.ok(accepted * 300_000 >= send.unsentBytesMax - 300_000, `${accepted} were taken`)
  const before = droppedFor(a, 'unsent')
  for (let i = 0; i < 100; i++) a.raft({ ...timeoutNow, to: fake.member })
  t.equal(droppedFor(a, 'unsent'), before, 'votes and heartbeats find room')
  for (let i = 0; i < 10_000; i++) a.raft({ ...timeoutNow, to: fake.member })
  const small = 10_100 - (droppedFor(a, 'unsent') - before)
  t.ok(small * 48 <= send.reserveBytes + 48 && small > 100, `but not without end: ${small}`)
  connection!.socket.resume()
  await until(() => connection!.frames.length === accepted + small)
  t.same(connection!.frames.map(({ bytes }) => bytes.length > 1000).lastIndexOf(true), accepted - 1, 'in order')
  a.raft({ to: fake.member, ...entries(7, 300_000) })
  await until(() => connection!.frames.length === accepted + small + 1)
  t.same(connection!.frames.at(-1)!.bytes.subarray(-5), Buffer.alloc(5, 7))
  t.same(a.crashes, [])
})

t.test('what had not left when a connection ended is counted as lost', async t => {
  const a = await Broker.open(t, { member: 1 })
  const fake = await FakeBroker.listen(t, 2)
  a.knowAddresses(fake.address)
  await until(() => fake.of(Purpose.bulk).length === 1 && a.count(metrics.peerLinks) === 2)
  const [connection] = fake.of(Purpose.bulk)
  connection!.socket.pause()
  for (let i = 0; i < 14; i++) a.raft({ to: fake.member, ...entries(i, 1_000_000) })
  await new Promise(resolve => setTimeout(resolve, 10))
  connection!.socket.destroy()
  await until(() => fake.of(Purpose.bulk).length === 2)
  t.ok(droppedFor(a, 'lost') > 0 && droppedFor(a, 'lost') <= 14, `${droppedFor(a, 'lost')} of 14`)
})

t.test('messages to nobody, and such as are too large, are dropped and counted', async t => {
  const [a, b] = await openPair(t, { limits: { frameBytesMax: 100_000 } })
  a.raft({ ...timeoutNow, to: 9 as MemberId })
  a.raft({ ...timeoutNow, to: a.member })
  a.raft({ to: b.member, ...entries(0, 100_000) })
  a.tell({ kind: 'controller-out', to: 9 as MemberId, body: { kind: 'x' } } as Message)
  a.tell({ kind: 'controller-out', to: b.member, body: { kind: 'x', bytes: new Uint8Array(100_000) } } as Message)
  a.raft({ to: b.member, ...entries(0, 90_000) })
  await until(() => b.got('raft-in').length === 1)
  t.same([droppedFor(a, 'no-peer'), droppedFor(a, 'too-large')], [3, 2])
  t.equal(a.said(/larger than brokers send/).length, 1)
})

t.test('a peer that is elsewhere now is found there, one that is no peer any more is left', async t => {
  const a = await Broker.open(t, { member: 1 })
  const first = await FakeBroker.listen(t, 2)
  const second = await FakeBroker.listen(t, 2)
  a.knowAddresses(first.address)
  await until(() => a.count(metrics.peerLinks) === 2)
  a.knowAddresses(first.address)
  a.knowAddresses(second.address)
  await until(() => first.connections.every(({ closed }) => closed) && second.connections.length === 2 && a.count(metrics.peerLinks) === 2)
  t.equal(first.connections.length, 2, 'an address that stays is no reason')
  a.raft({ ...timeoutNow, to: 2 as MemberId })
  await until(() => second.of(Purpose.bulk)[0]!.frames.length === 1)
  a.knowAddresses()
  await until(() => second.connections.every(({ closed }) => closed))
  t.equal(a.count(metrics.peerLinks), 0)
  a.knowAddresses({ ...a.address, port: second.address.port })
  t.equal(a.count(metrics.peerLinks), 0, 'this broker itself is no peer')
})

t.test('groups that are removed get nothing more; a group that moved gets it at its new actor', async t => {
  const [a, b] = await openPair(t)
  b.tell({ kind: 'groups-changed', placed: [{ group: groups[1]!, actor: groupIds[2]! }], removed: [groups[0]!] } as Message)
  a.raft({ ...timeoutNow, to: b.member }, groups[0])
  a.raft({ ...timeoutNow, to: b.member, term: 5 as Term }, groups[1])
  await until(() => b.got('raft-in').length === 1)
  t.equal(b.raftOf(groupIds[2]!)[0]!.term, 5)
  t.equal(droppedFor(b, 'no-group'), 1)
})

t.test('several threads of two brokers: every thread reaches every group', async t => {
  const [a, b] = await openPair(t, { threads: 3 }, { threads: 2 })
  for (const [from, to, threads] of [[a, b, 3], [b, a, 2]] as const) {
    for (let thread = 0; thread < threads; thread++) {
      for (const [i, group] of groups.entries()) from.raft({ ...timeoutNow, to: to.member, term: thread * 10 + i as Term }, group, thread)
    }
    await until(() => to.got('raft-in').length === threads * groups.length)
    groupIds.forEach((actor, i) => t.same(to.raftOf(actor).map(({ term }) => term).toSorted((x, y) => x - y), Array.from({ length: threads }, (_, thread) => thread * 10 + i)))
  }
  t.same(a.got('member-status').map(({ member, up }) => [member, up]), [[2, true]], 'one thread judges')
})
