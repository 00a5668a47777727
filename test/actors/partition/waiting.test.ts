import t from 'tap'
import fc from 'fast-check'
import { FetchWaiters } from '../../../src/actors/partition/fetch-waiters.ts'
import type { Fetch } from '../../../src/actors/partition/messages.ts'
import { WaitingAppends } from '../../../src/actors/partition/waiting-appends.ts'
import type { ActorId, Offset } from '../../../src/base/ids.ts'

t.test('appends are answered in their order, up to the high watermark, each once', t => {
  fc.assert(fc.property(fc.array(fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ take: fc.nat(2000) })
  ), { maxLength: 50 }), steps => {
    const waiting = new WaitingAppends()
    const model: number[] = []
    let end = 0
    for (const step of steps) {
      if ('push' in step) {
        for (let i = 0; i < step.push; i++) {
          waiting.push(++end as Offset, end - 1, 5 as ActorId, end)
          model.push(end)
        }
      } else {
        const answered: number[] = []
        waiting.take(step.take, (replyTo, correlation, baseOffset) => {
          if (replyTo !== 5 || baseOffset !== correlation - 1) throw new Error('mixed up')
          answered.push(correlation)
        })
        const expected = model.splice(0, model.findIndex(end => end > step.take) === -1 ? model.length : model.findIndex(end => end > step.take))
        if (JSON.stringify(answered) !== JSON.stringify(expected)) return false
      }
    }
    return waiting.count === model.length
  }))
  t.end()
})

t.test('fetches wait for the high watermark to pass what they know, within a bound', t => {
  const waiters = new FetchWaiters(2)
  const fetch = (correlation: number, beyond: number): Fetch => ({
    kind: 'fetch', replyTo: 1 as ActorId, correlation, offset: beyond, bytesMax: 1, leaderEpoch: -1, beyond
  })
  t.ok(waiters.add(fetch(1, 10)))
  t.ok(waiters.add(fetch(2, 20)))
  t.notOk(waiters.add(fetch(3, 5)), 'no room')
  t.same(waiters.take(10).map(f => f.correlation), [])
  t.same(waiters.take(11).map(f => f.correlation), [1])
  waiters.remove(1, 99)
  waiters.remove(1, 2)
  t.equal(waiters.count, 0)
  waiters.add(fetch(4, 0))
  t.same(waiters.takeAll().map(f => f.correlation), [4])
  t.equal(waiters.count, 0)
  t.end()
})
