/** What a broker knows when it opens its metadata log: by its snapshots and what follows them, or that they are damaged. */
import { join } from 'node:path'
import t from 'tap'
import { Metadata } from '../../src/actors/controller/metadata.ts'
import { type MetadataRecord, writeMetadata } from '../../src/actors/controller/metadata-record.ts'
import { metadataTopicId } from '../../src/actors/controller/options.ts'
import { GroupState, type DerivedState } from '../../src/actors/group-state.ts'
import type { MemberId, Offset } from '../../src/base/ids.ts'
import { seededChance } from '../../src/base/prng.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { type MetadataOpening, openMetadata, type OpenedMetadata } from '../../src/metadata-opening.ts'
import { votersOnly } from '../../src/raft/configuration.ts'
import { ReactorLogs, type ReactorLogsOptions } from '../../src/reactor-logs.ts'
import { created, founders, registration } from '../actors/controller/records.ts'
import { LogHost } from '../log/kit.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

function logsOn (disk: FaultyDisk): ReactorLogs {
  const clock = { monotonicMs: () => 0, wallMs: () => 0 }
  const options = { dataDir: '/d', disk, clock, bootId: 'b', scans: { scan: undefined }, metrics: { observe: () => {} }, turn: () => 0, writeCacheBytes: 1 << 20, logger: quiet }
  return new ReactorLogs(options as unknown as ReactorLogsOptions)
}

/** Thirty topics, snapshots at ten and twenty, and files from somewhere below ten on. */
async function written ({ first = [], last = [] }: { first?: readonly MetadataRecord[], last?: readonly MetadataRecord[] } = {}): Promise<{ disk: FaultyDisk, logs: ReactorLogs, folder: string }> {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const logs = logsOn(disk)
  const folder = logs.directory(metadataTopicId, 0)
  const metadata = new Metadata(founders(1))
  const state = new GroupState(votersOnly([1 as MemberId]), metadata)
  const host = await LogHost.open({ directory: folder, disk, bootId: 'b', config: { flush: 'always', segmentBytesMax: 600 }, replay: state.replay() })
  metadata.opened()
  const put = async (record: MetadataRecord): Promise<void> => {
    const batch = writeMetadata([record])
    host.append(batch)
    await host.flush()
    metadata.state.apply(record)
    metadata.entries.begin(host.log.logEndOffset)
  }
  for (const record of first) await put(record)
  for (let number = 1; number <= 30; number++) {
    await put(created(number, [[1]]))
    if (number % 10 === 0 && number < 30) {
      host.log.checkpoint(host, { offset: metadata.appliedEnd, bytes: state.snapshot(metadata.appliedEnd) })
      await host.settle(() => host.log.snapshotOffset === metadata.appliedEnd)
    }
  }
  for (const record of last) await put(record)
  host.log.deleteBefore(10 as Offset, host)
  await host.waitFor('start-moved')
  await host.log.close()
  return { disk, logs, folder }
}

async function opened (logs: ReactorLogs, peers: readonly unknown[] = []): Promise<OpenedMetadata> {
  const opening = {
    config: { logSegmentBytes: 1 << 20, logIndexIntervalBytes: 4096 },
    membership: { metadataInitialVoters: founders(1), peers },
    registration: registration(1),
    logs,
    replicas: { state: (voters: MemberId[], owner: DerivedState) => new GroupState(votersOnly(voters), owner) },
    logger: quiet
  }
  return await openMetadata(opening as unknown as MetadataOpening)
}

async function damage (disk: FaultyDisk, folder: string, offset: number): Promise<void> {
  const file = await disk.open(join(folder, `${String(offset).padStart(20, '0')}.snapshot`), 'write')
  await file.truncate(20)
  await file.close()
}

t.test('the newest snapshot, and what follows it', async t => {
  const { logs } = await written()
  const { metadata, log } = await opened(logs)
  t.ok(log.firstOffset > 0 && log.firstOffset <= 10)
  t.equal(metadata.appliedEnd, 20)
  t.equal(metadata.state.topics.size, 20)
  t.equal(metadata.entries.count, 10)
  t.ok(metadata.entries.take(21 as Offset)!.restored)
  await log.close()
})

t.test('one that is damaged is passed over', async t => {
  const { disk, logs, folder } = await written()
  await damage(disk, folder, 20)
  const { metadata, log } = await opened(logs)
  t.equal(metadata.appliedEnd, 10)
  t.equal(metadata.entries.count, 20)
  await log.close()
})

t.test('without any the log says too little: it is damaged', async t => {
  const { disk, logs, folder } = await written()
  await damage(disk, folder, 20)
  await damage(disk, folder, 10)
  await t.rejects(opened(logs), { name: 'Unstartable', message: /damaged: the snapshots of what stood before it are missing or damaged/ })
  const { metadata, log } = await opened(logs, [{}])
  t.equal(metadata.appliedEnd, 0, 'it comes again from the others')
  t.ok((await disk.list('/d/topics')).includes(`${metadataTopicId}-0.damaged`))
  await log.close()
})

t.test('a snapshot, or a record behind it, may say that this program is too old', async t => {
  const finalized: MetadataRecord = { kind: 'feature-finalized', level: 99 }
  for (const when of ['first', 'last']) {
    const { logs } = await written({ [when]: [finalized] })
    await t.rejects(opened(logs), { name: 'TooOld' }, when)
  }
})
