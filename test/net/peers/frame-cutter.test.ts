import t from 'tap'
import { seededChance } from '../../../src/base/prng.ts'
import { FramePool } from '../../../src/net/frame-pool.ts'
import { FrameCutter } from '../../../src/net/peers/frame-cutter.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

class Reader {
  readonly pool: FramePool
  readonly cutter: FrameCutter
  readonly frames: Buffer[] = []
  broke: string | undefined
  resumed = 0
  wanted = Infinity

  waits = false

  constructor ({ sharedBytes = 1000, poolBytes = 1 << 20, frameBytesMax = 100 << 20, pool = new FramePool(poolBytes) } = {}) {
    this.pool = pool
    this.cutter = new FrameCutter({
      shared: new Uint8Array(sharedBytes),
      pool: this.pool,
      frameBytesMax,
      owner: {
        frame: (bytes, start, end) => {
          this.frames.push(Buffer.from(bytes.subarray(start, end)))
          return this.frames.length < this.wanted
        },
        broken: reason => { this.broke = reason },
        resume: () => {
          this.resumed++
          this.waits = false
        }
      }
    })
  }

  /** As a socket that has so much: at most what fits into the buffer. @returns bytes that were read, and whether to go on */
  read (bytes: Uint8Array, buffer = this.cutter.buffer): { count: number, goOn: boolean } {
    const count = Math.min(bytes.length, buffer.length)
    buffer.set(bytes.subarray(0, count))
    return { count, goOn: this.cutter.take(count, buffer) }
  }

  readAll (bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      const { count, goOn } = this.read(bytes.subarray(at))
      at += count
      if (!goOn) return false
    }
    return true
  }
}

function frame (size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + size, fill)
  bytes.writeInt32BE(size)
  return bytes
}

t.test('frames of all sizes, cut anywhere, come whole and in order', async t => {
  const chance = seededChance(2)
  const sizes = [8, 9, 995, 996, 997, 1000, 1003, 4000, 8, 300_000, 50, 2_000_000, 8, 8, 8, 262_140, 262_141, 12]
  const frames = sizes.map((size, i) => frame(size, i + 1))
  const stream = Buffer.concat(frames)
  for (const piece of [1_000_000, 1000, 333, 7]) {
    const reader = new Reader({ poolBytes: 8 << 20 })
    for (let at = 0; at < stream.length;) {
      // The last 10,000 bytes in small pieces too, where large ones come first.
      const size = 1 + Math.floor(chance.next() * (at > stream.length - 10_000 ? 7 : piece))
      reader.readAll(stream.subarray(at, at + size))
      at += size
    }
    t.same(reader.frames.map(({ length }) => length), sizes)
    t.ok(reader.frames.every((bytes, i) => bytes.equals(frames[i]!.subarray(4))))
    t.equal(reader.pool.lentBytes, 0)
  }
})

t.test('one frame, cut at every place', async t => {
  const two = Buffer.concat([frame(20, 1), frame(9, 2)])
  for (let cut = 0; cut <= two.length; cut++) {
    const reader = new Reader({ sharedBytes: 64 })
    t.ok(reader.readAll(two.subarray(0, cut)))
    t.equal(reader.frames.length, cut >= two.length ? 2 : cut >= 24 ? 1 : 0, 'nothing before it is whole')
    t.ok(reader.readAll(two.subarray(cut)))
    t.same(reader.frames, [frame(20, 1).subarray(4), frame(9, 2).subarray(4)])
    t.equal(reader.pool.lentBytes, 0)
  }
})

t.test('a length that is no frame\'s, or above the bound of the moment', async t => {
  for (const size of [0, 7, -1, -0x80000000, 1001, 0x7fffffff]) {
    const reader = new Reader({ frameBytesMax: 1000 })
    const head = Buffer.alloc(20)
    head.writeInt32BE(size)
    t.notOk(reader.readAll(head))
    t.equal(reader.broke, `a frame of ${size} bytes (at most 1000)`)
    t.notOk(reader.readAll(frame(10, 1)), 'nothing follows')
    t.equal(reader.frames.length, 0)
    t.equal(reader.pool.lentBytes, 0)
  }
  const reader = new Reader({ frameBytesMax: 1000 })
  reader.cutter.frameBytesMax = 5000
  t.ok(reader.readAll(frame(5000, 1)))
  t.equal(reader.frames.length, 1)
})

t.test('memory for a frame that does not go on is given back with its connection', async t => {
  const reader = new Reader()
  reader.readAll(frame(50_000, 1).subarray(0, 2000))
  t.equal(reader.pool.lentBytes, 64 * 1024)
  reader.cutter.close()
  t.equal(reader.pool.lentBytes, 0)
})

t.test('without memory it waits, with a copy of what has come, and goes on when there is some', async t => {
  const reader = new Reader({ poolBytes: 64 * 1024 })
  const held = reader.pool.acquire(64 * 1024)!
  const large = frame(3000, 7)
  const { count, goOn } = reader.read(large)
  t.equal(count, 1000)
  t.notOk(goOn)
  const buffer = reader.cutter.buffer
  buffer.fill(0) // others read into the shared memory meanwhile
  t.equal(reader.resumed, 0)
  reader.pool.release(held)
  t.equal(reader.resumed, 1)
  // The first read after it still goes where the socket was told before.
  const next = reader.read(large.subarray(1000), buffer)
  t.ok(next.goOn)
  t.ok(reader.readAll(large.subarray(1000 + next.count)))
  t.same(reader.frames, [large.subarray(4)])
  t.equal(reader.pool.lentBytes, 0)
})

t.test('several that each need more than there is do not wait for each other', async t => {
  const pool = new FramePool(1024 * 1024)
  const readers = [1, 2, 3].map(() => new Reader({ pool, sharedBytes: 200_000 }))
  const large = frame(2_000_000, 3)
  const at = [0, 0, 0]
  for (let rounds = 0; rounds < 200 && readers.some(({ frames }) => frames.length === 0); rounds++) {
    readers.forEach((reader, i) => {
      if (at[i]! >= large.length || reader.waits) return
      reader.waits = true
      const { count, goOn } = reader.read(large.subarray(at[i]!))
      at[i]! += count
      if (goOn) reader.waits = false
    })
  }
  t.same(readers.map(({ frames }) => frames.length), [1, 1, 1])
  t.ok(readers.some(({ resumed }) => resumed > 0), 'one had to wait')
  t.equal(pool.lentBytes, 0)
})

t.test('one that is closed while it waits leaves the line', async t => {
  const reader = new Reader({ poolBytes: 64 * 1024 })
  const held = reader.pool.acquire(64 * 1024)!
  reader.read(frame(3000, 7))
  reader.cutter.close()
  reader.pool.release(held)
  t.equal(reader.resumed, 0)
  t.equal(reader.pool.lentBytes, 0)
})

t.test('no memory even to wait: it is given up', async t => {
  const reader = new Reader({ poolBytes: 64 * 1024 })
  const held = reader.pool.acquire(64 * 1024)!
  t.ok(reader.pool.wait({ memoryFree: () => {} }, 1, 64 * 1024))
  t.notOk(reader.read(frame(3000, 7)).goOn)
  t.match(reader.broke, /no memory/)
  reader.pool.release(held)
})

t.test('an owner that wants no more gets no more', async t => {
  const reader = new Reader()
  reader.wanted = 2
  t.notOk(reader.readAll(Buffer.concat([frame(8, 1), frame(8, 2), frame(8, 3)])))
  t.equal(reader.frames.length, 2)
})
