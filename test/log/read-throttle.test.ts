/** Reads that wait for their turn: how many bytes a second they come to, in which order, and what becomes of those that find no place. */
import t from 'tap'
import { ReadThrottle } from '../../src/log/read-throttle.ts'
import { VirtualScheduler } from '../runtime/virtual-scheduler.ts'

function setUp (bytesPerSecond: number): { readonly scheduler: VirtualScheduler, readonly throttle: ReadThrottle, readonly begun: Array<{ readonly name: number, readonly ms: number }>, readonly read: (name: number, bytes?: number, bytesMax?: number) => boolean } {
  const scheduler = new VirtualScheduler()
  const throttle = new ReadThrottle({ bytesPerSecond, clock: scheduler.clock, every: (periodMs, callback) => scheduler.every(periodMs, callback) })
  const begun: Array<{ readonly name: number, readonly ms: number }> = []
  return {
    scheduler,
    throttle,
    begun,
    read: (name, bytes = 10_000, bytesMax = bytes) => throttle.run(bytesMax, over => {
      begun.push({ name, ms: scheduler.now })
      scheduler.later(3, () => over(bytes))
    })
  }
}

t.test('in no time more is read than the rate allows, and not much less; one after the other', async t => {
  const { scheduler, begun, read } = setUp(100_000)
  for (let i = 0; i < 100; i++) read(i)
  await scheduler.advance(12_000)
  t.same(begun.map(({ name }) => name), Array.from({ length: 100 }, (_, i) => i))
  for (const [first, { ms: from }] of begun.entries()) {
    for (const [last, { ms: to }] of begun.entries()) {
      const bytes = (last - first + 1) * 10_000
      // Besides what the rate allows: what had been saved up, and one read.
      if (last >= first && bytes > (to - from) * 100 + 10_000 + 10_000) t.fail(`${bytes} bytes from ${from} to ${to} ms`)
    }
  }
  t.ok(begun.at(-1)!.ms - begun[0]!.ms <= 10_000, 'all of it within the time that it takes')
})

t.test('what a read comes to counts, not what was asked for', async t => {
  const { scheduler, begun, read } = setUp(100_000)
  for (let i = 0; i < 100; i++) read(i, 1000, 50_000)
  await scheduler.advance(20_000)
  t.equal(begun.length, 100)
  const short = setUp(100_000)
  for (let i = 0; i < 20; i++) short.read(i, 50_000, 1000)
  await short.scheduler.advance(5000)
  t.ok(short.begun.length <= 12, `${short.begun.length} reads, of half a second each`)
})

t.test('a pause does not save up for a rush', async t => {
  const { scheduler, begun, read } = setUp(100_000)
  await scheduler.advance(60_000)
  for (let i = 0; i < 50; i++) read(i)
  await scheduler.advance(1000)
  t.ok(begun.length >= 10 && begun.length <= 12, `${begun.length} reads`)
})

t.test('too many are refused; and what waits at the end is never read', async t => {
  const { scheduler, throttle, begun, read } = setUp(100_000)
  let taken = 0
  while (taken < 100_000 && read(taken)) taken++
  t.ok(taken >= 10_000 && taken < 11_000, `${taken} wait`)
  await scheduler.advance(1000)
  t.ok(read(taken), 'there is room again')
  const before = begun.length
  throttle.close()
  await scheduler.advance(10_000)
  t.equal(begun.length, before)
})
