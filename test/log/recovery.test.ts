/** What opening a log makes of files that a crash, a bad disk or a full one left behind. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset } from '../../src/base/ids.ts'
import { systemClock } from '../../src/base/clock.ts'
import { BlockPool } from '../../src/log/block-pool.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { defaultLogConfig, Log, type LogConfig } from '../../src/log/log.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { batchOf, LogHost, readAll } from './kit.ts'

const directory = '/data/topics/t-0'
const path = `${directory}/00000000000000000000.log`

/** A log of three batches that was killed: offsets 0-1, 2-4, 5. */
async function killedLog (config: Partial<LogConfig> = {}): Promise<{ disk: FaultyDisk, bytes: Uint8Array, ends: number[] }> {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const host = await LogHost.open({ directory, disk, config, bootId: 'a' })
  const ends: number[] = []
  for (const count of [2, 3, 1]) {
    host.append(batchOf(count, 30))
    ends.push((ends.at(-1) ?? 0) + batchOf(count, 30).length)
    await host.flush()
  }
  const after = disk.kill()
  return { disk: after, bytes: after.peek(path).slice(0, ends.at(-1)), ends }
}

function open (disk: FaultyDisk, bootId = 'a'): ReturnType<typeof Log.open> {
  return Log.open({ directory, disk, pool: new BlockPool(65536, 4096), clock: systemClock, config: defaultLogConfig, bootId })
}

t.test('every length of a torn tail leaves the whole batches before it', async t => {
  const { bytes, ends } = await killedLog()
  for (let length = 0; length <= bytes.length; length++) {
    const { disk } = await killedLog()
    disk.poke(path, bytes.slice(0, length))
    const opened = await open(disk)
    if (opened.state !== 'ready') throw new Error(`length ${length}: ${opened.damage.reason}`)
    const whole = ends.filter(end => end <= length).length
    t.equal(opened.log.logEndOffset, [0, 2, 5, 6][whole])
    t.equal(disk.peek(path).length, [0, ...ends][whole])
    await opened.log.close()
  }
})

t.test('a flipped byte in the last batch is a torn tail; one before a sound batch is damage', async t => {
  const { bytes, ends } = await killedLog()
  for (let at = 8; at < bytes.length; at += 7) {
    if (ends.some(end => at >= end && at < end + 16) || at < 16) continue // offset and term are not in the checksum
    const { disk } = await killedLog()
    const changed = bytes.slice()
    changed[at]! ^= 0x40
    disk.poke(path, changed)
    const opened = await open(disk)
    if (at >= ends[1]!) {
      t.equal(opened.state, 'ready', `byte ${at}`)
      if (opened.state === 'ready') {
        t.equal(opened.log.logEndOffset, 5)
        await opened.log.close()
      }
    } else t.equal(opened.state, 'damaged', `byte ${at}`)
  }
})

t.test('below the checkpoint anything wrong is damage', async t => {
  const disk = new FaultyDisk({ chance: seededChance(2) })
  const host = await LogHost.open({ directory, disk, bootId: 'a' })
  host.append(batchOf(2, 30))
  await host.flush()
  host.log.checkpoint(host)
  await host.settle(() => host.events.includes('none'))
  const after = disk.kill()
  const bytes = after.peek(path)
  bytes[batchOf(2, 30).length - 1]! ^= 1
  after.poke(path, bytes)
  const opened = await open(after)
  t.equal(opened.state, 'damaged')
  if (opened.state === 'damaged') t.same([opened.damage.offset, opened.damage.position], [0, 0])
})

t.test('a file shorter than the checkpoint, or gone, is damage', async t => {
  const disk = new FaultyDisk({ chance: seededChance(3) })
  const host = await LogHost.open({ directory, disk, bootId: 'a' })
  host.append(batchOf(2, 30))
  await host.flush()
  await host.log.close()
  const bytes = disk.peek(path)
  disk.poke(path, bytes.slice(0, bytes.length - 1))
  t.equal((await open(disk)).state, 'damaged')
  await disk.remove(path)
  t.equal((await open(disk)).state, 'damaged')
})

t.test('after a loss of power a gap inside one group is torn, under flush always', async t => {
  const disk = new FaultyDisk({ chance: seededChance(4) })
  const host = await LogHost.open({ directory, disk, bootId: 'a' })
  host.append(batchOf(1, 30))
  host.append(batchOf(1, 31))
  await host.flush()
  const bytes = disk.kill().peek(path)
  bytes.fill(0, 20, 60)
  for (const [boot, state] of [['a', 'damaged'], ['b', 'ready']] as const) {
    const other = new FaultyDisk({ chance: seededChance(4) })
    const empty = await LogHost.open({ directory, disk: other, bootId: 'a' })
    const found = other.kill()
    t.equal(empty.log.logEndOffset, 0)
    found.poke(path, bytes)
    t.equal((await open(found, boot)).state, state)
  }
})

t.test('nothing is scanned after a clean close, and the high watermark is there', async t => {
  const disk = new FaultyDisk()
  const config = { segmentBytesMax: 2000, indexIntervalBytes: 300 }
  const host = await LogHost.open({ directory, disk, config })
  for (let i = 0; i < 40; i++) host.append(batchOf(1, 100, 1000 + i))
  await host.flush()
  await host.log.close()
  const again = await LogHost.open({ directory, disk, config })
  t.same([again.scannedBytes, again.cutBytes, again.log.logEndOffset, again.log.highWatermark], [0, 0, 40, 40])
  const reader = new SegmentReader({ disk })
  t.equal((await readAll(again, reader)).length, 40)
})

t.test('a lost index of a closed segment is built again', async t => {
  const disk = new FaultyDisk()
  const config = { segmentBytesMax: 9 << 20, indexIntervalBytes: 4096 }
  const host = await LogHost.open({ directory, disk, config, pool: new BlockPool(1 << 20) })
  const batch = batchOf(1, 100_000)
  for (let i = 0; i < 100; i++) {
    host.append(batch)
    if (i % 10 === 9) await host.flush()
  }
  await host.flush()
  await host.log.close()
  const index = path.replace('.log', '.index')
  const before = disk.peek(index)
  await disk.remove(index)
  const again = await LogHost.open({ directory, disk, config })
  t.same(disk.peek(index), before)
  await again.log.close()
})

t.test('producer states are replayed from the newest snapshot on', async t => {
  const disk = new FaultyDisk({ chance: seededChance(5) })
  const host = await LogHost.open({ directory, disk, bootId: 'a' })
  host.append(batchOf(2, 10))
  await host.flush()
  host.log.checkpoint(host, { offset: 2 as Offset, bytes: Uint8Array.of(7) })
  await host.settle(() => host.events.includes('none'))
  host.append(batchOf(1, 10))
  host.append(batchOf(1, 10))
  await host.flush()
  const seen: unknown[] = []
  const again = await LogHost.open({
    directory,
    disk: disk.kill(),
    bootId: 'a',
    replay: { snapshot: (bytes, offset) => seen.push([...bytes, offset]), batch: bytes => seen.push(bytes.length) }
  })
  t.same(seen, [[7, 2], batchOf(1, 10).length, batchOf(1, 10).length])
  t.equal(again.log.logEndOffset, 4)
})
