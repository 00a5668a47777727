import t from 'tap'
import type { ActorId } from '../../../src/base/ids.ts'
import { Deadline } from '../../../src/actors/group/deadline.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'

class Timers {
  readonly delays: number[] = []
  readonly cancelled: number[] = []
  readonly out: Outbox = {
    self: 1 as ActorId,
    tell: () => {},
    ask: () => {},
    timer: delayMs => this.delays.push(delayMs),
    cancel: timer => { this.cancelled.push(timer) },
    turnEnd: () => {},
    effect: () => {}
  }
}

t.test('moving it later sets no timer, moving it sooner sets one', t => {
  const timers = new Timers()
  const deadline = new Deadline({ kind: 'x' })
  deadline.set(100, timers.out, 0)
  deadline.set(150, timers.out, 20)
  t.same(timers.delays, [100])
  t.notOk(deadline.hasPassed(timers.out, 100))
  t.same(timers.delays, [100, 50], 'the timer that came too soon is set again')
  deadline.set(120, timers.out, 110)
  t.same(timers.delays, [100, 50, 10])
  t.same(timers.cancelled, [2])
  t.ok(deadline.hasPassed(timers.out, 120))
  t.notOk(deadline.hasPassed(timers.out, 500), 'it passes once')
  t.end()
})

t.test('late, doubled and left-over timers do nothing', t => {
  const timers = new Timers()
  const deadline = new Deadline({ kind: 'x' })
  t.notOk(deadline.hasPassed(timers.out, 5))
  deadline.set(100, timers.out, 0)
  for (let i = 0; i < 5; i++) t.notOk(deadline.hasPassed(timers.out, 50))
  t.same(timers.delays, [100])
  deadline.clear(timers.out)
  t.same(timers.cancelled, [1])
  t.notOk(deadline.hasPassed(timers.out, 200))
  t.end()
})

t.test('a delay that no timer can hold is waited for in parts', t => {
  const timers = new Timers()
  const deadline = new Deadline({ kind: 'x' })
  deadline.set(2 ** 32, timers.out, 0)
  t.same(timers.delays, [2 ** 31 - 1])
  t.notOk(deadline.hasPassed(timers.out, 2 ** 31 - 1))
  t.same(timers.delays, [2 ** 31 - 1, 2 ** 31 - 1])
  t.end()
})
