/** Data folders that take each other's place, and brokers that come back: who may take over whom, and what is told of those that were replaced. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { TopicId } from '../../../src/base/ids.ts'
import { Cluster, type AnyMessage } from './cluster-kit.ts'
import { registration } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

function asked (cluster: Cluster, id: number, request: Record<string, unknown>): AnyMessage {
  const correlation = cluster.node(id).ask(request)
  cluster.settle()
  return cluster.node(id).answer(correlation)!
}

const join = (cluster: Cluster, id: number, change: Parameters<typeof registration>[1] = {}, through = 2): AnyMessage =>
  asked(cluster, through, { kind: 'join', body: registration(id, change) })

const status = (cluster: Cluster, through = 1): AnyMessage => asked(cluster, through, { kind: 'describe-quorum' })
const brokerOf = (cluster: Cluster, nodeId: number): AnyMessage => cluster.node(1).image!.brokers.find(broker => broker.nodeId === nodeId) as unknown as AnyMessage

function create (cluster: Cluster, name: string, ...replicas: number[]): TopicId {
  return asked(cluster, 1, { kind: 'create-topics', topics: [{ name, partitions: 1, replicas: replicas.length, config: {}, assignments: [replicas] }], validateOnly: false, timeoutMs: 5000 }).results[0].id
}

t.test('a link that is silent for a moment gives nobody the place of a broker that runs', async t => {
  const cluster = Cluster.ready()
  cluster.node(1).feed({ kind: 'member-status', member: 3, up: false })
  t.match(join(cluster, 3, { directoryId: 'other' }, 1), { errorCode: ErrorCode.DUPLICATE_RESOURCE })
  const earlier = { kind: 'register-broker', nodeId: 3, member: 3, body: registration(3, { host: 'moved' }) }
  t.match(asked(cluster, 1, earlier), { errorCode: 0 }, 'what it says of itself is heard')
  asked(cluster, 1, { kind: 'drain-broker', nodeId: 3, drain: true })
  t.match(asked(cluster, 1, { kind: 'remove-broker', nodeId: 3 }), { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: /running/ })
  cluster.node(1).feed({ kind: 'member-status', member: 3, up: true })
  cluster.stop(3)
  cluster.advance(5000)
  t.match(join(cluster, 3, { directoryId: 'other' }, 1), { errorCode: ErrorCode.DUPLICATE_RESOURCE }, 'its session is not over')
  cluster.advance(2500)
  t.match(join(cluster, 3, { directoryId: 'other' }, 1), { errorCode: 0, nodeId: 3, member: 4 })
})

t.test('what a replaced folder led is led by nobody, and it is in sync with nothing', async t => {
  const cluster = Cluster.ready()
  const ids = [create(cluster, 'alone', 3), create(cluster, 'shared', 1, 3)]
  cluster.advance(1000)
  for (const id of ids) cluster.groups.at(id, 0).frozen = true
  cluster.stop(3)
  cluster.advance(7000)
  t.match(join(cluster, 3, { directoryId: 'new' }), { errorCode: 0, member: 4 })
  cluster.node(1).feed({ kind: 'controller-in', from: 4, body: { kind: 'broker-beat', leaving: false, ready: true, bytes: 0 } })
  // Its leader may take a while to notice.
  cluster.node(1).feed({ kind: 'leader-elected', topicId: ids[1], partition: 0, term: 9, leader: 1, inSync: [1, 3], voters: [1, 3], joint: false, generation: 0 })
  cluster.settle()
  t.equal(brokerOf(cluster, 3).fenced, false, 'its new folder is there')
  const [alone, shared] = ids.map(id => cluster.node(1).topics.get(id)!.partitions[0]!)
  t.same([alone!.leader, alone!.isr, alone!.replicas], [-1, [], [3]])
  t.ok(alone!.term > 0, 'clients would not believe a later leader of an earlier term')
  t.same([shared!.leader, shared!.isr], [1, [1]])
  const described = status(cluster)
  t.match(described, { leaderless: 1, underReplicated: 2 })
  t.match(described.brokers.find(({ nodeId }: AnyMessage) => nodeId === 3), { leaders: 0, behind: 2 })
})

for (const change of [{}, { directoryId: 'new' }]) {
  t.test(`a broker that was struck off and comes back with ${'directoryId' in change ? 'another' : 'its'} folder is fenced until it is ready`, async t => {
    const cluster = Cluster.ready()
    asked(cluster, 1, { kind: 'drain-broker', nodeId: 3, drain: true })
    cluster.stop(3)
    cluster.advance(7000)
    t.match(asked(cluster, 1, { kind: 'remove-broker', nodeId: 3 }), { errorCode: 0 })
    t.match(join(cluster, 3, change), { errorCode: 0, nodeId: 3 })
    t.equal(brokerOf(cluster, 3).fenced, true, 'what it said in its earlier life is over')
  })
}
