import t from 'tap'
import { BrokerClock } from './broker-clock.ts'
import { Life } from './life.ts'
import { fromLoop, settlePromises } from './microtasks.ts'
import { Violation, World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(400_000)

t.test('promises settle within an event', async t => {
  await fromLoop(() => {
    let steps = 0
    const walk = async (): Promise<void> => { for (let i = 0; i < 100; i++) steps = await Promise.resolve(i + 1) }
    walk().catch(() => {})
    settlePromises()
    t.equal(steps, 100)
  })
})

t.test('nothing happens to a run that is over; what a paused one missed happens when it goes on, in order', async t => {
  await fromLoop(() => {
    const world = new World(1)
    const life = new Life(1, 1)
    const seen: string[] = []
    const plan = (ms: number, name: string): void => { world.plan(ms, name, life, () => seen.push(`${name} at ${world.nowMs}`)) }
    plan(1, 'a')
    plan(2, 'b')
    plan(3, 'c')
    plan(20, 'd')
    world.run(1)
    life.paused = true
    world.run(10)
    t.same(seen, ['a at 1'])
    world.goOn(life)
    world.run(15)
    t.same(seen, ['a at 1', 'b at 10', 'c at 10'])
    life.alive = false
    world.run(30)
    t.equal(seen.length, 3)
    t.equal(world.nowMs, 30)
  })
})

t.test('a turn ends after its event, and so do those that it leads to', async t => {
  await fromLoop(() => {
    const world = new World(1)
    const life = new Life(1, 1)
    const seen: string[] = []
    world.plan(1, 'x', life, () => {
      life.afterTurn(() => {
        seen.push('turn')
        life.afterTurn(() => seen.push('next'))
        Promise.resolve().then(() => seen.push('promise'), () => {})
      })
      seen.push('event')
    })
    world.plan(1, 'y', life, () => seen.push('other'))
    world.run(2)
    t.same(seen, ['event', 'turn', 'promise', 'next', 'other'])
  })
})

t.test('a violation ends the run with its moment', async t => {
  await fromLoop(() => {
    const world = new World(1)
    world.plan(3, 'x', undefined, () => world.violate('Some', 'text'))
    world.plan(4, 'y', undefined, () => world.violate('Other', 'later'))
    t.throws(() => world.run(10), new Violation('Some', 3000, 'text'))
    t.equal(world.violation?.tick, 3000)
  })
})

t.test('a timer of a clock that goes wrong is never early by that clock', async t => {
  const world = new World(1)
  const clock = new BrokerClock(world, 123.456)
  for (const rate of [0.9, 0.97, 1, 1.0001, 1.1]) {
    clock.setRate(rate)
    for (const delayMs of [0, 0.001, 1, 99.9, 12_345.678]) {
      const due = clock.monotonicMs() + delayMs
      world.run(world.nowMs + Math.ceil(clock.worldMs(delayMs) * 1000) / 1000)
      t.ok(clock.monotonicMs() >= due, `${delayMs} ms at rate ${rate}`)
    }
  }
})

t.test('streams of chance are each their own, and the seed\'s', async t => {
  const draw = (seed: number, name: string): number[] => {
    const chance = new World(seed).chance(name)
    return [chance.next(), chance.next()]
  }
  t.same(draw(1, 'a'), draw(1, 'a'))
  t.notSame(draw(1, 'a'), draw(1, 'b'))
  t.notSame(draw(1, 'a'), draw(2, 'a'))
})
