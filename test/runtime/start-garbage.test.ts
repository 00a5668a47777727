import t from 'tap'
import { getHeapStatistics } from 'node:v8'
import { collectStartGarbage, FirstRest } from '../../src/runtime/start-garbage.ts'

t.test('what nobody holds is collected, at once', async t => {
  // Held until the heap has been looked at with it.
  let held: unknown[] = Array.from({ length: 200_000 }, (_, i) => ({ i }))
  const before = getHeapStatistics().used_heap_size
  t.equal(held.length, 200_000)
  held = []
  collectStartGarbage()
  t.ok(getHeapStatistics().used_heap_size < before - 2_000_000)
})

t.test('a thread rests for the first time when it has hardly worked for five seconds on end', async t => {
  let rests = 0
  const rest = new FirstRest(() => { rests++ })
  for (let i = 0; i < 4; i++) rest.passed(1000, 0.01)
  rest.passed(1000, 0.3)
  for (let i = 0; i < 4; i++) rest.passed(1000, 0.04)
  t.equal(rests, 0)
  rest.passed(1000, 0)
  t.equal(rests, 1)
  for (let i = 0; i < 20; i++) rest.passed(1000, 0)
  t.equal(rests, 1, 'once')
})
