/** A disk that fails, fills up or is slow, under a log that is in use. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { batchOf, LogHost, readAll } from './kit.ts'

const directory = '/data/topics/t-0'

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
