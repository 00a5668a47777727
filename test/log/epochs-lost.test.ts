/** A list of terms that is damaged or gone: without it a log would vote for anybody. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { BlockPool } from '../../src/log/block-pool.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { defaultLogConfig, Log, type OpenedLog } from '../../src/log/log.ts'
import { batchOf, LogHost } from './kit.ts'

const directory = '/data/topics/t-0'
const path = `${directory}/leader-epochs`
const terms = [1, 1, 3, 3, 3, 4, 4, 6, 6, 6, 6, 9]

async function filled (segmentBytesMax: number): Promise<{ disk: FaultyDisk, host: LogHost }> {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const host = await LogHost.open({ directory, disk, bootId: 'a', config: { segmentBytesMax } })
  for (const term of terms) host.append(batchOf(1, 40), term)
  await host.flush()
  host.log.checkpoint(host)
  await host.waitFor('none')
  return { disk, host }
}

function open (disk: FaultyDisk): Promise<OpenedLog> {
  return Log.open({ directory, disk, pool: new BlockPool(65536, 4096), clock: systemClock, config: defaultLogConfig, bootId: 'a' })
}

function termsOf (opened: OpenedLog): unknown {
  if (opened.state === 'damaged') return opened.damage.reason
  return [opened.log.lastTerm, ...terms.map((_, offset) => opened.log.termAt(offset as Offset))]
}

for (const segmentBytesMax of [300, 1 << 20]) {
  t.test(`the terms are read again from batches that are all there: segments of ${segmentBytesMax} bytes`, async t => {
    for (const stop of ['close', 'kill'] as const) {
      const { length } = (await filled(segmentBytesMax)).disk.peek(path)
      for (let at = -1; at < length; at++) {
        const { disk, host } = await filled(segmentBytesMax)
        if (stop === 'kill') for (let i = 0; i < 2; i++) host.append(batchOf(1, 40), 9)
        await host.flush()
        if (stop === 'close') await host.log.close()
        const left = stop === 'kill' ? disk.kill() : disk
        if (at < 0) await left.remove(path)
        else {
          const bytes = left.peek(path)
          bytes[at]! ^= 1
          left.poke(path, bytes)
        }
        const opened = await open(left)
        t.strictSame(termsOf(opened), [9, ...terms], `${stop}, byte ${at}`)
        if (opened.state === 'ready') await opened.log.close()
        t.strictSame(termsOf(await open(left)), [9, ...terms], 'and written down')
      }
    }
  })
}

t.test('a log that no longer holds its first batches is damaged without the terms', async t => {
  const { disk, host } = await filled(300)
  host.log.deleteBefore(8 as Offset, host)
  await host.waitFor('start-moved')
  await host.log.close()
  await disk.remove(path)
  t.match(termsOf(await open(disk)), /leader-epochs/)
  // Whoever takes the checkpoint away accepts what there is.
  await disk.remove(`${directory}/checkpoint`)
  const opened = await open(disk)
  t.same(opened.state === 'ready' && [opened.log.lastTerm, opened.log.termAt(8 as Offset), opened.log.logEndOffset], [9, 6, 12])
})

t.test('an empty log that has begun anew is damaged without the terms', async t => {
  const { disk, host } = await filled(300)
  host.log.restart({ offset: 20 as Offset, previousTerm: 7 as Term, states: Uint8Array.of(1) }, host)
  await host.waitFor('truncated')
  await host.log.close()
  const bytes = disk.peek(path)
  bytes[20]! ^= 1
  disk.poke(path, bytes)
  t.match(termsOf(await open(disk)), /leader-epochs/)
})

t.test('closed segments that do not tell all terms are damage', async t => {
  const { disk, host } = await filled(300)
  const [, second] = host.log.segments
  await host.log.close()
  await disk.remove(path)
  const name = `${directory}/${String(second!.base).padStart(20, '0')}.log`
  const bytes = disk.peek(name)
  disk.poke(name, bytes.subarray(0, bytes.length - 1))
  t.match(termsOf(await open(disk)), /leader-epochs/)
  bytes[15] = 100
  disk.poke(name, bytes)
  t.match(termsOf(await open(disk)), /leader-epochs/)
})
