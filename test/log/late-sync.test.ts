/** Syncs of `interval` that end late: after a cut, a truncation, or when the log has begun anew. */
import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import { seededChance } from '../../src/base/prng.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { type DiskOperation, FaultyDisk } from '../../src/log/faulty-disk.ts'
import { batchOf, LogHost } from './kit.ts'

const directory = '/data/topics/t-0'
const config = { flush: 'interval', flushIntervalMs: 10 } as const

/** A disk whose operations wait where they are told to. */
class HoldingDisk extends FaultyDisk {
  holds: DiskOperation | undefined
  readonly #held: (() => void)[]

  constructor () {
    const held: (() => void)[] = []
    super({
      chance: seededChance(1),
      schedule: (delayMs, work) => {
        if (delayMs > 0) held.push(work)
        else queueMicrotask(work)
      }
    })
    this.#held = held
    this.delayMs = operation => operation === this.holds ? 1 : 0
  }

  /** How many wait. */
  get held (): number { return this.#held.length }

  release (): void {
    this.holds = undefined
    for (const work of this.#held.splice(0)) work()
  }
}

async function put (host: LogHost, count: number): Promise<void> {
  for (let i = 0; i < count; i++) host.append(batchOf(1, 50))
  await host.flush()
}

/** Everything that can happen without what is held has happened. */
async function rest (host: LogHost): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await setImmediate()
    host.drain()
  }
}

async function opened (): Promise<{ host: LogHost, disk: HoldingDisk }> {
  const disk = new HoldingDisk()
  return { host: await LogHost.open({ directory, disk, config, bootId: 'a' }), disk }
}

/** Ten batches are written, and their sync is under way. */
async function syncing (): ReturnType<typeof opened> {
  const { host, disk } = await opened()
  await put(host, 10)
  disk.holds = 'sync'
  host.log.maintain(1000, host)
  await rest(host)
  t.equal(disk.held, 1, 'the sync is under way')
  return { host, disk }
}

t.test('a sync asked for while the log is truncated claims nothing of what is cut', async t => {
  const { host, disk } = await opened()
  for (let i = 0; i < 10; i++) host.append(batchOf(1, 50))
  host.log.flush(host)
  await host.settle(() => host.log.durableEndOffset === 10)
  disk.holds = 'truncate'
  host.log.truncate(5 as Offset, host)
  await rest(host)
  t.equal(disk.held, 1, 'the file is being cut')
  const syncs = disk.counts.get('sync')!
  host.log.maintain(1000, host)
  await rest(host)
  t.equal(disk.counts.get('sync'), syncs, 'nothing is synced meanwhile')
  disk.release()
  await host.settle(() => host.events.includes('truncated'))
  await rest(host)
  host.log.maintain(2000, host)
  host.log.checkpoint(host)
  await rest(host)
  const again = await LogHost.open({ directory, disk: disk.crash(), config, bootId: 'b' })
  t.equal(again.log.logEndOffset, 5)
})

t.test('a sync that ends well after a failed write does not make durable what that cut', async t => {
  const { host, disk } = await syncing()
  let fails = 1
  disk.fault = operation => operation === 'write' && fails-- > 0 ? 'EIO' : undefined
  host.append(batchOf(1, 50))
  host.log.flush(host)
  await host.settle(() => host.events.includes('cut'))
  t.equal(host.log.logEndOffset, 0, 'nothing was surely synced')
  disk.release()
  await host.settle(() => host.events.includes('ready'))
  await put(host, 1)
  fails = 1
  disk.fault = operation => operation === 'sync' && fails-- > 0 ? 'EIO' : undefined
  host.events.length = 0
  host.log.maintain(2000, host)
  await host.settle(() => host.events.includes('cut'))
  t.equal(host.log.logEndOffset, 0, 'the one batch was not synced either')
  await host.settle(() => host.events.includes('ready'))
  const again = await LogHost.open({ directory, disk: disk.crash(), config, bootId: 'b' })
  t.equal(again.log.logEndOffset, 0)
})

t.test('a sync of the old files that fails does not hide that a log has begun anew', async t => {
  const { host, disk } = await syncing()
  host.log.restart({ offset: 100 as Offset, previousTerm: 7 as Term, states: Uint8Array.of(1) }, host)
  await rest(host)
  let fails = 1
  disk.fault = operation => operation === 'sync' && fails-- > 0 ? 'EIO' : undefined
  host.events.length = 0
  disk.release()
  await host.settle(() => host.events.some(event => event !== 'none'))
  await rest(host)
  t.same(host.events, ['none', 'truncated'])
  t.same([host.log.refusal, host.log.logStartOffset, host.log.logEndOffset, host.log.lastTerm], [undefined, 100, 100, 7])
  for (let i = 0; i < 2; i++) host.append(batchOf(1, 50), 8)
  await host.flush()
  host.log.maintain(2000, host)
  await rest(host)
  t.same(host.events.filter(event => event === 'cut' || event === 'broken'), [])
  const again = await LogHost.open({ directory, disk: disk.crash(), config, bootId: 'b' })
  t.same([again.log.logStartOffset, again.log.logEndOffset, again.log.lastTerm], [100, 102, 8])
})

t.test('the start that is asked for does not outlive the batches that a failed sync cuts', async t => {
  const { host, disk } = await opened()
  await put(host, 10)
  disk.holds = 'sync'
  host.log.maintain(1000, host)
  await rest(host)
  host.log.deleteBefore(8 as Offset, host)
  host.log.checkpoint(host)
  await rest(host)
  let fails = 1
  disk.fault = operation => operation === 'sync' && fails-- > 0 ? 'EIO' : undefined
  disk.release()
  await host.settle(() => host.events.includes('ready'))
  host.log.maintain(2000, host)
  await rest(host)
  t.same([host.log.logStartOffset, host.log.logEndOffset, host.log.needsUpkeep], [0, 0, false])
  await put(host, 12)
  const killed = await LogHost.open({ directory, disk: disk.kill(), config, bootId: 'a' })
  t.same([killed.log.logStartOffset, killed.log.logEndOffset], [0, 12], 'none of the new ones was deleted')
})

t.test('a start above what is written waits until that is written', async t => {
  const { host, disk } = await opened()
  host.log.configure({ ...host.log.config, flush: 'always' })
  await put(host, 3)
  disk.holds = 'write'
  for (let i = 0; i < 4; i++) host.append(batchOf(1, 50))
  host.log.flush(host)
  await rest(host)
  t.equal(disk.held, 1, 'four are being written')
  // The others have them already.
  host.log.advanceHighWatermark(7 as Offset)
  disk.holds = undefined
  host.log.deleteBefore(5 as Offset, host)
  await rest(host)
  t.same([host.log.logStartOffset, host.log.durableEndOffset, host.log.needsUpkeep], [3, 3, true])
  disk.release()
  await rest(host)
  host.log.maintain(1000, host)
  await rest(host)
  t.same([host.log.logStartOffset, host.log.durableEndOffset, host.log.needsUpkeep], [5, 7, false])
})
