/** Data folders that take each other's place, and brokers that come back: who may take over whom, and what is told of those that were replaced. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { TopicId } from '../../../src/base/ids.ts'
import { Cluster, type AnyMessage, type BrokerNode } from './cluster-kit.ts'
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

t.test('a broker that comes back at another address is found there, and follows again', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.advance(2000)
  cluster.node(3).change = { raftHost: 'raft-elsewhere' }
  cluster.restart(3)
  cluster.advance(500)
  t.equal(cluster.node(3).replica.leader, 0, 'nobody speaks to it where it is now')
  cluster.advance(3000)
  t.equal(cluster.node(3).replica.leader, 1)
  t.match(brokerOf(cluster, 3), { raftHost: 'raft-elsewhere', fenced: false })
  t.equal(cluster.node(3).image!.controller, 1)
  cluster.elect(3)
  cluster.advance(2000)
  t.match(status(cluster), { leader: 3 }, 'it leads too')
})

t.test('brokers that have all moved find each other before anybody leads', async t => {
  const cluster = Cluster.ready()
  for (const id of [1, 2, 3]) cluster.stop(id)
  const moved = (id: number): string => `raft-elsewhere-${id}`
  for (const id of [1, 2, 3]) {
    cluster.node(id).change = { raftHost: moved(id) }
    cluster.node(id).endpoints = [1, 2, 3].map(moved)
    cluster.restart(id)
  }
  cluster.advance(3000)
  for (const one of cluster.nodes) for (const other of cluster.nodes) if (one !== other) t.ok(one.reaches(other), `${one.id} reaches ${other.id}`)
  cluster.elect(2)
  cluster.advance(3000)
  t.same(cluster.node(3).image!.brokers.map(({ raftHost, fenced }) => [raftHost, fenced]), [1, 2, 3].map(id => [moved(id), false]))
  cluster.advance(25_000)
  for (const node of cluster.nodes) t.same(node.peers.map(({ host }) => host), [1, 2, 3].filter(id => id !== node.id).map(moved), 'what was heard is in the log by now')
})

/** The disk of broker 3 was not mounted: it began with an empty folder, which is in its place now. The right one is started again. */
function withEarlierFolder (): { cluster: Cluster, earlier: BrokerNode, later: BrokerNode } {
  const cluster = Cluster.ready()
  const earlier = cluster.node(3)
  cluster.stop(3)
  cluster.advance(7000)
  join(cluster, 3, { directoryId: 'empty' })
  const later = cluster.add(3, 3, 4, { directoryId: 'empty' })
  cluster.advance(5000)
  earlier.change = { raftHost: 'raft-3-again' }
  cluster.nodes.unshift(earlier)
  return { cluster, earlier, later }
}

t.test('an earlier folder gets its place back when the one that replaced it is gone', async t => {
  const { cluster, earlier, later } = withEarlierFolder()
  t.match(brokerOf(cluster, 3), { member: 4, fenced: false })
  cluster.nodes.splice(cluster.nodes.indexOf(later), 1)
  cluster.restart(3)
  cluster.advance(15_000)
  t.match(brokerOf(cluster, 3), { member: 3, fenced: false })
  t.equal(earlier.replica.leader, 1)
  t.ok(earlier.image !== undefined, 'it takes clients')
  t.ok(cluster.metadata.voters.includes(earlier.member), 'and votes')
})

for (const leads of [true, false]) {
  t.test(`a folder that another one has replaced serves nobody with what it knew${leads ? '' : ', also while nobody leads'}`, async t => {
    const { cluster, earlier } = withEarlierFolder()
    if (!leads) cluster.depose()
    cluster.restart(3)
    cluster.advance(25_000)
    t.equal(brokerOf(cluster, 3).member, 4)
    t.equal(earlier.image, undefined)
    t.ok(earlier.notes.includes('the cluster does not take this broker back: it serves nobody until it does'))
  })
}

t.test('a folder is known by itself and not by its name: one that was renamed is no new broker', async t => {
  const cluster = Cluster.ready()
  t.match(join(cluster, 4), { nodeId: 4, member: 4 })
  t.match(join(cluster, 4, { name: 'renamed' }), { errorCode: 0, nodeId: 4, member: 4 })
  t.match(join(cluster, 4, { name: 'broker-2' }), { errorCode: ErrorCode.DUPLICATE_RESOURCE, errorMessage: /belongs to node 2/ })
  t.same(cluster.node(1).image!.brokers.map(({ nodeId, name }) => [nodeId, name]).at(-1), [4, 'renamed'])
})
