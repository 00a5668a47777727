/** What one write of a log takes: recovery relies on how far apart its batches may begin. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { Appender, groupBytesMax } from '../../src/log/appender.ts'
import { BlockPool } from '../../src/log/block-pool.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { defaultLogConfig, Log } from '../../src/log/log.ts'
import { baseOffsetOf, batchBytesOf } from '../../src/record/record-batch.ts'
import { batchOf, LogHost } from './kit.ts'

const directory = '/data/topics/t-0'
const segmentBase = 0 as Offset
const term = 1 as Term

for (const [what, sizes] of [
  ['small', Array.from({ length: 9000 }, () => 1000)],
  ['of 100 KB', Array.from({ length: 150 }, () => 100_000)],
  ['larger than a group, among others', [10, 6_000_000, 100_000, 5_000_000, 4_000_000, 300_000, 9_000_000, 10]],
  ['of all sizes', Array.from({ length: 400 }, (_, i) => 100 + (i * 7919) % 90_000)]
] as const) {
  t.test(`all batches of a group begin within its bound: ${what}`, async t => {
    const appender = new Appender(new BlockPool(64 << 20))
    let position = 0
    let offset = 0
    for (const size of sizes) {
      const batch = batchOf(1, size)
      appender.append(batch, segmentBase, position, offset as Offset, term, offset + 1 as Offset)
      position += batch.length
      offset++
    }
    let at = 0
    let next = 0
    let groups = 0
    while (appender.hasPending) {
      groups++
      t.equal(appender.pendingPosition, at)
      const bytes = Buffer.concat(appender.takeGroup())
      t.equal(appender.groupEndPosition, at + bytes.length)
      let from = 0
      while (from < bytes.length) {
        if (from >= groupBytesMax) t.fail(`group ${groups} has a batch at ${from}`)
        if (baseOffsetOf(bytes, from) !== next) t.fail(`offset ${next} is missing`)
        from += batchBytesOf(bytes, from)
        next++
      }
      t.equal(from, bytes.length, 'whole batches')
      t.equal(appender.groupEndOffset, next === sizes.length ? -1 : next)
      appender.groupDone()
      at += bytes.length
    }
    t.same([at, next], [position, sizes.length])
    t.ok(groups > 1)
  })
}

for (let seed = 1; seed <= 8; seed++) {
  t.test(`power that is lost before a large group is synced leaves a sound log, seed ${seed}`, async t => {
    let syncs = Infinity
    // A sync too many never ends: what it was to cover stays in the page cache.
    const schedule = (delayMs: number, work: () => void): void => { if (delayMs === 0) queueMicrotask(work) }
    const disk = new FaultyDisk({ chance: seededChance(seed), schedule })
    const pool = new BlockPool(64 << 20)
    const host = await LogHost.open({ directory, disk, pool, bootId: 'a' })
    host.append(batchOf(1, 50))
    await host.flush()
    syncs = seed % 3
    disk.delayMs = operation => operation === 'sync' && syncs-- <= 0 ? 1 : 0
    for (let i = 0; i < 150; i++) host.append(batchOf(1, 100_000))
    host.log.flush(host)
    for (let i = 0; i < 100; i++) {
      host.drain()
      await null
    }
    const durable = host.log.durableEndOffset
    t.ok(durable < 151, `${durable} were told to be durable`)
    const again = await Log.open({ directory, disk: disk.crash(), pool, clock: systemClock, config: defaultLogConfig, bootId: 'b' })
    t.equal(again.state, 'ready')
    if (again.state === 'ready') t.ok(again.log.logEndOffset >= durable)
  })
}
