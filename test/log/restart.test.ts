/** A log that begins anew at another offset, as a follower's does that is too far behind: with work under way, and with a disk that fails or dies at any moment. */
import t, { type Test } from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import type { FlushMode, LogConfig } from '../../src/log/log.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { batchOf, LogHost, readAll } from './kit.ts'

const directory = '/data/topics/t-0'
const states = Uint8Array.of(1, 2, 3)
const restart = { offset: 100 as Offset, previousTerm: 7 as Term, states }

interface Opened { readonly host: LogHost, readonly disk: FaultyDisk, readonly snapshots: Uint8Array[], readonly replayed: number[] }

async function open (disk: FaultyDisk, bootId: string, config: Partial<LogConfig> = {}): Promise<Opened> {
  const snapshots: Uint8Array[] = []
  const replayed: number[] = []
  const replay = { snapshot: (bytes: Uint8Array) => { snapshots.push(new Uint8Array(bytes)) }, batch: (bytes: Uint8Array) => { replayed.push(bytes.length) } }
  const host = await LogHost.open({ directory, disk, bootId, replay, config: { segmentBytesMax: 700, indexIntervalBytes: 300, ...config } })
  return { host, disk, snapshots, replayed }
}

/** A log of 15 batches in several segments, a snapshot in it, and its start moved. */
async function filled (seed: number, config: Partial<LogConfig> = {}): Promise<Opened> {
  const opened = await open(new FaultyDisk({ chance: seededChance(seed) }), 'a', config)
  const { host } = opened
  for (let i = 0; i < 15; i++) host.append(batchOf(1, 100), i < 10 ? 1 : 2)
  await host.flush()
  host.log.checkpoint(host, { offset: 15 as Offset, bytes: Uint8Array.of(9) })
  await host.settle(() => host.events.at(-1) === 'none')
  host.log.deleteBefore(3 as Offset, host)
  await host.waitFor('start-moved')
  return opened
}

async function compareNew ({ host, snapshots, replayed }: Opened, test: Test): Promise<void> {
  const { log } = host
  test.same([log.logStartOffset, log.firstOffset, log.logEndOffset, log.durableEndOffset, log.highWatermark], [100, 100, 100, 100, 100])
  test.same([log.lastTerm, log.termAt(99 as Offset), log.termAt(98 as Offset), log.termAt(100 as Offset)], [7, 7, undefined, undefined])
  test.same([log.epochEndOffset(7 as Term), log.epochEndOffset(9 as Term)], [{ term: 7, endOffset: 100 }, { term: 7, endOffset: 100 }])
  test.equal(log.epochEndOffset(6 as Term), undefined)
  test.same([log.snapshotOffset, log.pendingBytes, log.refusal], [100, 0, undefined])
  test.same([snapshots, replayed], [[states], []])
}

/** It takes batches, in the term of before and in a new one, over a roll, and is the same when it is opened again. */
async function useNew ({ host, disk }: Opened, test: Test, config: Partial<LogConfig> = {}): Promise<void> {
  for (let i = 0; i < 6; i++) host.append(batchOf(2, 150), i < 3 ? 7 : 8)
  await host.flush()
  const seen = await readAll(host, new SegmentReader({ disk }))
  // What was not synced may go with the machine's power, but not with the process.
  const again = await open(config.flush === undefined || config.flush === 'always' ? disk.crash() : disk.kill(), 'z', config)
  const { log } = again.host
  const terms = [99, 105, 106].map(offset => log.termAt(offset as Offset))
  log.advanceHighWatermark(112 as Offset)
  const found = await readAll(again.host, new SegmentReader({ disk: again.disk }))
  const isSame = found.length === seen.length && found.every(({ bytes }, i) => Buffer.from(bytes).equals(seen[i]!.bytes))
  test.strictSame(
    [seen.length, seen[0]!.base, log.logStartOffset, log.logEndOffset, log.lastTerm, terms, again.snapshots, again.replayed.length, isSame],
    [6, 100, 100, 112, 8, [7, 7, 8], [states], 6, true]
  )
}

t.test('a log begins anew', async t => {
  const { host, disk } = await filled(1)
  host.log.restart(restart, host)
  t.equal(host.log.refusal, 'truncating')
  t.throws(() => host.append(batchOf(1, 1)), /refuses/)
  await host.waitFor('truncated')
  await compareNew({ host, disk, snapshots: [states], replayed: [] }, t)
  t.same((await disk.list(directory)), ['00000000000000000100.log', '00000000000000000100.snapshot', 'checkpoint', 'leader-epochs'])
  await useNew({ host, disk, snapshots: [], replayed: [] }, t)
})

t.test('a new log that was closed is opened without a scan', async t => {
  const { host, disk } = await filled(2)
  host.log.restart(restart, host)
  await host.waitFor('truncated')
  await host.log.close(states)
  const again = await open(disk, 'a')
  t.equal(again.host.scannedBytes, 0)
  await compareNew(again, t)
})

t.test('what is being written when a log is to begin anew is waited for, and gone with the rest', async t => {
  const { host, disk } = await filled(3)
  host.append(batchOf(1, 700), 3)
  host.append(batchOf(1, 900), 3)
  host.log.flush(host)
  host.drain()
  host.append(batchOf(1, 100), 3)
  host.log.restart(restart, host)
  await host.waitFor('truncated')
  await compareNew({ host, disk, snapshots: [states], replayed: [] }, t)
  await useNew({ host, disk, snapshots: [], replayed: [] }, t)
})

t.test('a log may begin where it had other batches before', async t => {
  const { host, disk } = await filled(4)
  const base = host.log.segments.at(-1)!.base
  host.log.restart({ ...restart, offset: base }, host)
  await host.waitFor('truncated')
  t.same([host.log.logStartOffset, host.log.logEndOffset, host.log.termAt(base - 1 as Offset)], [base, base, 7])
  const again = await open(disk.crash(), 'b')
  t.same([again.host.log.logStartOffset, again.host.log.logEndOffset, again.host.log.lastTerm], [base, base, 7])
})

t.test('a log whose write fails before it begins anew is cut, and stays what it was', async t => {
  const { host, disk } = await filled(5)
  host.append(batchOf(1, 100), 3)
  host.log.flush(host)
  host.log.restart(restart, host)
  let failures = 1
  disk.fault = operation => operation === 'write' && failures-- > 0 ? 'EIO' : undefined
  await host.waitFor('ready')
  t.ok(host.events.includes('cut') && !host.events.includes('truncated'))
  t.same([host.log.logStartOffset, host.log.logEndOffset, host.log.lastTerm], [3, 15, 2])
  host.append(batchOf(1, 100), 3)
  await host.flush()
})

t.test('a removal of old files that comes late harms nothing', async t => {
  const { host, disk } = await filled(6)
  host.log.deleteBefore(12 as Offset, host)
  host.log.restart(restart, host)
  await host.waitFor('truncated')
  await host.settle(() => host.events.includes('start-moved'))
  host.log.maintain(1000, host)
  for (let i = 0; i < 50; i++) {
    host.drain()
    await null
  }
  await compareNew({ host, disk, snapshots: [states], replayed: [] }, t)
  await useNew({ host, disk, snapshots: [], replayed: [] }, t)
})

/** How many operations of the disk a restart takes. */
async function operationsOf (flush: FlushMode): Promise<number> {
  const { host, disk } = await filled(7, { flush })
  let count = 0
  disk.fault = () => { count++; return undefined }
  host.log.restart(restart, host)
  await host.waitFor('truncated')
  return count
}

for (const [flush, end, step] of [['always', 'kill', 0], ['always', 'crash', 1], ['always', 'fail', 2], ['os', 'kill', 0]] as const) {
  t.test(`a log that begins anew, with flush ${flush}, when the disk comes to a ${end} at any moment`, async t => {
    const operations = await operationsOf(flush)
    t.ok(operations > 20, `${operations} moments`)
    let whole = 0
    let anew = 0
    // Every moment once, in one of the ways that a disk that is synced may end.
    for (let moment = 1 + step; moment <= operations; moment += flush === 'os' ? 1 : 3) {
      const { host, disk } = await filled(moment, { flush })
      let left = moment
      disk.fault = () => --left === 0 ? 'EIO' : undefined
      host.log.restart(restart, host)
      await host.settle(() => left <= 0)
      let next = disk
      if (end === 'fail') {
        if (!host.events.includes('broken')) await host.waitFor('broken')
        disk.fault = undefined
        await host.log.close()
      } else next = end === 'kill' ? disk.kill() : disk.crash()
      const again = { ...await open(next, end === 'crash' ? 'b' : 'a', { flush }), disk: next }
      const { log } = again.host
      const found = [log.logStartOffset, log.logEndOffset, log.lastTerm, log.termAt(99 as Offset), log.snapshotOffset, again.snapshots, again.replayed.length]
      if (log.logEndOffset === 100) {
        anew++
        t.strictSame(found, [100, 100, 7, 7, 100, [states], 0])
      } else {
        whole++
        t.strictSame(found, [3, 15, 2, undefined, 15, [Uint8Array.of(9)], 0], 'the old one, whole')
        log.advanceHighWatermark(15 as Offset)
        log.restart(restart, again.host)
        await again.host.waitFor('truncated')
      }
      if ((await next.list(directory)).includes('restart')) t.fail('the note is still there')
      await useNew(again, t, { flush })
    }
    t.ok(whole > 1 && anew > 2, `${whole} times the old one, ${anew} times the new one`)
  })
}
