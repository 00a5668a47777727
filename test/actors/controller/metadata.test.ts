/** Snapshots of the metadata: they stand for the log below them, on this broker and on another one. */
import t from 'tap'
import { Metadata } from '../../../src/actors/controller/metadata.ts'
import { writeMetadata, type MetadataRecord } from '../../../src/actors/controller/metadata-record.ts'
import type { MetadataState } from '../../../src/actors/controller/metadata-state.ts'
import type { Offset } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { created, digest, founders, randomRecord, registered, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** A batch of one record at `offset`. */
function batchAt (offset: number, record: MetadataRecord): Uint8Array {
  const batch = writeMetadata([record])
  new DataView(batch.buffer, batch.byteOffset).setBigInt64(0, BigInt(offset))
  return batch
}

/** As its controller does it. */
function replay ({ entries, state }: Metadata, highWatermark: number): void {
  for (let entry = entries.take(highWatermark as Offset); entry !== undefined; entry = entries.take(highWatermark as Offset)) {
    for (const record of entry.records) state.apply(record)
  }
}

function history (seed: number, length: number): Metadata & { readonly batches: Uint8Array[] } {
  const chance = seededChance(seed)
  const metadata = new Metadata(founders(3))
  metadata.opened()
  const batches: Uint8Array[] = []
  const put = (record: MetadataRecord): void => {
    const batch = batchAt(batches.length, record)
    batches.push(batch)
    metadata.apply(batch)
    replay(metadata, batches.length)
  }
  for (let id = 1; id <= 5; id++) put(registered(id))
  while (batches.length < length) {
    const record = randomRecord(metadata.state, chance, 5)
    if (record !== undefined) put(record)
  }
  return Object.assign(metadata, { batches })
}

const same = (a: MetadataState, b: MetadataState): boolean => JSON.stringify(digest(a)) === JSON.stringify(digest(b))

t.test('a snapshot and what follows it give what the whole log gives', async t => {
  for (let seed = 1; seed <= 40; seed++) {
    const half = history(seed, 60)
    const whole = history(seed, 120)
    const opened = new Metadata(founders(3))
    opened.restore(half.snapshot())
    // From the start of a segment that lies below it.
    for (const batch of whole.batches.slice(50)) opened.apply(batch)
    opened.opened()
    t.equal(opened.appliedEnd, 60)
    replay(opened, 120)
    if (!same(opened.state, whole.state)) t.same(digest(opened.state), digest(whole.state), `seed ${seed}`)
    t.equal(opened.takeReplaced(), undefined, 'a start is no news to anybody')
  }
})

t.test('what waits for its commit is in no snapshot', async t => {
  const metadata = history(1, 20)
  const before = metadata.snapshot()
  metadata.apply(batchAt(20, created(99, [[1]])))
  t.same(metadata.snapshot(), before)
  t.equal(metadata.appliedEnd, 20)
})

t.test('another broker\'s snapshot: what was known here is told once, and what waited here is given up', async t => {
  const metadata = new Metadata(founders(3))
  metadata.opened()
  metadata.apply(batchAt(0, created(1, [[1]])))
  replay(metadata, 1)
  metadata.apply(batchAt(1, created(2, [[1]])))
  const leader = history(3, 50)
  metadata.held = () => [[topicId(1), [0]]]
  metadata.restore(metadata.adopt(leader.snapshot()))
  t.equal(metadata.entries.truncate(50 as Offset).length, 1)
  t.same([...metadata.takeReplaced()!.keys()], [topicId(1)])
  t.equal(metadata.takeReplaced(), undefined)
  t.ok(same(metadata.state, leader.state))
  t.equal(metadata.entries.count, 0)
})

t.test('an older snapshot does not take back what was replayed', async t => {
  const metadata = history(5, 60)
  const before = JSON.stringify(digest(metadata.state))
  metadata.restore(history(5, 40).snapshot())
  t.equal(JSON.stringify(digest(metadata.state)), before)
  t.equal(metadata.appliedEnd, 60)
  t.equal(metadata.takeReplaced(), undefined)
})

t.test('a snapshot says what files this broker may have, not those of the one that it came from', async t => {
  const [mine, theirs] = [history(6, 30), history(6, 40)]
  mine.held = () => [[topicId(7), [0, 2]]]
  theirs.held = () => [[topicId(8), [1]]]
  const kept = mine.adopt(theirs.snapshot())
  const opened = new Metadata(founders(3))
  opened.restore(kept)
  t.same(opened.held(), [[topicId(7), [0, 2]]])
  t.ok(same(opened.state, theirs.state))
})

t.test('a log that was made before there were snapshots says nothing by its first one', async t => {
  const metadata = new Metadata(founders(3))
  const before = JSON.stringify(digest(metadata.state))
  metadata.restore(new Uint8Array(0))
  t.equal(JSON.stringify(digest(metadata.state)), before)
  t.equal(metadata.appliedEnd, 0)
})
