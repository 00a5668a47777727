/** Three brokers' replicas of one group on disks that fail, with links that lose: they elect, replicate, recover and change who they are. */
import t from 'tap'
import { ValuesCluster } from './values.ts'

t.test('a group elects its first voter, and all get what is appended', async t => {
  const cluster = new ValuesCluster()
  const leader = await cluster.elected()
  t.equal(leader.member, 1, 'the preferred one does not wait')
  await cluster.append(20)
  t.equal(leader.log.logEndOffset, 20, 'a fresh log begins with the first value')
  for (const node of cluster.live) {
    t.equal(node.replica.highWatermark, 20)
    t.equal(cluster.texts(node).length, 20)
    t.equal(node.replica.leader, 1)
  }
  t.same(cluster.check(), [])
  t.same(cluster.crashes, [])
})
