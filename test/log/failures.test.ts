/** A disk that fails, fills up or is slow, under a log that is in use. */
import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { ProducerSnapshots } from '../../src/log/producer-snapshot.ts'
import { offsetName, offsetOfName } from '../../src/log/segment.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { batchOf, CountingDisk, LogHost, readAll } from './kit.ts'

const directory = '/data/topics/t-0'

/** Bases of the segments that have a file. */
async function logFiles (disk: FaultyDisk): Promise<number[]> {
  return (await disk.list(directory)).map(name => offsetOfName(name, 'log')).filter(base => base !== undefined)
}

t.test('a failed sync cuts what was not durable, and a later power loss keeps what comes after', async t => {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const host = await LogHost.open({ directory, disk, bootId: 'a' })
  host.append(batchOf(2, 50))
  await host.flush()
  const idBefore = host.log.read(0 as Offset, 1, 2 as Offset)!.fileId
  let fails = 1
  disk.fault = operation => operation === 'sync' && fails-- > 0 ? 'EIO' : undefined
  host.append(batchOf(3, 50))
  host.log.flush(host)
  await host.settle(() => host.events.includes('cut'))
  t.same([host.log.logEndOffset, host.log.durableEndOffset, host.log.refusal, host.log.pendingBytes], [2, 2, 'sync-failed', 0])
  t.throws(() => host.append(batchOf(1, 1)), /refuses/)
  await host.settle(() => host.events.includes('ready'))
  host.append(batchOf(1, 60), 2)
  await host.flush()
  t.not(host.log.read(0 as Offset, 1, 2 as Offset)!.fileId, idBefore, 'a new file was begun')
  const again = await LogHost.open({ directory, disk: disk.crash(), bootId: 'b' })
  t.equal(again.log.logEndOffset, 3)
  t.equal(again.log.termAt(2 as Offset), 2)
})

t.test('under interval a failed background sync cuts to what was synced before', async t => {
  const disk = new FaultyDisk({ chance: seededChance(2) })
  const host = await LogHost.open({ directory, disk, config: { flush: 'interval', flushIntervalMs: 10 } })
  host.append(batchOf(1, 50))
  await host.flush()
  host.log.maintain(1000, host)
  await host.settle(() => host.events.includes('none'))
  host.append(batchOf(1, 50))
  await host.flush()
  disk.fault = operation => operation === 'sync' ? 'EIO' : undefined
  host.log.maintain(2000, host)
  await host.settle(() => host.events.includes('cut'))
  t.equal(host.log.logEndOffset, 1)
  await host.settle(() => host.events.includes('broken'))
  t.equal(host.log.refusal, 'broken', 'a disk that syncs nothing cannot be repaired')
  await host.log.close()
})

for (const flush of ['always', 'os'] as const) {
  t.test(`a full disk refuses writes, serves reads, and recovers: ${flush}`, async t => {
    const disk = new FaultyDisk()
    const host = await LogHost.open({ directory, disk, config: { flush } })
    const reader = new SegmentReader({ disk })
    host.append(batchOf(1, 50))
    await host.flush()
    disk.capacity = disk.usedBytes + (flush === 'os' ? 100 : -70000)
    for (let i = 0; i < 3; i++) host.append(batchOf(1, 70_000))
    host.log.flush(host)
    await host.settle(() => host.events.includes('cut'))
    t.same([host.log.refusal, host.log.logEndOffset], ['full', 1])
    t.equal((await readAll(host, reader)).length, 1)
    await host.settle(() => host.events.includes('none'))
    host.log.maintain(1000, host)
    await host.settle(() => host.events.filter(event => event === 'none').length === 2)
    t.equal(host.log.refusal, 'full')
    disk.capacity = Infinity
    host.log.maintain(2000, host)
    await host.settle(() => host.events.includes('ready'))
    host.append(batchOf(1, 80))
    await host.flush()
    t.equal((await readAll(host, reader)).length, 2)
  })
}

t.test('a disk that takes 50 ms a sync holds up only its own log', async t => {
  const timers: { at: number, work: () => void }[] = []
  let now = 0
  const schedule = (delayMs: number, work: () => void): void => {
    if (delayMs === 0) return queueMicrotask(work)
    timers.push({ at: now + delayMs, work })
  }
  const disk = new FaultyDisk({ schedule })
  const slow = await LogHost.open({ directory: '/data/topics/slow-0', disk })
  const quick = await LogHost.open({ directory: '/data/topics/quick-0', disk })
  disk.delayMs = (operation, path) => operation === 'sync' && path.includes('slow') ? 50 : 0
  slow.append(batchOf(1, 10))
  slow.log.flush(slow)
  slow.drain()
  for (let i = 0; i < 20; i++) {
    quick.append(batchOf(1, 10))
    await quick.flush()
    slow.append(batchOf(1, 10))
    slow.log.flush(slow)
    slow.drain()
  }
  for (let i = 0; i < 5; i++) await null
  t.equal(quick.log.durableEndOffset, 20)
  t.equal(slow.log.durableEndOffset, 0)
  const writesBefore = disk.counts.get('write')!
  while (slow.log.durableEndOffset < 21) {
    const next = timers.shift()
    if (next === undefined) await null
    else {
      now = next.at
      next.work()
    }
    slow.drain()
  }
  t.equal(disk.counts.get('write')! - writesBefore, 1, 'what came during the slow sync went into one group')
  t.equal(now, 100)
})

t.test('terms: end offsets, cuts and the entry before the start', async t => {
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, config: { segmentBytesMax: 100 } })
  for (const term of [1, 1, 3, 3, 4]) host.append(batchOf(1, 40), term)
  await host.flush()
  t.same(host.log.epochEndOffset(1 as Term), { term: 1, endOffset: 2 })
  t.same(host.log.epochEndOffset(2 as Term), { term: 1, endOffset: 2 })
  t.same(host.log.epochEndOffset(4 as Term), { term: 4, endOffset: 5 })
  t.equal(host.log.epochEndOffset(0 as Term), undefined)
  host.log.deleteBefore(3 as Offset, host)
  await host.settle(() => host.events.includes('start-moved'))
  t.equal(host.log.logStartOffset, 3)
  t.equal(host.log.termAt(2 as Offset), 3)
  t.equal(host.log.read(2 as Offset, 100, 5 as Offset), undefined)
  await host.log.close()
  const again = await LogHost.open({ directory, disk, config: { segmentBytesMax: 100 } })
  t.same([again.log.logStartOffset, again.log.termAt(2 as Offset), again.log.lastTerm], [3, 3, 4])
})

for (const [what, operation, isPath] of [
  ['the folder cannot be synced', 'sync-folder', (path: string) => path === directory],
  ['the new file cannot be looked at', 'look', (path: string) => path.endsWith('2.log')]
] as const) {
  t.test(`a roll that fails leaves no file behind: ${what}`, async t => {
    const disk = new FaultyDisk({ chance: seededChance(3) })
    const config = { segmentBytesMax: 3000 }
    const host = await LogHost.open({ directory, disk, config, bootId: 'a' })
    for (let i = 0; i < 2; i++) host.append(batchOf(1, 1000))
    await host.flush()
    let fails = 1
    disk.fault = (one, path) => one === operation && isPath(path) && fails-- > 0 ? 'EIO' : undefined
    host.append(batchOf(1, 1500))
    host.log.flush(host)
    await host.settle(() => host.events.includes('ready'))
    t.same(await logFiles(disk), [0])
    for (const bytes of [100, 100, 2000]) host.append(batchOf(1, bytes), 2)
    await host.flush()
    t.same(host.log.segments.map(segment => segment.base), [0, 4], 'the old segment went on past the roll that failed')
    const after = disk.kill()
    const again = await LogHost.open({ directory, disk: after, config, bootId: 'a' })
    again.log.advanceHighWatermark(again.log.durableEndOffset)
    t.same((await readAll(again, new SegmentReader({ disk: after }))).map(batch => batch.base), [0, 1, 2, 3, 4])
  })
}

t.test('a roll that fails, and whose file cannot be removed, ends the log; what was durable is there when it is opened again', async t => {
  const disk = new FaultyDisk({ chance: seededChance(3) })
  const config = { segmentBytesMax: 3000 }
  const host = await LogHost.open({ directory, disk, config, bootId: 'a' })
  for (let i = 0; i < 2; i++) host.append(batchOf(1, 1000))
  await host.flush()
  let fails = 1
  disk.fault = (operation, path) => {
    return (operation === 'sync-folder' && fails-- > 0) || (operation === 'remove' && path.endsWith('2.log')) ? 'EIO' : undefined
  }
  host.append(batchOf(1, 1500))
  host.log.flush(host)
  await host.settle(() => host.log.refusal === 'broken' || host.events.includes('ready'))
  t.equal(host.log.refusal, 'broken')
  await host.log.close()
  disk.fault = undefined
  t.same(await logFiles(disk), [0, 2])
  const again = await LogHost.open({ directory, disk, config, bootId: 'a' })
  again.append(batchOf(1, 100), 2)
  await again.flush()
  t.same((await readAll(again, new SegmentReader({ disk }))).map(batch => batch.base), [0, 1, 2])
})

t.test('a repair that cannot open its copy leaves nothing to be closed twice', async t => {
  const disk = new CountingDisk()
  const host = await LogHost.open({ directory, disk })
  host.append(batchOf(1, 50))
  let fails = 1
  disk.fault = (operation, path) => (operation === 'sync' && fails-- > 0) || (operation === 'open' && path.endsWith('.log')) ? 'EIO' : undefined
  host.log.flush(host)
  await host.settle(() => host.events.includes('broken'))
  await host.log.close()
  t.equal(disk.misuses, 0)
})

t.test('under os a sync claims only the segments that were synced, whatever rolls meanwhile', async t => {
  const held: { path: string, work: () => void }[] = []
  const segmentOf = (base: number): string => `${directory}/${offsetName(base)}.log`
  let holds: readonly string[] = []
  let syncs = ''
  const disk = new FaultyDisk({
    chance: { next: () => 0, uint32: () => 0 }, // all that is not synced is lost
    delayMs: (operation, path) => operation === 'sync' && holds.includes(syncs = path) ? 1 : 0,
    schedule: (delayMs, work) => {
      if (delayMs > 0) held.push({ path: syncs, work })
      else queueMicrotask(work)
    }
  })
  const release = (path: string): void => {
    holds = holds.filter(one => one !== path)
    for (const one of held.splice(0)) {
      if (one.path === path) one.work()
      else held.push(one)
    }
  }
  const config = { flush: 'os', segmentBytesMax: 3000 } as const
  const host = await LogHost.open({ directory, disk, config, bootId: 'a' })
  const put = async (): Promise<void> => {
    host.append(batchOf(1, 1000))
    await host.flush()
  }
  const rest = async (): Promise<void> => {
    await setImmediate()
    host.drain()
  }
  holds = [segmentOf(0), segmentOf(2)]
  for (let i = 0; i < 3; i++) await put()
  host.log.deleteBefore(3 as Offset, host)
  await rest()
  for (let i = 0; i < 2; i++) await put()
  t.same(host.log.segments.map(segment => segment.base), [0, 2, 4], 'the segment of offset 2 was closed while the sync waited')
  release(segmentOf(0))
  await rest()
  t.equal(host.log.logStartOffset, 0, 'offset 2 is not on the disk yet')
  release(segmentOf(2))
  await rest()
  t.equal(host.log.logStartOffset, 3)
  const again = await LogHost.open({ directory, disk: disk.crash(), config, bootId: 'b' })
  t.same([again.log.logStartOffset, again.log.logEndOffset], [3, 4])
})

t.test('under interval a repair removes producer states of what it cuts', async t => {
  const disk = new FaultyDisk({ chance: seededChance(2) })
  const config = { flush: 'interval', flushIntervalMs: 10 } as const
  const host = await LogHost.open({ directory, disk, config, bootId: 'a' })
  const put = async (term: number): Promise<void> => {
    host.append(batchOf(1, 50), term)
    await host.flush()
  }
  const checkpoint = async (state: number): Promise<void> => {
    host.log.checkpoint(host, { offset: host.log.durableEndOffset, bytes: Uint8Array.of(state) })
    await host.waitFor('none')
  }
  await put(1)
  host.log.maintain(1000, host)
  await host.waitFor('none')
  await checkpoint(1)
  for (let i = 0; i < 2; i++) await put(1)
  await checkpoint(3)
  let fails = 1
  disk.fault = operation => operation === 'sync' && fails-- > 0 ? 'EIO' : undefined
  host.log.maintain(2000, host)
  await host.settle(() => host.events.includes('ready'))
  t.equal(host.log.logEndOffset, 1)
  for (let i = 0; i < 3; i++) await put(2)
  const seen: unknown[] = []
  await LogHost.open({
    directory, disk: disk.kill(), config, bootId: 'a', replay: { snapshot: (bytes, offset) => seen.push([...bytes, offset]), batch: () => seen.push('batch') }
  })
  t.same(seen, [[1, 1], 'batch', 'batch', 'batch'])
})

t.test('producer states that were cut do not come back with the power, when the log has grown past them', async t => {
  const disk = new FaultyDisk({ chance: { next: () => 0, uint32: () => 0 } })
  const snapshots = await ProducerSnapshots.open(disk, directory, 0 as Offset)
  await snapshots.save(3 as Offset, Uint8Array.of(3))
  await snapshots.truncate(2 as Offset)
  const again = await ProducerSnapshots.open(disk.crash(), directory, 5 as Offset)
  t.same(again.offsets, [])
})
