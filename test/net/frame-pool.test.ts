import t from 'tap'
import { FramePool, type FrameWaiter } from '../../src/net/frame-pool.ts'

t.test('buffers are lent, come back and are lent again', async t => {
  const pool = new FramePool(64 * 1024)
  const first = pool.acquire(5000)!
  t.ok(first.length >= 5000)
  t.equal(pool.lentBytes, first.length)
  pool.release(first)
  t.equal(pool.lentBytes, 0)
  t.equal(pool.acquire(5000)!.buffer, first.buffer, 'the same memory')
})

t.test('at its bound nothing is lent, but a request larger than the bound when nothing else is', async t => {
  const pool = new FramePool(64 * 1024)
  const held = pool.acquire(60_000)!
  t.equal(pool.acquire(1), undefined)
  pool.release(held)
  const large = pool.acquire(1_000_000)!
  t.ok(large.length >= 1_000_000)
  t.equal(pool.acquire(1), undefined)
})

t.test('who waits is called in turn, as far as there is room', async t => {
  const pool = new FramePool(64 * 1024)
  const order: string[] = []
  const lent: Uint8Array[] = []
  const take = (name: string, bytes: number): FrameWaiter => ({
    memoryFree: () => {
      order.push(name)
      lent.push(pool.acquire(bytes)!)
    }
  })
  const held = [pool.acquire(32_000)!, pool.acquire(32_000)!]
  pool.wait(take('large', 60_000), 60_000, 0)
  pool.wait(take('small', 1000), 1000, 0)
  pool.wait(take('smaller', 1000), 1000, 0)
  pool.release(held[0]!)
  t.same(order, ['small', 'smaller'], 'a large one that must wait on holds up nobody')
  pool.release(held[1]!)
  t.same(order, ['small', 'smaller'])
  pool.release(lent[0]!)
  pool.release(lent[1]!)
  t.same(order, ['small', 'smaller', 'large'])
  t.notOk(lent.includes(undefined as never), 'there was room for each that was called')
})

t.test('who has left is not called, and what those who wait keep is bounded', async t => {
  const pool = new FramePool(64 * 1024)
  const held = pool.acquire(60_000)!
  const called: string[] = []
  const waiter = (name: string): FrameWaiter => ({ memoryFree: () => { called.push(name) } })
  const [first, second, third] = [waiter('first'), waiter('second'), waiter('third')]
  t.ok(pool.wait(first, 1000, 60_000))
  t.notOk(pool.wait(second, 1000, 10_000), 'together they would keep more than the bound')
  pool.leave(second)
  pool.leave(first)
  pool.leave(first)
  t.ok(pool.wait(third, 1000, 60_000), 'what the first kept is free again, once')
  t.notOk(pool.wait(second, 1000, 10_000))
  pool.release(held)
  t.same(called, ['third'])
})

t.test('a request larger than the bound gets its turn, however many small ones come', async t => {
  const pool = new FramePool(64 * 1024)
  let lent = pool.acquire(1000)!
  let large: Uint8Array | undefined
  t.ok(pool.wait({ memoryFree: () => { large = pool.acquire(1_000_000) } }, 1_000_000, 0))
  let small = 0
  // There is always one more before the last one comes back.
  for (let next; (next = pool.acquire(1000)) !== undefined && small < 10_000; small++) {
    pool.release(lent)
    lent = next
  }
  t.equal(large, undefined)
  pool.release(lent)
  t.ok(large !== undefined, `after ${small} small ones`)
})

t.test('whom the first in line holds up is called once it has its turn, or has gone, and not before', async t => {
  for (const leaves of [false, true]) {
    const pool = new FramePool(64 * 1024)
    const [half, other] = [pool.acquire(32_000)!, pool.acquire(16_000)!]
    const first: FrameWaiter = { memoryFree: () => { pool.release(pool.acquire(60_000)!) } }
    pool.wait(first, 60_000, 0)
    for (let i = 0; i < 998; i++) pool.release(pool.acquire(1000)!)
    let calls = 0
    let served = 0
    // As connections do: who is called in vain waits again.
    const small = (): FrameWaiter => {
      const waiter: FrameWaiter = {
        memoryFree: () => {
          if (calls++ > 100) throw new Error('called again and again')
          const buffer = pool.acquire(4000)
          if (buffer === undefined) return pool.wait(waiter, 4000, 0)
          served++
          pool.release(buffer)
        }
      }
      return waiter
    }
    pool.acquire(14_000)
    for (let i = 0; i < 3; i++) pool.wait(small(), 4000, 0)
    pool.release(other)
    t.equal(served, 1, 'one more was lent past the first, and that was the last one')
    if (leaves) pool.leave(first)
    else pool.release(half)
    t.equal(served, leaves ? 3 : 1)
  }
})
