import t from 'tap'
import fc from 'fast-check'
import type { Offset } from '../../src/base/ids.ts'
import { highWatermark } from '../../src/raft/quorum.ts'

const offsets = (...numbers: number[]): Offset[] => numbers as Offset[]
const at = (n: number): Offset => n as Offset

t.test('the examples of its docstring', t => {
  t.equal(highWatermark(offsets(42, 45, 41), at(38), at(39)), 42)
  t.equal(highWatermark(offsets(42, 45, 41), at(43), at(39)), 39)
  t.equal(highWatermark(offsets(42), at(43), at(39)), 42)
  t.throws(() => highWatermark([], at(0), at(0)), { name: 'AssertionError' })
  t.end()
})

t.test('never goes back, never passes what a majority holds', t => {
  fc.assert(fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 7 }), fc.nat(100), fc.nat(100), (ends, termStart, current) => {
    const mark = highWatermark(ends as Offset[], at(termStart), at(current))
    const holders = ends.filter(end => end >= mark).length
    return mark >= current && (mark === current || holders * 2 > ends.length)
  }))
  t.end()
})
