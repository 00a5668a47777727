/** Where a log starts for its readers, and where its files begin: what stands between is for other replicas, and for its owner's state. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { baseOffsetOf } from '../../src/record/record-batch.ts'
import { batchOf, LogHost, readPlan, splitBatches } from './kit.ts'

const directory = '/data/topics/t-0'
const config = { segmentBytesMax: 400 }

/** Batches of three records, two in a segment, each in a term of its own. */
async function filled (disk: FaultyDisk): Promise<LogHost> {
  const host = await LogHost.open({ directory, disk, config })
  for (let i = 0; i < 8; i++) host.append(batchOf(3, 30), 1 + i)
  await host.flush()
  return host
}

async function replayed (disk: FaultyDisk): Promise<{ readonly host: LogHost, readonly bases: number[] }> {
  const bases: number[] = []
  const host = await LogHost.open({ directory, disk, config, replay: { snapshot () {}, batch: bytes => { bases.push(baseOffsetOf(bytes, 0)) } } })
  return { host, bases }
}

t.test('a start in the middle of a batch: readers begin there, replicas where the file begins', async t => {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const host = await filled(disk)
  host.log.deleteBefore(10 as Offset, host)
  await host.waitFor('start-moved')
  const { log } = host
  t.same([log.logStartOffset, log.firstOffset], [10, 6])
  t.equal(log.read(9 as Offset, 1000, 24 as Offset), undefined)
  t.equal(log.readStored(5 as Offset, 1000, 24 as Offset), undefined)
  const reader = new SegmentReader({ disk })
  const plan = log.readStored(6 as Offset, 1000, 12 as Offset)!
  t.same(splitBatches(await readPlan(reader, directory, { ...plan, memory: undefined }, 1000)).map(({ base }) => base), [6, 9])
  const pieces: Uint8Array[] = []
  t.equal(log.gather(6 as Offset, 9 as Offset, 1000, pieces)?.endOffset, 9)
  t.same([log.termAt(5 as Offset), log.termAt(6 as Offset), log.termAt(4 as Offset)], [2, 3, 2], 'the terms reach back to the entry before the file')
  t.same(log.epochEndOffset(2 as Term), { term: 2, endOffset: 6 })
  t.equal(log.epochEndOffset(1 as Term), undefined)
})

t.test('the owner is shown what stands below the start too: a batch there may say who is in the group', async t => {
  const disk = new FaultyDisk({ chance: seededChance(2) })
  const host = await filled(disk)
  host.log.deleteBefore(11 as Offset, host)
  await host.waitFor('start-moved')
  await host.settle(() => host.events.at(-1) === 'none')
  const { host: again, bases } = await replayed(disk.crash())
  t.equal(again.log.logStartOffset, 11)
  t.same(bases, [6, 9, 12, 15, 18, 21])
})

t.test('files below the start that an earlier run did not get to remove are no part of the log, and go', async t => {
  const disk = new FaultyDisk({ chance: seededChance(3) })
  const host = await filled(disk)
  disk.fault = (operation, path) => operation === 'remove' && path.endsWith('.log') ? 'EIO' : undefined
  host.log.deleteBefore(14 as Offset, host)
  await host.waitFor('start-moved')
  await host.settle(() => host.log.needsUpkeep)
  disk.fault = undefined
  const after = disk.kill()
  const { host: again } = await replayed(after)
  t.same([again.log.logStartOffset, again.log.firstOffset], [14, 12])
  t.ok(again.log.needsUpkeep)
  again.log.maintain(1000, again)
  await again.waitFor('none')
  t.notOk(again.log.needsUpkeep)
  t.notOk((await after.list(directory)).some(name => name.startsWith('00000000000000000000') || name.startsWith('00000000000000000006')))
})

t.test('what is below the start was committed, also when the checkpoint is lost that said so', async t => {
  const disk = new FaultyDisk({ chance: seededChance(5) })
  const host = await filled(disk)
  host.log.deleteBefore(9 as Offset, host)
  await host.settle(() => host.log.firstOffset === 6 && !host.log.needsUpkeep && host.events.at(-1) === 'none')
  const after = disk.kill()
  await after.remove(`${directory}/checkpoint`)
  const { host: again } = await replayed(after)
  t.same([again.log.logStartOffset, again.log.highWatermark, again.log.logEndOffset], [6, 6, 24])
})

t.test('a snapshot of what may be cut is not counted on, and never takes the place of one that may be', async t => {
  const disk = new FaultyDisk({ chance: seededChance(6) })
  const snapshots = async (): Promise<number[]> => (await disk.list(directory)).filter(name => name.endsWith('.snapshot')).map(name => Number(name.slice(0, 20)))
  const states = Uint8Array.of(1)
  const first = await filled(disk)
  await first.log.close(states)
  for (let i = 0; i < 3; i++) {
    const { host } = await replayed(disk)
    t.same([host.log.highWatermark, host.log.snapshotOffset], [24, 24])
    host.append(batchOf(2, 30), 20)
    host.log.flush(host)
    await host.settle(() => host.log.durableEndOffset === host.log.logEndOffset)
    await host.log.close(states)
  }
  t.same(await snapshots(), [24, 26])
  const { host } = await replayed(disk)
  host.log.advanceHighWatermark(25 as Offset)
  t.equal(host.log.snapshotOffset, 24)
  host.log.advanceHighWatermark(30 as Offset)
  t.equal(host.log.snapshotOffset, 26)
  await host.log.close(states)
  t.same(await snapshots(), [26, 30])
})

t.test('a start that could not be saved is asked for until it is', async t => {
  const disk = new FaultyDisk({ chance: seededChance(4) })
  const host = await filled(disk)
  disk.fault = (_operation, path) => path.endsWith('checkpoint') ? 'EIO' : undefined
  host.log.deleteBefore(9 as Offset, host)
  await host.waitFor('none')
  t.same([host.log.logStartOffset, host.log.needsUpkeep], [0, true])
  disk.fault = undefined
  host.log.maintain(1000, host)
  await host.waitFor('start-moved')
  t.equal(host.log.logStartOffset, 9)
})
