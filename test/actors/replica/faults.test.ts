/** Replicas whose disks fail, fill up or forget: they step back, recover, and help to elect nobody whom they should not. */
import t from 'tap'
import type { MemberId } from '../../../src/base/ids.ts'
import type { Node } from './kit.ts'
import { type Values, ValuesCluster } from './values.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** The next so many syncs of its log fail. */
function failSyncs (node: Node<Values>, count: number): void {
  node.disk.fault = (operation, path) => operation === 'sync' && path.endsWith('.log') && count-- > 0 ? 'EIO' : undefined
}

t.test('a leader whose sync fails drops what it wrote and leads no more in its term; another goes on', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const old = cluster.leader!
  failSyncs(old, 1)
  cluster.propose(3)
  await cluster.until(() => old.replica.role !== 'leader', 'it steps down', 100)
  await cluster.elected()
  t.ok(cluster.leader!.replica.term > 1)
  await cluster.append(3)
  t.equal(old.log.logEndOffset, cluster.leader!.log.logEndOffset)
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
  await cluster.close()
})

t.test('a follower whose sync fails gets it again', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const [one, other] = cluster.followers
  failSyncs(one!, 1)
  cluster.propose(3)
  await cluster.even()
  failSyncs(other!, 1)
  await cluster.append(3)
  t.equal(cluster.leader!.replica.term, 1)
  t.same([cluster.committed.size, cluster.check(), cluster.crashes], [11, [], []])
  await cluster.close()
})

t.test('a log that cannot be repaired is opened anew', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const node = cluster.followers[0]!
  let failures = 2
  node.disk.fault = (operation, path) => (operation === 'sync' && path.endsWith('.log')) || (operation === 'rename' && failures-- > 0) ? 'EIO' : undefined
  cluster.propose(2)
  await cluster.until(() => node.crashes.length > 0, 'its actor gives up')
  node.disk.fault = undefined
  await cluster.even()
  t.match(node.crashes[0]!.message, /EIO/)
  t.same(cluster.check(), [])
  await cluster.close()
})

t.test('a leader whose disk is full leaves the lead to another, and follows when there is room', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const old = cluster.leader!
  old.disk.capacity = old.disk.usedBytes
  cluster.propose(3, 100_000)
  await cluster.until(() => old.log.refusal === 'full' && cluster.leader !== undefined && cluster.leader !== old, 'another leads')
  await cluster.elected()
  cluster.propose(4)
  await cluster.until(() => cluster.leader!.replica.highWatermark === cluster.leader!.log.logEndOffset, 'two of three are enough')
  await cluster.run(20_000)
  t.notOk(old.replica.role === 'leader')
  const { term } = cluster.leader!.replica
  t.same([old.log.logEndOffset, old.log.refusal], [5, 'full'])
  old.disk.capacity = Infinity
  await cluster.even()
  t.equal(cluster.leader!.replica.term, term, 'nobody was disturbed')
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a follower whose disk is full is waited for, without hurry', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const node = cluster.followers[0]!
  node.disk.capacity = node.disk.usedBytes
  cluster.propose(4, 100_000)
  await cluster.until(() => node.log.refusal === 'full', 'it is full')
  await cluster.run(3000)
  t.notOk(cluster.leader!.replica.inSync().includes(node.member))
  t.equal(cluster.leader!.replica.highWatermark, 9)
  const before = cluster.links.sent.get('append-entries')!
  await cluster.run(10_000)
  t.ok(cluster.links.sent.get('append-entries')! - before < 250, `${cluster.links.sent.get('append-entries')! - before} messages in ten seconds`)
  node.disk.capacity = Infinity
  await cluster.even()
  await cluster.until(() => cluster.leader!.replica.inSync().includes(node.member), 'it is in sync again')
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

/** No disk has room for more, and all have found out. */
async function fillAll (cluster: ValuesCluster): Promise<void> {
  for (const node of cluster.live) node.disk.capacity = node.disk.usedBytes
  cluster.propose(1, 100_000)
  await cluster.until(() => cluster.live.every(({ log }) => log.refusal === 'full'), 'all are full')
}

t.test('all disks are full: one leads for those who read, and when there is room again writes go on', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  await fillAll(cluster)
  await cluster.until(() => cluster.leader !== undefined, 'one leads', 10_000)
  const leader = cluster.leader!
  const { term } = leader.replica
  t.same([leader.replica.readable, leader.replica.canAppend, leader.replica.highWatermark, leader.log.logEndOffset], [true, false, 5, 5])
  await cluster.run(10_000)
  t.same([cluster.leader?.member, leader.replica.term], [leader.member, term], 'it stays')
  for (const node of cluster.live) node.disk.capacity = Infinity
  await cluster.append(3)
  t.same([cluster.leader!.log.refusal, cluster.check(), cluster.crashes], [undefined, [], []])
  await cluster.close()
})

t.test('all disks are full, and room comes elsewhere than at the leader: it hands over', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  await fillAll(cluster)
  await cluster.until(() => cluster.leader !== undefined, 'one leads', 10_000)
  const full = cluster.leader!
  for (const node of cluster.followers) node.disk.capacity = Infinity
  await cluster.until(() => cluster.leader !== full && cluster.leader?.replica.canAppend === true, 'one with room leads', 5000)
  const { leader } = cluster
  cluster.propose(4)
  await cluster.until(() => leader!.replica.highWatermark === leader!.log.logEndOffset, 'two of three are enough')
  await cluster.run(10_000)
  t.equal(cluster.leader, leader)
  t.same([full.log.logEndOffset, full.log.refusal], [5, 'full'])
  full.disk.capacity = Infinity
  await cluster.even()
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a broker whose disk is full does not get its partition back, and asking for that does not stop the writes', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const old = cluster.leader!
  old.disk.capacity = old.disk.usedBytes
  cluster.propose(1, 100_000)
  await cluster.until(() => cluster.leader !== undefined && cluster.leader !== old, 'another leads')
  const leader = await cluster.elected()
  const { term } = leader.replica
  await cluster.run(1000)
  let begun: boolean | undefined
  cluster.act(leader, (replica, out) => { begun = replica.transfer(old.member, out) })
  await cluster.run(1)
  t.same([begun, leader.replica.canAppend], [false, true])
  await cluster.run(5000)
  t.same([cluster.leader, leader.replica.term], [leader, term])
  old.disk.capacity = Infinity
  await cluster.even()
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('while votes cannot be saved nobody is elected, and the disk is asked twice a second', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(3)
  for (const node of cluster.live) node.crash(false)
  const fault = (_operation: string, path: string): string | undefined => path.includes('hard-state') ? 'EIO' : undefined
  for (const node of cluster.nodes.values()) {
    node.start()
    await cluster.run(20)
    node.disk.fault = fault
  }
  await cluster.run(20_000)
  t.equal(cluster.leader, undefined)
  const operations = (): number => cluster.live.reduce((sum, { disk }) => sum + (disk.counts.get('write') ?? 0) + (disk.counts.get('remove') ?? 0), 0)
  const before = operations()
  await cluster.run(10_000)
  t.ok(operations() - before < 3 * 2 * 10 * 2, `${operations() - before} in ten seconds`)
  for (const node of cluster.live) node.disk.fault = undefined
  await cluster.append(2)
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a broker alone whose votes cannot be saved asks no more often the longer it takes', async t => {
  const cluster = new ValuesCluster({ initial: [1] })
  await cluster.run(0)
  const node = cluster.at(1)
  node.disk.fault = (_operation, path) => path.includes('hard-state') && node.disk.counts.get('look')! > 3 ? 'EIO' : undefined
  await cluster.run(60_000)
  const removals = node.disk.counts.get('remove') ?? 0
  await cluster.run(10_000)
  t.ok((node.disk.counts.get('remove') ?? 0) - removals < 60, `${(node.disk.counts.get('remove') ?? 0) - removals} in ten seconds`)
  node.disk.fault = undefined
  await cluster.append(1)
  t.same(cluster.check(), [])
  await cluster.close()
})

t.test('a full disk keeps room for votes', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(3)
  for (const node of cluster.live) node.disk.capacity = node.disk.usedBytes
  cluster.leader!.crash(false)
  await cluster.run(3000)
  t.ok(cluster.live.some(({ replica }) => replica.term > 1 && replica.role === 'leader'), 'one is elected, if only for those who read')
  await cluster.close()
})

t.test('a sync that fails behind `interval` takes back what was acknowledged: such a voter elects nobody before it holds it again', async t => {
  const cluster = new ValuesCluster({ config: { flush: 'interval', flushIntervalMs: 1000 } })
  await cluster.append(5)
  await cluster.run(3000)
  const [leader, one, other] = [cluster.leader!, ...cluster.followers] as [Node<Values>, Node<Values>, Node<Values>]
  // Committed by the leader and one, of whom the second loses it.
  cluster.links.apart.add(other.member)
  failSyncs(one, 1)
  cluster.propose(4)
  await cluster.until(() => leader.replica.highWatermark === 9, 'it is committed')
  await cluster.until(() => one.log.logEndOffset === 5, 'it is lost', 3000)
  leader.crash(false)
  cluster.links.apart.clear()
  cluster.tellPeers(leader.member, false)
  await cluster.run(2000)
  t.equal(cluster.leader, undefined, 'the one that lacks it must not win by the one that lost it')
  one.crash(false)
  one.start()
  await cluster.until(() => one.isUp, 'its process was killed, and is there again')
  t.ok(one.replica.forgetful, 'it still knows')
  await cluster.run(2000)
  t.equal(cluster.leader, undefined)
  leader.start()
  await cluster.elected()
  await cluster.append(1)
  await cluster.until(() => !one.replica.forgetful, 'it holds it again')
  await cluster.run(100)
  one.crash(false)
  one.start()
  await cluster.until(() => one.isUp, 'a third time')
  t.notOk(one.replica.forgetful, 'and knows that too')
  t.same(cluster.check(), [])
  await cluster.close()
})

t.test('a majority lost what was committed: who still holds it goes on with what they have', async t => {
  const cluster = new ValuesCluster({ config: { flush: 'os' as const }, forgetful: ({ starts }: { readonly starts: number }) => starts > 1 ? 'maybe' as const : undefined })
  await cluster.append(10)
  await cluster.until(() => cluster.isEven, 'all have it')
  const kept = cluster.at(3)
  cluster.links.apart.add(kept.member)
  for (const member of [1, 2]) {
    const lost = cluster.at(member)
    lost.crash(true)
    await lost.loseLog()
    lost.start()
  }
  await cluster.run(30_000)
  t.equal(cluster.leader, undefined, 'who is away may hold what was committed')
  await cluster.until(() => cluster.leader !== undefined && cluster.leader !== kept && cluster.leader.replica.established, 'they go on without', 60_000)
  cluster.propose(3)
  await cluster.until(() => cluster.leader!.replica.highWatermark >= 3, 'and write')
  t.ok(kept.replica.highWatermark > cluster.leader!.log.logEndOffset)
  cluster.links.apart.clear()
  await cluster.until(() => cluster.isEven, 'it holds what they do')
  t.match(kept.crashes.map(({ message }) => message), [/committed here/])
  await cluster.until(() => !kept.replica.forgetful, 'and is a voter like any other')
  await cluster.close()
})

t.test('who lost its log does not lead by the group that it was made with', async t => {
  const cluster = new ValuesCluster({ initial: [1], forgetful: ({ member, starts }) => member === 1 && starts > 1 ? 'surely' : undefined })
  await cluster.append(3)
  for (const member of [2, 3]) cluster.add(member).start()
  cluster.act(cluster.leader!, (replica, out) => replica.setTarget({ voters: [1, 2, 3] as MemberId[], learners: [] }, out))
  await cluster.until(() => cluster.leader!.replica.settled && cluster.isEven, 'they are three')
  const lost = cluster.at(1)
  lost.crash(true)
  await lost.loseLog()
  cluster.tellPeers(lost.member, false)
  const leader = await cluster.elected()
  cluster.links.apart.add(lost.member)
  lost.start()
  await cluster.run(10_000)
  t.same([lost.replica.role, lost.replica.canAppend, lost.replica.readable, lost.replica.electsItself], ['follower', false, false, false])
  cluster.links.apart.clear()
  cluster.propose(1)
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has what the others have')
  t.equal(cluster.leader, leader)
  t.same([lost.replica.configuration.voters, cluster.check(), cluster.crashes], [[1, 2, 3], [], []])
  await cluster.close()
})

t.test('who may have lost the word that others are in its group waits for them, and leads alone only when nobody comes', async t => {
  const options = { initial: [1], config: { flush: 'os' as const }, meant: [1, 2, 3] as MemberId[], forgetful: ({ starts }: { readonly starts: number }) => starts > 1 ? 'maybe' as const : undefined }
  const cluster = new ValuesCluster(options)
  await cluster.append(3)
  for (const member of [2, 3]) cluster.add(member).start()
  cluster.act(cluster.leader!, (replica, out) => replica.setTarget({ voters: [1, 2, 3] as MemberId[], learners: [] }, out))
  await cluster.until(() => cluster.leader!.replica.settled && cluster.isEven, 'they are three')
  const lost = cluster.at(1)
  lost.crash(true)
  await lost.loseLog()
  await cluster.elected()
  lost.start()
  t.notOk(lost.isUp && lost.replica.electsItself)
  await cluster.until(() => cluster.live.length === 3 && cluster.isEven, 'it has what the others have')
  t.same([lost.replica.configuration.voters, cluster.check(), cluster.crashes], [[1, 2, 3], [], []])
  await cluster.close()
  const alone = new ValuesCluster(options)
  await alone.append(3)
  alone.at(1).crash(false)
  alone.at(1).start()
  await alone.run(2000)
  t.equal(alone.leader, undefined)
  await alone.append(1)
  t.same(alone.check(), [])
  await alone.close()
  const only = new ValuesCluster({ ...options, meant: [1] as MemberId[] })
  await only.append(3)
  only.at(1).crash(false)
  only.at(1).start()
  await only.until(() => only.leader !== undefined, 'who has no others waits for nobody', 100)
  await only.close()
})
