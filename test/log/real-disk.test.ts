/** The real disk: what the memory one only claims to be like. */
import t from 'tap'
import fs from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { cryptoChance } from '../../src/base/prng.ts'
import type { Offset, PartitionIndex, TopicId } from '../../src/base/ids.ts'
import { DataDirectory, partitionFolder, spendReserve } from '../../src/log/data-directory.ts'
import { isMissing, RealDisk } from '../../src/log/disk.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { FolderLockedError } from '../../src/log/folder-lock.ts'
import { HardStateStore } from '../../src/log/hard-state-store.ts'
import { readAt, readChecked, replaceWhole, syncFile, writeAt, writeChecked } from '../../src/log/checked-file.ts'
import { SegmentReader } from '../../src/log/segment-reader.ts'
import { batchOf, LogHost, readAll } from './kit.ts'
import type { Term } from '../../src/base/ids.ts'

const root = t.testdir()

t.test('files: write, read, cut, list, rename, remove', async t => {
  const disk = new RealDisk()
  const folder = join(root, 'files', 'deep')
  await disk.makeFolder(folder)
  const file = await disk.open(join(folder, 'a'), 'write')
  file.writeNow([Buffer.from('hello '), Buffer.from('world')], 0)
  await writeAt(file, [Buffer.from('WORLD'), Buffer.from('!')], 6, true)
  await writeAt(file, [Buffer.from('?')], 12, false)
  await syncFile(file)
  const into = new Uint8Array(100)
  t.equal(await readAt(file, into, 0), 13)
  t.equal(Buffer.from(into.subarray(0, 13)).toString(), 'hello WORLD!?')
  t.equal(file.readNow(into, 6), 7)
  await file.truncate(5)
  t.equal((await file.stat()).size, 5)
  await file.close()
  await disk.syncFolder(folder)
  await disk.rename(join(folder, 'a'), join(folder, 'b'))
  t.same(await disk.list(folder), ['b'])
  t.equal((await disk.stat(join(folder, 'b')))?.size, 5)
  t.equal(await disk.stat(join(folder, 'a')), undefined)
  await disk.remove(join(folder, 'b'))
  await disk.remove(join(folder, 'b'))
  t.same(await disk.list(join(root, 'nowhere')), [])
  await t.rejects(disk.open(join(folder, 'b'), 'read'), { code: 'ENOENT' })
  t.ok(isMissing(Object.assign(new Error('x'), { code: 'ENOENT' })))
  t.ok(await disk.freeBytes(root) > 0)
  await disk.removeFolder(folder)
})

t.test('a checked file is replaced as a whole, and damage is noticed', async t => {
  const disk = new RealDisk()
  const path = join(root, 'checked')
  t.equal(await readChecked(disk, path, 1), undefined)
  await writeChecked(disk, path, 1, Buffer.from('one'))
  await writeChecked(disk, path, 1, Buffer.from('two'))
  t.equal(Buffer.from((await readChecked(disk, path, 1))!).toString(), 'two')
  await writeChecked(disk, path, 2, Buffer.from('three'))
  t.equal(await readChecked(disk, path, 1), undefined, 'a younger format is not guessed at')
  const bytes = fs.readFileSync(path)
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 0x80
    await replaceWhole(disk, path, [changed])
    t.equal(await readChecked(disk, path, 2), undefined, `byte ${at}`)
  }
})

for (const flush of ['always', 'interval', 'os'] as const) {
  t.test(`a log on it: ${flush}`, async t => {
    const disk = new RealDisk()
    const directory = join(root, `log-${flush}`)
    const config = { flush, segmentBytesMax: 300_000, indexIntervalBytes: 4096 }
    const host = await LogHost.open({ directory, disk, config })
    for (let i = 0; i < 120; i++) {
      host.append(batchOf(1 + i % 4, 10 + (i * 977) % 20_000, 1000 + i, String.fromCharCode(97 + i % 26)))
      if (i % 9 === 0) await host.flush()
    }
    await host.flush()
    const reader = new SegmentReader({ disk, filesMax: 2 })
    const all = await readAll(host, reader)
    t.equal(all.length, 120)
    t.ok(reader.openFiles <= 2)
    await host.log.close()
    const again = await LogHost.open({ directory, disk, config })
    t.same([again.scannedBytes, again.log.logEndOffset], [0, host.log.logEndOffset])
    const bytesOf = (batches: typeof all): Buffer => Buffer.concat(batches.map(batch => batch.bytes))
    t.ok(bytesOf(await readAll(again, reader, 0, 5000)).equals(bytesOf(all)))
    again.log.deleteBefore(150 as Offset, again)
    await again.settle(() => again.log.logStartOffset === 150)
    await again.log.close()
    await reader.close()
  })
}

t.test('hard states: grouped, durable, compacted', async t => {
  const disk = new RealDisk()
  const folder = join(root, 'meta')
  const store = await HardStateStore.open(disk, folder)
  const save = (group: string, term: number, vote: number): Promise<void> => new Promise((resolve, reject) => {
    store.save(group, { term: term as Term, vote }, error => error === undefined ? resolve() : reject(error))
  })
  await Promise.all(Array.from({ length: 1000 }, (_, i) => save(`t-${i}`, 1, -1)))
  for (let round = 2; round < 12; round++) await Promise.all(Array.from({ length: 1000 }, (_, i) => save(`t-${i}`, round, i)))
  await store.close()
  const size = fs.statSync(join(folder, 'hard-state')).size
  t.ok(size < 6 * 1000 * 22, `compacted: ${size}`)
  fs.appendFileSync(join(folder, 'hard-state'), Buffer.from([0, 0, 0, 12, 1, 2]))
  const again = await HardStateStore.open(disk, folder)
  t.same(again.get('t-7'), { term: 11, vote: 7 })
  t.equal(again.get('other'), undefined)
  await again.close()
  t.equal(fs.statSync(join(folder, 'hard-state')).size, size, 'the torn end is cut')
})

t.test('a data folder has one holder, keeps its identity and knows how it was left', async t => {
  const disk = new RealDisk()
  const options = { path: join(root, 'data'), disk, chance: cryptoChance, lock: true }
  const first = await DataDirectory.open(options)
  t.equal(first.cleanStop, true)
  await t.rejects(DataDirectory.open(options), FolderLockedError)
  await t.rejects(DataDirectory.open(options), /in use by another broker/)
  await first.identify('cluster', 7)
  await first.close(false)
  const second = await DataDirectory.open(options)
  t.same(second.identity, { directoryId: first.identity.directoryId, clusterId: 'cluster', nodeNumber: 7, member: 7, founders: [], peers: [] })
  t.equal(second.cleanStop, false)
  if (process.platform === 'linux') t.equal(second.sameBoot, true)
  await second.fillReserve()
  t.equal(fs.statSync(join(second.metaFolder, 'reserve')).size, 16 << 20)
  await spendReserve(disk, second.metaFolder)
  await second.close(true)
  const third = await DataDirectory.open(options)
  t.equal(third.cleanStop, true)
  await third.close(true)
  t.equal(partitionFolder('/d', 'ab' as TopicId, 3 as PartitionIndex), '/d/topics/ab-3')
})

t.test('a lock ends with a killed holder, however long the path', async t => {
  const path = join(root, 'x'.repeat(120))
  for (const one of [join(root, 'killed'), path]) {
    const source = `
      const { DataDirectory } = await import(${JSON.stringify(import.meta.resolve('../../src/log/data-directory.ts'))})
      const { RealDisk } = await import(${JSON.stringify(import.meta.resolve('../../src/log/disk.ts'))})
      const { cryptoChance } = await import(${JSON.stringify(import.meta.resolve('../../src/base/prng.ts'))})
      await DataDirectory.open({ path: ${JSON.stringify(one)}, disk: new RealDisk(), chance: cryptoChance, lock: true })
      console.log('locked')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => child.stdout.once('data', resolve))
    const options = { path: one, disk: new RealDisk(), chance: cryptoChance, lock: true }
    await t.rejects(DataDirectory.open(options), FolderLockedError)
    child.kill('SIGKILL')
    await new Promise(resolve => child.once('exit', resolve))
    const mine = await DataDirectory.open(options)
    await mine.close(true)
  }
})

t.test('a data folder remembers that the machine stopped, until a stop in order', async t => {
  const disk = new FaultyDisk()
  const open = async (bootId: string): Promise<DataDirectory> => await DataDirectory.open({ path: '/data', disk, chance: cryptoChance, lock: false, bootId })
  const doubts = ({ cleanStop, sameBoot }: DataDirectory): boolean => !cleanStop && !sameBoot
  const first = await open('one')
  t.notOk(doubts(first))
  await first.close(false)
  t.ok(doubts(await open('two')), 'another boot')
  const killed = await open('two')
  t.ok(doubts(killed), 'and killed in it, before anybody could catch up')
  await killed.close(true)
  t.notOk(doubts(await open('two')))
})
