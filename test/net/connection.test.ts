import net from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { Connection, type ConnectionOwner } from '../../src/net/connection.ts'
import { FramePool } from '../../src/net/frame-pool.ts'
import { Joiner } from '../../src/net/joiner.ts'
import { Listener } from '../../src/net/listener.ts'

/** Keeps what a connection brings; `refuse` says how many offers of frames are not admitted first. */
class Owner implements ConnectionOwner {
  readonly frames: Buffer[] = []
  readonly dirty = new Set<Connection>()
  refusals = 0
  closed: string | undefined | null = null
  onFrame: (connection: Connection) => void = () => {}
  onClosed: () => void = () => {}
  onRefused: (connection: Connection) => void = () => {}

  handleFrame (connection: Connection, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.refusals > 0) {
      this.refusals--
      setImmediate(() => this.onRefused(connection))
      return false
    }
    this.frames.push(Buffer.from(bytes.subarray(start, end)))
    this.onFrame(connection)
    return true
  }

  handleHttp (connection: Connection): void { connection.destroy('http') }
  handleDirty (connection: Connection): void { setImmediate(() => connection.flush()) }
  handleClosed (connection: Connection): void {
    this.closed = connection.closeReason
    this.onClosed()
  }
}

async function setUp (options: { requestBytesMax?: number, poolBytes?: number, sharedBytes?: number } = {}) {
  const owner = new Owner()
  const pool = new FramePool(options.poolBytes ?? 64 << 20)
  const shared = new Uint8Array(options.sharedBytes ?? 65536)
  const connections: Connection[] = []
  const listener = await Listener.listen({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    onError: () => {},
    accept: (handle, remote) => connections.push(new Connection({
      id: 1, handle, remote, owner, limits: { requestBytesMax: options.requestBytesMax ?? 32 << 20, unsentBytesMax: 1 << 20 }, shared, pool, joiner: new Joiner(16384)
    }))
  })
  const client = net.connect(listener.port, '127.0.0.1')
  await once(client, 'connect')
  return { owner, pool, client, connections, close: () => { client.destroy(); listener.close() } }
}

function frame (size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + size, fill)
  bytes.writeInt32BE(size)
  return bytes
}

async function framesOf (owner: Owner, count: number): Promise<void> {
  if (owner.frames.length >= count) return
  await new Promise<void>(resolve => { owner.onFrame = () => { if (owner.frames.length >= count) resolve() } })
}

t.test('frames of all sizes, cut anywhere, arrive whole and in order', async t => {
  const { owner, pool, client, close } = await setUp()
  const chance = seededChance(7)
  const sizes = [0, 1, 3, 100, 65531, 65532, 65536, 70_000, 1_200_000, 5, 3_000_000, 17, 200_000, 0, 9]
  const frames = sizes.map((size, i) => frame(size, i + 1))
  const stream = Buffer.concat(frames)
  for (let at = 0; at < stream.length;) {
    const size = 1 + Math.floor(chance.next() * (chance.next() < 0.3 ? 7 : 150_000))
    if (!client.write(stream.subarray(at, at + size))) await once(client, 'drain')
    else if (chance.next() < 0.3) await new Promise(resolve => setImmediate(resolve))
    at += size
  }
  await framesOf(owner, frames.length)
  t.same(owner.frames.map(frame => frame.length), sizes)
  t.ok(owner.frames.every((bytes, i) => bytes.equals(frames[i]!.subarray(4))))
  t.equal(pool.lentBytes, 0)
  close()
})

t.test('a frame that is not admitted is offered again, and nothing is lost behind it', async t => {
  const { owner, client, close } = await setUp({ sharedBytes: 1000 })
  owner.refusals = 5
  owner.onRefused = connection => connection.resume()
  const frames = [frame(10, 1), frame(3000, 2), frame(20, 3), frame(100, 4), frame(40_000, 5)]
  client.write(Buffer.concat(frames))
  await framesOf(owner, frames.length)
  t.equal(owner.refusals, 0)
  t.ok(owner.frames.every((bytes, i) => bytes.equals(frames[i]!.subarray(4))))
  close()
})

t.test('without memory for a frame its connection waits, and goes on when there is some', async t => {
  const { owner, pool, client, close } = await setUp({ poolBytes: 65536 })
  const held = pool.acquire(65536)!
  client.write(frame(300_000, 8))
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(owner.frames.length, 0)
  pool.release(held)
  await framesOf(owner, 1)
  t.ok(owner.frames[0]!.equals(Buffer.alloc(300_000, 8)))
  t.equal(pool.lentBytes, 0)
  close()
})

t.test('a connection that ends while it waits for memory takes none when there is some', async t => {
  const { owner, pool, client, connections, close } = await setUp({ poolBytes: 65536 })
  const held = pool.acquire(65536)!
  client.on('error', () => {})
  client.write(frame(300_000, 8))
  while (connections[0]!.takeTraffic().read === 0) await new Promise(resolve => setTimeout(resolve, 1))
  connections[0]!.destroy('enough')
  connections[0]!.resume()
  await new Promise<void>(resolve => { owner.onClosed = resolve })
  pool.release(held)
  t.equal(pool.lentBytes, 0)
  t.equal(owner.frames.length, 0)
  close()
})

t.test('a connection for whose request there is not even room to wait is closed', async t => {
  const { owner, pool, client, connections, close } = await setUp({ poolBytes: 65536 })
  const held = pool.acquire(65536)!
  t.ok(pool.wait({ memoryFree: () => {} }, 1, 65536), 'others wait already')
  client.on('error', () => {})
  // Refused first: what stands in line for memory then is a frame that is offered again.
  owner.refusals = 1
  owner.onRefused = connection => connection.resume()
  const closed = new Promise<void>(resolve => { owner.onClosed = resolve })
  client.write(frame(300, 8))
  await closed
  t.match(owner.closed, /no memory left/)
  connections[0]!.resume()
  pool.release(held)
  t.equal(pool.lentBytes, 0)
  close()
})

t.test('frames that are not admitted one after the other stay where they are', async t => {
  const { owner, pool, client, connections, close } = await setUp()
  owner.refusals = 1
  const lent = new Set<number>()
  owner.onRefused = connection => {
    lent.add(pool.lentBytes)
    connection.resume()
  }
  // Each frame that is taken makes the next one wait.
  owner.onFrame = () => { owner.refusals = 1 }
  client.write(Buffer.concat(Array.from({ length: 50 }, (_, i) => frame(20, i))))
  await framesOf(owner, 50)
  t.same(owner.frames.map(bytes => bytes[0]), Array.from({ length: 50 }, (_, i) => i), 'in order, each once')
  t.equal(lent.size, 1, 'in the same buffer')
  await new Promise(resolve => setImmediate(resolve))
  t.equal(pool.lentBytes, 0)
  t.notOk(connections[0]!.midFrame)
  close()
})

t.test('a length that is too large or negative closes the connection, whatever was promised', async t => {
  for (const size of [1001, 0x7fffffff, -1, -0x80000000]) {
    const { owner, pool, client, close } = await setUp({ requestBytesMax: 1000 })
    const closed = new Promise<void>(resolve => { owner.onClosed = resolve })
    const bytes = Buffer.alloc(8)
    bytes.writeInt32BE(size)
    client.on('error', () => {})
    client.write(bytes)
    await closed
    t.match(owner.closed, /max_request_bytes/)
    t.equal(owner.frames.length, 0)
    t.equal(pool.lentBytes, 0)
    close()
  }
})

t.test('a length that lies costs no more memory than what came', async t => {
  const { owner, pool, client, connections, close } = await setUp({ requestBytesMax: 100 << 20 })
  const head = Buffer.alloc(100)
  head.writeInt32BE(100 << 20)
  client.write(head)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(connections[0]!.midFrame)
  t.ok(pool.lentBytes <= 2 << 20)
  const closed = new Promise<void>(resolve => { owner.onClosed = resolve })
  client.destroy()
  await closed
  t.equal(pool.lentBytes, 0)
  close()
})

t.test('a frame must go on at a pace, and the time of each is its own', async t => {
  const { owner, client, connections, close } = await setUp()
  const connection = connections[0]!
  const came = async (bytes: number): Promise<void> => { for (let left = bytes; left > 0; left -= connection.takeTraffic().read) await new Promise(resolve => setTimeout(resolve, 1)) }
  const lateAfter = (): number => {
    let seconds = 0
    while (!connection.isFrameLate(1000) && seconds < 10_000) seconds++
    return seconds
  }
  t.equal(lateAfter(), 10_000, 'nothing has begun')
  const large = frame(2 << 20, 1)
  client.write(large.subarray(0, 5))
  await came(5)
  t.equal(lateAfter(), 61, 'a length and a byte hold memory for a minute')
  client.write(large.subarray(5, 1 << 20))
  await came((1 << 20) - 5)
  t.equal(lateAfter(), 63, '16 KiB are due each second from then on')
  connection.pause()
  t.equal(lateAfter(), 10_000, 'it is not read from')
  connection.resume()
  client.write(large.subarray(1 << 20))
  await framesOf(owner, 1)
  t.equal(lateAfter(), 10_000)
  client.write(large.subarray(0, 100_000))
  await came(large.length - (1 << 20) + 100_000)
  t.equal(lateAfter(), 67)
  close()
})

t.test('answers leave together at the flush, and memory is given back when they have left', async t => {
  const { owner, client, connections, close } = await setUp()
  client.write(frame(1, 1))
  await framesOf(owner, 1)
  let released = 0
  const received: Buffer[] = []
  client.on('data', chunk => received.push(chunk as Buffer))
  connections[0]!.write(Buffer.from('abc'))
  connections[0]!.lend({ release: () => { released++ } })
  connections[0]!.write(Buffer.from('def'))
  while (Buffer.concat(received).length < 6) await once(client, 'data')
  t.equal(Buffer.concat(received).toString(), 'abcdef')
  t.equal(released, 1)
  connections[0]!.lend({ release: () => { released++ } })
  connections[0]!.write(Buffer.from('x'))
  connections[0]!.destroy('')
  await once(client, 'close')
  t.equal(released, 2, 'also when the connection ends first')
  connections[0]!.lend({ release: () => { released++ } })
  connections[0]!.write(Buffer.from('x'))
  t.equal(released, 3, 'and when it has ended before')
  close()
})

t.test('a client that takes no answers is not read from, until it does', async t => {
  const { owner, client, connections, close } = await setUp()
  client.write(frame(1, 1))
  await framesOf(owner, 1)
  client.pause()
  for (let i = 0; i < 64; i++) connections[0]!.write(Buffer.alloc(1 << 20, i))
  connections[0]!.flush()
  client.write(frame(1, 2))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(owner.frames.length, 1)
  client.resume()
  await framesOf(owner, 2)
  t.equal(owner.frames.length, 2)
  close()
})
