import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { lengthBytes } from '../../../src/net/peers/frames.ts'
import { SocketTransport } from '../../../src/net/peers/socket-transport.ts'
import type { CloseReason, FrameConnection, FrameHandler } from '../../../src/net/peers/transport.ts'
import { until } from './peer-kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

class Recorder implements FrameHandler {
  connection!: FrameConnection
  isOpen = false
  readonly frames: Buffer[] = []
  takenCount = 0
  end: CloseReason | undefined
  onFrame: (frame: Buffer) => void = () => {}
  opened (): void { this.isOpen = true }
  frame (bytes: Uint8Array, start: number, end: number): void {
    this.frames.push(Buffer.from(bytes.subarray(start, end)))
    this.onFrame(this.frames.at(-1)!)
  }

  taken (): void { this.takenCount++ }
  closed (why: CloseReason): void { this.end = why }
}

async function pair (t: Test, { stalledMs = 10_000 } = {}): Promise<{ near: Recorder, far: Recorder, transport: SocketTransport, close: () => Promise<void> }> {
  const transport = new SocketTransport({ assemblyBytesMax: 64 << 20, stalledMs })
  const far = new Recorder()
  const listener = await transport.listen({ host: '127.0.0.1', port: 0, reusePort: false }, connection => {
    far.connection = connection
    return far
  })
  const near = new Recorder()
  near.connection = transport.connect({ host: '127.0.0.1', port: listener.port }, near)
  await until(() => near.isOpen && (far.connection as FrameConnection | undefined) !== undefined)
  near.connection.frameBytesMax = far.connection.frameBytesMax = 64 << 20
  const close = async (): Promise<void> => {
    near.connection.destroy('over')
    far.connection.destroy('over')
    await listener.close()
    await until(() => near.end !== undefined && far.end !== undefined)
  }
  t.teardown(close)
  return { near, far, transport, close }
}

function frame (size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes + size, fill)
  bytes.writeInt32BE(size)
  return bytes
}

t.test('frames both ways, in pieces of one write', async t => {
  const { near, far, transport, close } = await pair(t)
  t.ok(near.connection.write([frame(10, 1), frame(100_000, 2), Buffer.concat([frame(8, 3), frame(9, 4)])]))
  far.connection.write([frame(3_000_000, 5)])
  await until(() => far.frames.length === 4 && near.frames.length === 1)
  t.same(far.frames.map(bytes => [bytes.length, bytes[0], bytes.at(-1)]), [[10, 1, 1], [100_000, 2, 2], [8, 3, 3], [9, 4, 4]])
  t.ok(near.frames[0]!.equals(Buffer.alloc(3_000_000, 5)))
  t.equal(transport.lentBytes, 0)
  near.connection.write([frame(3_000_000, 6).subarray(0, 2_000_000)])
  await until(() => transport.lentBytes > 0)
  await close()
  t.equal(transport.lentBytes, 0)
})

t.test('memory that the socket may still read into is given back when the connection is gone, not before', async t => {
  const { near, far, transport } = await pair(t)
  near.connection.write([frame(3_000_000, 1).subarray(0, 1_000_000)])
  await until(() => transport.lentBytes > 0)
  far.connection.end('enough')
  t.ok(transport.lentBytes > 0)
  await until(() => near.end !== undefined && far.end !== undefined)
  t.equal(transport.lentBytes, 0)
})

t.test('what the kernel has not taken is told of later, once for each write, in order', async t => {
  const { near, far } = await pair(t)
  const untaken: Buffer[] = []
  let sent = 0
  // Each is written over as soon as it may be: the other side must not see it.
  const taken = near.taken.bind(near)
  near.taken = () => {
    taken()
    untaken.shift()!.fill(0xff)
  }
  for (; untaken.length < 5; sent++) {
    const bytes = frame(2_000_000, sent)
    if (!near.connection.write([bytes])) untaken.push(bytes)
  }
  t.ok(near.connection.unsentBytes > 0)
  await until(() => near.takenCount === 5 && far.frames.length === sent)
  t.ok(far.frames.every((bytes, i) => bytes[0] === i && bytes.at(-1) === i))
  t.equal(near.connection.unsentBytes, 0)
})

t.test('an end lets what was written leave, and looks at nothing more', async t => {
  const { near, far } = await pair(t)
  far.onFrame = () => {
    far.connection.write([frame(500_000, 9)])
    far.connection.end('enough')
    far.connection.end('enough')
    t.notOk(far.connection.write([frame(8, 1)]))
  }
  near.connection.write([frame(8, 1), frame(8, 2), frame(8, 3)])
  await until(() => near.end !== undefined && far.end !== undefined)
  t.equal(far.frames.length, 1)
  t.same(near.frames.map(({ length }) => length), [500_000])
  t.match(far.end, { text: 'enough', refused: false, malformed: false })
  t.match(near.end, { text: /closed by the other side/ })
})

t.test('reasons of an end', async t => {
  const { near, far } = await pair(t)
  far.connection.destroy('no more')
  await until(() => near.end !== undefined && far.end !== undefined)
  t.equal(far.end!.text, 'no more')
  const transport = new SocketTransport({ assemblyBytesMax: 1 << 20 })
  const refused = new Recorder()
  const probe = net.createServer().listen({ host: '127.0.0.1', port: 0 })
  await once(probe, 'listening')
  const { port } = probe.address() as net.AddressInfo
  probe.close()
  await once(probe, 'close')
  refused.connection = transport.connect({ host: '127.0.0.1', port }, refused)
  await until(() => refused.end !== undefined)
  t.match(refused.end, { text: 'ECONNREFUSED', refused: true, malformed: false })
  t.notOk(refused.isOpen)
  const nowhere = new Recorder()
  nowhere.connection = transport.connect({ host: 'a host that cannot be.invalid', port }, nowhere)
  await until(() => nowhere.end !== undefined)
  t.equal(nowhere.end!.refused, false)
  const other = await pair(t)
  other.near.connection.write([Buffer.from([0x7f, 0xff, 0xff, 0xff])])
  await until(() => other.far.end !== undefined)
  t.match(other.far.end, { text: /a frame of 2147483647 bytes/, malformed: true })
})

t.test('a peer that takes nothing is given up; one that is slow is not', async t => {
  const server = net.createServer({ pauseOnConnect: true }).listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const stalledMs = 1000
  const transport = new SocketTransport({ assemblyBytesMax: 1 << 20, stalledMs })
  const sockets: net.Socket[] = []
  server.on('connection', socket => { sockets.push(socket.on('error', () => {})) })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const [slow, dead] = [new Recorder(), new Recorder()]
  for (const handler of [slow, dead]) {
    handler.connection = transport.connect({ host: '127.0.0.1', port }, handler)
    await until(() => handler.isOpen && sockets.length === (handler === slow ? 1 : 2))
    handler.connection.write([frame(40_000_000, 1)])
  }
  let read = 0
  sockets[0]!.on('data', (chunk: Buffer) => { read += chunk.length })
  // A little at a time, as long as the other one is judged.
  const feed = setInterval(() => {
    sockets[0]!.resume()
    setImmediate(() => sockets[0]!.pause())
  }, 20)
  await until(() => dead.end !== undefined)
  t.equal(dead.end!.text, `nothing was taken for ${stalledMs} ms`)
  t.equal(slow.end, undefined)
  clearInterval(feed)
  sockets[0]!.resume()
  await until(() => read === 40_000_004)
  t.equal(slow.takenCount, 1)
  slow.connection.destroy('over')
})
