/** What is noted of logs that lost something: it outlives starts, until the other replicas have made them whole. */
import t from 'tap'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { ReactorLogs, type ReactorLogsOptions } from '../../src/reactor-logs.ts'

t.test('surely goes before maybe, and both are over once the log is whole', async t => {
  const disk = new FaultyDisk()
  const logs = new ReactorLogs({ dataDir: '/d', disk, turn: () => 0, writeCacheBytes: 1 << 20 } as unknown as ReactorLogsOptions)
  t.equal(await logs.lost('a', 0), undefined)
  await logs.noteUnsure('a', 0)
  t.equal((await logs.lost('a', 0))?.how, 'maybe')
  await logs.giveUp('a', 0)
  const note = await logs.lost('a', 0)
  t.equal(note?.how, 'surely')
  t.equal(await logs.lost('a', 1), undefined, 'of that log alone')
  note!.recovered.run(() => {})
  while (await logs.lost('a', 0) !== undefined) await new Promise(resolve => setImmediate(resolve))
  t.same(await disk.list('/d/topics'), [])
  await logs.noteUnsure('b', 2)
  await logs.remove('b', [2])
  t.equal(await logs.lost('b', 2), undefined, 'gone with its log')
})
