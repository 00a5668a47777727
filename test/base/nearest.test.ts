import fc from 'fast-check'
import t from 'tap'
import { editDistance, nearest } from '../../src/base/nearest.ts'

/** The textbook definition, exponential: for short words only. */
function slowDistance (a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const [headA, headB, tailA, tailB] = [a[0], b[0], a.slice(1), b.slice(1)]
  if (headA === headB) return slowDistance(tailA, tailB)
  return 1 + Math.min(slowDistance(tailA, b), slowDistance(a, tailB), slowDistance(tailA, tailB))
}

t.test('distance agrees with its definition', async t => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '_'), maxLength: 5 })
  t.doesNotThrow(() => fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b))))
})

t.test('nearest', async t => {
  t.equal(nearest('bind_prt', ['bind_addr', 'bind_port', 'data_dir']), 'bind_port')
  t.equal(nearest('x', []), undefined)
})
