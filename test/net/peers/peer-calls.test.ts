/** Brokers without a cluster: who are you, and may I join. */
import t, { type Test } from 'tap'
import { silentLogger } from '../../../src/base/logger.ts'
import { metrics, peerRefusalReasons } from '../../../src/base/metrics.ts'
import { encode } from '../../../src/base/msgpack.ts'
import { readJoinRequest } from '../../../src/discovery/answers.ts'
import { FrameKey, helloFrame, packedFrame, Refusal } from '../../../src/net/peers/frames.ts'
import { PeerCalls } from '../../../src/net/peers/peer-calls.ts'
import { SocketTransport } from '../../../src/net/peers/socket-transport.ts'
import { nodeScheduler } from '../../../src/runtime/scheduler.ts'
import { VirtualScheduler } from '../../runtime/virtual-scheduler.ts'
import { FakeBroker } from './fake-broker.ts'
import { MemoryNetwork } from './memory-network.ts'
import { type AnyMessage, Broker, type BrokerOptions, freePort, until } from './peer-kit.ts'
import { frameOf, hello, RawPeer } from './raw-peer.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** What nobody waits for in these tests, unless it is about waiting. */
const longMs = 60_000

const calls = new PeerCalls({ transport: new SocketTransport({ assemblyBytesMax: 8 << 20 }), scheduler: nodeScheduler, logger: silentLogger })

async function joinable (t: Test, answer: (body: any) => object | undefined): Promise<Broker> {
  const controller: BrokerOptions['controller'] = (message, out) => {
    if (message.kind !== 'join') return
    const reply = answer(message.body)
    if (reply !== undefined) out.tell(message.replyTo, { kind: 'joined', correlation: message.correlation, ...reply } as AnyMessage)
  }
  return await Broker.open(t, { member: 1, controller })
}

t.test('a member says who it is, and so does a broker that is none yet', async t => {
  const broker = await Broker.open(t, { member: 1 })
  t.same(await calls.discover(broker.address, longMs), { nodeName: 'node-1' })
  const answering = await calls.answer({ host: '127.0.0.1', port: 0 }, () => ({ nodeName: 'fresh', clusterId: null, list: [1, 2] }))
  const at = { host: '127.0.0.1', port: answering.port }
  t.same(await Promise.all([calls.discover(at, longMs), calls.discover(at, longMs)]), Array(2).fill({ nodeName: 'fresh', clusterId: null, list: [1, 2] }))
  await t.rejects(calls.join(at, { nodeName: 'x' }, longMs), /refused \(unavailable\): this broker belongs to no cluster yet/)
  const peer = await RawPeer.connect(t, answering)
  peer.write(helloFrame(hello(broker)))
  t.match(await peer.refusal(), { code: Refusal.unavailable })
  await answering.close()
  await t.rejects(calls.discover(at, longMs), /127.0.0.1:\d+: ECONNREFUSED/)
  const again = await calls.answer(at, () => ({}))
  await again.close()
})

t.test('a port that is taken', async t => {
  const broker = await Broker.open(t, { member: 1 })
  await t.rejects(calls.answer(broker.address, () => ({})), { code: 'EADDRINUSE' })
})

t.test('a join goes to the controller, and its answer comes back as it is', async t => {
  const broker = await joinable(t, body => ({ errorCode: 0, member: body.number, peers: [{ host: 'h', port: 1 }] }))
  // In all more than may wait at a time.
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, number) => await calls.join(broker.address, { nodeName: 'n', number }, longMs)))
    t.same(answers, Array.from({ length: 20 }, (_, number) => ({ kind: 'joined', errorCode: 0, member: number, peers: [{ host: 'h', port: 1 }] })))
  }
  await until(() => broker.count(metrics.peerConnections) === 0)
})

t.test('several questions over one connection are answered with their numbers', async t => {
  const broker = await joinable(t, body => ({ echo: body.text }))
  const peer = await RawPeer.connect(t, broker)
  peer.write(Buffer.concat([packedFrame(FrameKey.join, 5, { text: 'x' }), packedFrame(FrameKey.discover, 6, undefined), packedFrame(FrameKey.join, 7, { text: 'y' })]))
  await peer.until(() => peer.frames.length === 3)
  t.same(peer.frames.map(({ key, correlation }) => [key, correlation]).toSorted((a, b) => a[1]! - b[1]!), [[FrameKey.joined, 5], [FrameKey.discovered, 6], [FrameKey.joined, 7]])
  peer.write(helloFrame(hello(broker)))
  t.match(await peer.refusal(), { code: Refusal.malformed }, 'who asks is no peer')
})

t.test('questions are bounded, in number and in time', async t => {
  const broker = await joinable(t, () => undefined)
  const peer = await RawPeer.connect(t, broker)
  for (let i = 0; i < 17; i++) peer.write(packedFrame(FrameKey.discover, i, undefined))
  t.match(await peer.refusal(), { code: Refusal.malformed, reason: /more than 16 questions/ })
  const joining = await Promise.all(Array.from({ length: 5 }, async () => await RawPeer.connect(t, broker)))
  for (const other of joining) for (let i = 0; i < 16; i++) other.write(packedFrame(FrameKey.join, i, {}))
  await until(() => joining.flatMap(({ frames }) => frames).length === 16)
  t.ok(joining.flatMap(({ frames }) => frames).every(({ key }) => key === FrameKey.refused), '64 wait, the others are told so')
  t.equal(broker.count(metrics.peerRefusals, peerRefusalReasons.indexOf('full')), 16)
  await t.rejects(calls.join(broker.address, { bytes: new Uint8Array(70_000) }, longMs), /at most 65536 are taken/)
})

t.test('a controller that is not there, or says too much', async t => {
  const broker = await joinable(t, body => body.much ? { bytes: new Uint8Array(5_000_000) } : undefined)
  await t.rejects(calls.join(broker.address, { much: true }, longMs), /unavailable.*5000\d+ bytes/)
  const waits = calls.join(broker.address, {}, longMs)
  const ended = t.rejects(waits, /unavailable.*the controller does not answer \(dead\)/)
  await until(() => broker.got('join').length === 2)
  await broker.system.stop(2 as never)
  await ended
})

t.test('answers that are none', async t => {
  const fake = await FakeBroker.listen(t, 2)
  const answers: ReadonlyArray<[bytes: Uint8Array, reason: RegExp]> = [
    [frameOf(FrameKey.joined, 0, encode({})), /malformed answer: key 20009/],
    [frameOf(FrameKey.discovered, 0, Buffer.from([0xc1])), /malformed answer/],
    [frameOf(FrameKey.discovered, 0, Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])), /malformed answer/],
    [frameOf(FrameKey.discovered, 0, new Uint8Array(0)), /malformed answer/],
    [frameOf(FrameKey.refused, 0, new Uint8Array(1)), /malformed answer/],
    [Buffer.from([0x7f, 0xff, 0xff, 0xff]), /a frame of 2147483647 bytes/],
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /a frame of/]
  ]
  for (const [bytes, reason] of answers) {
    fake.onFrame = connection => connection.socket.write(bytes)
    await t.rejects(calls.discover(fake.address, longMs), reason)
  }
  fake.onFrame = connection => connection.socket.destroy()
  await t.rejects(calls.discover(fake.address, longMs), /closed by the other side|ECONNRESET/)
})

t.test('time runs out: for an answer, and for who is connected and says nothing', async t => {
  const scheduler = new VirtualScheduler()
  const network = new MemoryNetwork(scheduler)
  const virtual = new PeerCalls({ transport: network.transport(3), scheduler, logger: silentLogger })
  const answering = await virtual.answer({ host: 'x', port: 3 }, () => ({ nodeName: 'fresh' }))
  const other = new PeerCalls({ transport: network.transport(4), scheduler, logger: silentLogger })
  const asked = other.discover({ host: 'x', port: 3 }, 100)
  await scheduler.advance(50)
  t.same(await asked, { nodeName: 'fresh' })
  network.cutOff(3, 4)
  const late = t.rejects(other.discover({ host: 'x', port: 3 }, 100), /no answer within 100 ms/)
  await scheduler.advance(100)
  await late
  network.cut.clear()
  let closed = false
  network.transport(5).connect({ host: 'x', port: 3 }, { opened: () => {}, frame: () => {}, taken: () => {}, closed: () => { closed = true } })
  await scheduler.advance(4000)
  t.notOk(closed)
  await scheduler.advance(4000)
  t.ok(closed)
  await answering.close()
})

t.test('a broker that stops lets nobody wait', async t => {
  const broker = await joinable(t, () => undefined)
  const ended = t.rejects(calls.join(broker.address, {}, longMs), /unavailable|closed by the other side|ECONNRESET/)
  await until(() => broker.got('join').length === 1)
  await broker.stop()
  await ended
  t.type(await freePort(), 'number')
})

t.test('a join that is not understood is refused, and no controller sees it', async t => {
  const broker = await Broker.open(t, { member: 1, readJoin: body => readJoinRequest(body) })
  const good = { name: 'n', directoryId: 'd', host: 'h', port: 1, raftHost: 'r', raftPort: 2, rack: null, features: { min: 1, max: 1 } }
  await t.rejects(calls.join(broker.address, { ...good, features: 7 }, longMs), /refused \(malformed\): not understood: its field kind is wrong/)
  await t.rejects(calls.join(broker.address, { ...good, name: 'no name' }, longMs), /refused \(malformed\): not understood: its field name is wrong/)
  t.equal(broker.received.filter(({ message }) => message.kind === 'join').length, 0)
  calls.join(broker.address, { ...good, more: 'of a later version' }, longMs).catch(() => {})
  await until(() => broker.received.some(({ message }) => message.kind === 'join'))
  t.same(broker.received.find(({ message }) => message.kind === 'join')!.message.body, good)
})
