import t from 'tap'
import fc from 'fast-check'
import type { MemberId, Offset } from '../../src/base/ids.ts'
import { type Configuration, hasQuorum, votersOnly } from '../../src/raft/configuration.ts'
import { highWatermark, quorumEnd } from '../../src/raft/quorum.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const at = (n: number): Offset => n as Offset
const ids = (...numbers: number[]): MemberId[] => numbers as MemberId[]
const ends = (...numbers: number[]) => (member: MemberId): Offset => at(numbers[member - 1]!)

t.test('the examples of its docstring', t => {
  t.equal(highWatermark(votersOnly(ids(1, 2, 3)), ends(42, 45, 41), at(38), at(39)), 42)
  t.equal(highWatermark(votersOnly(ids(1, 2, 3)), ends(42, 45, 41), at(43), at(39)), 39)
  t.equal(highWatermark(votersOnly(ids(1)), ends(42), at(43), at(39)), 42)
  t.throws(() => highWatermark(votersOnly([]), ends(), at(0), at(0)), { name: 'AssertionError' })
  t.end()
})

t.test('joint: both sets must hold it, also when one of them is a single voter', t => {
  const joint: Configuration = { voters: ids(1, 2, 4), outgoing: ids(1, 2, 3), learners: [] }
  t.equal(highWatermark(joint, ends(9, 5, 9, 9), at(0), at(0)), 9)
  t.equal(highWatermark(joint, ends(9, 5, 5, 9), at(0), at(0)), 5)
  t.equal(highWatermark(joint, ends(9, 5, 9, 5), at(0), at(0)), 5)
  const growing: Configuration = { voters: ids(1, 2), outgoing: ids(1), learners: [] }
  t.equal(highWatermark(growing, ends(9, 5), at(0), at(0)), 5)
  t.equal(highWatermark(growing, ends(9, 5), at(6), at(3)), 3, 'the exception for a single voter ends with the change')
  t.end()
})

const groups = fc.record({
  voters: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 }),
  outgoing: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 0, maxLength: 7 })
}) as unknown as fc.Arbitrary<Omit<Configuration, 'learners'>>

t.test('never goes back, never passes what the majorities hold, and reaches it', t => {
  fc.assert(fc.property(groups, fc.array(fc.nat(20), { minLength: 7, maxLength: 7 }), fc.nat(20), fc.nat(20), (group, held, termStart, current) => {
    const configuration = { ...group, learners: [] }
    const holds = (end: number): boolean => hasQuorum(configuration, member => held[member - 1]! >= end)
    const mark = highWatermark(configuration, ends(...held), at(termStart), at(current))
    const possible = Math.max(...held.filter(holds), 0)
    const single = group.voters.length === 1 && group.outgoing.length === 0
    const expected = possible > termStart || single ? Math.max(current, possible) : current
    return mark === expected && mark >= current && (mark === current || holds(mark))
  }))
  t.end()
})

t.test('a quorum of an even number is more than half of it', t => {
  t.equal(quorumEnd([at(9), at(5)]), 5)
  t.equal(quorumEnd([at(9), at(8), at(7), at(6)]), 7)
  t.notOk(hasQuorum(votersOnly(ids(1, 2, 3, 4)), member => member <= 2))
  t.ok(hasQuorum(votersOnly(ids(1, 2, 3, 4)), member => member <= 3))
  t.end()
})
