import t from 'tap'
import { Doorbell, ringDoorbell } from '../../src/runtime/doorbell.ts'
import { createThreadWords, sleepingWord } from '../../src/runtime/thread-words.ts'

/** Long enough that only a ring ends the wait within the test's time. */
const waitMs = 600_000

function setup (onRing: () => void = () => {}, wait = waitMs): { words: Int32Array, bell: Doorbell } {
  const words = new Int32Array(createThreadWords())
  const bell = new Doorbell(words, onRing, wait)
  t.teardown(() => bell.close())
  return { words, bell }
}

t.test('a sleeper is woken once by any number of rings', async t => {
  let rings = 0
  let heard = (): void => {}
  const { words, bell } = setup(() => { rings++; heard() })
  const ring = new Promise<void>(resolve => { heard = resolve })
  t.ok(bell.sleep(() => false))
  t.equal(words[sleepingWord], 1)
  ringDoorbell(words)
  ringDoorbell(words)
  ringDoorbell(words)
  t.equal(words[sleepingWord], 0)
  await ring
  t.equal(rings, 1)
})

t.test('work that came just before is seen instead of sleeping', async t => {
  const { words, bell } = setup()
  t.notOk(bell.sleep(() => words[sleepingWord] === 1), 'looked after saying that it sleeps')
  t.equal(words[sleepingWord], 0)
})

t.test('a ring between saying so and waiting ends the sleep at once', async t => {
  const { words, bell } = setup()
  t.notOk(bell.sleep(() => { ringDoorbell(words); return false }))
})

t.test('one waiter serves many sleeps, whether or not they were rung', async t => {
  let heard = (): void => {}
  const { words, bell } = setup(() => heard())
  for (let i = 0; i < 200; i++) {
    // Asleep, awake by other means, and asleep again: the waiter of the first sleep must hear the ring.
    t.ok(bell.sleep(() => false) || i === 0)
    bell.awake()
    t.ok(bell.sleep(() => false))
    const ring = new Promise<void>(resolve => { heard = resolve })
    ringDoorbell(words)
    await ring
  }
})

t.test('a wait without a ring is bounded', async () => {
  await new Promise<void>(resolve => { setup(resolve, 5).bell.sleep(() => false) })
})

t.test('after close nothing is heard', async t => {
  const { words, bell } = setup(() => t.fail('heard'))
  bell.sleep(() => false)
  bell.close()
  ringDoorbell(words)
  await new Promise(resolve => setImmediate(resolve))
})
