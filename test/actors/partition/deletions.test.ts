/** Records that are deleted are deleted for good: on all replicas, through restarts, changes of the group and disks that fail. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { PartitionCluster, type Replying } from './replicated-kit.ts'

async function setUp (options: ConstructorParameters<typeof PartitionCluster>[0] = {}, batches = 6): Promise<{ cluster: PartitionCluster, leader: Replying, one: Replying, other: Replying }> {
  const cluster = new PartitionCluster(options)
  await cluster.elected()
  await cluster.fill(batches)
  const [one, other] = cluster.followers
  return { cluster, leader: cluster.leader!, one: one!, other: other! }
}

async function done (cluster: PartitionCluster): Promise<void> {
  if (cluster.crashes.length > 0) throw new Error(cluster.crashes.join('\n'))
  await cluster.close()
}

const starts = (cluster: PartitionCluster): number[] => cluster.live.map(({ log }) => log.logStartOffset)

t.test('the start moves for all of them, never back, and never beyond what is committed', async t => {
  const { cluster, leader, one, other } = await setUp()
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: 4 }), { kind: 'records-deleted', errorCode: 0, logStartOffset: 4 })
  await cluster.until(() => starts(cluster).join() === '4,4,4', 'all begin there')
  t.equal(cluster.fetch(leader, 3).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  t.equal(cluster.fetch(one, 3, { replicaOk: true }).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, 'its leader says that')
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: 2 }), { errorCode: 0, logStartOffset: 4 }, 'it never goes back')
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: 100 }), { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: -1 })
  const { highWatermark } = leader.replica
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: -1 }), { errorCode: 0, logStartOffset: highWatermark })
  for (const { member } of [one, other]) cluster.links.apart.add(member)
  cluster.produce(leader, ['x'])
  t.equal(cluster.answer(leader, cluster.ask(leader, { kind: 'delete-records', offset: leader.log.logEndOffset }))?.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  t.equal(leader.log.logStartOffset, highWatermark)
  await done(cluster)
})

t.test('an answer waits for the commit and for the disk; a later deletion does the work of an earlier one', async t => {
  const { cluster, leader, one, other } = await setUp()
  for (const { member } of [one, other]) cluster.links.apart.add(member)
  const asked = [2, 5, 3].map(offset => cluster.ask(leader, { kind: 'delete-records', offset }))
  await cluster.run(100)
  t.same(asked.map(correlation => cluster.answer(leader, correlation)), [undefined, undefined, undefined])
  t.equal(leader.log.logEndOffset, 8, 'two batches for three requests')
  cluster.links.apart.clear()
  await cluster.until(() => asked.every(correlation => cluster.answer(leader, correlation) !== undefined), 'they are answered')
  t.ok(asked.every(correlation => cluster.answer(leader, correlation).errorCode === 0))
  await cluster.until(() => starts(cluster).join() === '5,5,5', 'all begin there')
  await done(cluster)
})

for (const end of ['loses power', 'is stopped'] as const) {
  t.test(`a follower that ${end} between the batch that deletes and the word of its commit moves its start when it is back`, async t => {
    const { cluster, leader, one } = await setUp()
    cluster.links.lose = message => message.to === one.member && (message.kind === 'heartbeat' || (message.kind === 'append-entries' && message.highWatermark > 6))
    t.match(await cluster.call(leader, { kind: 'delete-records', offset: 4 }), { errorCode: 0 })
    await cluster.until(() => one.log.durableEndOffset === 7, 'it has the batch')
    t.same([one.replica.highWatermark, one.log.logStartOffset], [6, 0], 'and does not know that it counts')
    if (end === 'is stopped') await one.stop()
    else one.crash(true)
    cluster.links.lose = () => false
    one.start()
    await cluster.until(() => cluster.live.length === 3 && starts(cluster).join() === '4,4,4', 'it begins there')
    await done(cluster)
  })
}

t.test('a deletion that was never committed deletes nothing', async t => {
  const { cluster, leader, one, other } = await setUp()
  for (const { member } of [one, other]) cluster.links.apart.add(member)
  const asked = cluster.ask(leader, { kind: 'delete-records', offset: 4 })
  await cluster.run(100)
  leader.crash(false)
  cluster.links.apart.clear()
  cluster.tellPeers(leader.member, false)
  await cluster.elected()
  leader.start()
  await cluster.until(() => cluster.live.length === 3, 'it is back')
  await cluster.fill(2)
  t.same(starts(cluster), [0, 0, 0])
  t.equal(cluster.answer(leader, asked), undefined)
  await done(cluster)
})

t.test('all restart: what was deleted stays so', async t => {
  const { cluster, leader } = await setUp()
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: 4 }), { errorCode: 0 })
  for (const node of cluster.live) node.crash(true)
  for (const node of cluster.nodes.values()) node.start()
  await cluster.elected()
  await cluster.fill(1)
  await cluster.until(() => starts(cluster).join() === '4,4,4', 'all begin there')
  await done(cluster)
})

t.test('who comes when one alone had deleted learns of it, also when it begins in the middle of a batch', async t => {
  const cluster = new PartitionCluster({ initial: [1] })
  await cluster.fill(4, 3)
  const first = cluster.leader!
  t.match(await cluster.call(first, { kind: 'delete-records', offset: 7 }), { errorCode: 0, logStartOffset: 7 })
  t.equal(first.log.logEndOffset, 12, 'alone nobody must be told: clients see no gap')
  for (const member of [2, 3]) cluster.add(member).start()
  cluster.assign([1, 2, 3], 1)
  await cluster.until(() => first.replica.settled && starts(cluster).join() === '7,7,7', 'all begin there')
  const end = first.log.logEndOffset
  await cluster.run(5000)
  t.equal(first.log.logEndOffset, end, 'it is said once')
  first.crash(false)
  cluster.tellPeers(first.member, false)
  const next = await cluster.elected()
  await cluster.fill(1)
  t.equal(next.log.logStartOffset, 7)
  t.equal(next.log.logEndOffset, end + 2, 'and not again by the next one')
  await done(cluster)
})

t.test('who is behind begins anew with a start in the middle of a batch, and hides what is before it', async t => {
  const { cluster, leader, other } = await setUp({ config: { segmentBytesMax: 1500, indexIntervalBytes: 300 }, poolBytes: 8 << 10 }, 1)
  other.crash(false)
  await cluster.fill(12, 3, 100)
  const start = leader.log.segments[2]!.base + 1
  t.match(await cluster.call(leader, { kind: 'delete-records', offset: start }), { errorCode: 0, logStartOffset: start })
  t.equal(leader.log.firstOffset, start - 1)
  other.start()
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven && starts(cluster).every(offset => offset === start), 'all begin there')
  t.ok(cluster.links.sent.get('reset-log')! > 0)
  t.equal(cluster.difference(), undefined)
  t.equal(cluster.fetch(other, start - 1, { replicaOk: true }).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, 'its leader says that')
  await done(cluster)
})

t.test('a deletion spares what alone says who is in the group until a snapshot says it', async t => {
  const cluster = new PartitionCluster({ config: { segmentBytesMax: 600, indexIntervalBytes: 300 } })
  await cluster.fill(3)
  cluster.add(4).start()
  await cluster.run(50)
  cluster.assign([2, 3, 4], 1)
  await cluster.until(() => cluster.leader?.replica.settled === true && cluster.leader.replica.configuration.voters.includes(4 as never), 'it is 2, 3 and 4')
  cluster.at(1).crash(false)
  const leader = await cluster.elected()
  await cluster.fill(6, 1, 100)
  // The disk takes no snapshot.
  for (const { disk } of cluster.live) disk.fault = (operation, path) => operation === 'open' && path.includes('.snapshot') ? 'EIO' : undefined
  const asked = cluster.ask(leader, { kind: 'delete-records', offset: -1 })
  await cluster.run(20)
  const said = leader.replica.state.configurations.offset
  if (leader.log.snapshotOffset <= said) t.ok(leader.log.firstOffset <= said, 'it is still there')
  for (const node of cluster.live) node.crash(true)
  for (const member of [2, 3, 4]) {
    cluster.at(member).disk.fault = undefined
    cluster.at(member).start()
  }
  await cluster.elected()
  for (const { replica } of cluster.live) t.same([...replica.configuration.voters].sort(), [2, 3, 4])
  t.ok(asked > 0)
  await done(cluster)
})

t.test('a disk that cannot save the new start is asked again until it can', async t => {
  const { cluster, leader } = await setUp()
  await cluster.run(3000)
  leader.disk.fault = (operation, path) => operation === 'write' && path.endsWith('checkpoint') ? 'EIO' : undefined
  const asked = cluster.ask(leader, { kind: 'delete-records', offset: 3 })
  await cluster.run(5000)
  t.equal(cluster.answer(leader, asked), undefined)
  t.equal(leader.log.logStartOffset, 0)
  const writes = leader.disk.counts.get('write')!
  await cluster.run(5000)
  t.ok(leader.disk.counts.get('write')! - writes < 20, 'now and then')
  leader.disk.fault = undefined
  await cluster.until(() => cluster.answer(leader, asked)?.errorCode === 0, 'it is done', 5000)
  t.equal(leader.log.logStartOffset, 3)
  await cluster.run(10_000)
  for (const node of cluster.live) t.equal(node.system.stats().timers, 1, 'only the look at retention')
  await done(cluster)
})

t.test('a group that changed and is not written to gives its old batches up all the same', async t => {
  const cluster = new PartitionCluster({ config: { segmentBytesMax: 1000, segmentMs: 40_000, retentionMs: 60_000 } })
  await cluster.fill(10, 1, 200)
  cluster.add(4).start()
  await cluster.run(50)
  cluster.assign([1, 2, 4], 1)
  await cluster.until(() => cluster.leader!.replica.settled && cluster.leader!.replica.configuration.voters.includes(4 as never), 'it is 1, 2 and 4')
  cluster.at(3).crash(false)
  const said = cluster.leader!.replica.state.configurations.offset
  await cluster.run(5000)
  t.ok(cluster.live.every(({ log }) => log.snapshotOffset > said), 'who is in the group is on the disk soon')
  // What the batches say of their time is long ago.
  await cluster.run(150_000)
  for (const { log } of cluster.live) t.ok(log.logStartOffset >= 10 && log.snapshotOffset > 10, `start ${log.logStartOffset}, snapshot ${log.snapshotOffset}`)
  for (const node of cluster.live) node.crash(true)
  for (const member of [1, 2, 4]) cluster.at(member).start()
  await cluster.elected()
  for (const { replica } of cluster.live) t.same([...replica.configuration.voters].sort(), [1, 2, 4])
  await done(cluster)
})

t.test('a snapshot that a disk did not take is taken again, and retention waits for it', async t => {
  const cluster = new PartitionCluster({ config: { segmentBytesMax: 1000, segmentMs: 40_000, retentionMs: 60_000 } })
  await cluster.fill(10, 1, 200)
  const fault = (_operation: string, path: string): string | undefined => path.includes('.snapshot') ? 'EIO' : undefined
  for (const { disk } of cluster.live) disk.fault = fault
  cluster.add(4).start()
  await cluster.run(50)
  cluster.at(4).disk.fault = fault
  cluster.assign([1, 2, 4], 1)
  await cluster.until(() => cluster.leader!.replica.settled && cluster.leader!.replica.configuration.voters.includes(4 as never), 'it is 1, 2 and 4')
  cluster.at(3).crash(false)
  await cluster.run(150_000)
  for (const { log, replica } of cluster.live) t.ok(log.firstOffset <= replica.state.configurations.offset && log.snapshotOffset === 0, 'what says who is in the group is there')
  for (const { disk } of cluster.live) disk.fault = undefined
  await cluster.run(100_000)
  for (const { log, replica } of cluster.live) t.ok(log.snapshotOffset > replica.state.configurations.offset && log.logStartOffset >= 10, `start ${log.logStartOffset}, snapshot ${log.snapshotOffset}`)
  await done(cluster)
})

t.test('what is not committed comes into no snapshot', async t => {
  const { cluster, leader, one, other } = await setUp()
  const snapshots = async (): Promise<number[]> => (await cluster.within(leader.disk.list('/data/topics/t-0'))).filter(name => name.endsWith('.snapshot')).map(name => Number(name.slice(0, 20)))
  cluster.assign([1, 2], 1)
  await cluster.until(() => leader.replica.settled && leader.replica.configuration.voters.length === 2, 'it is 1 and 2')
  await cluster.run(3000)
  const before = await snapshots()
  t.equal(before.at(-1), leader.log.snapshotOffset)
  t.ok(before.at(-1)! > 0)
  for (const node of [one, other]) cluster.links.apart.add(node.member)
  cluster.assign([1], 2)
  await cluster.run(4000)
  t.ok(leader.log.durableEndOffset > leader.replica.highWatermark, 'the change is on the disk of one of two')
  t.same(await snapshots(), before)
  await done(cluster)
})
