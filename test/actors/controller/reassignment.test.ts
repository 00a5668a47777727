/** Moves of partitions: what is meant, who may go when, and that a move can be changed and taken back at any time. */
import t from 'tap'
import { MetadataState, targetOf, type Assignment } from '../../../src/actors/controller/metadata-state.ts'
import { arrive, hasArrived, moveBack, moveTo } from '../../../src/actors/controller/reassignment.ts'
import type { MemberId, PartitionIndex } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { created, founders, members, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const place = { id: topicId(1), partition: 0 as PartitionIndex }

function partition (...replicas: number[]) {
  const state = new MetadataState(founders(3))
  state.apply(created(1, [replicas]))
  return {
    get now (): Assignment { return state.topics.get(place.id)!.partitions[0]! },
    moveTo (...target: number[]): boolean {
      const record = moveTo(place, this.now, members(...target))
      if (record !== undefined) state.apply(record)
      return record !== undefined
    },
    moveBack (): boolean {
      const record = moveBack(place, this.now)
      if (record !== undefined) state.apply(record)
      return record !== undefined
    },
    arrive (): void { state.apply(arrive(place, this.now)) },
    get moves (): boolean { return state.movingCount > 0 }
  }
}

t.test('a move: those that leave stay until the others have everything', async t => {
  const p = partition(1, 2, 3)
  t.ok(p.moveTo(4, 2, 3))
  t.match(p.now, { replicas: [4, 2, 3, 1], adding: [4], removing: [1], origin: [1, 2, 3] })
  t.same(targetOf(p.now), [4, 2, 3])
  t.notOk(p.moveTo(4, 2, 3), 'asked again it is as it is')
  p.arrive()
  t.match(p.now, { replicas: [4, 2, 3], adding: [], removing: [], origin: null })
  t.notOk(p.moves)
})

t.test('another order is no move', async t => {
  const p = partition(1, 2, 3)
  t.ok(p.moveTo(3, 1, 2))
  t.match(p.now, { replicas: [3, 1, 2], adding: [], removing: [], origin: null })
  t.notOk(p.moves)
})

t.test('a move that goes elsewhere on its way', async t => {
  const p = partition(1, 2, 3)
  p.moveTo(1, 2, 4)
  p.moveTo(1, 2, 5)
  t.match(p.now, { replicas: [1, 2, 5, 4, 3], adding: [5], removing: [4, 3], origin: [1, 2, 3] }, 'who came on the first way may vote by now: it leaves in order')
  p.arrive()
  t.same(p.now.replicas, [1, 2, 5])
})

t.test('a move that is taken back', async t => {
  const p = partition(1, 2, 3)
  t.notOk(p.moveBack())
  p.moveTo(4, 5, 6)
  t.ok(p.moveBack())
  t.match(p.now, { replicas: [1, 2, 3, 4, 5, 6], adding: [], removing: [4, 5, 6], origin: [1, 2, 3] })
  t.ok(p.moves, 'the group may have the others as voters: it must go back first')
  p.arrive()
  t.match(p.now, { replicas: [1, 2, 3], origin: null })
})

t.test('whatever is asked for in whatever order: nobody vanishes before the end, and going back leads to the beginning', async t => {
  for (let seed = 1; seed <= 200; seed++) {
    const chance = seededChance(seed)
    const some = (): number[] => [1, 2, 3, 4, 5, 6].toSorted(() => chance.next() - 0.5).slice(0, 1 + Math.floor(chance.next() * 4))
    const p = partition(...some())
    let settled = p.now.replicas
    let everybody = new Set(settled)
    for (let step = 0; step < 30; step++) {
      const target = some()
      if (chance.next() < 0.6) p.moveTo(...target)
      else if (chance.next() < 0.5) p.moveBack()
      else if (p.moves) {
        p.arrive()
        everybody = new Set(p.now.replicas)
      }
      if (!p.moves) settled = p.now.replicas
      for (const id of targetOf(p.now)) everybody.add(id)
      const { replicas, adding, removing, origin } = p.now
      const fine = new Set(replicas).size === replicas.length && (p.moves ? [...everybody].every(id => replicas.includes(id)) : true) &&
        adding.every(id => !settled.includes(id)) && removing.every(id => replicas.includes(id)) && (origin === null) !== p.moves &&
        (origin === null || (origin.length === settled.length && origin.every((id, index) => id === settled[index])))
      if (!fine) t.fail(`seed ${seed}, step ${step}: ${JSON.stringify(p.now)} from ${settled.join()}`)
    }
  }
  t.pass()
})

t.test('a move has ended when the leader that knows of it says so, and not before', async t => {
  const p = partition(1, 2, 3)
  const word = (voters: number[], generation: number, joint = false) => ({ voters: voters as MemberId[], generation, joint })
  t.notOk(hasArrived(p.now, word([1, 2, 3], 0)), 'nothing moves')
  p.moveTo(4, 2, 3)
  t.notOk(hasArrived(p.now, word([1, 2, 3], 1)))
  t.notOk(hasArrived(p.now, word([4, 2, 3], 1, true)), 'the old voters still count')
  t.ok(hasArrived(p.now, word([2, 3, 4], 1)), 'in any order')
  p.moveBack()
  t.notOk(hasArrived(p.now, word([1, 2, 3], 0)), 'a word from before the move, that came late')
  t.notOk(hasArrived(p.now, word([1, 2, 3], 1)), 'the leader was on its way when it said so')
  t.ok(hasArrived(p.now, word([1, 2, 3], 2)))
})
