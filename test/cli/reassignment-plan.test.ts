/** Plans for brokers that come and go, against what any good plan has. */
import fc from 'fast-check'
import t from 'tap'
import { type Assignment, type Move, planAdd, type PlanBroker, planDrain, PlanError } from '../../src/cli/reassignment-plan.ts'

interface Cluster { readonly brokers: readonly PlanBroker[], readonly assignments: readonly Assignment[] }

/** Any assignment there may be, however uneven: `racked` brokers stand in one of three racks or in none. */
const anyCluster = (racked: boolean): fc.Arbitrary<Cluster> => fc.integer({ min: 2, max: 7 }).chain(count => fc.record({
  brokers: fc.tuple(...Array.from({ length: count }, (_, i) => fc.record({ id: fc.constant(i + 1), rack: racked ? fc.constantFrom('a', 'b', 'c', null) : fc.constant(null) }))),
  assignments: fc.array(fc.shuffledSubarray(Array.from({ length: count }, (_, i) => i + 1), { minLength: 1, maxLength: count }), { maxLength: 40 })
    .map(sets => sets.map((replicas, i) => ({ topic: `t${i % 3}`, partition: Math.floor(i / 3), replicas })))
}))

const keyOf = ({ topic, partition }: { topic: string, partition: number }): string => `${topic}/${partition}`

function applied (assignments: readonly Assignment[], moves: readonly Move[]): Assignment[] {
  const byKey = new Map(moves.map(move => [keyOf(move), move]))
  return assignments.map(assignment => byKey.get(keyOf(assignment)) ?? assignment)
}

function loadsOf (assignments: readonly Assignment[], brokers: readonly PlanBroker[]): Map<number, number> {
  const loads = new Map(brokers.map(({ id }) => [id, 0]))
  for (const { replicas } of assignments) for (const id of replicas) loads.set(id, (loads.get(id) ?? 0) + 1)
  return loads
}

/** Pairs of replicas of one partition in one rack. */
function sharedRacks ({ replicas }: Assignment, brokers: readonly PlanBroker[]): number {
  const racks = replicas.map(id => brokers.find(broker => broker.id === id)?.rack ?? null).filter(rack => rack !== null)
  return racks.reduce((sum, rack, i) => sum + racks.slice(0, i).filter(other => other === rack).length, 0)
}

/** What holds for every plan. */
function checkMoves (assignments: readonly Assignment[], moves: readonly Move[], changed: (id: number, to: number) => boolean): void {
  const byKey = new Map(assignments.map(assignment => [keyOf(assignment), assignment]))
  if (new Set(moves.map(keyOf)).size !== moves.length) throw new Error('a partition moves once')
  for (const move of moves) {
    const { replicas } = byKey.get(keyOf(move))!
    if (move.from !== replicas) throw new Error('it says what there was')
    if (move.replicas.length !== replicas.length) throw new Error('there are as many replicas as before')
    if (new Set(move.replicas).size !== move.replicas.length) throw new Error('no two on one broker')
    const differences = move.replicas.flatMap((to, i) => to === replicas[i] ? [] : [[replicas[i]!, to] as const])
    if (differences.length !== 1 || !changed(...differences[0]!)) throw new Error(`one replica moves, and the right one: ${JSON.stringify(move)}`)
  }
}

/** Nothing where there is no room. */
function tryDrain (...[assignments, brokers, drained]: Parameters<typeof planDrain>): Move[] {
  try {
    return planDrain(assignments, brokers, drained)
  } catch (error) {
    if (error instanceof PlanError) return []
    throw error
  }
}

t.test('a new broker gets its share with as few moves as possible', async t => {
  fc.assert(fc.property(anyCluster(false), ({ brokers, assignments }) => {
    const added = brokers.length + 1
    const all = [...brokers, { id: added, rack: null }]
    const moves = planAdd(assignments, all, added)
    checkMoves(assignments, moves, (from, to) => from !== added && to === added)
    const after = loadsOf(applied(assignments, moves), all)
    const before = loadsOf(assignments, all)
    const share = Math.floor([...before.values()].reduce((sum, load) => sum + load, 0) / all.length)
    // Each partition can be there once only.
    const reachable = Math.min(share, assignments.length)
    if (after.get(added) !== reachable || moves.length !== reachable) throw new Error(`it holds ${after.get(added)} after ${moves.length} moves, its share is ${reachable}`)
    for (const [id, load] of after) if (load < before.get(id)! && load < after.get(added)! - 1) throw new Error(`broker ${id} gave too much: ${load}`)
  }), { numRuns: 500 })
  t.pass()
})

t.test('it also leads its share, where who gives has something to lead', async t => {
  const assignments = Array.from({ length: 12 }, (_, i) => ({ topic: 't', partition: i, replicas: [i % 3 + 1, (i + 1) % 3 + 1] }))
  const brokers = [1, 2, 3, 4].map(id => ({ id, rack: null }))
  const after = applied(assignments, planAdd(assignments, brokers, 4))
  t.strictSame([...loadsOf(after, brokers).values()], [6, 6, 6, 6])
  t.strictSame([1, 2, 3, 4].map(id => after.filter(({ replicas }) => replicas[0] === id).length), [3, 3, 3, 3])
})

t.test('a broker that has what it should gets nothing more', async t => {
  const assignments = [{ topic: 't', partition: 0, replicas: [1] }, { topic: 't', partition: 1, replicas: [2] }]
  t.strictSame(planAdd(assignments, [{ id: 1, rack: null }, { id: 2, rack: null }], 2), [])
  t.strictSame(planAdd([], [{ id: 1, rack: null }], 1), [])
  t.strictSame(planAdd([{ topic: 't', partition: 0, replicas: [9] }], [{ id: 1, rack: null }], 1), [], 'what is on brokers that are not there stays')
})

t.test('a drained broker keeps nothing, and the others get it evenly', async t => {
  fc.assert(fc.property(anyCluster(false), fc.nat(), ({ brokers, assignments }, seed) => {
    const drained = brokers[seed % brokers.length]!.id
    const others = brokers.filter(({ id }) => id !== drained)
    const crowded = assignments.some(({ replicas }) => replicas.includes(drained) && replicas.length > others.length)
    let moves: Move[]
    try {
      moves = planDrain(assignments, others, drained)
    } catch (error) {
      if (!(error instanceof PlanError) || !crowded) throw error
      return
    }
    if (crowded) throw new Error('this cannot be')
    checkMoves(assignments, moves, (from, to) => from === drained && to !== drained)
    const after = applied(assignments, moves)
    const loads = loadsOf(after, others)
    if ((loads.get(drained) ?? 0) > 0) throw new Error('it is empty')
    if (moves.length !== assignments.filter(({ replicas }) => replicas.includes(drained)).length) throw new Error('nothing else moves')
    for (const { from, replicas } of moves) {
      const to = replicas.find(id => !from.includes(id))!
      for (const [id, load] of loads) {
        if (!replicas.includes(id) && load + 1 < loads.get(to)!) throw new Error(`broker ${id} with ${load} could have taken what ${to} with ${loads.get(to)} got`)
      }
    }
  }), { numRuns: 500 })
  t.pass()
})

t.test('no plan puts more replicas of a partition into one rack than there must be', async t => {
  fc.assert(fc.property(anyCluster(true), fc.nat(), fc.constantFrom('a', 'b', null), ({ brokers, assignments }, seed, rack) => {
    const added = brokers.length + 1
    const all = [...brokers, { id: added, rack }]
    const loads = loadsOf(assignments, all)
    for (const move of planAdd(assignments, all, added)) {
      const from = move.from.find(id => !move.replicas.includes(id))!
      if (loads.get(from)! <= loads.get(added)! + 1) throw new Error(`${from} with ${loads.get(from)} gave to ${added} with ${loads.get(added)}`)
      loads.set(from, loads.get(from)! - 1)
      loads.set(added, loads.get(added)! + 1)
      if (sharedRacks(move, all) > sharedRacks({ ...move, replicas: move.from }, all)) throw new Error(`${keyOf(move)} lost a rack`)
    }
    const drained = brokers[seed % brokers.length]!.id
    const others = all.filter(({ id }) => id !== drained)
    for (const move of tryDrain(assignments, others, drained)) {
      const best = Math.min(...others.filter(({ id }) => !move.from.includes(id)).map(({ id }) => sharedRacks({ ...move, replicas: move.from.map(old => old === drained ? id : old) }, all)))
      if (sharedRacks(move, all) > best) throw new Error(`${keyOf(move)} could stand in more racks`)
    }
  }), { numRuns: 500 })
  t.pass()
})

t.test('a partition that needs all brokers cannot lose one', async t => {
  const assignments = [{ topic: 'orders', partition: 3, replicas: [2, 1, 3] }]
  t.throws(() => planDrain(assignments, [{ id: 1, rack: null }, { id: 3, rack: null }], 2), /^orders\/3 has replicas on brokers 2, 1, 3, and no other broker is left/)
})

t.test('the same input gives the same plan', async t => {
  fc.assert(fc.property(anyCluster(true), ({ brokers, assignments }) => {
    const all = [...brokers, { id: 9, rack: null }]
    const plan = (): string => JSON.stringify([planAdd(assignments, all, 9), planDrain(assignments, all, 1)])
    const first = plan()
    return plan() === first
  }), { numRuns: 100 })
  t.pass()
})
