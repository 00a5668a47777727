/** What runs on a broker follows what the metadata says, whatever fails and however wishes change meanwhile. */
import t from 'tap'
import { LocalReplicas } from '../../../src/actors/controller/local-replicas.ts'
import type { PartitionSpec } from '../../../src/actors/controller/messages.ts'
import type { MetadataRecord } from '../../../src/actors/controller/metadata-record.ts'
import { MetadataState } from '../../../src/actors/controller/metadata-state.ts'
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId, PartitionIndex } from '../../../src/base/ids.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'
import { ActorKit, KitOutbox } from '../../runtime/kit.ts'
import { created, founders, member, members, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const links = 9 as ActorId
const self = member(1)

/** The supervisor does what it is asked when the test says so. */
function setUp () {
  const state = new MetadataState(founders(3))
  const asked: string[] = []
  const specs: PartitionSpec[] = []
  const reads: Array<(known: boolean, out: Outbox) => void> = []
  const replicas = new LocalReplicas({
    placer: {
      place: (topic, wanted) => ({ run: () => { asked.push(`place ${Number(topic)}: ${wanted.map(({ partition }) => partition).join()}`); specs.push(...wanted) } }),
      stop: (topic, partitions) => ({ run: () => { asked.push(`stop ${Number(topic)}: ${partitions.join()}`) } }),
      remove: (topic, partitions) => ({ run: () => { asked.push(`remove ${Number(topic)}: ${partitions.join()}`) } })
    },
    self,
    peers: [links],
    state,
    readMetadata: done => { reads.push(done) }
  })
  let told: Array<Message & Record<string, any>> = []
  let out = new KitOutbox(new ActorKit({ receive: () => {} }))
  return {
    replicas,
    specs,
    begin (out: KitOutbox): void {
      replicas.run(out)
      replicas.verify()
      this.read(out)
    },
    /** The metadata log is known as far as it is committed. */
    read (out: KitOutbox, known = true): void {
      for (const done of reads.splice(0)) done(known, out)
    },
    get readsAsked () { return reads.length },
    apply (record: MetadataRecord): void {
      const { topic, partitions, deleted } = state.apply(record)
      if (topic !== undefined) replicas.assigned(topic, partitions ?? [...topic.partitions.keys()], out)
      if (deleted !== undefined) replicas.deleted(deleted, out)
    },
    /** Runs something, and returns what was asked of the supervisor. */
    asks (work: (out: KitOutbox) => void): string[] {
      work(out)
      for (const effect of out.effects) effect.run(() => {})
      const made = out
      out = new KitOutbox(new ActorKit({ receive: () => {} }))
      told = made.told.map(({ to, message }) => ({ to, ...message }))
      return asked.splice(0)
    },
    /** By the last work. */
    get told () { return told }
  }
}

const at = (number: number, ...partitions: number[]) => ({ topicId: topicId(number), partitions: partitions as PartitionIndex[] })
const placed = (number: number, ...partitions: number[]) => ({ kind: 'partitions-placed', ...at(number, ...partitions), actors: partitions.map(partition => 100 + partition as ActorId) }) as const
const stopped = (number: number, done: boolean, ...partitions: number[]) => ({ kind: 'partitions-stopped', ...at(number, ...partitions), stopped: done }) as const
const removed = (number: number, done: boolean, ...partitions: number[]) => ({ kind: 'partitions-removed', ...at(number, ...partitions), removed: done }) as const
const moved = (number: number, partition: number, ...replicas: number[]): MetadataRecord =>
  ({ kind: 'partition-reassigned', id: topicId(number), partition: partition as PartitionIndex, replicas: members(...replicas), adding: [], removing: [] })

t.test('a start does what the log asks for, and again what earlier starts may not have done', async t => {
  const s = setUp()
  s.apply(created(1, [[1, 2, 3], [2, 3], [3, 1]]))
  s.apply(created(2, [[1]]))
  s.apply({ kind: 'topic-deleted', id: topicId(2) })
  s.apply(moved(1, 0, 2, 3))
  s.apply(created(3, [[1], [1]]))
  s.apply(moved(3, 1, 2))
  s.apply(moved(3, 1, 1, 2))
  t.same(s.asks(out => s.begin(out)).toSorted(), ['place 1: 2', 'place 3: 0,1', 'remove 1: 0', 'remove 2: 0'])
  t.same(s.specs.map(({ topic, partition, initial, voters }) => [topic, partition, initial, voters]), [
    ['topic-1', 2, [3, 1], [3, 1]], ['topic-3', 0, [1], [1]], ['topic-3', 1, [], [1, 2]]
  ], 'who was away begins as a stranger')
})

t.test('before the metadata log is known as far as it is committed, nothing is removed and no log is begun', async t => {
  const s = setUp()
  s.apply(created(1, [[1, 2, 3], [1, 3]]))
  s.apply(moved(1, 0, 2, 3))
  t.same(s.asks(out => s.replicas.run(out)), ['place 1: 1'])
  t.equal(s.specs[0]!.mayBegin, false, 'only a log that is there already')
  s.asks(out => s.replicas.placed(placed(1, 1), out))
  s.apply(moved(1, 1, 3))
  t.same(s.asks(() => {}), [], 'this may be long out of date')
  s.apply(moved(1, 1, 3, 1))
  s.replicas.verify()
  s.replicas.verify()
  t.equal(s.readsAsked, 1)
  t.same(s.asks(out => s.read(out, false)), [], 'nobody could say')
  s.replicas.verify()
  t.same(s.asks(out => s.read(out)), ['remove 1: 0'])
  s.apply(created(2, [[1]]))
  s.asks(() => {})
  t.equal(s.specs.at(-1)!.mayBegin, true)
})

t.test('what is placed is told to the links, and what is meant to the partition', async t => {
  const s = setUp()
  s.asks(out => s.begin(out))
  t.same(s.asks(() => s.apply(created(1, [[1, 2], [2, 3]]))), ['place 1: 0'])
  t.equal(s.replicas.actorOf(topicId(1), 0), -1)
  s.asks(out => s.replicas.placed(placed(1, 0), out))
  t.same(s.told, [
    { to: links, kind: 'groups-changed', placed: [{ group: `${topicId(1)}-0`, actor: 100 }], removed: [] },
    { to: 100, kind: 'partition-assigned', voters: [1, 2], generation: 0 },
    { to: 100, kind: 'announce-leader' }
  ])
  t.equal(s.replicas.actorOf(topicId(1), 0), 100)
  t.same(s.replicas.groups(), [{ group: `${topicId(1)}-0`, actor: 100 }])
  s.asks(() => s.apply(moved(1, 0, 2, 1)))
  t.match(s.told.filter(({ to }) => to === 100), [{ kind: 'partition-assigned', voters: [2, 1], generation: 1 }])
  t.same(s.asks(() => s.apply(moved(1, 0, 2))), ['stop 1: 0'])
  t.match(s.told, [{ to: links, removed: [`${topicId(1)}-0`] }])
  t.same(s.replicas.groups(), [])
})

t.test('a large topic is placed piece by piece', async t => {
  const s = setUp()
  s.asks(out => s.replicas.run(out))
  const asked = s.asks(() => s.apply(created(1, Array.from({ length: 120 }, () => [1]))))
  t.same(asked.map(text => text.split(',').length), [50, 50, 20])
  s.asks(out => s.replicas.placed(placed(1, 0, 1), out))
  t.equal(s.replicas.groups().length, 2)
})

t.test('wishes that change while a step is under way', async t => {
  const s = setUp()
  s.asks(out => s.begin(out))
  s.asks(() => s.apply(created(1, [[1, 2]])))
  t.same(s.asks(() => s.apply(moved(1, 0, 2))), [], 'it is being placed')
  t.same(s.asks(out => s.replicas.placed(placed(1, 0), out)), ['stop 1: 0'])
  t.notOk(s.told.some(({ to }) => to !== links), 'what goes again is told nothing')
  t.same(s.asks(out => s.replicas.stopped(stopped(1, true, 0), out)), [])
  t.same(s.asks(out => s.read(out)), ['remove 1: 0'])
  t.same(s.asks(() => s.apply(moved(1, 0, 2, 1))), [], 'it is being removed: its files must be gone first')
  t.same(s.asks(out => s.replicas.removed(removed(1, true, 0), out)), ['place 1: 0'])
  s.asks(() => s.apply({ kind: 'topic-deleted', id: topicId(1) }))
  t.same(s.asks(out => s.replicas.placed(placed(1, 0), out)), ['stop 1: 0'])
  s.asks(out => s.replicas.stopped(stopped(1, true, 0), out))
  t.same(s.asks(out => s.read(out)), ['remove 1: 0'])
  t.same(s.asks(out => s.replicas.removed(removed(1, true, 0), out)), [])
})

t.test('a replica that was taken away and given back before this broker heard of either keeps its log: its group may count on it', async t => {
  const s = setUp()
  s.asks(out => s.begin(out))
  s.asks(() => s.apply(created(1, [[1, 2], [1, 2]])))
  s.asks(out => s.replicas.placed(placed(1, 0, 1), out))
  t.same(s.asks(() => s.apply(moved(1, 0, 2))), ['stop 1: 0'], 'from now on it says nothing more')
  t.same(s.asks(() => s.apply(moved(1, 0, 2, 1))), [])
  t.same(s.asks(out => s.replicas.stopped(stopped(1, true, 0), out)), ['place 1: 0'], 'with what it has')
  t.equal(s.readsAsked, 0)
  s.asks(out => s.replicas.placed(placed(1, 0), out))
  t.same(s.asks(() => s.apply(moved(1, 1, 2))), ['stop 1: 1'])
  t.same(s.asks(out => s.replicas.stopped(stopped(1, true, 1), out)), [], 'what is known here may be old')
  t.same(s.asks(() => s.apply(moved(1, 1, 2, 1))), ['place 1: 1'])
  s.asks(out => s.replicas.placed(placed(1, 1), out))
  t.same(s.asks(() => s.apply(moved(1, 1, 2))), ['stop 1: 1'])
  t.same(s.asks(out => s.replicas.stopped(stopped(1, true, 1), out)), [])
  t.equal(s.readsAsked, 2)
  t.same(s.asks(out => s.read(out)), ['remove 1: 1'], 'by the word that was asked for after it stopped')
})

t.test('what fails is tried again, as it is meant then', async t => {
  const s = setUp()
  s.asks(out => s.begin(out))
  s.asks(() => s.apply(created(1, [[1], [1], [1, 2]])))
  const again = (...partitions: number[]) => s.asks(out => s.replicas.retry({ kind: 'retry-placement', ...at(1, ...partitions) }, out)).toSorted()
  const failed = { kind: 'placement-failed', ...at(1, 0, 1, 2), reason: 'no room' } as const
  t.same(s.asks(out => s.replicas.failed(failed, out)), [], 'not at once')
  s.asks(() => s.apply(moved(1, 2, 2)))
  t.same(again(0, 1, 2), ['place 1: 0,1', 'stop 1: 2'])
  t.same(again(0, 1, 2), [], 'all of this is under way')
  s.asks(out => s.replicas.placed(placed(1, 0, 1), out))
  t.same(s.asks(out => s.replicas.stopped(stopped(1, false, 2), out)), [])
  t.same(again(2), ['stop 1: 2'])
  s.asks(out => s.replicas.stopped(stopped(1, true, 2), out))
  t.same(s.asks(out => s.read(out, false)), [], 'nobody knows whether it is wanted')
  t.same(again(2), [])
  t.same(s.asks(out => s.read(out)), ['remove 1: 2'])
  t.same(s.asks(out => s.replicas.removed(removed(1, false, 2), out)), [])
  s.asks(() => s.apply(moved(1, 2, 2, 1)))
  t.same(again(2), ['remove 1: 2'], 'files that are half gone are no replica')
  t.same(s.asks(out => s.replicas.removed(removed(1, true, 2), out)), ['place 1: 2'])
  t.same(s.asks(out => s.replicas.placed(placed(1, 2), out)), [])
  t.equal(s.replicas.groups().length, 3)
})

t.test('before it is known what is committed nothing is removed, and no log begun', async t => {
  const s = setUp()
  s.apply(created(1, [[1], [1, 2], [1, 2], [1]]))
  s.apply(moved(1, 3, 2))
  t.same(s.asks(out => s.replicas.run(out)), ['place 1: 0,1,2'])
  t.same(s.specs.map(({ mayBegin }) => mayBegin), [false, false, false])
  t.same(s.asks(() => s.apply(moved(1, 1, 2))), [])
  t.same(s.asks(out => s.replicas.placed(placed(1, 0, 1), out)), [], 'it may have been given back since')
  t.match(s.told.find(({ to }) => to === links), { placed: [{ actor: 100 }, { actor: 101 }] }, 'and then its group needs it')
  t.same(s.asks(out => s.replicas.failed({ kind: 'placement-failed', ...at(1, 2), reason: 'no log' }, out)), [])
  s.asks(() => s.apply(moved(1, 2, 2)))
  t.same(s.asks(out => s.replicas.retry({ kind: 'retry-placement', ...at(1, 2) }, out)), [])
  s.asks(() => s.apply(moved(1, 3, 2, 1)))
  s.replicas.verify()
  t.same(s.asks(out => s.read(out)).toSorted(), ['remove 1: 2', 'stop 1: 1'])
  t.equal(s.specs.filter(({ partition }) => partition === 3).length, 1, 'it was given back')
})

t.test('what is to be removed since before the start is not placed before it is gone', async t => {
  const s = setUp()
  s.apply(created(1, [[1, 2]]))
  s.apply(moved(1, 0, 2))
  t.same(s.asks(out => s.begin(out)), ['remove 1: 0'])
  t.same(s.asks(() => s.apply(moved(1, 0, 2, 1))), [])
  t.same(s.asks(out => s.replicas.removed(removed(1, true, 0), out)), ['place 1: 0'])
})
