/** Three brokers' replicas of one group: they elect, replicate, fall behind, recover, and sleep. */
import t from 'tap'
import type { Offset } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { nextOffsetOf, stamp } from '../../../src/record/record-batch.ts'
import type { Node } from './kit.ts'
import { type Values, ValuesCluster } from './values.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const small = { poolBytes: 16 << 10, config: { segmentBytesMax: 4000, indexIntervalBytes: 1000 } }

/** Saves a snapshot, and gives up everything below `start`. */
async function giveUp (cluster: ValuesCluster, node: Node<Values>, start: number): Promise<void> {
  await cluster.until(() => node.log.snapshotOffset >= start, 'a snapshot')
  cluster.act(node, ({ log }, out) => log.deleteBefore(start as Offset, out))
  await cluster.until(() => node.log.logStartOffset === start, 'a start')
}

t.test('a group elects its first voter, and all get what is appended', async t => {
  const cluster = new ValuesCluster()
  const leader = await cluster.elected()
  t.equal(leader.member, 1, 'the preferred one does not wait')
  await cluster.append(20)
  t.equal(leader.log.logEndOffset, 20, 'a fresh log begins with the first value')
  for (const node of cluster.live) {
    t.same([node.replica.highWatermark, node.replica.leader, node.replica.term, cluster.texts(node).length], [20, 1, 1, 20])
    t.ok(node.replica.established)
  }
  t.same(leader.replica.inSync(), [1, 2, 3])
  t.same(leader.replica.progress().map(({ endOffset }) => endOffset), [20, 20, 20])
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
  await cluster.close()
})

t.test('nothing is committed before a majority has it on disk, and more than a majority can be waited for', async t => {
  const cluster = new ValuesCluster()
  const leader = await cluster.elected()
  cluster.links.apart.add(cluster.at(2).member).add(cluster.at(3).member)
  cluster.propose(1)
  await cluster.run(300)
  t.same([leader.log.durableEndOffset, leader.replica.highWatermark], [1, 0])
  cluster.links.apart.delete(cluster.at(2).member)
  await cluster.until(() => leader.replica.highWatermark === 1, 'two of three')
  t.same([1, 2, 3].map(count => leader.replica.acknowledgedEnd(count)), [1, 1, 0])
  cluster.links.apart.clear()
  await cluster.even()
  t.equal(leader.replica.acknowledgedEnd(3), 1)
  await cluster.close()
})

t.test('batches larger than a message, and many more than fit on their way, come over links that lose, double and delay', async t => {
  const cluster = new ValuesCluster({ limits: { messageBytesMax: 3000, inflightBytesMax: 9000 } })
  await cluster.elected()
  const chance = seededChance(1)
  cluster.links.lose = () => chance.next() < 0.25
  cluster.links.double = () => chance.next() < 0.3
  cluster.links.delayMs = () => chance.next() * 30
  for (let i = 0; i < 30; i++) {
    cluster.propose(2, [10, 900, 7000][i % 3])
    await cluster.run(20)
  }
  await cluster.even()
  t.equal(cluster.committed.size, 60)
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
  await cluster.close()
})

t.test('followers that are at different places get each what it lacks', async t => {
  const cluster = new ValuesCluster({ limits: { messageBytesMax: 500 } })
  await cluster.append(5)
  cluster.links.apart.add(cluster.at(3).member)
  cluster.propose(20)
  await cluster.run(200)
  cluster.links.apart.clear()
  const before = cluster.links.sent.get('append-entries')!
  cluster.propose(20)
  await cluster.even()
  t.same(cluster.check(), [])
  t.ok(cluster.links.sent.get('append-entries')! - before < 60, 'no message had to come twice')
  await cluster.close()
})

t.test('a leader that loses power with what nobody else got comes back, and drops it', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const old = cluster.leader!
  cluster.links.apart.add(old.member)
  cluster.propose(3)
  await cluster.run(50)
  t.same([old.log.durableEndOffset, old.replica.highWatermark], [8, 5])
  old.crash(true)
  cluster.links.apart.clear()
  cluster.tellPeers(old.member, false)
  const leader = await cluster.elected()
  t.not(leader, old)
  t.equal(leader.log.logEndOffset, 6, 'a leader of a log that holds something commits it by a batch of its own')
  await cluster.append(4)
  old.start()
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it holds what they hold')
  t.equal(old.state.values.length, 9)
  t.equal(old.replica.leader, leader.member)
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
  await cluster.close()
})

t.test('all lose power at once: what was committed is there, and the log goes on', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(7)
  cluster.propose(3)
  for (const node of cluster.live) node.crash(true)
  await cluster.run(1000)
  for (const node of cluster.nodes.values()) node.start()
  await cluster.append(2)
  t.ok(cluster.committed.size >= 9)
  t.same(cluster.check(), [])
  t.ok(cluster.leader!.replica.term >= 2)
  await cluster.close()
})

t.test('entries that are not in memory any more come from the files', async t => {
  const cluster = new ValuesCluster(small)
  await cluster.append(2)
  cluster.at(3).crash(false)
  for (let i = 0; i < 6; i++) await cluster.append(10, 500)
  t.equal(cluster.leader!.loads, 0)
  cluster.at(3).start()
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has caught up')
  t.ok(cluster.leader!.loads > 3, `${cluster.leader!.loads} reads`)
  t.equal(cluster.links.sent.get('reset-log'), undefined)
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
  await cluster.close()
})

t.test('a disk that does not give them is asked again', async t => {
  const cluster = new ValuesCluster(small)
  await cluster.append(2)
  cluster.at(3).crash(false)
  for (let i = 0; i < 6; i++) await cluster.append(10, 500)
  let failures = 4
  cluster.leader!.disk.fault = operation => operation === 'read' && failures-- > 0 ? 'EIO' : undefined
  cluster.at(3).start()
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has caught up')
  t.ok(failures < 0)
  t.same(cluster.crashes, [])
  await cluster.close()
})

for (const inBatch of [false, true]) {
  t.test(`who comes back when the others gave up what it lacks begins anew${inBatch ? ', where the batch begins in whose middle they start' : ''}`, async t => {
    const cluster = new ValuesCluster(small)
    await cluster.append(3)
    const behind = cluster.at(3)
    behind.crash(false)
    for (let i = 0; i < 5; i++) {
      cluster.propose(4, 300, cluster.leader, 5)
      await cluster.even()
    }
    await cluster.run(2500)
    const leader = cluster.leader!
    const start = leader.log.segments[2]!.base + (inBatch ? 2 : 0)
    await giveUp(cluster, leader, start)
    const { firstOffset } = leader.log
    t.equal(firstOffset, start - (inBatch ? 2 : 0))
    behind.start()
    await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has caught up')
    t.ok(cluster.links.sent.get('reset-log')! > 0 && leader.loads > 0, 'from the files')
    t.same([behind.log.firstOffset, behind.log.logStartOffset, behind.log.termAt(firstOffset - 1 as Offset)], [firstOffset, firstOffset, 1])
    t.same(cluster.texts(behind), cluster.texts(leader), 'what it has no batches of it was told')
    t.same(cluster.check(), [])
    await cluster.append(3)
    behind.crash(true)
    await cluster.run(100)
    behind.start()
    await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it starts again')
    t.same(cluster.texts(behind), cluster.texts(leader))
    t.same(cluster.crashes, [])
    await cluster.close()
  })
}

t.test('who begins anew is told of nothing that is not committed', async t => {
  const cluster = new ValuesCluster(small)
  await cluster.append(3)
  const [leader, behind] = [cluster.leader!, cluster.at(3)]
  behind.crash(false)
  cluster.propose(40, 300)
  await cluster.even()
  await cluster.run(2500)
  await giveUp(cluster, leader, leader.log.segments[2]!.base)
  // The others may die; what is appended now reaches nobody but the one that is behind, as part of the leader's state.
  cluster.at(2).crash(false)
  cluster.links.lose = message => message.kind === 'append-entries' && message.endOffset > message.offset
  cluster.propose(5)
  behind.start()
  const { firstOffset } = leader.log
  await cluster.until(() => behind.replica.log.logEndOffset === firstOffset, 'it begins anew')
  t.equal(cluster.texts(behind).length, firstOffset)
  leader.crash(false)
  cluster.links.lose = () => false
  cluster.at(2).start()
  cluster.tellPeers(leader.member, false)
  await cluster.append(4)
  t.equal(cluster.texts(behind).length, 47, 'and never takes for there what the old leader alone had')
  t.same(cluster.check(), [])
  await cluster.close()
})

t.test('a crash while the log begins anew costs nothing but time', async t => {
  for (let moment = 1; moment <= 40; moment += 8) {
    const cluster = new ValuesCluster({ ...small, seed: moment })
    await cluster.append(3)
    const behind = cluster.at(3)
    behind.crash(false)
    cluster.propose(30, 300)
    await cluster.even()
    await cluster.run(2500)
    await giveUp(cluster, cluster.leader!, cluster.leader!.log.segments[2]!.base)
    behind.start()
    for (let i = 0; i < 20_000 && (!behind.isUp || behind.log.refusal !== 'truncating'); i++) await cluster.run(0.2)
    if (behind.log.refusal !== 'truncating') t.fail('it never begins anew')
    const operations = (): number => [...behind.disk.counts.values()].reduce((sum, count) => sum + count)
    const until = operations() + moment
    while (operations() < until && behind.log.refusal === 'truncating') await cluster.run(0.05)
    behind.crash(true)
    await cluster.run(200)
    behind.start()
    await cluster.until(() => cluster.isEven, 'it has caught up')
    t.strictSame([cluster.texts(behind), cluster.check(), cluster.crashes], [cluster.texts(cluster.leader!), [], []])
    await cluster.close()
  }
})

t.test('a group in which nothing happens sleeps: no timers, no messages; an append wakes it', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  await cluster.run(5000)
  const sent = [...cluster.links.sent.values()].reduce((sum, count) => sum + count)
  for (const node of cluster.live) {
    const { timers, openAsks } = node.system.stats()
    t.same([timers, openAsks, node.replica.quiescent, node.replica.highWatermark, node.replica.established], [0, 0, true, 5, true])
  }
  await cluster.run(60_000)
  t.equal([...cluster.links.sent.values()].reduce((sum, count) => sum + count), sent)
  t.equal(cluster.leader!.replica.term, 1)
  await cluster.append(1)
  await cluster.run(5000)
  t.ok(cluster.live.every(({ replica }) => replica.quiescent && replica.highWatermark === 6))
  await cluster.close()
})

t.test('the links wake a sleeping group when its leader is gone, and its leader when one comes back', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  await cluster.run(5000)
  const old = cluster.leader!
  old.crash(false)
  await cluster.run(3000)
  t.equal(cluster.leader, undefined, 'nobody notices by itself')
  cluster.tellPeers(old.member, false)
  await cluster.until(() => cluster.leader !== undefined, 'a leader', 1000)
  await cluster.append(2)
  await cluster.run(5000)
  t.ok(cluster.live.every(({ replica }) => replica.quiescent), 'with one that is gone it sleeps too')
  t.same(cluster.leader!.replica.inSync().length, 2)
  old.start()
  cluster.tellPeers(old.member, true)
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has what it missed')
  await cluster.run(5000)
  t.ok(cluster.live.every(({ replica }) => replica.quiescent))
  t.equal(cluster.leader!.replica.inSync().length, 3)
  await cluster.close()
})

t.test('who starts in a sleeping group finds its leader without any word of the links', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  await cluster.run(5000)
  const { term } = cluster.leader!.replica
  const node = cluster.followers[0]!
  node.crash(false)
  await cluster.run(5000)
  node.start()
  await cluster.until(() => node.replica.leader === cluster.leader!.member && node.replica.highWatermark === 5, 'it follows')
  t.equal(cluster.leader!.replica.term, term, 'and nobody had to be elected')
  await cluster.close()
})

t.test('messages that lie are dropped, and harm nobody', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(3)
  const [leader, follower] = [cluster.leader!, cluster.followers[0]!]
  const batch = Uint8Array.from(leader.batches().at(-1)!.bytes)
  const broken = Uint8Array.from(batch)
  stamp(broken, 0, 3, 1)
  broken[broken.length - 1]! ^= 1
  const message = { kind: 'append-entries', from: leader.member, to: follower.member, term: leader.replica.term, offset: 3, previousTerm: 1, endOffset: 4, entryTerm: 1, highWatermark: 3 }
  for (const batches of [[], [batch], [broken], [batch.subarray(0, 40)], [new Uint8Array(200)]]) follower.tell({ kind: 'raft-in', message: { ...message, batches } })
  follower.tell({ kind: 'raft-in', message: { ...message, to: leader.member, batches: [] } })
  t.same([follower.log.logEndOffset, cluster.crashes], [3, []])
  await cluster.append(1)
  t.equal(nextOffsetOf(follower.batches().at(-1)!.bytes, 0), 4)
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})
