/** What becomes of a partition whose log is damaged: given up where others vote in its group, by what the log itself knew last. */
import t, { type Test } from 'tap'
import { type DerivedState, GroupState } from '../../src/actors/group-state.ts'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import { PartitionState } from '../../src/actors/partition/partition-state.ts'
import { seededChance } from '../../src/base/prng.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { noteRestart, removeAllSegments } from '../../src/log/log-restart.ts'
import { segmentPath } from '../../src/log/segment.ts'
import { PartitionFactory, type PartitionFactoryOptions } from '../../src/partition-factory.ts'
import { votersOnly } from '../../src/raft/configuration.ts'
import { ReactorLogs, type ReactorLogsOptions } from '../../src/reactor-logs.ts'
import type { PartitionSpec } from '../../src/actors/controller/messages.ts'
import { batchOf, LogHost } from '../log/kit.ts'

const members = (...ids: number[]): MemberId[] => ids as MemberId[]
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

function logsOn (disk: FaultyDisk): ReactorLogs {
  const clock = { monotonicMs: () => 0, wallMs: () => 0 }
  const options = { dataDir: '/d', disk, clock, bootId: 'b', scans: { scan: undefined }, metrics: { observe: () => {} }, turn: () => 0, writeCacheBytes: 1 << 20, logger: quiet }
  return new ReactorLogs(options as unknown as ReactorLogsOptions)
}

/** A log of the group of `voters` that lost its middle. */
async function damagedLog (voters: readonly MemberId[]): Promise<{ disk: FaultyDisk, logs: ReactorLogs }> {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const logs = logsOn(disk)
  const directory = logs.directory('a', 0)
  const host = await LogHost.open({ directory, disk, bootId: 'b', config: { flush: 'always' }, replay: new GroupState(votersOnly(voters), new PartitionState()).replay() })
  host.append(batchOf(3, 100))
  await host.flush()
  await host.log.close()
  const file = await disk.open(segmentPath(directory, 0 as Offset, 'log'), 'write')
  await file.truncate(10)
  await file.close()
  return { disk, logs }
}

/** Makes the partition. @returns what was said of it; 'made': it got as far as a replica */
async function made (t: Test, disk: FaultyDisk, logs: ReactorLogs, spec: Partial<PartitionSpec>): Promise<string[]> {
  const told: string[] = []
  const factory = new PartitionFactory({
    context: { init: { membership: { member: 1 }, config: {} } },
    logs,
    metrics: { add: () => {}, set: () => {} },
    logger: { ...quiet, error: (_fields: unknown, text: string) => told.push(text) },
    replicas: {
      state: (voters: MemberId[], owner: DerivedState) => new GroupState(votersOnly(voters), owner),
      make: () => { throw new Error('made') }
    }
  } as unknown as PartitionFactoryOptions)
  await factory.make({ topicId: 'a', topic: 'a', partition: 0, config: {}, mayBegin: true, ...spec } as PartitionSpec, true).catch((error: Error) => told.push(error.message))
  t.comment((await disk.list('/d/topics')).join(' '))
  return told
}

t.test('the only voter of a group that is to get others keeps its log, whatever is meant', async t => {
  const { disk, logs } = await damagedLog(members(1))
  t.same(await made(t, disk, logs, { initial: members(1), voters: members(1, 2) }), ['partition quarantined: its log is damaged'])
  t.same(await disk.list('/d/topics'), ['a-0'])
})

t.test('where others vote the log is given up, and kept until the new one is whole', async t => {
  const { disk, logs } = await damagedLog(members(1, 2, 3))
  t.same(await made(t, disk, logs, { initial: members(1, 2, 3), voters: members(1) }), ['the log is damaged: it is given up, and comes again from the other replicas', 'made'])
  t.same((await disk.list('/d/topics')).toSorted(), ['a-0', 'a-0.damaged', 'a-0.lost'])
  const kept = await disk.list('/d/topics/a-0.damaged')
  await logs.giveUp('a', 0)
  t.same(await disk.list('/d/topics/a-0.damaged'), kept, 'of two that were given up the first: the second came from others')
  const notes = logs.notes('a', 0)
  const over = await new Promise(resolve => { notes.over.run(resolve) })
  t.same(over, { kind: 'loss-over', noted: true })
  t.same(await disk.list('/d/topics'), [])
})

t.test('who came later and is not whole yet counts for nobody: its log is given up', async t => {
  const { disk, logs } = await damagedLog([])
  await logs.notes('a', 0).write('surely')
  t.match(await made(t, disk, logs, { initial: [], voters: members(1, 2) }), [/given up/, 'made'])
})

t.test('a log that is just to begin anew is there', async t => {
  const { disk, logs } = await damagedLog(members(1, 2, 3))
  const directory = logs.directory('a', 0)
  await noteRestart(disk, directory, { offset: 500 as Offset, previousTerm: 3 as Term, states: new Uint8Array(0) })
  await removeAllSegments(disk, directory)
  t.ok(await logs.exists('a', 0))
  t.notOk(await logs.exists('a', 1))
})
