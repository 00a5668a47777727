import t from 'tap'
import { Turns } from '../../src/runtime/turns.ts'
import type { Scheduler } from '../../src/runtime/scheduler.ts'

class Loop implements Scheduler {
  ms = 0
  planned: Array<() => void> = []
  timers: Array<{ at: number, callback: () => void }> = []
  readonly clock = { monotonicMs: () => this.ms, wallMs: () => this.ms }

  afterTurn (callback: () => void): void {
    this.planned.push(callback)
  }

  later (delayMs: number, callback: () => void): () => void {
    const timer = { at: this.ms + delayMs, callback }
    this.timers.push(timer)
    return () => { this.timers = this.timers.filter(other => other !== timer) }
  }
}

function setup (): { loop: Loop, turns: Turns, runs: () => number } {
  const loop = new Loop()
  let runs = 0
  const turns: Turns = new Turns(loop, 1, () => { runs++ }, () => { turns.begin() })
  return { loop, turns, runs: () => runs }
}

t.test('a turn begins once, has one time, and is run once', async t => {
  const { loop, turns, runs } = setup()
  loop.ms = 5
  t.ok(turns.begin())
  loop.ms = 7
  t.notOk(turns.begin())
  t.equal(turns.now, 5)
  t.equal(loop.planned.length, 1)
  loop.planned.pop()!()
  t.equal(runs(), 1)
  turns.end()
  t.ok(turns.begin(), 'and another after its end')
  t.equal(turns.now, 7)
})

t.test('rested: nothing to do for a while before the turn', async t => {
  const { loop, turns } = setup()
  turns.begin()
  t.ok(turns.rested, 'the first')
  turns.end()
  loop.ms += 0.5
  turns.begin()
  t.notOk(turns.rested)
  turns.end()
  loop.ms += 2
  turns.begin()
  t.ok(turns.rested)
})

t.test('one timer, for the earliest that was asked for', async t => {
  const { loop, turns } = setup()
  turns.begin()
  turns.end()
  turns.arm(50)
  turns.arm(80)
  t.same(loop.timers.map(({ at }) => at), [50])
  turns.arm(20)
  t.same(loop.timers.map(({ at }) => at), [20])
  loop.ms = 20
  loop.timers.pop()!.callback()
  t.notOk(turns.begin(), 'it has begun a turn')
  turns.end()
  turns.arm(10)
  t.same(loop.timers.map(({ at }) => at), [20], 'what is due is due now')
  turns.close()
  t.equal(loop.timers.length, 0)
})
