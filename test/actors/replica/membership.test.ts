/** Groups that change who they are, and who leads them: over restarts, and when retention takes the batches that said so. */
import t from 'tap'
import type { MemberId, Offset } from '../../../src/base/ids.ts'
import type { Node } from './kit.ts'
import { type Values, ValuesCluster } from './values.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const small = { poolBytes: 16 << 10, config: { segmentBytesMax: 3000, indexIntervalBytes: 1000 } }

let generation = 0

function aim (cluster: ValuesCluster, voters: readonly number[], learners: readonly number[] = []): void {
  generation++
  for (const node of cluster.live) cluster.act(node, (replica, out) => replica.setTarget({ voters: voters as MemberId[], learners: learners as MemberId[], generation }, out))
}

async function become (cluster: ValuesCluster, voters: readonly number[], learners: readonly number[] = []): Promise<void> {
  aim(cluster, voters, learners)
  const isDone = (): boolean => {
    const replica = cluster.leader?.replica
    return replica?.settled === true && replica.canAppend && [...replica.configuration.voters].sort().join() === [...voters].sort().join()
  }
  await cluster.until(isDone, `voters ${voters.join()}`)
}

/** Those of the leader's group that run hold what it holds. */
async function evenMembers (cluster: ValuesCluster): Promise<void> {
  await cluster.until(() => {
    const { leader } = cluster
    if (leader === undefined) return false
    const { voters, learners } = leader.replica.configuration
    return [...voters, ...learners].map(member => cluster.at(member)).every(({ isUp, log, replica }) =>
      isUp && log.logEndOffset === leader.log.logEndOffset && replica.highWatermark === log.logEndOffset)
  }, 'all members hold the same')
}

t.test('a fourth learns, and then votes in the place of a third', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(10)
  cluster.add(4).start()
  const seen: string[] = []
  const [leader, fourth] = [cluster.leader!, cluster.at(4)]
  aim(cluster, [1, 2, 4])
  await cluster.until(() => {
    const { voters, outgoing, learners } = leader.replica.configuration
    const now = `${voters.join()} out ${outgoing.join()} learning ${learners.join()}`
    if (now !== seen.at(-1)) seen.push(now)
    return leader.replica.settled
  }, 'they are 1, 2 and 4')
  t.same(seen.at(-1), '1,2,4 out  learning ')
  t.ok(seen.every(now => ['1,2,3 out  learning ', '1,2,3 out  learning 4', '1,2,4 out 1,2,3 learning ', '1,2,4 out  learning '].includes(now)), seen.join(' | '))
  t.notOk(fourth.replica.isAlone)
  cluster.propose(5)
  await evenMembers(cluster)
  t.equal(cluster.texts(fourth).length, 15)
  t.same(fourth.replica.configuration.voters, [1, 2, 4])
  t.same(leader.replica.progress().map(({ member }) => member), [1, 2, 4])
  cluster.at(3).crash(false)
  cluster.at(2).crash(false)
  cluster.propose(1)
  await cluster.until(() => leader.replica.highWatermark === leader.log.logEndOffset, 'the fourth counts')
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a learner counts for nothing, and gets everything', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(3)
  cluster.add(4).start()
  await become(cluster, [1, 2, 3], [4])
  const leader = cluster.leader!
  cluster.at(2).crash(false)
  cluster.at(3).crash(false)
  const { highWatermark } = leader.replica
  cluster.propose(1)
  await cluster.until(() => cluster.at(4).log.durableEndOffset === leader.log.logEndOffset, 'it gets it', 400)
  t.equal(leader.replica.highWatermark, highWatermark)
  t.notOk(leader.replica.inSync().includes(4 as MemberId))
  await cluster.run(5000)
  t.equal(cluster.leader, undefined, 'nor does it lead, or elect')
  await cluster.close()
})

t.test('a leader that is to leave hands over when it is out', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(3)
  const old = cluster.leader!
  cluster.add(4).start()
  await become(cluster, [2, 3, 4])
  t.not(cluster.leader, old)
  cluster.propose(3)
  await evenMembers(cluster)
  const { role, term } = old.replica
  t.equal(role, 'follower')
  await cluster.run(10_000)
  t.ok(old.replica.term <= cluster.leader!.replica.term && cluster.leader!.replica.term - term < 3, 'and disturbs nobody')
  old.crash(false)
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('one becomes three, and three become one', async t => {
  const cluster = new ValuesCluster({ initial: [1] })
  await cluster.append(4)
  t.ok(cluster.leader!.replica.isAlone)
  for (const member of [2, 3]) cluster.add(member).start()
  await cluster.run(500)
  await become(cluster, [1, 2, 3])
  await evenMembers(cluster)
  t.notOk(cluster.leader!.replica.isAlone)
  await become(cluster, [3])
  cluster.propose(2)
  await cluster.until(() => cluster.leader!.replica.highWatermark === cluster.leader!.log.logEndOffset, 'alone it commits')
  t.same([cluster.leader!.member, cluster.leader!.replica.isAlone], [3, true])
  const { term } = cluster.leader!.replica
  cluster.at(1).crash(false)
  cluster.at(2).crash(false)
  cluster.at(3).crash(true)
  cluster.at(3).start()
  await cluster.elected()
  t.ok(cluster.leader!.replica.term > term)
  t.same(cluster.check(), [])
  await cluster.close()
})

t.test('the lead is handed to another voter without a pause for an election', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const old = cluster.leader!
  cluster.propose(20)
  cluster.act(old, (replica, out) => { t.ok(replica.transfer(3 as MemberId, out)) })
  t.notOk(old.replica.canAppend, 'nothing is taken meanwhile')
  await cluster.until(() => cluster.leader?.member === 3, 'the third leads', 300)
  await cluster.append(2)
  cluster.act(cluster.leader!, (replica, out) => {
    t.notOk(replica.transfer(9 as MemberId, out), 'a stranger')
    t.notOk(replica.transfer(3 as MemberId, out), 'itself')
  })
  cluster.act(old, (replica, out) => t.notOk(replica.transfer(2 as MemberId, out), 'not the leader'))
  t.same([cluster.committed.size, cluster.check(), cluster.crashes], [27, [], []])
  await cluster.close()
})

t.test('a hand-over to one that is not there is given up, and the lead goes on', async t => {
  const cluster = new ValuesCluster()
  await cluster.append(5)
  const leader = cluster.leader!
  cluster.links.apart.add(cluster.at(3).member)
  cluster.propose(1)
  cluster.act(leader, (replica, out) => replica.transfer(3 as MemberId, out))
  t.notOk(leader.replica.canAppend)
  await cluster.until(() => leader.replica.canAppend, 'it takes batches again', 2000)
  t.equal(leader.replica.term, 1)
  await cluster.close()
})

/** Appends until the batches with the group's changes lie in closed segments, and gives those up on all. */
async function retain (cluster: ValuesCluster, members: readonly number[]): Promise<void> {
  for (let i = 0; i < 4; i++) {
    cluster.propose(10, 300)
    await evenMembers(cluster)
  }
  await cluster.run(2500)
  for (const member of members) {
    const node = cluster.at(member)
    cluster.act(node, ({ log, state }, out) => log.deleteBefore(Math.min(log.segments.at(-1)!.base, log.snapshotOffset, state.neededFrom(log.snapshotOffset)) as Offset, out))
    await cluster.until(() => node.log.firstOffset > 20, `${member} gives up what is old`)
  }
}

function restartAll (cluster: ValuesCluster): void {
  for (const node of [...cluster.nodes.values()]) {
    if (node.running) node.crash(true)
    node.start()
  }
}

t.test('who is in the group is remembered when the batches that said it are gone', async t => {
  const cluster = new ValuesCluster(small)
  await cluster.append(3)
  for (const member of [4, 5]) cluster.add(member).start()
  await become(cluster, [3, 4, 5])
  await retain(cluster, [3, 4, 5])
  for (const member of [1, 2]) cluster.at(member).crash(false)
  const voters = (node: Node<Values>): readonly MemberId[] => node.replica.configuration.voters
  for (const member of [3, 4, 5]) cluster.at(member).crash(true)
  await cluster.run(100)
  for (const member of [3, 4, 5]) cluster.at(member).start()
  await cluster.elected()
  t.same([3, 4, 5].map(member => voters(cluster.at(member))), [[3, 4, 5], [3, 4, 5], [3, 4, 5]])
  cluster.propose(3)
  await evenMembers(cluster)
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a voter that comes when those batches are gone learns it with the state, and keeps it', async t => {
  const cluster = new ValuesCluster(small)
  await cluster.append(3)
  await become(cluster, [1, 2, 3], [])
  cluster.add(4).start()
  await become(cluster, [1, 2, 4])
  cluster.at(3).crash(false)
  await retain(cluster, [1, 2, 4])
  cluster.add(5).start()
  await become(cluster, [1, 4, 5])
  t.ok(cluster.links.sent.get('reset-log')! > 0)
  await evenMembers(cluster)
  cluster.at(2).crash(false)
  const fifth = cluster.at(5)
  fifth.crash(true)
  fifth.start()
  await cluster.until(() => fifth.isUp, 'it starts')
  t.same(fifth.replica.configuration.voters, [1, 4, 5])
  await evenMembers(cluster)
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})

t.test('a change that is under way when all restart is gone on with', async t => {
  for (let ms = 0; ms < 260; ms += 40) {
    const cluster = new ValuesCluster({ seed: 1 + ms })
    await cluster.append(3)
    cluster.add(4).start()
    await cluster.run(50)
    aim(cluster, [2, 3, 4])
    await cluster.run(ms)
    restartAll(cluster)
    await cluster.run(2000)
    await become(cluster, [2, 3, 4])
    cluster.propose(1)
    await evenMembers(cluster)
    cluster.at(1).crash(false)
    t.strictSame([cluster.check(), cluster.crashes], [[], []])
    await cluster.close()
  }
})
