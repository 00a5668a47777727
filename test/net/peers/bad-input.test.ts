/** What strangers and broken peers send: refused with an answer where there can be one, counted, logged, and nobody else notices. */
import { once } from 'node:events'
import t from 'tap'
import type { GroupKey, MemberId, Term } from '../../../src/base/ids.ts'
import { metrics, peerDropReasons, peerRefusalReasons } from '../../../src/base/metrics.ts'
import { encode } from '../../../src/base/msgpack.ts'
import { beatFrame, FrameKey, type Hello, helloFrame, Purpose, Refusal } from '../../../src/net/peers/frames.ts'
import type { SocketTransport } from '../../../src/net/peers/socket-transport.ts'
import { groupKeyBytes, raftMessageBytes, writeGroupKey, writeRaftMessage } from '../../../src/raft/wire.ts'
import type { RaftMessage } from '../../../src/raft/messages.ts'
import { memoryOf } from '../../../src/runtime/ring.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { oneOfEachKind } from '../../raft/messages.ts'
import { Broker, groupIds, groups, openPair, until } from './peer-kit.ts'
import { frameOf, hello, RawPeer } from './raw-peer.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const refusals = (broker: Broker, name: (typeof peerRefusalReasons)[number]): number => broker.count(metrics.peerRefusals, peerRefusalReasons.indexOf(name))

function raftBody (message: RaftMessage, group: GroupKey = groups[0]!): Uint8Array {
  const { bytes, view } = memoryOf(new ArrayBuffer(groupKeyBytes + raftMessageBytes(message)))
  writeGroupKey(group, bytes, view, 0)
  writeRaftMessage(message, bytes, view, groupKeyBytes)
  return bytes
}

t.test('hellos that do not fit are refused with the reason', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const cases: ReadonlyArray<[changes: Partial<Hello>, code: number, reason: RegExp]> = [
    [{ clusterId: 'another' }, Refusal.cluster, /cluster another; this is cluster cluster-1/],
    [{ clusterId: '' }, Refusal.cluster, /cluster/],
    [{ to: 9 as MemberId }, Refusal.member, /to member 9; this is member 1/],
    [{ from: 1 as MemberId }, Refusal.member, /two run with one data folder/],
    [{ from: 0 as MemberId }, Refusal.malformed, /member 0/],
    [{ from: -3 as MemberId }, Refusal.malformed, /member -3/],
    [{ purpose: 3 as Purpose }, Refusal.malformed, /purpose 3/],
    [{ versionMin: 2, versionMax: 5 }, Refusal.version, /versions 2 to 5; spoken are 1 to 1/],
    [{ versionMin: 0, versionMax: 0 }, Refusal.version, /versions 0 to 0/]
  ]
  for (const [changes, code, reason] of cases) {
    const peer = await RawPeer.connect(t, broker)
    peer.write(helloFrame(hello(broker, changes)))
    const refused = await peer.refusal()
    t.match(refused, { code, reason }, JSON.stringify(changes))
  }
  t.same([refusals(broker, 'cluster'), refusals(broker, 'member'), refusals(broker, 'version'), refusals(broker, 'malformed')], [2, 2, 2, 3])
  t.equal(broker.said(/^refused \(cluster\)/).length, 1, 'a flood of refusals is a line now and then')
  await until(() => broker.count(metrics.peerConnections) === 0)
})

t.test('a broker of a later version that speaks ours too is welcome', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const peer = await RawPeer.connect(t, broker)
  const later = Buffer.concat([helloFrame(hello(broker, { versionMin: 1, versionMax: 4 })), Buffer.from('more')])
  later.writeInt32BE(later.length - 4)
  peer.write(later)
  const { key, body } = await peer.frame()
  t.equal(key, FrameKey.welcome)
  t.equal(body.readInt16BE(0), 1)
})

t.test('what is no hello is refused or dropped', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const wrongMagic = Buffer.from(helloFrame(hello(broker)))
  wrongMagic.write('KAFK', 12)
  const wrongVersion = Buffer.from(helloFrame(hello(broker)))
  wrongVersion.writeInt16BE(1, 6)
  const answered: ReadonlyArray<[bytes: Uint8Array, code: number]> = [
    [wrongMagic, Refusal.malformed],
    [wrongVersion, Refusal.version],
    [frameOf(FrameKey.raft, 1, new Uint8Array(40)), Refusal.malformed],
    [frameOf(FrameKey.beat, 1, new Uint8Array(8)), Refusal.malformed],
    [frameOf(FrameKey.hello, 0, new Uint8Array(0)), Refusal.malformed],
    [frameOf(0, 9, Buffer.from('a produce request of a client that has the wrong port')), Refusal.malformed],
    [frameOf(FrameKey.join, 0, Buffer.from([0xc1])), Refusal.malformed],
    [frameOf(FrameKey.join, 0, Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])), Refusal.malformed],
    [frameOf(FrameKey.join, 0, encode('no object')), Refusal.malformed],
    [frameOf(FrameKey.join, 0, encode(null)), Refusal.malformed]
  ]
  for (const [bytes, code] of answered) {
    const peer = await RawPeer.connect(t, broker)
    peer.write(bytes)
    t.match(await peer.refusal(), { code }, Buffer.from(bytes).toString('hex', 0, 30))
  }
  const silent: Uint8Array[] = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0, 0, 0, 0, 1, 2, 3, 4]),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x00, 0x01, 0x00, 0x01]), // 64 KiB and a byte, from somebody who was not welcomed
    frameOf(FrameKey.hello, 0, new Uint8Array(0)).subarray(0, 8).fill(7, 0, 4)
  ]
  for (const bytes of silent) {
    const peer = await RawPeer.connect(t, broker)
    peer.write(bytes)
    t.equal(await peer.refusal(), undefined, Buffer.from(bytes).toString('hex', 0, 30))
  }
  t.equal(refusals(broker, 'malformed'), answered.length - 1 + silent.length)
  await until(() => broker.count(metrics.peerConnections) === 0)
  t.equal((broker.transports[0] as SocketTransport).lentBytes, 0)
  t.same(broker.crashes, [])
})

t.test('a hello that ends anywhere is no hello, and costs nothing', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const whole = Buffer.from(helloFrame(hello(broker)))
  for (let size = 0; size < whole.length; size++) {
    // Cut off by the end of the connection …
    const peer = await RawPeer.connect(t, broker)
    peer.socket.end(whole.subarray(0, size))
    t.equal(await peer.refusal(), undefined)
    if (size < 12) continue
    // … and by a length that says so.
    const other = await RawPeer.connect(t, broker)
    const cut = Buffer.from(whole.subarray(0, size))
    cut.writeInt32BE(size - 4)
    other.write(cut)
    t.match(await other.refusal(), { code: Refusal.malformed })
  }
  t.equal(broker.count(metrics.peerLinks), 0)
  await until(() => broker.count(metrics.peerConnections) === 0)
  t.equal((broker.transports[0] as SocketTransport).lentBytes, 0)
})

t.test('peers that were welcomed and then say what is none', async t => {
  const broker = await Broker.open(t, { member: 1, limits: { frameBytesMax: 100_000 } })
  const from = 7 as MemberId
  const message = { kind: 'timeout-now', from, to: broker.member, term: 1 } as RaftMessage
  const good = raftBody(message)
  const cases: Record<string, Uint8Array> = {
    'a version that was not agreed on': frameOf(FrameKey.raft, 2, good),
    'a key that is none': frameOf(1, 1, good),
    'a beat among batches': beatFrame(1, 0, 5),
    'a group that is cut': frameOf(FrameKey.raft, 1, good.subarray(0, 19)),
    'no message': frameOf(FrameKey.raft, 1, good.subarray(0, 20)),
    'half a message': frameOf(FrameKey.raft, 1, good.subarray(0, good.length - 1)),
    'more than a message': frameOf(FrameKey.raft, 1, Buffer.concat([good, Buffer.from([0])])),
    'in the name of another': frameOf(FrameKey.raft, 1, raftBody({ ...message, from: 8 as MemberId })),
    'for another': frameOf(FrameKey.raft, 1, raftBody({ ...message, to: 8 as MemberId })),
    'no MessagePack': frameOf(FrameKey.controller, 1, Buffer.from([0xc1])),
    'MessagePack that lies': frameOf(FrameKey.controller, 1, Buffer.from([0xdd, 0x7f, 0xff, 0xff, 0xff])),
    'no message for a controller': frameOf(FrameKey.controller, 1, encode({ kind: 5 })),
    'nothing for a controller': frameOf(FrameKey.controller, 1, encode(null)),
    'too large': frameOf(FrameKey.raft, 1, new Uint8Array(100_001))
  }
  for (const [name, bytes] of Object.entries(cases)) {
    const peer = await (await RawPeer.connect(t, broker)).greet(broker)
    peer.write(frameOf(FrameKey.raft, 1, good))
    peer.write(bytes)
    const refused = await peer.refusal()
    if (name === 'too large') t.equal(refused, undefined, name)
    else t.match(refused, { code: Refusal.malformed }, name)
  }
  t.equal(broker.raftOf(groupIds[0]!).length, Object.keys(cases).length, 'what came before counts')
  t.equal(broker.got('controller-in').length, 0)
  t.equal(refusals(broker, 'malformed'), Object.keys(cases).length)
  t.same(broker.crashes, [])
})

t.test('a group that is not here costs its message and nothing else', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const peer = await (await RawPeer.connect(t, broker)).greet(broker)
  const message = { kind: 'timeout-now', from: 7, to: broker.member, term: 1 } as RaftMessage
  peer.write(frameOf(FrameKey.raft, 1, raftBody(message, `${'f'.repeat(32)}-0` as GroupKey)))
  peer.write(frameOf(FrameKey.raft, 1, raftBody(message, `${'a'.repeat(32)}-1` as GroupKey)))
  peer.write(frameOf(FrameKey.raft, 1, raftBody(message)))
  await until(() => broker.raftOf(groupIds[0]!).length === 1)
  t.equal(broker.got('raft-in').length, 1)
  t.equal(broker.count(metrics.peerDropped, peerDropReasons.indexOf('no-group')), 2)
  t.notOk(peer.closed)
})

t.test('frames cut at every place, and bytes that were changed, end a connection and never the broker', async t => {
  const [broker, other] = await openPair(t)
  const chance = seededChance(4)
  const frames = Buffer.concat([...oneOfEachKind().map(message => frameOf(FrameKey.raft, 1, raftBody({ ...message, from: 7, to: 1 } as RaftMessage))), frameOf(FrameKey.controller, 1, encode({ kind: 'x' }))])
  const before = broker.got('raft-in').length
  for (let cut = 0; cut < frames.length; cut += 1 + chance.uint32() % 7) {
    const peer = await (await RawPeer.connect(t, broker)).greet(broker)
    peer.socket.end(frames.subarray(0, cut))
    await once(peer.socket, 'close')
  }
  t.ok(broker.got('raft-in').length > before, 'what was whole has arrived')
  for (let run = 0; run < 200; run++) {
    const peer = await (await RawPeer.connect(t, broker)).greet(broker)
    const bytes = Buffer.from(frames)
    for (let i = 0; i < 3; i++) bytes[chance.uint32() % bytes.length] = chance.uint32()
    peer.socket.end(bytes)
    await once(peer.socket, 'close')
  }
  await until(() => broker.count(metrics.peerConnections) === 2)
  t.equal((broker.transports[0] as SocketTransport).lentBytes, 0)
  other.raft({ kind: 'timeout-now', to: broker.member, term: 99 as Term })
  await until(() => broker.raftOf(groupIds[0]!).some(({ from, term }) => from === 2 && term === 99))
  t.same(broker.crashes, [])
})

t.test('beats are answered with who this is, and nothing but beats', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const peer = await (await RawPeer.connect(t, broker)).greet(broker, { purpose: Purpose.beat })
  peer.write(beatFrame(1, 31, 5))
  const { key, correlation, body } = await peer.frame()
  t.same([key, correlation, Number(body.readBigInt64BE(0))], [FrameKey.beat, 31, 1000])
  peer.write(frameOf(FrameKey.raft, 1, raftBody({ kind: 'timeout-now', from: 7, to: 1, term: 1 } as RaftMessage)))
  t.match(await peer.refusal(), { code: Refusal.malformed })
  t.equal(broker.got('raft-in').length, 0)
})

t.test('who never reads the answers to beats is dropped', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const peer = await (await RawPeer.connect(t, broker)).greet(broker, { purpose: Purpose.beat })
  peer.socket.pause()
  const beats = Buffer.concat(Array.from({ length: 10_000 }, () => beatFrame(1, 0, 5)))
  while (broker.count(metrics.peerConnections) === 1) {
    peer.write(beats)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  t.same(broker.crashes, [])
})

t.test('more connections than there may be are refused', async t => {
  const broker = await Broker.open(t, { member: 1, limits: { connectionsMax: 3 } })
  const peers = await Promise.all([1, 2, 3].map(async () => await RawPeer.connect(t, broker)))
  await until(() => broker.count(metrics.peerConnections) === 3)
  const fourth = await RawPeer.connect(t, broker)
  t.match(await fourth.refusal(), { code: Refusal.full })
  peers[0]!.socket.destroy()
  await until(() => broker.count(metrics.peerConnections) === 2)
  await (await RawPeer.connect(t, broker)).greet(broker)
})

t.test('a thread of a peer that connects anew takes the place of its connection before', async t => {
  const broker = await Broker.open(t, { member: 1 })
  const first = await (await RawPeer.connect(t, broker)).greet(broker)
  const others = await Promise.all([{ thread: 1 }, { from: 8 as MemberId }, { purpose: Purpose.beat }].map(async changes => await (await RawPeer.connect(t, broker)).greet(broker, changes)))
  const second = await (await RawPeer.connect(t, broker)).greet(broker)
  await first.until(() => first.closed)
  // A way there and back, so that what was to be closed is.
  others.at(-1)!.write(beatFrame(1, 0, 5))
  await others.at(-1)!.frame()
  t.equal(broker.count(metrics.peerConnections), 4)
  t.notOk([second, ...others].some(({ closed }) => closed))
})
