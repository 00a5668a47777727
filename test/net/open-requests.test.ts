import t from 'tap'
import type { ActorId } from '../../src/base/ids.ts'
import { OpenRequests } from '../../src/net/open-requests.ts'
import type { Reply } from '../../src/runtime/actor.ts'

const reply = (correlation: number): Reply => ({ kind: 'answer', correlation })
const target = 9 as ActorId

t.test('an answer finds its asker once; late and doubled ones find nobody; credit goes back once', t => {
  const settled: number[] = []
  const open = new OpenRequests(0, (_target, bytes) => settled.push(bytes))
  const answers: number[] = []
  const asker = { answered: (part: number) => { answers.push(part) } }
  const first = open.open(asker, 1, target, 10)
  const second = open.open(asker, 2, target, 20)
  t.not(first, 0)
  t.equal(open.count, 2)
  open.answer(reply(second))
  open.answer(reply(second))
  open.forget(second)
  t.same(answers, [2])
  let third = open.open(asker, 3, target, 30)
  while ((third & 0xffff) !== (second & 0xffff)) {
    open.forget(third)
    t.equal(settled.pop(), 30)
    third = open.open(asker, 3, target, 30)
  }
  open.answer(reply(second))
  t.same(answers, [2], 'an answer to the slot\'s earlier request')
  open.forget(third)
  open.answer(reply(third))
  open.answer(reply(first))
  t.same(answers, [2, 1])
  t.same(settled, [20, 30, 10])
  t.equal(open.count, 0)
  open.answer(reply(0))
  open.answer(reply(0xffffffff))
  t.end()
})

t.test('a correlation comes again late, is never 0, and never that of a life before', t => {
  const asker = { answered: () => {} }
  const used = new Set<number>()
  for (let life = 0; life < 3; life++) {
    const open = new OpenRequests(life, () => {})
    const seen = new Set<number>()
    for (let correlation = open.open(asker, 0, target, 0); !seen.has(correlation); correlation = open.open(asker, 0, target, 0)) {
      seen.add(correlation)
      open.answer(reply(correlation))
    }
    t.ok(seen.size > 250_000, `${seen.size} requests one after the other`)
    t.notOk(seen.has(0))
    for (const correlation of seen) {
      if (used.has(correlation)) t.fail(`life ${life} uses ${correlation} again`)
      used.add(correlation)
    }
  }
  t.end()
})

t.test('all slots can be open at once', t => {
  const open = new OpenRequests(7, () => {})
  const answered: number[] = []
  const asker = { answered: (part: number) => { answered.push(part) } }
  const correlations: number[] = []
  while (open.room > 0) correlations.push(open.open(asker, correlations.length, target, 0))
  t.equal(new Set(correlations).size, 65_536)
  open.answer(reply(correlations[5]!))
  correlations.push(open.open(asker, 65_536, target, 0))
  open.answer(reply(correlations.at(-1)!))
  t.same(answered, [5, 65_536])
  t.end()
})
