/** When a snapshot of the metadata is due, and what of their log goes then. */
import t from 'tap'
import { Metadata } from '../../../src/actors/controller/metadata.ts'
import { MetadataCompaction } from '../../../src/actors/controller/metadata-compaction.ts'
import type { MetadataReplica } from '../../../src/actors/controller/metadata-replica.ts'
import type { EffectSink } from '../../../src/base/effect.ts'
import type { Offset } from '../../../src/base/ids.ts'
import { founders } from './records.ts'

const out = {} as EffectSink

/** Ten changes to a snapshot, three kept below the older one. */
function setUp () {
  const metadata = new Metadata(founders(1))
  metadata.opened()
  const log = {
    logStartOffset: 0,
    durableEndOffset: 0,
    snapshots: [0],
    get snapshotOffset () { return this.snapshots.at(-1) },
    get oldestSnapshotOffset () { return this.snapshots[0] },
    checkpoints: 0,
    checkpoint (_out: EffectSink, states?: { offset: number }) {
      this.checkpoints++
      if (states !== undefined) this.snapshots = [...this.snapshots, states.offset].slice(-2)
    },
    deleteBefore (offset: number) { this.logStartOffset = offset }
  }
  const replica = { log, highWatermark: 0, snapshot: () => metadata.snapshot() }
  const compaction = new MetadataCompaction(replica as unknown as MetadataReplica, metadata, { changesMax: 10, overhead: 3 })
  return {
    log,
    replica,
    run: () => compaction.run(out),
    /** Everything below is committed, and replayed. */
    reach (end: number): void {
      metadata.entries.begin(end as Offset)
      replica.highWatermark = log.durableEndOffset = end
    }
  }
}

t.test('a snapshot for so many changes, and the log begins a little below the older of two', async t => {
  const { log, run, reach } = setUp()
  reach(9)
  t.equal(run(), false)
  t.same([log.checkpoints, log.snapshots], [1, [0]], 'a checkpoint is written all the same')
  reach(10)
  t.equal(run(), true, 'there may be more to do')
  t.same([log.snapshots, log.logStartOffset], [[0, 10], 0])
  reach(25)
  t.equal(run(), true)
  t.same([log.snapshots, log.logStartOffset], [[10, 25], 7])
  t.equal(run(), false, 'all is done')
})

t.test('no snapshot of what this disk does not hold yet', async t => {
  const { log, replica, run, reach } = setUp()
  reach(10)
  log.durableEndOffset = 9
  t.equal(run(), false)
  log.durableEndOffset = 10
  replica.highWatermark = 9
  t.equal(run(), false)
  t.same(log.snapshots, [0])
  replica.highWatermark = 10
  t.equal(run(), true)
})
