/** The state machine of the metadata log: what records mean, that a log gives one state, and that old logs can be read. */
import t from 'tap'
import { readMetadata, writeMetadata, type MetadataRecord } from '../../../src/actors/controller/metadata-record.ts'
import { MetadataState } from '../../../src/actors/controller/metadata-state.ts'
import { encode } from '../../../src/base/msgpack.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { buildBatch } from '../../../src/record/records.ts'
import { created, digest, founders, loadsOf, member, members, node, randomRecord, registered, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const brokers = 5

function history (seed: number, length: number): { records: MetadataRecord[], state: MetadataState } {
  const chance = seededChance(seed)
  const state = new MetadataState(founders(3))
  const records: MetadataRecord[] = []
  for (let id = 1; id <= brokers; id++) records.push(registered(id))
  for (const record of records) state.apply(record)
  while (records.length < length) {
    const record = randomRecord(state, chance, brokers)
    if (record === undefined) continue
    records.push(record)
    state.apply(record)
  }
  return { records, state }
}

t.test('a log gives the same state wherever it is replayed, also through bytes and from a copy made on the way', async t => {
  for (let seed = 1; seed <= 60; seed++) {
    const { records, state } = history(seed, 200)
    const replayed = new MetadataState(founders(3))
    const half = records.length >> 1
    for (const record of records.slice(0, half)) replayed.apply(record)
    const copy = replayed.clone()
    const before = JSON.stringify(digest(replayed))
    for (const record of readMetadata(writeMetadata(records.slice(half)))) copy.apply(record)
    if (JSON.stringify(digest(replayed)) !== before) t.fail(`seed ${seed}: a copy shares what it changes`)
    if (JSON.stringify(digest(copy)) !== JSON.stringify(digest(state))) t.same(digest(copy), digest(state), `seed ${seed}`)
  }
  t.pass()
})

t.test('counts are those of what is there', async t => {
  for (let seed = 100; seed <= 140; seed++) {
    const { state } = history(seed, 150)
    const counted = loadsOf(state)
    t.same([...state.loadedMembers()].sort((a, b) => a - b), [...counted.keys()].sort((a, b) => a - b), `seed ${seed}`)
    for (const [id, load] of counted) t.same(state.loadOf(id), load, `seed ${seed}, member ${id}`)
    t.equal(state.partitionCount, [...state.topics.values()].reduce((sum, { partitions }) => sum + partitions.length, 0))
    const moving = [...state.topics.values()].flatMap(({ partitions }) => partitions).filter(({ origin }) => origin !== null)
    t.equal(state.movingCount, moving.length)
  }
})

t.test('a log of a broker that knew no others can be read', async t => {
  // As such brokers wrote them: without assignments, in MessagePack of their own.
  const old = [
    { kind: 'topic-created', name: 'orders', id: topicId(1), partitions: 2, replicas: 1, config: { 'retention.ms': '1000' } },
    { kind: 'producer-ids-reserved', end: 1000 },
    { kind: 'topic-created', name: 'gone', id: topicId(2), partitions: 1, replicas: 1, config: {} },
    { kind: 'topic-deleted', id: topicId(2) }
  ]
  const state = new MetadataState(founders(1))
  for (const record of readMetadata(buildBatch({ records: old.map(record => ({ value: encode(record) })) }))) state.apply(record)
  t.match(state.topicByName('orders'), { id: topicId(1), config: { 'retention.ms': '1000' }, partitions: [{ replicas: [1], initial: [1] }, { replicas: [1] }] })
  t.equal(state.topicByName('gone'), undefined)
  t.equal(state.producerIdEnd, 1000)
  t.equal(state.nodeOf(member(1)), 1)
  t.same(state.loadOf(member(1)), { replicas: 2, leaders: 2 })
})

t.test('a record of a newer program stops this one', async t => {
  const state = new MetadataState(founders(1))
  t.throws(() => state.apply({ kind: 'from-the-future' } as never), /does not know: from-the-future/)
})

t.test('numbers are given once: also to founders, and never again after a broker is struck off', async t => {
  const state = new MetadataState(founders(3))
  t.same([state.memberNext, state.nodeNext], [4, 4])
  t.equal(state.nodeByName('broker-2'), 2, 'a founder has its name before it registers')
  t.notOk(state.isRetired(member(2)))
  state.apply(registered(4))
  t.same([state.memberNext, state.nodeNext], [5, 5])
  state.apply({ kind: 'broker-struck-off', nodeId: node(4) })
  t.same([state.memberNext, state.nodeNext], [5, 5])
  t.ok(state.isRetired(member(4)))
  t.equal(state.nodeByName('broker-4'), 4, 'its name keeps its number')
})

t.test('another folder of a node retires the one before, and what it says of itself is new', async t => {
  const state = new MetadataState(founders(3))
  state.apply(registered(1))
  state.apply({ kind: 'broker-draining', nodeId: node(1), draining: true })
  state.apply(registered(1, { member: member(9), directoryId: 'new', port: 1 }))
  t.ok(state.isRetired(member(1)))
  t.notOk(state.isRetired(member(9)))
  t.match(state.brokers.get(node(1)), { member: 9, port: 1, epoch: 2, draining: true })
  t.equal(state.nodeOf(member(1)), 1)
  state.apply(registered(1, { member: member(9), directoryId: 'new', name: 'renamed' }))
  t.equal(state.nodeByName('broker-1'), undefined)
  t.equal(state.nodeByName('renamed'), 1)
})

t.test('who has left a partition is remembered: it comes back as a stranger', async t => {
  const state = new MetadataState(founders(3))
  state.apply(created(1, [[1, 2, 3]]))
  const reassign = (replicas: number[], removing: number[] = []): void => {
    state.apply({ kind: 'partition-reassigned', id: topicId(1), partition: 0 as never, replicas: members(...replicas), adding: [], removing: members(...removing), ...(removing.length > 0 ? { origin: members(1, 2, 3) } : {}) })
  }
  reassign([4, 2, 3, 1], [1])
  t.match(state.topics.get(topicId(1))!.partitions[0], { departed: [], generation: 1 }, 'not before it is gone')
  reassign([4, 2, 3])
  t.match(state.topics.get(topicId(1))!.partitions[0], { initial: [1, 2, 3], departed: [1], generation: 2 })
  reassign([1, 2, 3])
  t.match(state.topics.get(topicId(1))!.partitions[0], { initial: [1, 2, 3], departed: [1], generation: 3 })
})
