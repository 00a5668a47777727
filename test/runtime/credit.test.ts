import fc from 'fast-check'
import t from 'tap'
import type { ActorId } from '../../src/base/ids.ts'
import { Credits } from '../../src/runtime/credit.ts'

const id = (n: number): ActorId => n as ActorId
const a = id(1)
const b = id(2)

t.test('a pool is bounded in requests and in bytes', async t => {
  const credits = new Credits({ countMax: 3, bytesMax: 100 })
  t.ok(credits.take(a, 60))
  t.notOk(credits.take(a, 50))
  t.ok(credits.take(a, 40))
  t.ok(credits.take(b, 50), 'each target has its own')
  credits.give(a, 60)
  t.ok(credits.take(a, 1))
  t.ok(credits.take(a, 1))
  t.notOk(credits.take(a, 1))
  t.ok(credits.take(a, 0), 'nothing is always there')
})

t.test('a request bigger than the pool is admitted alone', async t => {
  const credits = new Credits({ countMax: 3, bytesMax: 100 })
  t.ok(credits.take(a, 10))
  t.notOk(credits.take(a, 1000))
  credits.give(a, 10)
  t.ok(credits.take(a, 1000))
  t.notOk(credits.take(a, 1))
  credits.give(a, 1000)
  t.ok(credits.takeAll([{ target: a, bytes: 80 }, { target: a, bytes: 80 }, { target: b, bytes: 1 }]), 'also when it comes in parts')
  t.notOk(credits.take(a, 1))
})

t.test('several targets: all or nothing', async t => {
  const credits = new Credits({ countMax: 3, bytesMax: 100 })
  credits.take(b, 100)
  t.notOk(credits.takeAll([{ target: a, bytes: 100 }, { target: b, bytes: 1 }]))
  t.ok(credits.take(a, 100), 'nothing was taken of the first')
})

t.test('who waits is resumed in order, can take in the callback, and is not overtaken', async t => {
  const credits = new Credits({ countMax: 10, bytesMax: 100 })
  const order: string[] = []
  credits.take(a, 100)
  credits.waitFor(a, 60, () => { order.push(`first ${credits.take(a, 60)}`) })
  credits.waitFor(a, 60, () => { order.push(`second ${credits.take(a, 60)}`) })
  t.notOk(credits.take(a, 1))
  credits.give(a, 100)
  t.same(order, ['first true'])
  t.notOk(credits.take(a, 1), 'room for one, but another waits')
  credits.give(a, 60)
  t.same(order, ['first true', 'second true'])
  t.ok(credits.take(a, 1))
})

t.test('a waiter for two targets holds nothing, and its turn lets those behind it go on', async t => {
  const credits = new Credits({ countMax: 1, bytesMax: 100 })
  const order: string[] = []
  credits.take(a, 1)
  credits.take(b, 1)
  credits.waitForAll([{ target: a, bytes: 1 }, { target: b, bytes: 1 }], () => { order.push('both') })
  credits.waitFor(b, 1, () => { order.push(`b ${credits.take(b, 1)}`) })
  credits.give(b, 1)
  t.same(order, [], 'the older one stands first at b')
  credits.give(a, 1)
  t.same(order, ['both', 'b true'])
})

t.test('property: never above the limits but for a lone big one, and everybody is served', async t => {
  const request = fc.record({
    targets: fc.array(fc.record({ target: fc.integer({ min: 1, max: 4 }).map(id), bytes: fc.integer({ min: 1, max: 150 }) }), { minLength: 1, maxLength: 3 }),
    holds: fc.integer({ min: 0, max: 5 })
  })
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(request, { maxLength: 60 }), requests => {
    const limits = { countMax: 4, bytesMax: 100 }
    const credits = new Credits(limits)
    const held: { targets: { target: ActorId, bytes: number }[], holds: number }[] = []
    let served = 0
    const admit = (wanted: typeof requests[number]): void => {
      if (credits.takeAll(wanted.targets)) {
        served++
        held.push(wanted)
      } else {
        credits.waitForAll(wanted.targets, () => admit(wanted))
      }
    }
    const check = (): boolean => [1, 2, 3, 4].every(target => {
      const mine = held.filter(wanted => wanted.targets.some(one => one.target === target))
      const parts = mine.flatMap(wanted => wanted.targets.filter(one => one.target === target))
      const bytes = parts.reduce((sum, one) => sum + one.bytes, 0)
      return mine.length <= 1 || (bytes <= limits.bytesMax && parts.length <= limits.countMax)
    })
    for (const wanted of requests) {
      admit(wanted)
      if (!check()) return false
      while (held.length > wanted.holds) {
        const { targets } = held.shift()!
        for (const { target, bytes } of targets) credits.give(target, bytes)
        if (!check()) return false
      }
    }
    for (let left = 1000; held.length > 0 && left > 0; left--) {
      const { targets } = held.shift()!
      for (const { target, bytes } of targets) credits.give(target, bytes)
    }
    return served === requests.length
  }), { numRuns: 500 }))
})
