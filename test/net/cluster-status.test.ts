import t from 'tap'
import { clusterStatus } from '../../src/net/cluster-status.ts'
import { brokerImage, clusterImage, partitionImage } from './network-kit.ts'

const cluster = clusterImage([brokerImage(2, { fenced: true }), brokerImage(1, { rack: 'a' }), brokerImage(3)], { controller: 3 as never, featureLevel: 2 })
const topic = (name: string, partitions: unknown): never => ({ name, id: name.repeat(32), config: {}, partitions }) as never

t.test('brokers with what they hold and lead, partitions with what they lack', async t => {
  const status = clusterStatus(cluster, [
    topic('b', [partitionImage({ leader: -1, term: 0, replicas: [9], isr: [] })]),
    topic('a', [
      partitionImage({ leader: 1, term: 5, replicas: [1, 2, 3], isr: [1, 3] }),
      partitionImage({ leader: 3, term: 6, replicas: [3, 1], isr: [1, 3] })
    ])
  ])
  t.match(status, { controller: 3, featureLevel: 2, partitions: 3, leaderless: 1, underReplicated: 2, reassigning: 0 })
  t.strictSame(status.brokers, [
    { nodeId: 1, name: 'broker-1', host: 'host-1', port: 9001, raftHost: 'raft-1', raftPort: 8001, rack: 'a', state: 'live', replicas: 2, leaders: 1, behind: 0 },
    { nodeId: 2, name: 'broker-2', host: 'host-2', port: 9002, raftHost: 'raft-2', raftPort: 8002, rack: null, state: 'fenced', replicas: 1, leaders: 0, behind: 1 },
    { nodeId: 3, name: 'broker-3', host: 'host-3', port: 9003, raftHost: 'raft-3', raftPort: 8003, rack: null, state: 'live', replicas: 2, leaders: 1, behind: 0 }
  ])
  t.strictSame(status.topics.map(({ name, partitions }) => [name, partitions]), [
    ['a', [
      { index: 0, term: 5, leader: 1, replicas: [1, 2, 3], isr: [1, 3], underReplicated: true },
      { index: 1, term: 6, leader: 3, replicas: [3, 1], isr: [1, 3], underReplicated: false }
    ]],
    ['b', [{ index: 0, term: 0, leader: null, replicas: [9], isr: [], underReplicated: true }]]
  ])
})

t.test('a replica that is just being added is not missed yet', async t => {
  const status = clusterStatus(cluster, [topic('a', [
    partitionImage({ leader: 1, replicas: [3, 2], isr: [1, 2], adding: [3], removing: [1] }),
    partitionImage({ leader: 1, replicas: [3, 2], isr: [1], adding: [3], removing: [1] })
  ])])
  t.match(status, { reassigning: 2, underReplicated: 1 })
  t.match(status.topics[0]!.partitions, [
    { replicas: [3, 2, 1], adding: [3], removing: [1], underReplicated: false },
    { underReplicated: true }
  ])
})

t.test('an empty cluster', async t => {
  t.strictSame(clusterStatus(clusterImage([], { controller: -1 as never, featureLevel: 0 }), []), {
    controller: null, featureLevel: 0, brokers: [], partitions: 0, leaderless: 0, underReplicated: 0, reassigning: 0, topics: []
  })
})
