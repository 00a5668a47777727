/** A partition with replicas on three brokers: when it answers, what it shows, and what it refuses. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { offsetQuery } from '../../../src/actors/partition/messages.ts'
import { clientId } from '../replica/kit.ts'
import { PartitionCluster, type Replying } from './replicated-kit.ts'

/** One leader and two followers that hold a few batches. */
async function setUp (options: ConstructorParameters<typeof PartitionCluster>[0] = {}, batches = 3): Promise<{ cluster: PartitionCluster, leader: Replying, one: Replying, other: Replying }> {
  const cluster = new PartitionCluster(options)
  await cluster.elected()
  if (batches > 0) await cluster.fill(batches)
  const [one, other] = cluster.followers
  return { cluster, leader: cluster.leader!, one: one!, other: other! }
}

/** Nobody hears of these. */
function cutOff (cluster: PartitionCluster, ...nodes: Replying[]): void {
  for (const { member } of nodes) cluster.links.apart.add(member)
}

async function done (cluster: PartitionCluster, problems: string[] = []): Promise<void> {
  if (cluster.crashes.length > 0) throw new Error(cluster.crashes.join('\n'))
  if (problems.length > 0) throw new Error(problems.join('\n'))
  await cluster.close()
}

t.test('acks: all waits for a majority, the leader alone for its own disk, nobody for nothing', async t => {
  const { cluster, leader, one, other } = await setUp()
  cutOff(cluster, one, other)
  const [none, own, all] = [0, 1, -1].map(acks => cluster.produce(leader, ['x'], { acks })) as [number, number, number]
  t.match(cluster.answer(leader, none), { kind: 'appended', errorCode: 0, baseOffset: 3 }, 'at once')
  t.equal(cluster.answer(leader, own), undefined)
  await cluster.run(5)
  t.match(cluster.answer(leader, own), { errorCode: 0, baseOffset: 4 })
  t.equal(leader.replica.highWatermark, 3)
  await cluster.run(100)
  t.equal(cluster.answer(leader, all), undefined)
  cluster.links.apart.delete(one.member)
  await cluster.until(() => cluster.answer(leader, all) !== undefined, 'it is committed')
  t.match(cluster.answer(leader, all), { errorCode: 0, baseOffset: 5, logStartOffset: 0 })
  t.ok(leader.replica.highWatermark >= 6)
  await done(cluster)
})

t.test('who does not lead takes nothing', async t => {
  const { cluster, one } = await setUp()
  t.equal(cluster.answer(one, cluster.produce(one, ['x'])).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  for (const message of [{ kind: 'delete-records', offset: 1 }, { kind: 'list-offset', timestamp: offsetQuery.latest, leaderEpoch: -1 }, { kind: 'epoch-end', leaderEpoch: 1, currentLeaderEpoch: -1 }]) {
    t.equal(cluster.answer(one, cluster.ask(one, message)).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, message.kind)
  }
  t.equal(one.log.logEndOffset, 3)
  await done(cluster)
})

t.test('min.insync.replicas above the majority: with too few in sync acks=all is refused, else it waits for that many', async t => {
  const { cluster, leader, one, other } = await setUp({ minInsyncReplicas: 3 })
  cutOff(cluster, other)
  const waits = cluster.produce(leader, ['x'])
  await cluster.until(() => leader.replica.highWatermark === 4, 'it is committed')
  await cluster.run(50)
  t.equal(cluster.answer(leader, waits), undefined, 'two are not enough')
  t.match(cluster.fetch(leader, 3), { errorCode: 0, highWatermark: 4 }, 'but readers see it')
  await cluster.run(3000)
  t.equal(cluster.answer(leader, cluster.produce(leader, ['y'])).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
  t.equal(leader.log.logEndOffset, 4)
  const own = cluster.produce(leader, ['z'], { acks: 1 })
  await cluster.until(() => cluster.answer(leader, own)?.errorCode === 0, 'others need no more than the leader')
  cluster.links.apart.clear()
  await cluster.until(() => cluster.answer(leader, waits)?.errorCode === 0, 'three have it')
  await cluster.until(() => leader.replica.inSync().length === 3, 'they are in sync')
  await cluster.fill(1)
  cluster.tellPeers(one.member, false)
  t.equal(cluster.answer(leader, cluster.produce(leader, ['w'])).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS, 'the links know at once')
  await done(cluster)
})

t.test('a setting that asks for fewer lets go those who wait', async t => {
  const { cluster, leader, other } = await setUp({ minInsyncReplicas: 3 })
  cutOff(cluster, other)
  const waits = cluster.produce(leader, ['x'])
  await cluster.run(200)
  t.equal(cluster.answer(leader, waits), undefined)
  leader.tell({ kind: 'partition-configured', config: { 'min.insync.replicas': '2' } })
  t.match(cluster.answer(leader, waits), { errorCode: 0, baseOffset: 3 })
  await done(cluster)
})

t.test('a repeated batch is stored once, and answered when the first is committed, by the same rule', async t => {
  const { cluster, leader, one, other } = await setUp({ minInsyncReplicas: 3 }, 0)
  const batch = { producerId: 7, producerEpoch: 0, baseSequence: 0 }
  cutOff(cluster, one, other)
  const first = cluster.produce(leader, ['a', 'b'], batch)
  const again = cluster.produce(leader, ['a', 'b'], batch)
  await cluster.run(50)
  t.same([cluster.answer(leader, first), cluster.answer(leader, again)], [undefined, undefined])
  cluster.links.apart.delete(one.member)
  await cluster.until(() => leader.replica.highWatermark === 2, 'two of three have it')
  const third = cluster.produce(leader, ['a', 'b'], batch)
  await cluster.run(50)
  t.same([first, again, third].map(correlation => cluster.answer(leader, correlation)), [undefined, undefined, undefined], 'not yet on as many as was asked for')
  cluster.links.apart.clear()
  await cluster.until(() => [first, again, third].every(correlation => cluster.answer(leader, correlation) !== undefined), 'all have it')
  t.same([first, again, third].map(correlation => cluster.answer(leader, correlation)).map(({ errorCode, baseOffset }) => [errorCode, baseOffset]), [[0, 0], [0, 0], [0, 0]])
  t.match(cluster.answer(leader, cluster.produce(leader, ['a', 'b'], batch)), { errorCode: 0, baseOffset: 0 }, 'from now on at once')
  t.equal(leader.log.logEndOffset, 2)
  const ahead = cluster.produce(leader, ['x'], { ...batch, baseSequence: 9 })
  t.equal(cluster.answer(leader, ahead), undefined, 'what is final is not said before it has asked the others')
  await cluster.until(() => cluster.answer(leader, ahead) !== undefined, 'others said that it leads')
  t.equal(cluster.answer(leader, ahead).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  await done(cluster)
})

t.test('a new leader knows the batches of the old one, and those that were lost with it are new to it', async t => {
  const { cluster, leader, one, other } = await setUp()
  const batch = { producerId: 7, producerEpoch: 0 }
  const kept = cluster.produce(leader, ['a'], { ...batch, baseSequence: 0 })
  await cluster.until(() => cluster.answer(leader, kept) !== undefined, 'it is committed')
  await cluster.even()
  cutOff(cluster, leader)
  cluster.produce(leader, ['b'], { ...batch, baseSequence: 1 })
  await cluster.run(50)
  cluster.tellPeers(leader.member, false)
  await cluster.until(() => [one, other].some(({ replica }) => replica.canAppend && replica.established), 'another leads')
  const next = [one, other].find(({ replica }) => replica.role === 'leader')!
  t.match(cluster.answer(next, cluster.produce(next, ['a'], { ...batch, baseSequence: 0 })), { errorCode: 0, baseOffset: 3 })
  const repeated = cluster.produce(next, ['b'], { ...batch, baseSequence: 1 })
  await cluster.until(() => cluster.answer(next, repeated) !== undefined, 'it is taken anew')
  t.match(cluster.answer(next, repeated), { errorCode: 0, baseOffset: 5 }, 'behind the batch with which the leader began')
  cluster.links.apart.clear()
  await cluster.even()
  for (const { state } of cluster.live) t.same(state.producers.check(7, 0, 1, 0), { kind: 'duplicate', baseOffset: 5, lastOffset: 5 })
  await done(cluster, cluster.difference() === undefined ? [] : [cluster.difference()!])
})

t.test('appends and deletions that wait are answered when the lead is lost', async t => {
  const { cluster, leader, one, other } = await setUp()
  cutOff(cluster, one, other)
  const waiting = [cluster.produce(leader, ['x']), cluster.produce(leader, ['y']), cluster.ask(leader, { kind: 'delete-records', offset: 2 })]
  const watching = cluster.ask(leader, { kind: 'fetch', offset: 3, bytesMax: 1000, leaderEpoch: -1, beyond: 3 })
  await cluster.until(() => leader.replica.role !== 'leader', 'it hears from nobody')
  for (const correlation of [...waiting, watching]) t.equal(cluster.answer(leader, correlation).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  t.notOk(cluster.leads.has(leader.member))
  await done(cluster)
})

t.test('a follower shows what it knows to be committed, and nothing else', async t => {
  const { cluster, leader, one, other } = await setUp({}, 4)
  t.equal(cluster.fetch(one, 1).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, 'to who asks for the leader')
  const found = cluster.fetch(one, 1, { replicaOk: true })
  t.match(found, { errorCode: 0, highWatermark: 4, logStartOffset: 0, diverging: null })
  t.same([found.plan.offset, found.plan.endOffset], [1, 4])
  cutOff(cluster, one, other)
  cluster.produce(leader, ['x'])
  await cluster.run(20)
  cluster.links.apart.delete(one.member)
  cluster.links.lose = message => message.to === one.member && message.kind === 'append-entries' && message.highWatermark > 4
  await cluster.until(() => one.log.durableEndOffset === 5, 'it has it')
  if (one.replica.highWatermark === 4) t.match(cluster.fetch(one, 4, { replicaOk: true }), { errorCode: 0, plan: null, highWatermark: 4 })
  t.match(cluster.fetch(one, 1000, { replicaOk: true }), { errorCode: 0, plan: null }, 'a follower that is behind its reader says nothing about that')
  t.equal((await cluster.call(leader, { kind: 'fetch', offset: 1000, bytesMax: 1000, leaderEpoch: -1, beyond: -1 })).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  t.match(cluster.fetch(leader, 1, { replicaOk: true }), { errorCode: 0 })
  await done(cluster)
})

t.test('a follower without a leader whose word it has shows nothing', async t => {
  const { cluster, leader, one } = await setUp()
  leader.crash(false)
  cluster.tellPeers(leader.member, false)
  t.equal(cluster.fetch(one, 1, { replicaOk: true }).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  await cluster.elected()
  await cluster.even()
  const follower = cluster.followers[0]!
  t.match(cluster.fetch(follower, 1, { replicaOk: true, leaderEpoch: follower.replica.term }), { errorCode: 0, highWatermark: 4 })
  await done(cluster)
})

t.test('a fetch that waits at a follower is answered when more is committed', async t => {
  const { cluster, one } = await setUp()
  const watching = cluster.ask(one, { kind: 'fetch', offset: 3, bytesMax: 1000, leaderEpoch: -1, beyond: 3, replicaOk: true })
  const given = cluster.ask(one, { kind: 'fetch', offset: 3, bytesMax: 1000, leaderEpoch: -1, beyond: 3, replicaOk: true })
  one.tell({ kind: 'unwatch', replyTo: 5, correlation: given })
  t.equal(cluster.answer(one, watching), undefined)
  await cluster.fill(1)
  t.match(cluster.answer(one, watching), { errorCode: 0, highWatermark: 4, plan: { offset: 3, endOffset: 4 } })
  t.equal(cluster.answer(one, given), undefined)
  await done(cluster)
})

t.test('who believes in another leader epoch is told so', async t => {
  const { cluster, leader, one } = await setUp()
  const { term } = leader.replica
  for (const [leaderEpoch, errorCode] of [[term, 0], [term - 1, ErrorCode.FENCED_LEADER_EPOCH], [term + 1, ErrorCode.UNKNOWN_LEADER_EPOCH]] as const) {
    t.equal(cluster.fetch(leader, 1, { leaderEpoch }).errorCode, errorCode)
    t.equal(cluster.fetch(one, 1, { leaderEpoch, replicaOk: true }).errorCode, errorCode)
    t.equal(cluster.answer(leader, cluster.ask(leader, { kind: 'list-offset', timestamp: offsetQuery.latest, leaderEpoch })).errorCode, errorCode)
    t.equal(cluster.answer(leader, cluster.ask(leader, { kind: 'epoch-end', leaderEpoch: 1, currentLeaderEpoch: leaderEpoch })).errorCode, errorCode)
  }
  await done(cluster)
})

t.test('a reader whose log left this one is told where', async t => {
  const { cluster, leader } = await setUp()
  leader.crash(false)
  cluster.tellPeers(leader.member, false)
  const next = await cluster.elected()
  await cluster.fill(2)
  const { term } = next.replica
  const end = next.log.logEndOffset
  t.same([next.log.epochEndOffset(1 as never), end], [{ term: 1, endOffset: 3 }, 6])
  t.same(cluster.fetch(next, 3, { lastFetchedEpoch: 1 }).diverging, null, 'it read up to where that leader ended')
  t.match(cluster.fetch(next, 5, { lastFetchedEpoch: 1 }), { errorCode: 0, plan: null, diverging: { epoch: 1, endOffset: 3 } }, 'it read what was lost')
  t.same(cluster.fetch(next, 5, { lastFetchedEpoch: term }).diverging, null)
  t.same(cluster.fetch(next, 9, { lastFetchedEpoch: term }).diverging, { epoch: term, endOffset: end }, 'before any talk of ranges')
  t.match(cluster.fetch(next, 4, { lastFetchedEpoch: term + 3 }), { errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH, diverging: null }, 'a successor wrote that: this one does not know how far the log goes')
  const epochEnd = (leaderEpoch: number): unknown[] => {
    const { errorCode, leaderEpoch: epoch, endOffset } = cluster.answer(next, cluster.ask(next, { kind: 'epoch-end', leaderEpoch, currentLeaderEpoch: -1 }))
    return [errorCode, epoch, endOffset]
  }
  t.same([epochEnd(1), epochEnd(term), epochEnd(0)], [[0, 1, 3], [0, term, end], [0, 0, 0]])
  await done(cluster)
})

t.test('before a leader knows what was committed it tells no end of the log, and shows no more than it knows', async t => {
  const { cluster, leader, one, other } = await setUp()
  cutOff(cluster, other)
  cluster.links.lose = message => message.kind === 'heartbeat' || (message.kind === 'append-entries' && message.highWatermark > 3)
  const answered = cluster.produce(leader, ['x'])
  await cluster.until(() => cluster.answer(leader, answered)?.errorCode === 0, 'it is committed')
  t.same([one.log.logEndOffset, one.replica.highWatermark], [4, 3], 'which the follower has, and does not know of')
  cluster.links.lose = message => message.kind === 'append-entries'
  leader.crash(false)
  cluster.links.apart.clear()
  cluster.tellPeers(leader.member, false)
  await cluster.until(() => one.replica.role === 'leader', 'it leads')
  t.notOk(one.replica.established)
  const latest = (): any => cluster.answer(one, cluster.ask(one, { kind: 'list-offset', timestamp: offsetQuery.latest, leaderEpoch: -1 }))
  t.same([latest().errorCode, latest().offset], [ErrorCode.OFFSET_NOT_AVAILABLE, -1])
  t.match(cluster.answer(one, cluster.ask(one, { kind: 'list-offset', timestamp: offsetQuery.earliest, leaderEpoch: -1 })), { errorCode: 0, offset: 0 })
  t.match(cluster.fetch(one, 3), { errorCode: 0, plan: null, highWatermark: 3 }, 'not out of range: it may be committed')
  cluster.links.lose = () => false
  await cluster.until(() => one.replica.established, 'it has committed a batch of its own')
  t.match(latest(), { errorCode: 0, offset: 5, leaderEpoch: one.replica.term })
  await done(cluster)
})

t.test('a replica of a single voter that is another answers at once that it does not lead', async t => {
  const cluster = new PartitionCluster({ initial: [1] })
  await cluster.fill(1)
  const second = cluster.add(2)
  second.start()
  await cluster.until(() => second.isUp, 'it is there')
  const correlation = cluster.produce(second, ['x'])
  await cluster.run(5)
  t.equal(cluster.answer(second, correlation)?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  t.equal(cluster.fetch(second, 0)?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  await done(cluster)
})

t.test('a leader announces itself: once in its term, and again when the group changes', async t => {
  const { cluster, leader, one, other } = await setUp()
  const group = { topicId: '000102030405060708090a0b0c0d0e0f', partition: 0, leader: leader.member }
  t.same(cluster.announcements(leader), [{ kind: 'leader-elected', ...group, term: 1, inSync: [1, 2, 3], voters: [1, 2, 3], joint: false, generation: -1 }])
  await cluster.fill(5)
  await cluster.run(5000)
  t.equal(cluster.announcements(leader).length, 1, 'nothing has changed')
  t.same([cluster.announcements(one), cluster.announcements(other)], [[], []])
  cluster.tellPeers(other.member, false)
  t.same(cluster.announcements(leader).at(-1)!.inSync, [leader.member, one.member])
  cluster.tellPeers(other.member, true)
  await cluster.until(() => cluster.announcements(leader).at(-1)!.inSync!.length === 3, 'it is in sync again')
  const before = cluster.announcements(leader).length
  leader.tell({ kind: 'announce-leader' })
  t.same(cluster.announcements(leader).length, before + 1, 'asked to say it again')
  one.tell({ kind: 'announce-leader' })
  t.same(cluster.announcements(one), [])
  leader.crash(false)
  cluster.tellPeers(leader.member, false)
  const next = await cluster.elected()
  t.equal(cluster.announcements(next).length, 1)
  t.match(cluster.announcements(next)[0], { term: next.replica.term, leader: next.member, joint: false })
  t.ok(next.replica.term > 1)
  await done(cluster)
})

t.test('who shall hold the partition: a leader goes there, and says how far it is by what is committed', async t => {
  const { cluster, leader } = await setUp()
  cluster.add(4).start()
  await cluster.run(50)
  cluster.assign([1, 2, 4], 7)
  await cluster.until(() => cluster.announcements(leader).at(-1)!.joint === false && cluster.announcements(leader).at(-1)!.generation === 7, 'it has arrived')
  const said = cluster.announcements(leader)
  t.same(said.at(-1)!.voters, [1, 2, 4])
  t.same(said.filter(({ joint }) => joint === false).map(({ voters, generation }) => [voters!.join(), generation]), [['1,2,3', -1], ['1,2,4', 7]])
  t.ok(said.every(({ voters, joint }) => joint === true || voters!.length === 3))
  cluster.assign([1, 2, 3], 6)
  await cluster.run(2000)
  t.same(leader.replica.configuration.voters, [1, 2, 4], 'old news')
  await cluster.until(() => cluster.at(4).replica.highWatermark === leader.log.logEndOffset, 'the new one has it all')
  cluster.at(3).crash(false)
  await done(cluster)
})

t.test('voters that are not committed yet are not announced', async t => {
  const { cluster, leader } = await setUp()
  cluster.add(4).start()
  await cluster.run(50)
  cluster.assign([1, 2, 4], 7)
  for (let i = 0; i < 20_000 && leader.replica.configuration.outgoing.length === 0; i++) await cluster.run(0.1)
  for (const node of cluster.followers) cluster.links.apart.add(node.member)
  await cluster.run(200)
  t.same([leader.replica.role, leader.replica.configuration.voters, leader.replica.configuration.outgoing], ['leader', [1, 2, 4], [1, 2, 3]])
  t.match(cluster.announcements(leader).at(-1), { voters: [1, 2, 3], joint: true, generation: 7 })
  await done(cluster)
})

t.test('the lead goes to whom the controller names', async t => {
  const { cluster, leader } = await setUp()
  cluster.at(2).tell({ kind: 'transfer-leader', to: 3 })
  leader.tell({ kind: 'transfer-leader', to: 3 })
  await cluster.until(() => cluster.leader?.member === 3 && cluster.leader.replica.canAppend, 'the third leads', 500)
  t.same([...cluster.leads], [3])
  await cluster.fill(1)
  await done(cluster)
})

t.test('only a partition without other replicas follows its clients to another thread', async t => {
  const cluster = new PartitionCluster({ initial: [1] })
  await cluster.fill(1)
  cluster.wantsMove = true
  cluster.fetch(cluster.leader!, 0)
  t.equal(cluster.moves, 1)
  cluster.wantsMove = false
  cluster.add(2).start()
  cluster.assign([1, 2], 1)
  await cluster.until(() => cluster.leader!.replica.settled && cluster.isEven, 'they are two')
  cluster.wantsMove = true
  cluster.fetch(cluster.leader!, 0)
  cluster.produce(cluster.leader!, ['x'])
  t.equal(cluster.moves, 1)
  await done(cluster)
})

t.test('what a leader writes by itself is synced and noted as what clients write', async t => {
  const { cluster, leader } = await setUp({ config: { flush: 'interval', flushIntervalMs: 200 } })
  await cluster.run(3000)
  leader.crash(false)
  cluster.tellPeers(leader.member, false)
  const next = await cluster.elected()
  await cluster.until(() => next.replica.highWatermark === 4, 'its own batch is committed')
  await cluster.run(3000)
  next.crash(true)
  next.start()
  await cluster.until(() => next.isUp, 'it starts')
  t.equal(next.log.logEndOffset, 4)
  await done(cluster)
})

t.test('settings that a topic is given later count at once', async t => {
  const { cluster, leader } = await setUp({ config: { segmentBytesMax: 1000 } }, 0)
  await cluster.fill(20, 1, 200)
  await cluster.run(35_000)
  t.equal(leader.log.logStartOffset, 0)
  for (const node of cluster.live) node.tell({ kind: 'partition-configured', config: { 'retention.bytes': '2000' } })
  await cluster.run(35_000)
  for (const { log } of cluster.live) t.ok(log.logStartOffset > 5 && log.bytes < 4000, `start ${log.logStartOffset}`)
  await cluster.fill(1)
  await done(cluster)
})

t.test('all disks are full: what was committed is read on, writes get the error, and go on when there is room', async t => {
  const { cluster, leader: old } = await setUp()
  for (const node of cluster.live) node.disk.capacity = node.disk.usedBytes
  const lost = cluster.produce(old, ['x'.repeat(100_000)])
  await cluster.until(() => cluster.live.every(({ log }) => log.refusal === 'full'), 'all are full')
  t.equal(cluster.answer(old, lost).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  await cluster.until(() => cluster.leader !== undefined, 'one leads all the same', 10_000)
  const leader = cluster.leader!
  t.ok(cluster.announcements(leader).some(({ term }) => term === leader.replica.term), 'and says so')
  t.match(cluster.fetch(leader, 0), { errorCode: 0, highWatermark: 3, plan: {} })
  t.match(cluster.fetch(leader, 3), { errorCode: 0, plan: null })
  for (const node of cluster.live) t.equal(cluster.answer(node, cluster.produce(node, ['y'])).errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  for (const node of cluster.live) node.disk.capacity = Infinity
  await cluster.fill(2)
  t.equal(cluster.answer(cluster.leader!, cluster.ask(cluster.leader!, { kind: 'list-offset', timestamp: offsetQuery.latest, leaderEpoch: -1 })).errorCode, 0)
  await done(cluster)
})

t.test('beyond the log\'s end: a leader says so once others confirm that it leads, and never when it has a successor', async t => {
  const { cluster, leader, one, other } = await setUp()
  const asked = cluster.ask(leader, { kind: 'fetch', offset: 9, bytesMax: 1000, leaderEpoch: -1, beyond: -1 })
  t.equal(cluster.answer(leader, asked), undefined, 'not before it has asked')
  await cluster.until(() => cluster.answer(leader, asked) !== undefined, 'others said yes')
  t.match(cluster.answer(leader, asked), { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, plan: null })
  cutOff(cluster, leader)
  await cluster.until(() => [one, other].some(({ replica }) => replica.role === 'leader'), 'a successor')
  // It is deposed and has not noticed: its clock stood still.
  t.equal(leader.replica.role, 'leader')
  const lost = cluster.ask(leader, { kind: 'fetch', offset: 9, bytesMax: 1000, leaderEpoch: -1, beyond: -1 })
  const gone = cluster.ask(leader, { kind: 'fetch', offset: 9, bytesMax: 1000, leaderEpoch: -1, beyond: -1 })
  leader.tell({ kind: 'unwatch', replyTo: clientId, correlation: gone })
  await cluster.until(() => cluster.answer(leader, lost) !== undefined, 'it has noticed')
  t.equal(cluster.answer(leader, lost).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  t.equal(cluster.answer(leader, gone), undefined, 'nobody waits for this one')
  await done(cluster)
})

t.test('a producer goes on with the successor: the deposed leader, which misses a batch of it, does not call the next one out of order', async t => {
  const { cluster, leader, one, other } = await setUp()
  const batch = { producerId: 7, producerEpoch: 0, baseSequence: 0 }
  cutOff(cluster, leader)
  await cluster.until(() => [one, other].some(({ replica }) => replica.canAppend), 'a successor')
  const successor = [one, other].find(({ replica }) => replica.canAppend)!
  const first = cluster.produce(successor, ['a'], batch)
  await cluster.until(() => cluster.answer(successor, first)?.errorCode === 0, 'it takes the first')
  t.equal(leader.replica.role, 'leader', 'its clock stood still')
  const second = cluster.produce(leader, ['b'], { ...batch, baseSequence: 1 })
  await cluster.until(() => cluster.answer(leader, second) !== undefined, 'it has noticed')
  t.equal(cluster.answer(leader, second).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  await done(cluster)
})

t.test('while it hands over nobody is sent away before it is known who leads next', async t => {
  const { cluster, leader, one } = await setUp()
  const answered: Array<{ correlation: number, leaderKnown: boolean }> = []
  const { length } = leader.answers
  const before = cluster.produce(leader, ['under way'])
  leader.tell({ kind: 'transfer-leader', to: one.member })
  const during = [cluster.produce(leader, ['x']), cluster.ask(leader, { kind: 'list-offset', timestamp: offsetQuery.latest, leaderEpoch: -1 })]
  t.ok(during.every(correlation => cluster.answer(leader, correlation) === undefined), 'they wait')
  await cluster.until(() => {
    for (const { correlation } of leader.answers.slice(length + answered.length)) answered.push({ correlation, leaderKnown: leader.replica.leader === one.member })
    return answered.length === 3
  }, 'all are answered')
  t.equal(one.replica.role, 'leader')
  const codes = [before, ...during].map(correlation => cluster.answer(leader, correlation).errorCode)
  t.ok([0, ErrorCode.NOT_LEADER_OR_FOLLOWER].includes(codes[0]))
  t.same(codes.slice(1), [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  t.ok(answered.every(({ correlation, leaderKnown }) => leaderKnown || cluster.answer(leader, correlation).errorCode === 0), 'when the next one is known')
  await done(cluster)
})

t.test('a hand-over that comes to nothing: what waited is written', async t => {
  const { cluster, leader, one } = await setUp()
  cutOff(cluster, one)
  leader.tell({ kind: 'transfer-leader', to: one.member })
  const waits = cluster.produce(leader, ['x'])
  await cluster.until(() => cluster.answer(leader, waits) !== undefined, 'it is answered')
  t.match(cluster.answer(leader, waits), { errorCode: 0, baseOffset: 3 })
  t.equal(leader.replica.role, 'leader')
  await done(cluster)
})

t.test('a partition alone whose vote cannot be written answers all the same', async t => {
  const cluster = new PartitionCluster({ initial: [1] })
  await cluster.fill(1)
  const only = cluster.at(1)
  await only.stop()
  only.disk.fault = (operation, path) => path.includes('meta') && operation !== 'read' && operation !== 'open' && operation !== 'look' ? 'EIO' : undefined
  only.start()
  await cluster.until(() => only.isUp, 'it is there')
  const held = [cluster.produce(only, ['x']), cluster.produce(only, ['y'])]
  await cluster.run(5000)
  t.same(held.map(correlation => cluster.answer(only, correlation)), [undefined, undefined], 'it may go well yet')
  await cluster.run(10_000)
  t.same(held.map(correlation => cluster.answer(only, correlation)?.errorCode), [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  t.equal(cluster.answer(only, cluster.produce(only, ['z'])).errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, 'later ones at once')
  only.disk.fault = undefined
  await cluster.until(() => only.replica.canAppend, 'the disk works again')
  const late = cluster.produce(only, ['late'])
  await cluster.until(() => cluster.answer(only, late)?.errorCode === 0, 'and takes it')
  await done(cluster)
})

t.test('who hands over and finds no successor does not hold its clients for long', async t => {
  const { cluster, leader, one, other } = await setUp()
  leader.tell({ kind: 'transfer-leader', to: one.member })
  const waits = cluster.produce(leader, ['x'])
  cutOff(cluster, leader, one, other)
  await cluster.until(() => cluster.answer(leader, waits) !== undefined, 'it is answered')
  t.match(cluster.answer(leader, waits), { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER })
  await done(cluster)
})
