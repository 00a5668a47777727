/** Reads at every offset and size, from memory, from files, and by time. */
import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import type { Offset } from '../../src/base/ids.ts'
import { BlockPool } from '../../src/log/block-pool.ts'
import { scanFile } from '../../src/log/scan.ts'
import type { Disk } from '../../src/log/disk.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { Scrubber } from '../../src/log/scrub.ts'
import { SegmentReader, type ReadLease } from '../../src/log/segment-reader.ts'
import { findTimestamp } from '../../src/log/timestamp-search.ts'
import { buildBatch } from '../../src/record/records.ts'
import type { ReadPlan } from '../../src/log/log.ts'
import { batchOf, type BatchSeen, CountingDisk, LogHost, readAll, readFrom, readPlan, splitBatches } from './kit.ts'

const directory = '/data/topics/t-0'

async function filled (pool: BlockPool, config = {}): Promise<{ disk: FaultyDisk, host: LogHost, reader: SegmentReader, all: BatchSeen[] }> {
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, pool, config: { segmentBytesMax: 5000, indexIntervalBytes: 500, ...config } })
  for (let i = 0; i < 60; i++) {
    host.append(batchOf(1 + i % 3, [0, 30, 200, 900][i % 4]!, 10_000 + i * 10, String.fromCharCode(97 + i % 26)))
    if (i % 5 === 4) await host.flush()
  }
  await host.flush()
  const reader = new SegmentReader({ disk, filesMax: 2, bufferBytesMax: 1 << 20 })
  return { disk, host, reader, all: await readAll(host, reader) }
}

for (const [name, pool] of [['much memory', new BlockPool(1 << 20, 65536)], ['little memory', new BlockPool(2048, 1024)]] as const) {
  t.test(`every offset, many sizes: ${name}`, async t => {
    const { host, reader, all } = await filled(pool)
    t.equal(all.length, 60)
    let wrong = 0
    for (let offset = 0; offset < host.log.highWatermark; offset++) {
      const first = all.findIndex(batch => batch.next > offset)
      for (const maxBytes of [1, 100, 1000, 3000, 100_000]) {
        const seen = await readFrom(host, reader, offset, maxBytes)
        const total = seen.reduce((sum, batch) => sum + batch.bytes.length, 0)
        const same = seen.every((batch, index) => Buffer.from(batch.bytes).equals(all[first + index]!.bytes))
        if (seen.length === 0 || !same || (seen.length > 1 && total > maxBytes)) wrong++
      }
    }
    t.equal(wrong, 0)
    t.equal(host.log.read(host.log.highWatermark, 100, host.log.highWatermark), undefined)
  })
}

t.test('a read ends at the given offset, and without minOneBatch only what fits comes', async t => {
  const { host, reader, all } = await filled(new BlockPool(2048, 1024))
  for (const batch of all.slice(0, 20)) {
    const plan = host.log.read(0 as Offset, 1 << 20, batch.next as Offset)!
    const seen = splitBatches(plan.memory ?? await readPlan(reader, directory, plan, 1 << 20))
    t.ok(seen.at(-1)!.next <= batch.next)
  }
  const plan = host.log.read(0 as Offset, 10, host.log.highWatermark)!
  t.equal((await readPlan(reader, directory, plan, 10, false)).length, 0)
  t.equal((await readPlan(reader, directory, plan, 10, true)).length, all[0]!.bytes.length)
})

t.test('memory of blocks is bounded and shared by use', async t => {
  const disk = new FaultyDisk()
  const pool = new BlockPool(64 * 1024, 4096)
  const hosts = await Promise.all(Array.from({ length: 100 }, (_, i) => LogHost.open({ directory: `/data/topics/t-${i}`, disk, pool })))
  for (let round = 0; round < 5; round++) {
    for (const host of hosts) {
      host.append(batchOf(1, 100))
      await host.flush()
    }
  }
  t.ok(pool.bytes <= 64 * 1024)
  t.equal(pool.pinnedBytes, 0)
  const reader = new SegmentReader({ disk })
  for (const host of hosts) t.equal((await readAll(host, reader)).length, 5)
  for (const host of hosts) await host.log.close()
  const again = await LogHost.open({ directory: '/data/topics/t-0', disk, pool })
  for (let i = 0; i < 40; i++) again.append(batchOf(1, 4000))
  t.ok(pool.pinnedBytes >= 160_000, 'an append always finds memory')
  await again.flush()
  t.ok(pool.bytes <= 200_000)
})

t.test('reads that the page cache answers are made at once; a disk that becomes slow holds the thread up once', async t => {
  let now = 0
  let readMs = 0.1
  const made: string[] = []
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, config: { segmentBytesMax: 100_000 }, pool: new BlockPool(4096, 1024) })
  for (let i = 0; i < 100; i++) {
    host.append(batchOf(1, 2000))
    await host.flush()
  }
  const slow: Disk = Object.assign(Object.create(disk) as Disk, {
    open: async (path: string, mode: 'read' | 'write') => {
      const file = await disk.open(path, mode)
      if (!path.endsWith('.log')) return file
      const took = <In extends unknown[], Out>(how: string, read: (...input: In) => Out) => (...input: In): Out => {
        made.push(how)
        now += readMs
        return read.apply(file, input)
      }
      return Object.assign(file, { read: took('pool', file.read), readNow: took('here', file.readNow) })
    }
  })
  const reader = new SegmentReader({ disk: slow, clock: { wallMs: () => 0, monotonicMs: () => now } })
  const read = async (): Promise<string> => {
    made.length = 0
    t.ok((await readPlan(reader, directory, host.log.read(0 as Offset, 10_000, host.log.highWatermark)!, 10_000)).length > 0)
    return made.join()
  }
  t.equal(await read(), 'pool', 'nothing is known of the file')
  t.equal(await read(), 'here')
  t.equal(await read(), 'here')
  readMs = 50
  t.equal(await read(), 'here')
  t.equal(await read(), 'pool')
  now += 2000
  t.equal(await read(), 'pool', 'as slow as the last one was')
  readMs = 0.1
  t.equal(await read(), 'pool')
  t.equal(await read(), 'here')
  readMs = 50
  t.equal(await read(), 'here')
  readMs = 0.1
  t.equal(await read(), 'pool')
  t.equal(await read(), 'pool', 'quick again, but within the second')
  now += 1000
  t.equal(await read(), 'here')
  await reader.close()
  await host.log.close()
})

t.test('leases beyond the bound are small and never wait', async t => {
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, pool: new BlockPool(4096, 1024) })
  for (let i = 0; i < 100; i++) host.append(batchOf(1, 2000))
  await host.flush()
  const reader = new SegmentReader({ disk, bufferBytesMax: 300_000 })
  const plan = host.log.read(0 as Offset, 100_000, host.log.highWatermark)!
  const leases: ReadLease[] = []
  for (let i = 0; i < 10; i++) {
    await new Promise<void>(resolve => reader.read(directory, plan, 100_000, true, (_, lease) => {
      leases.push(lease!)
      resolve()
    }))
  }
  t.ok(reader.bufferBytes <= 300_000)
  t.ok(leases.at(-1)!.bytes.length >= 2000 && leases.at(-1)!.bytes.length < 20_000)
  for (const lease of leases) lease.release()
  t.throws(() => leases[0]!.release())
  t.ok((await readPlan(reader, directory, plan, 100_000)).length > 90_000)
})

t.test('a file that was replaced is noticed', async t => {
  const { host, reader } = await filled(new BlockPool(2048, 1024))
  const plan = host.log.read(0 as Offset, 10, host.log.highWatermark)!
  await t.rejects(readPlan(reader, directory, { ...plan, fileId: plan.fileId + 1000 } as ReadPlan, 10), { code: 'ESTALE' })
  await t.rejects(readPlan(reader, '/data/topics/none', plan, 10), { code: 'ENOENT' })
  reader.forget(directory)
  t.equal(reader.openFiles, 0)
})

interface HeldOpen {
  readonly disk: CountingDisk
  readonly reader: SegmentReader
  /** Reads the closed first segment of log 0, 1 or 2 and tells whether its own bytes came. */
  read (log: number): Promise<boolean>
  readonly reads: Promise<boolean>[]
  /** The index may be read. */
  release (): void
  /** Of the reader: those in its cache, and all. */
  openFiles (): number[]
}

/** A reader that keeps one file, and has two reads waiting for the index of log 0 until `release`. */
async function heldOpen (): Promise<HeldOpen> {
  const disk = new CountingDisk()
  const plans = await Promise.all([0, 1, 2].map(async log => {
    const host = await LogHost.open({ directory: `/data/topics/t-${log}`, disk, pool: new BlockPool(2048, 1024), config: { segmentBytesMax: 5000, indexIntervalBytes: 500 } })
    for (let i = 0; i < 12; i++) host.append(batchOf(1, 900, 1000, String(log)))
    await host.flush()
    await setImmediate()
    return host.log.read(0 as Offset, 1 << 20, host.log.highWatermark)!
  }))
  if (plans.some(plan => plan.indexed)) throw new Error('the first segments are closed')
  const reader = new SegmentReader({ disk, filesMax: 1 })
  const before = disk.openFiles
  const gate = Promise.withResolvers<void>()
  const read = async (log: number): Promise<boolean> => {
    const bytes = await readPlan(reader, `/data/topics/t-${log}`, plans[log]!, 2000)
    return Buffer.from(bytes).includes(String(log).repeat(900))
  }
  disk.indexGate = gate.promise
  const reads = [read(0), read(0)]
  await setImmediate()
  disk.indexGate = undefined
  return { disk, reader, read, reads, release: gate.resolve, openFiles: () => [reader.openFiles, disk.openFiles - before] }
}

t.test('a file that others push out of the cache while its index is read is still open for its readers', async t => {
  const { disk, read, reads, release, openFiles } = await heldOpen()
  t.same(await Promise.all([read(1), read(2)]), [true, true])
  release()
  t.same(await Promise.all(reads), [true, true])
  t.equal(await read(0), true)
  await setImmediate()
  t.same([...openFiles(), disk.misuses], [1, 1, 0])
})

t.test('a file whose folder is forgotten while it is opened does not stay open', async t => {
  const { disk, reader, reads, release, openFiles } = await heldOpen()
  reader.forget('/data/topics/t-0')
  release()
  t.same(await Promise.all(reads), [true, true])
  await setImmediate()
  t.same([...openFiles(), disk.misuses], [0, 0, 0])
})

t.test('a folder is forgotten while the descriptor is still to come', async t => {
  const { disk, reader, read, reads, release, openFiles } = await heldOpen()
  release()
  await Promise.all(reads)
  const late = read(1)
  reader.forget('/data/topics/t-1')
  t.equal(await late, true)
  await setImmediate()
  t.same([...openFiles(), disk.misuses], [0, 0, 0])
})

t.test('a reader that is closed while a file is opened closes it too, once', async t => {
  const { disk, reader, reads, release, openFiles } = await heldOpen()
  const closed = reader.close()
  release()
  t.same(await Promise.all(reads), [true, true])
  await closed
  await setImmediate()
  t.same([...openFiles(), disk.misuses], [0, 0, 0])
})

t.test('a segment that was closed, cut, written on and closed again is read by its new index', async t => {
  for (const reopened of [false, true]) {
    const disk = new FaultyDisk()
    const reader = new SegmentReader({ disk })
    const input = { directory, disk, pool: new BlockPool(2048, 1024), config: { segmentBytesMax: 5000, indexIntervalBytes: 300 } }
    let host = await LogHost.open(input)
    const put = async (sizes: readonly number[]): Promise<void> => {
      for (const size of sizes) host.append(batchOf(1, size))
      host.log.flush(host)
      await host.settle(() => host.log.durableEndOffset === host.log.logEndOffset)
      await setImmediate()
    }
    const read = async (): Promise<number[]> => {
      const bases: number[] = []
      for (let offset = 0; offset < host.log.logEndOffset; offset++) bases.push((await readFrom(host, reader, offset, 1, host.log.logEndOffset))[0]?.base ?? -1)
      return bases
    }
    const all = (): number[] => Array.from({ length: host.log.logEndOffset }, (_, offset) => offset)
    await put(Array.from({ length: 20 }, () => 500))
    t.strictSame(await read(), all())
    host.log.truncate(2 as Offset, host)
    await host.settle(() => host.log.refusal === undefined)
    t.equal(host.log.segmentCount, 1, 'the first segment takes writes again')
    if (reopened) {
      await host.log.close()
      host = await LogHost.open(input)
    }
    await put(Array.from({ length: 40 }, (_, i) => 100 + (i * 53) % 300))
    t.ok(host.log.segmentCount > 1)
    t.strictSame(await read(), all())
    await host.log.close()
    await reader.close()
  }
})

t.test('by time: the first record at or after, and the youngest', async t => {
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, config: { segmentBytesMax: 1000, indexIntervalBytes: 200 } })
  const times = [5, 9, 7, 30, 20, 25, 40, 40, 35, 50]
  for (const time of times) host.append(buildBatch({ records: [{ value: 'a'.repeat(90) }, { value: 'b', timestampDelta: 2 }], timestamp: time }))
  await host.flush()
  const flat = times.flatMap(time => [time, time + 2])
  for (let again = 0; again < 2; again++) {
    for (let wanted = 0; wanted < 60; wanted++) {
      const expected = flat.findIndex(time => time >= wanted)
      const found = await findTimestamp(disk, host.log.timestampPlan(wanted, host.log.logEndOffset))
      t.same(found, expected < 0 ? undefined : { offset: expected, timestamp: flat[expected] }, `at ${wanted}`)
    }
    t.same(await findTimestamp(disk, host.log.timestampPlan(Infinity, host.log.logEndOffset)), { offset: 19, timestamp: 52 })
  }
  await host.log.close()
  const again = await LogHost.open({ directory, disk, config: { segmentBytesMax: 1000, indexIntervalBytes: 200 } })
  t.same(await findTimestamp(disk, again.log.timestampPlan(36, 20 as Offset)), { offset: 12, timestamp: 40 })
  t.same(await findTimestamp(disk, again.log.timestampPlan(36, 12 as Offset)), undefined)
})

t.test('by time after a cut: what is gone is not found', async t => {
  const disk = new FaultyDisk()
  const host = await LogHost.open({ directory, disk, config: { segmentBytesMax: 100_000, indexIntervalBytes: 200 } })
  for (const time of [5, 70, 6, 90]) {
    host.append(batchOf(1, 90, time))
    host.log.flush(host)
    await host.settle(() => host.log.durableEndOffset === host.log.logEndOffset)
  }
  for (const [end, offset, timestamp] of [[3, 1, 70], [1, 0, 5]] as const) {
    host.log.truncate(end as Offset, host)
    await host.settle(() => host.log.refusal === undefined)
    t.same(await findTimestamp(disk, host.log.timestampPlan(Infinity, host.log.logEndOffset)), { offset, timestamp })
    t.equal(await findTimestamp(disk, host.log.timestampPlan(80, host.log.logEndOffset)), undefined)
  }
})

t.test('the scrub finds a damaged closed segment and nothing else', async t => {
  const { disk, host } = await filled(new BlockPool(2048, 1024))
  const scrubber = new Scrubber()
  const round = async (): Promise<number> => {
    let damaged = 0
    for (let request = scrubber.next(host.log); request !== undefined; request = scrubber.next(host.log)) {
      if (scrubber.done(request, await scanFile(disk, request)) !== undefined) damaged++
    }
    return damaged
  }
  t.equal(await round(), 0)
  const path = `${directory}/${String(host.log.segments[1]!.base).padStart(20, '0')}.log`
  const bytes = disk.peek(path)
  bytes[bytes.length - 3]! ^= 4
  disk.poke(path, bytes)
  t.equal(await round(), 1)
})

t.test('retention by bytes and time', async t => {
  const { host, disk } = await filled(new BlockPool(2048, 1024), { retentionBytes: 8000, retentionMs: -1 })
  host.log.applyRetention(0, host)
  await host.settle(() => host.events.includes('start-moved'))
  t.ok(host.log.bytes >= 8000 && host.log.bytes < 14_000, String(host.log.bytes))
  t.equal(host.log.logStartOffset, host.log.segments[0]!.base)
  await host.settle(() => host.events.at(-1) === 'none')
  t.equal((await disk.list(directory)).filter(name => name.endsWith('.log')).length, host.log.segmentCount)
  host.log.configure({ ...host.log.config, retentionMs: 1000 })
  host.events.length = 0
  host.log.applyRetention(10_000 + 590 + 1001, host)
  await host.settle(() => host.events.includes('rolled'))
  host.log.applyRetention(10_000 + 590 + 1001, host)
  await host.settle(() => host.log.logStartOffset === host.log.logEndOffset)
  t.equal(host.log.bytes, 0)
  await host.log.close()
  const again = await LogHost.open({ directory, disk })
  t.same([again.log.logStartOffset, again.log.logEndOffset], [host.log.logEndOffset, host.log.logEndOffset])
})
