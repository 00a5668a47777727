/** What is noted of logs that lost something: it outlives starts, until the other replicas have made them whole. */
import t from 'tap'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { LossNotes } from '../../src/log/loss-notes.ts'
import { ReactorLogs, type ReactorLogsOptions } from '../../src/reactor-logs.ts'
import { seededChance } from '../../src/base/prng.ts'

t.test('surely goes before maybe, and both are over once the log is whole', async t => {
  const disk = new FaultyDisk()
  const logs = new ReactorLogs({ dataDir: '/d', disk, turn: () => 0, writeCacheBytes: 1 << 20 } as unknown as ReactorLogsOptions)
  const notes = logs.notes('a', 0)
  t.equal(await notes.read(), undefined)
  await notes.write('maybe')
  t.equal(await notes.read(), 'maybe')
  await disk.makeFolder('/d/topics/a-0')
  await logs.giveUp('a', 0)
  t.equal(await notes.read(), 'surely')
  t.equal(await logs.notes('a', 1).read(), undefined, 'of that log alone')
  t.ok((await disk.list('/d/topics')).includes('a-0.damaged'), 'perhaps the last copy of something')
  notes.over.run(() => {})
  while (await notes.read() !== undefined) await new Promise(resolve => setImmediate(resolve))
  t.same(await disk.list('/d/topics'), [])
  await logs.notes('b', 2).write('maybe')
  await logs.remove('b', [2])
  t.equal(await logs.notes('b', 2).read(), undefined, 'gone with its log')
})

t.test('a note outlives a loss of power, and one that is taken back at once does not come after that', async t => {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  await disk.makeFolder('/d')
  await new LossNotes(disk, '/d/a', () => {}).write('maybe')
  const after = disk.crash()
  const errors: unknown[] = []
  const notes = new LossNotes(after, '/d/a', error => errors.push(error))
  t.equal(await notes.read(), 'maybe')
  for (let round = 0; round < 3; round++) {
    notes.begun.run(() => {})
    notes.over.run(() => {})
  }
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(await notes.read(), undefined)
  after.fault = () => 'EIO'
  notes.begun.run(() => {})
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  t.match(errors, [{ code: 'EIO' }], 'a disk that fails is told')
})
