import t from 'tap'
import { FramePool } from '../../../src/net/frame-pool.ts'
import { SendQueue } from '../../../src/net/peers/send-queue.ts'
import type { FrameConnection } from '../../../src/net/peers/transport.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const chunkBytes = 64 * 1024

class Sink implements FrameConnection {
  readonly remote = 'sink'
  readonly unsentBytes = 0
  frameBytesMax = 0
  /** What the kernel does with a write: takes it at once, or later. */
  takes = true
  readonly writes: Uint8Array[][] = []
  write (pieces: readonly Uint8Array[]): boolean {
    this.writes.push([...pieces])
    return this.takes
  }

  end (): void {}
  destroy (): void {}
}

function setUp ({ unsentBytesMax = 1 << 20, reserveBytes = 10_000, poolBytes = 64 << 20 } = {}): { pool: FramePool, queue: SendQueue, sink: Sink, add: (size: number, fill: number) => boolean } {
  const pool = new FramePool(poolBytes)
  const queue = new SendQueue(pool, { unsentBytesMax, reserveBytes }, chunkBytes)
  return {
    pool,
    queue,
    sink: new Sink(),
    add: (size, fill) => {
      const chunk = queue.add(size)
      chunk?.bytes.fill(fill, chunk.filled - size, chunk.filled)
      return chunk !== undefined
    }
  }
}

const shape = (pieces: Uint8Array[] | undefined): string => (pieces ?? []).map(piece => `${piece.length}×${piece[0]}`).join(' ')

t.test('frames of a turn leave as one write, in order, and the memory is used again', async t => {
  const { pool, queue, sink, add } = setUp()
  for (let turn = 0; turn < 5; turn++) {
    add(100, 1)
    add(200, 2)
    t.equal(queue.flush(sink), 300)
    t.equal(queue.flush(sink), 0)
    t.equal(queue.unsentBytes, 0)
  }
  t.equal(sink.writes.length, 5)
  t.equal(new Set(sink.writes.flat().map(piece => piece.buffer)).size, 1)
  t.same([...sink.writes[0]![0]!], [...new Uint8Array(100).fill(1), ...new Uint8Array(200).fill(2)])
  queue.close()
  t.equal(pool.lentBytes, 0)
})

t.test('what does not fit into a chunk goes behind it in its own', async t => {
  const { pool, queue, sink, add } = setUp()
  add(60_000, 1)
  add(10_000, 2)
  add(300_000, 3)
  add(50, 4)
  t.equal(queue.flush(sink), 370_050)
  t.equal(sink.writes.length, 1)
  t.equal(shape(sink.writes[0]), '60000×1 10000×2 300050×3')
  t.equal(sink.writes[0]![2]!.at(-1), 4, 'a small frame fills up the rest of a large one\'s memory')
  t.ok(pool.lentBytes <= chunkBytes, 'one chunk is kept')
})

t.test('while something is leaving, small frames gather instead of holding a chunk each', async t => {
  const { pool, queue, sink, add } = setUp()
  sink.takes = false
  add(50, 1)
  queue.flush(sink)
  for (let i = 0; i < 100; i++) {
    add(50, 2)
    t.equal(queue.flush(sink), 0)
  }
  t.ok(pool.lentBytes <= 2 * chunkBytes)
  queue.taken()
  sink.takes = true
  t.equal(queue.flush(sink), 5000)
  t.equal(shape(sink.writes[1]), '5000×2')
  t.equal(queue.unsentBytes, 0)
})

t.test('memory that is leaving is not touched, and comes back in the order of the writes', async t => {
  const { pool, queue, sink, add } = setUp()
  sink.takes = false
  for (const fill of [1, 2, 3, 4, 5]) {
    add(65_000, fill)
    queue.flush(sink)
    add(65_000, fill + 100)
    queue.flush(sink)
  }
  const writes = sink.writes.flat()
  t.ok(writes.length >= 8)
  t.same(writes.map(piece => piece[0]), [1, 101, 2, 102, 3, 103, 4, 104, 5].slice(0, writes.length), 'each as it was')
  t.same(new Set(writes.map(piece => piece.buffer)).size, writes.length)
  for (let i = sink.writes.length; i > 0; i--) queue.taken()
  t.throws(() => queue.taken(), /has left was written/)
  queue.close()
  t.equal(pool.lentBytes, 0)
})

t.test('large frames are bounded, small ones have room behind them, and have their own bound', async t => {
  const { queue, sink, add } = setUp({ unsentBytesMax: 100_000, reserveBytes: 1000 })
  sink.takes = false
  t.ok(add(60_000, 1))
  t.notOk(add(60_000, 1))
  t.ok(add(40_000, 1))
  t.notOk(add(5000, 1))
  for (let i = 0; i < 10; i++) t.ok(add(100, 2), 'a heartbeat behind batches')
  t.notOk(add(100, 2))
  t.equal(queue.unsentFrames, 12)
  queue.flush(sink)
  t.notOk(add(5000, 1), 'what is leaving still counts')
  for (let i = sink.writes.length; i > 0; i--) queue.taken()
  t.equal(queue.unsentBytes, 0)
  t.ok(add(60_000, 1) && add(100, 2))
})

t.test('a frame above the bound goes when there is no other large one', async t => {
  const { queue, sink, add } = setUp({ unsentBytesMax: 100_000 })
  add(100, 1)
  t.ok(add(5_000_000, 2))
  t.notOk(add(5000, 3))
  t.equal(queue.flush(sink), 5_000_100)
  t.ok(add(5_000_000, 2))
})

t.test('no memory of the thread left: dropped', async t => {
  const { pool, add } = setUp({ poolBytes: 2 * chunkBytes })
  t.ok(add(60_000, 1))
  const held = pool.acquire(chunkBytes)!
  t.notOk(add(60_000, 1))
  pool.release(held)
  t.ok(add(60_000, 1))
})

t.test('an end gives all memory back, whatever was under way', async t => {
  const { pool, queue, sink, add } = setUp()
  sink.takes = false
  add(10, 1)
  queue.flush(sink)
  add(65_000, 2)
  add(65_000, 3)
  queue.flush(sink)
  add(10, 4)
  queue.close()
  t.equal(pool.lentBytes, 0)
  t.same([queue.unsentBytes, queue.unsentFrames], [0, 0])
})
