import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { EventQueue, Planned } from './event-queue.ts'

t.test('events come by time, and in the order in which they were planned', async t => {
  const chance = seededChance(1)
  const queue = new EventQueue()
  const planned = Array.from({ length: 5000 }, (_, order) => new Planned(Math.floor(chance.next() * 500), order, 'x', undefined, () => {}))
  const expected: Planned[] = []
  for (const event of planned) {
    queue.push(event)
    expected.push(event)
    if (chance.next() > 0.3) continue
    expected.sort((a, b) => a.at - b.at || a.order - b.order)
    t.equal(queue.next, expected[0]!.at)
    t.equal(queue.pop(), expected.shift())
  }
  expected.sort((a, b) => a.at - b.at || a.order - b.order)
  t.same(Array.from({ length: expected.length }, () => queue.pop()?.order), expected.map(({ order }) => order))
  t.equal(queue.pop(), undefined)
  t.equal(queue.next, Infinity)
})
