/** The checker itself: it must see every kind of broken history. */
import t from 'tap'
import { History, type Stored } from './history.ts'

const stored = (...values: string[]): Stored[] => values.map((value, offset) => ({ offset, value }))

/** Two producers: `a` sent 4 records and was told of 3, `b` sent 2 and was told of 1. */
function history (): History {
  const history = new History()
  t.equal(history.sends('a', 'exactly-once', 2), 0)
  t.equal(history.sends('b', 'at-most-once', 2), 0)
  t.equal(history.sends('a', 'exactly-once', 2), 2)
  history.isTold('a', 0, 2, 0)
  history.isTold('a', 2, 1, 3)
  history.isTold('b', 0, 1, 2)
  return history
}

t.test('sound histories', async t => {
  t.equal(history().acknowledged, 4)
  t.same(history().problems(stored('a:0', 'a:1', 'b:0', 'a:2'), false), [])
  t.same(history().problems(stored('a:0', 'a:1', 'b:0', 'a:2', 'a:3'), true), [])
  t.same(history().problems(stored('a:0:filling', 'a:1', 'b:0', 'a:2', 'b:1', 'a:3'), true), [], 'what was not acknowledged may be there')
  t.same(new History().problems([], true), [])
})

t.test('broken histories', async t => {
  const cases: ReadonlyArray<[what: string, values: string[], finished: boolean]> = [
    ['lost: a:2', ['a:0', 'a:1', 'b:0'], false],
    ['lost: b:0', ['a:0', 'a:1'], false],
    ['lost: a:3', ['a:0', 'a:1', 'b:0', 'a:2'], true],
    ['doubled: a:1', ['a:0', 'a:1', 'b:0', 'a:2', 'a:1', 'a:3'], true],
    ['doubled: b:0', ['a:0', 'a:1', 'b:0', 'a:2', 'b:0'], false],
    ['reordered: a:2', ['a:0', 'a:1', 'b:0', 'a:3', 'a:2'], true],
    ['moved: b:0', ['a:0', 'a:1', 'b:1', 'a:2', 'b:0'], false],
    ['foreign', ['a:0', 'a:1', 'b:0', 'a:2', 'c:0'], false],
    ['foreign', ['a:0', 'a:1', 'b:0', 'a:2', 'a:4'], false],
    ['foreign', ['a:0', 'a:1', 'b:0', 'a:2', 'zeros'], false]
  ]
  for (const [what, values, finished] of cases) {
    const problems = history().problems(stored(...values), finished)
    t.ok(problems.some(problem => problem.startsWith(what)), `${what}: ${problems.join('; ')}`)
  }
  const gap = [{ offset: 0, value: 'a:0' }, { offset: 1, value: 'a:1' }, { offset: 2, value: 'b:0' }, { offset: 3, value: 'a:2' }, { offset: 5, value: 'a:3' }]
  t.match(history().problems(gap, true), [/^gap/])
  t.equal(history().problems(stored(...Array.from({ length: 100 }, () => 'nobody:1')), false).length, 20, 'no endless list')
})
