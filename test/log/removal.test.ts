import { join } from 'node:path'
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Disk } from '../../src/log/disk.ts'
import { RealDisk } from '../../src/log/disk.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { endRemovals, removeLogFolder } from '../../src/log/removal.ts'
import { syncFile, writeAt } from '../../src/log/checked-file.ts'

const segments = ['00000000000000000000.log', '00000000000000000100.log', '00000000000000000200.log']

async function makeLog (disk: Disk, topics: string): Promise<string> {
  const directory = join(topics, 'a-0')
  await disk.makeFolder(directory)
  for (const name of segments) {
    const file = await disk.open(join(directory, name), 'write')
    await writeAt(file, [Buffer.from(name)], 0, false)
    await syncFile(file)
    await file.close()
  }
  await disk.syncFolder(directory)
  await disk.syncFolder(topics)
  return directory
}

t.test('a log that was removed stays removed, and can be made anew', async t => {
  for (const [name, disk, topics] of [['memory', new FaultyDisk(), '/topics'], ['real', new RealDisk(), t.testdir()]] as const) {
    for (let round = 0; round < 2; round++) {
      const directory = await makeLog(disk, topics)
      t.same(await disk.list(directory), segments, name)
      await removeLogFolder(disk, directory)
      t.same(await disk.list(topics), [], name)
    }
    await removeLogFolder(disk, join(topics, 'never-0'))
  }
})

t.test('whenever the machine stops, a log is there whole or not at all', async t => {
  const seen = { whole: 0, gone: 0 }
  for (let seed = 0; seed < 200; seed++) {
    const chance = seededChance(seed)
    let left = 1 + Math.floor(chance.next() * 6)
    const stopped = Promise.withResolvers<void>()
    const disk = new FaultyDisk({ chance, schedule: (_, work) => queueMicrotask(work) })
    const directory = await makeLog(disk, '/topics')
    disk.fault = () => {
      if (--left === 0) stopped.resolve()
      return undefined
    }
    await Promise.race([removeLogFolder(disk, directory), stopped.promise])
    const after = disk.crash()
    await endRemovals(after, '/topics')
    const names = await after.list(directory)
    if (names.length === 0) seen.gone++
    else {
      seen.whole++
      t.same(names, segments, `seed ${seed}`)
    }
    t.same((await after.list('/topics')).filter(name => name.endsWith('.gone')), [])
  }
  t.ok(seen.whole > 10 && seen.gone > 10, `both happened: ${JSON.stringify(seen)}`)
})
