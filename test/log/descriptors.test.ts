/** A descriptor is given back once: its number may be another file's by then. */
import t from 'tap'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Offset, Term } from '../../src/base/ids.ts'
import { RealDisk } from '../../src/log/disk.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { HardStateStore } from '../../src/log/hard-state-store.ts'
import { batchOf, CountingDisk, LogHost } from './kit.ts'

const directory = '/data/topics/t-0'
const config = { segmentBytesMax: 300 }

t.test('a file of the real disk that is closed twice takes no other one along', async t => {
  const disk = new RealDisk()
  const root = t.testdir({ a: 'a', b: 'b' })
  const before = await disk.open(join(root, 'a'), 'read')
  await before.close()
  const after = await disk.open(join(root, 'b'), 'read')
  await before.close()
  t.equal((await after.stat()).id, fs.statSync(join(root, 'b')).ino)
  await Promise.all([after.close(), after.close()])
})

t.test('the disk of the simulator notices a file that is closed twice', async t => {
  const file = await new FaultyDisk().open('/a', 'write')
  await file.close()
  await t.rejects(file.close(), /closed once/)
})

for (const what of ['truncate', 'restart'] as const) {
  t.test(`${what}: whatever of it fails, each file is closed once, and none is left open`, async t => {
    let broken = 0
    let done = false
    for (let moment = 1; !done && moment < 100; moment++) {
      const disk = new CountingDisk()
      const host = await LogHost.open({ directory, disk, config })
      for (let i = 0; i < 12; i++) host.append(batchOf(1, 100))
      host.log.flush(host)
      await host.settle(() => host.log.durableEndOffset === 12)
      let left = moment
      disk.fault = () => --left === 0 ? 'EIO' : undefined
      if (what === 'truncate') host.log.truncate(4 as Offset, host)
      else host.log.restart({ offset: 20 as Offset, previousTerm: 1 as Term, states: Uint8Array.of(1) }, host)
      await host.settle(() => host.events.includes('truncated') || host.events.includes('broken'))
      done = left > 0
      if (host.events.includes('broken')) broken++
      disk.fault = undefined
      await host.log.close()
      t.same([disk.misuses, disk.openFiles], [0, 0], `operation ${moment}`)
    }
    t.ok(done && broken > 10, `it broke ${broken} times`)
  })
}

t.test('hard states: whatever of a rewrite fails, each file is closed once, and none is left open', async t => {
  let done = false
  let moment = 0
  while (!done && moment++ < 100) {
    const disk = new CountingDisk()
    const store = await HardStateStore.open(disk, '/meta')
    const save = (term: number): Promise<Error | undefined> => new Promise(resolve => {
      store.save('t-0', { term: term as Term, vote: 1 }, resolve)
    })
    disk.fault = () => 'EIO'
    await save(1)
    let left = moment
    disk.fault = () => --left === 0 ? 'EIO' : undefined
    await save(2)
    done = left > 0
    disk.fault = undefined
    t.equal(await save(3), undefined)
    await store.close()
    t.same([disk.misuses, disk.openFiles], [0, 0], `operation ${moment}`)
    const again = await HardStateStore.open(disk, '/meta')
    t.same(again.get('t-0'), { term: 3, vote: 1 })
    await again.close()
  }
  t.ok(done && moment > 5)
})
