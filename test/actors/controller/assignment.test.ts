/** Where partitions go: spread evenly, over racks, never twice on one broker, and always the same for the same input. */
import fc from 'fast-check'
import t from 'tap'
import { assignPartitions, chooseReplacement, type Candidate } from '../../../src/actors/controller/assignment.ts'
import type { MemberId, NodeId } from '../../../src/base/ids.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const candidate = (id: number, given: Partial<Candidate> = {}): Candidate =>
  ({ nodeId: id as NodeId, member: id * 10 as MemberId, rack: null, replicas: 0, leaders: 0, bytes: 0, ...given })
const fresh = (count: number): Candidate[] => Array.from({ length: count }, (_, index) => candidate(index + 1))

const countsOf = (values: readonly number[], among: readonly Candidate[]): number[] =>
  among.map(({ member }) => values.filter(value => value === member).length)
const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts)

const shapes = fc.integer({ min: 1, max: 12 }).chain(brokers => fc.record({
  brokers: fc.constant(brokers), replicas: fc.integer({ min: 1, max: Math.min(brokers, 5) }), partitions: fc.integer({ min: 1, max: 60 })
}))

t.test('replicas of a topic are within one of each other, and nobody leads two more than another who could lead one of them, whatever the brokers hold besides', async t => {
  fc.assert(fc.property(shapes, fc.array(fc.nat(100), { minLength: 12, maxLength: 12 }), ({ brokers, replicas, partitions }, loads) => {
    const among = fresh(brokers).map((one, index) => ({ ...one, replicas: loads[index]!, leaders: loads[index]! >> 1 }))
    const assigned = assignPartitions(among, { partitions, replicas, existing: [] })
    t.equal(assigned.length, partitions)
    for (const members of assigned) {
      if (members.length !== replicas || new Set(members).size !== replicas) return false
    }
    const leads = new Map(among.map(({ member }) => [member, assigned.filter(members => members[0] === member).length]))
    return spread(countsOf(assigned.flat(), among)) <= 1 && assigned.every(members => members.every(member => leads.get(members[0]!)! - leads.get(member)! <= 1))
  }), { numRuns: 300 })
})

t.test('leaders are within one of each other too, and who shares partitions with whom changes', async t => {
  for (let brokers = 2; brokers <= 12; brokers++) {
    for (let replicas = 1; replicas <= Math.min(brokers, 4); replicas++) {
      for (const partitions of [1, 2, 7, 12, 30, 64]) {
        const among = fresh(brokers)
        const assigned = assignPartitions(among, { partitions, replicas, existing: [] })
        const uneven = spread(countsOf(assigned.map(members => members[0]!), among))
        if (uneven > 1) t.fail(`${brokers} brokers, ${replicas} replicas, ${partitions} partitions: leaders ${uneven} apart`)
      }
    }
  }
  const pairs = new Set(assignPartitions(fresh(4), { partitions: 6, replicas: 2, existing: [] }).map(members => members.toSorted().join()))
  t.equal(pairs.size, 6, 'every two of four')
})

t.test('partitions that a topic gets later fill up what its earlier ones left', async t => {
  fc.assert(fc.property(shapes, fc.integer({ min: 1, max: 30 }), ({ brokers, replicas, partitions }, more) => {
    const among = fresh(brokers)
    const before = assignPartitions(among, { partitions, replicas, existing: [] })
    const added = assignPartitions(among, { partitions: more, replicas, existing: before })
    return spread(countsOf([...before, ...added].flat(), among)) <= 1
  }), { numRuns: 200 })
  t.pass()
})

t.test('replicas are in as many racks as there are', async t => {
  fc.assert(fc.property(shapes, fc.integer({ min: 1, max: 4 }), ({ brokers, replicas, partitions }, racks) => {
    const among = fresh(brokers).map((one, index) => ({ ...one, rack: `rack-${index % racks}` }))
    const rackOf = new Map(among.map(({ member, rack }) => [member, rack]))
    const usable = Math.min(racks, brokers)
    return assignPartitions(among, { partitions, replicas, existing: [] }).every(members => {
      const used = new Set(members.map(member => rackOf.get(member)))
      return used.size === Math.min(replicas, usable)
    })
  }), { numRuns: 300 })
  t.pass()
})

t.test('with equal racks the load is as even as without', async t => {
  const among = fresh(6).map((one, index) => ({ ...one, rack: `rack-${index % 3}` }))
  const assigned = assignPartitions(among, { partitions: 60, replicas: 3, existing: [] })
  t.same(countsOf(assigned.flat(), among), [30, 30, 30, 30, 30, 30])
  t.same(countsOf(assigned.map(members => members[0]!), among), [10, 10, 10, 10, 10, 10])
})

t.test('topics of one partition go where the least is', async t => {
  let among = fresh(3)
  for (let topic = 0; topic < 30; topic++) {
    const [members] = assignPartitions(among, { partitions: 1, replicas: 2, existing: [] })
    among = among.map(one => ({
      ...one, replicas: one.replicas + Number(members!.includes(one.member)), leaders: one.leaders + Number(members![0] === one.member)
    }))
  }
  t.same(among.map(({ replicas }) => replicas), [20, 20, 20])
  t.same(among.map(({ leaders }) => leaders), [10, 10, 10])
  const [members] = assignPartitions([candidate(1, { bytes: 100 }), candidate(2)], { partitions: 1, replicas: 1, existing: [] })
  t.same(members, [20], 'of equals the one with the emptier disk')
})

t.test('the same input gives the same answer, in whatever order the brokers come', async t => {
  fc.assert(fc.property(shapes, ({ brokers, replicas, partitions }) => {
    const wanted = { partitions, replicas, existing: [] }
    const one = assignPartitions(fresh(brokers), wanted)
    return JSON.stringify(one) === JSON.stringify(assignPartitions(fresh(brokers), wanted)) &&
      JSON.stringify(one) === JSON.stringify(assignPartitions(fresh(brokers).toReversed(), wanted))
  }), { numRuns: 100 })
  t.pass()
})

t.test('who stands in for a replica: another rack if there is one, then whoever has the least', async t => {
  const among = [candidate(1, { rack: 'a' }), candidate(2, { rack: 'a' }), candidate(3, { rack: 'b', replicas: 9 }), candidate(4, { rack: 'c', replicas: 5 })]
  t.equal(chooseReplacement(among, [10 as MemberId], ['a']), 40)
  t.equal(chooseReplacement(among, [10 as MemberId, 40 as MemberId], ['a', 'c']), 30)
  t.equal(chooseReplacement(among, [10 as MemberId, 40 as MemberId, 30 as MemberId], ['a', 'c', 'b']), 20)
  t.equal(chooseReplacement(among, among.map(({ member }) => member), []), undefined)
})
