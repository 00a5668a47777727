/** Links in virtual time, over a network that does what the test says: who is up, and what happens after silence. */
import t, { type Test } from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { metrics, peerDropReasons } from '../../../src/base/metrics.ts'
import { FrameKey } from '../../../src/net/peers/frames.ts'
import { VirtualScheduler } from '../../runtime/virtual-scheduler.ts'
import { MemoryNetwork } from './memory-network.ts'
import { type AnyMessage, Broker, controllerId, groupIds } from './peer-kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

interface World { readonly scheduler: VirtualScheduler, readonly network: MemoryNetwork, readonly a: Broker, readonly b: Broker }

/** Two brokers that know each other and have had time to talk. */
async function setUp (t: Test, { threads = 1 } = {}): Promise<World> {
  const scheduler = new VirtualScheduler()
  const network = new MemoryNetwork(scheduler)
  const [a, b] = await Promise.all([1, 2].map(async member => await Broker.open(t, { member, port: member, threads, scheduler, transport: network.transport(member) })))
  a!.know(b!)
  b!.know(a!)
  await scheduler.advance(1000)
  return { scheduler, network, a: a!, b: b! }
}

const statuses = (broker: Broker, actor = groupIds[0]!): string[] => [...broker.got('peer-status', actor), ...broker.got('member-status', actor)].map(status)
const status = ({ member, up }: AnyMessage): string => `${member} ${up ? 'up' : 'down'}`
const timeoutNow = { kind: 'timeout-now' } as const

t.test('all groups and the controller are told who is up', async t => {
  const { a, b } = await setUp(t)
  for (const actor of [...groupIds, controllerId]) {
    t.same(statuses(a, actor), ['2 up'])
    t.same(statuses(b, actor), ['1 up'])
  }
  t.equal(a.count(metrics.peerLinks), 2)
  t.equal(a.count(metrics.peerConnections), 2)
})

t.test('silence is down, also where only one way is cut; when it is over links that were there before are made anew', async t => {
  for (const way of ['1>2', '2>1', 'both'] as const) {
    const { scheduler, network, a, b } = await setUp(t)
    if (way === 'both') network.cutOff(1, 2)
    else network.cut.add(way)
    await scheduler.advance(350)
    t.same(statuses(a), ['2 up'], 'not yet')
    await scheduler.advance(400)
    t.same(statuses(a), ['2 up', '2 down'])
    t.same(statuses(b), ['1 up', '1 down'])
    t.same(statuses(a, controllerId), ['2 up', '2 down'])
    t.equal(a.count(metrics.peersDown), 1)
    await scheduler.advance(20_000)
    t.same(statuses(a), ['2 up', '2 down'], 'told once')
    network.cut.clear()
    await scheduler.advance(6000)
    t.same(statuses(a), ['2 up', '2 down', '2 up'])
    t.same(statuses(b), ['1 up', '1 down', '1 up'])
    t.equal(a.count(metrics.peersDown), 0)
    b.received.length = 0
    a.raft({ ...timeoutNow, to: b.member })
    await scheduler.advance(10)
    t.equal(b.got('raft-in').length, 1, 'the way is open again')
    t.same([...a.crashes, ...b.crashes], [])
  }
})

t.test('a broker that stops is down before half a second is over, and up with its next life', async t => {
  const { scheduler, a, b } = await setUp(t)
  await b.stop()
  await scheduler.advance(300)
  t.same(statuses(a), ['2 up', '2 down'])
  await scheduler.advance(10_000)
  await b.restart(5)
  b.know(a)
  await scheduler.advance(200)
  t.same(statuses(a), ['2 up', '2 down', '2 up'], 'its hello says that it is there: nobody waits for the next attempt')
  t.same(statuses(b), ['1 up'])
})

t.test('a broker that ends every two seconds is down as soon each time', async t => {
  const { scheduler, a, b } = await setUp(t)
  for (let life = 1; life <= 6; life++) {
    await b.stop()
    await scheduler.advance(150)
    t.equal(statuses(a).at(-1), '2 down', `life ${life}`)
    await b.restart(5)
    b.know(a)
    await scheduler.advance(2000)
    t.equal(statuses(a).at(-1), '2 up')
  }
})

t.test('a process that was replaced between two beats was down', async t => {
  const { scheduler, a, b } = await setUp(t)
  await b.restart(5)
  await scheduler.advance(300)
  t.same(statuses(a), ['2 up', '2 down', '2 up'])
})

t.test('a thread that stood still judges nobody', async t => {
  const { scheduler, a } = await setUp(t)
  // Nothing runs for a minute, then everything that was due.
  scheduler.now += 60_000
  await scheduler.advance(400)
  t.same(statuses(a), ['2 up'])
})

t.test('groups that come later are told who is down', async t => {
  const { scheduler, network, a } = await setUp(t)
  network.cutOff(1, 2)
  await scheduler.advance(1000)
  a.received.length = 0
  a.tell({ kind: 'groups-changed', placed: [{ group: `${'d'.repeat(32)}-4`, actor: groupIds[1] }], removed: [] } as unknown as Message)
  t.same(statuses(a, groupIds[1]!), ['2 down'])
  a.tell({ kind: 'peers-changed', peers: a.peers } as Message)
  t.same(statuses(a, controllerId), ['2 down'], 'and so is a controller that begins anew')
})

t.test('after a silence the links of all threads make their connections anew: what was there before may lead nowhere', async t => {
  const { scheduler, network, a, b } = await setUp(t, { threads: 3 })
  const before = new Set(network.sides)
  network.cutOff(1, 2)
  await scheduler.advance(1000)
  network.cut.clear()
  network.lose()
  await scheduler.advance(6000)
  t.notOk([...network.sides].some(side => before.has(side) && !side.lost))
  b.received.length = 0
  for (const thread of [0, 1, 2]) a.raft({ ...timeoutNow, to: b.member }, undefined, thread)
  await scheduler.advance(10)
  t.equal(b.got('raft-in').length, 3)
  t.same(statuses(a), ['2 up', '2 down', '2 up'], 'one thread judges')
})

t.test('so does what was made in the silence: who was there may have been replaced', async t => {
  const { scheduler, network, a, b } = await setUp(t)
  network.cutOff(1, 2)
  await scheduler.advance(1000)
  for (const side of network.sides) side.close('reset')
  network.cut.clear()
  for (let i = 0; i < 200; i++) {
    network.lose(side => side.keys.has(FrameKey.beat))
    await scheduler.advance(20)
  }
  t.same(statuses(a), ['2 up', '2 down'])
  network.lose()
  await scheduler.advance(6000)
  t.same(statuses(a), ['2 up', '2 down', '2 up'])
  b.received.length = 0
  a.raft({ ...timeoutNow, to: b.member })
  await scheduler.advance(10)
  t.equal(b.got('raft-in').length, 1)
})

t.test('a beat connection to a thread that stands still is replaced before the peer is given up', async t => {
  const { scheduler, network, a, b } = await setUp(t)
  network.lose(side => side.keys.has(FrameKey.beat))
  await scheduler.advance(3000)
  t.same(statuses(a), ['2 up'])
  t.same(statuses(b), ['1 up'])
})

t.test('a peer that nobody reaches is tried less and less often, but always again', async t => {
  const scheduler = new VirtualScheduler()
  const network = new MemoryNetwork(scheduler)
  const a = await Broker.open(t, { member: 1, port: 1, scheduler, transport: network.transport(1) })
  a.peers = [{ ...a.address, member: 2 as never, port: 9 }]
  a.tell({ kind: 'peers-changed', peers: a.peers } as Message)
  await scheduler.advance(60_000)
  const first = network.connects
  // Two links, at most 2 s apart, at least 1 s.
  t.ok(first >= 60 && first <= 140, `${first} attempts in the first minute`)
  await scheduler.advance(60_000)
  t.ok(network.connects - first >= 60 && network.connects - first <= 120, `${network.connects - first} in the second`)
  t.same(statuses(a), ['2 down'])
  t.ok(a.said(/cannot be reached/).length <= 2 * 13, 'and is not complained of each time')
  a.raft({ ...timeoutNow, to: 2 as never })
  t.equal(a.count(metrics.peerDropped, peerDropReasons.indexOf('closed')), 1)
})

t.test('frames that are lost or come twice break nothing', async t => {
  const { scheduler, network, a, b } = await setUp(t)
  network.loss = 0.2
  network.twice = 0.2
  for (let i = 0; i < 1000; i++) {
    a.raft({ kind: 'heartbeat', to: b.member, highWatermark: i, sentEnd: i, readRound: 0, quiesce: false } as never)
    await scheduler.advance(10)
  }
  t.same([...a.crashes, ...b.crashes], [])
  const got = b.raftOf(groupIds[0]!).map(message => (message as unknown as { sentEnd: number }).sentEnd)
  t.ok(got.length > 500)
  t.same(got, got.toSorted((x, y) => x - y), 'in order all the same')
})
