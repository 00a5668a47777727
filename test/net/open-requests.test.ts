import t from 'tap'
import type { ActorId } from '../../src/base/ids.ts'
import { OpenRequests } from '../../src/net/open-requests.ts'
import type { Reply } from '../../src/runtime/actor.ts'

const reply = (correlation: number): Reply => ({ kind: 'answer', correlation })
const target = 9 as ActorId

t.test('an answer finds its asker once; late and doubled ones find nobody; credit goes back once', t => {
  const settled: number[] = []
  const open = new OpenRequests((_target, bytes) => settled.push(bytes))
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
  const third = open.open(asker, 3, target, 30)
  t.equal(third & 0xffff, second & 0xffff, 'the slot is used again')
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

t.test('generations wrap without ever making correlation 0', t => {
  const open = new OpenRequests(() => {})
  const asker = { answered: () => {} }
  const seen = new Set<number>()
  for (let i = 0; i < 70_000; i++) {
    const correlation = open.open(asker, 0, target, 0)
    seen.add(correlation)
    if (correlation === 0) t.fail('correlation 0')
    open.answer(reply(correlation))
  }
  t.equal(seen.size, 65_535)
  t.end()
})
