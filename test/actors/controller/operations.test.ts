/** What operators do to a cluster: brokers that come, go, are drained, lose their disks; partitions that move; leaders that change. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { TopicId } from '../../../src/base/ids.ts'
import { Cluster, shown, type AnyMessage, type BrokerNode } from './cluster-kit.ts'
import { registration } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

function asked (cluster: Cluster, id: number, request: Record<string, unknown>): AnyMessage {
  const correlation = cluster.node(id).ask(request)
  cluster.settle()
  return cluster.node(id).answer(correlation)!
}

function create (cluster: Cluster, name: string, replicas: number, partitions = 3): TopicId {
  return asked(cluster, 1, { kind: 'create-topics', topics: [{ name, partitions, replicas, config: {} }], validateOnly: false, timeoutMs: 5000 }).results[0].id
}

const join = (cluster: Cluster, id: number, change: Parameters<typeof registration>[1] = {}, through = 2): AnyMessage =>
  asked(cluster, through, { kind: 'join', body: registration(id, change) })

/** Joins, and starts. */
function joined (cluster: Cluster, id: number, change: Parameters<typeof registration>[1] = {}): BrokerNode {
  const { nodeId, member } = join(cluster, id, change)
  const node = cluster.add(id, nodeId, member, change)
  cluster.advance(3000)
  return node
}

const reassign = (cluster: Cluster, partition: number, replicas: number[] | null, more: object = {}): AnyMessage =>
  asked(cluster, 3, { kind: 'alter-reassignments', partitions: [{ topic: 'orders', partition, replicas }], allowReplicationFactorChange: true, ...more })
const listed = (cluster: Cluster): AnyMessage[] => asked(cluster, 2, { kind: 'list-reassignments', partitions: null }).partitions
const imageOf = (cluster: Cluster, id: number, topic: TopicId): Array<[number, number[]]> => shown(cluster.node(id).topics.get(topic))

t.test('a broker joins through any member, and gets its numbers once', async t => {
  const cluster = Cluster.ready()
  const first = join(cluster, 4)
  t.match(first, { kind: 'joined', errorCode: 0, clusterId: 'cluster', nodeId: 4, member: 4, initialVoters: [1, 2, 3] })
  t.same(first.peers.map(({ member, host }: AnyMessage) => [member, host]), [[1, 'raft-1'], [2, 'raft-2'], [3, 'raft-3']])
  t.match(join(cluster, 4, {}, 1), { errorCode: 0, nodeId: 4, member: 4 }, 'asked again, as an answer may be lost')
  t.match(join(cluster, 5), { nodeId: 5, member: 5 })
  t.ok(cluster.node(1).image!.brokers.find(({ nodeId }) => nodeId === 4)!.fenced, 'until it runs it gets nothing')
  t.match(join(cluster, 4, { directoryId: 'other' }), { errorCode: ErrorCode.DUPLICATE_RESOURCE, errorMessage: /node_id broker-4/ }, 'two brokers of one name')
  cluster.add(4, 4, 4)
  cluster.advance(3000)
  t.notOk(cluster.node(2).image!.brokers.find(({ nodeId }) => nodeId === 4)!.fenced)
  t.same(cluster.node(4).peers.map(({ member }) => member), [1, 2, 3, 5])
  t.same(cluster.metadata, { voters: [1, 2, 3], outgoing: [], learners: [4, 5] })
  t.same(cluster.node(4).image, { ...cluster.node(1).image, self: 4 })
})

t.test('of brokers that hold as many partitions, the one with fewer bytes gets the next', async t => {
  const cluster = Cluster.ready()
  for (const [id, usedBytes] of [[1, 300], [2, 100], [3, 200]] as const) cluster.node(id).usedBytes = usedBytes
  cluster.advance(3000)
  t.same(['a', 'b', 'c', 'd'].map(name => imageOf(cluster, 1, create(cluster, name, 1, 1))[0]![1][0]), [2, 3, 1, 2])
})

t.test('what a stranger says is looked at first', async t => {
  const cluster = Cluster.ready()
  for (const body of [{}, { ...registration(4), name: '../x' }, { ...registration(4), port: -1 }, { ...registration(4), features: null }, { ...registration(4), host: 7 }]) {
    t.match(asked(cluster, 1, { kind: 'join', body }), { errorCode: ErrorCode.INVALID_REQUEST })
  }
  t.match(join(cluster, 4, { features: { min: 2, max: 3 } }), { errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage: /feature levels 2 to 3/ })
})

t.test('the first brokers after a lone founder become voters, later ones learn', async t => {
  const cluster = Cluster.ready({ founders: 1 })
  t.same(cluster.metadata.voters, [1])
  for (const id of [2, 3, 4]) {
    const { nodeId, member } = asked(cluster, 1, { kind: 'join', body: registration(id) })
    cluster.add(id, nodeId, member)
    cluster.advance(4000)
  }
  t.same(cluster.metadata, { voters: [1, 2, 3], outgoing: [], learners: [4] })
  cluster.stop(2)
  cluster.advance(30_000)
  t.same(cluster.metadata.voters, [1, 2, 3], 'one that is only gone stays')
})

t.test('a partition moves: the replica that leaves goes when the others have everything', async t => {
  const cluster = Cluster.ready()
  joined(cluster, 4)
  const id = create(cluster, 'orders', 3, 1)
  t.match(reassign(cluster, 0, [1, 2, 3]), { errorCode: 0, results: [{ topic: 'orders', partition: 0, errorCode: 0 }] })
  const group = cluster.groups.at(id, 0)
  group.frozen = true
  t.match(reassign(cluster, 0, [4, 2, 3]), { results: [{ errorCode: 0 }] })
  t.same(listed(cluster), [{ topic: 'orders', partition: 0, replicas: [4, 2, 3, 1], adding: [4], removing: [1] }])
  t.match(cluster.node(3).topics.get(id)!.partitions[0], { replicas: [4, 2, 3, 1], adding: [4], removing: [1] })
  t.ok(cluster.node(1).files.has(`${id}-0`), 'it holds what the others may not have yet')
  t.ok(cluster.node(4).files.has(`${id}-0`))
  group.frozen = false
  cluster.settle()
  t.same(listed(cluster), [])
  t.notOk(cluster.node(1).files.has(`${id}-0`))
  for (const node of cluster.nodes) t.match(node.topics.get(id)!.partitions[0], { replicas: [4, 2, 3], adding: [], removing: [], isr: [4, 2, 3] })
  t.equal(cluster.node(1).topics.get(id)!.partitions[0]!.actor, -1, 'nothing of it runs there')
  t.notOk(cluster.node(1).groups.has(`${id}-0`))
})

t.test('a move that is taken back, and what cannot be moved', async t => {
  const cluster = Cluster.ready()
  joined(cluster, 4)
  const id = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 1, replicas: 3, config: {}, assignments: [[1, 2, 3]] }], validateOnly: false, timeoutMs: 5000 }).results[0].id
  t.match(reassign(cluster, 0, null), { results: [{ errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS }] })
  t.match(reassign(cluster, 7, [1]), { results: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }] })
  t.match(reassign(cluster, 0, [1, 9]), { results: [{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage: /no broker 9/ }] })
  t.match(reassign(cluster, 0, [1, 1]), { results: [{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT }] })
  t.match(reassign(cluster, 0, []), { results: [{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT }] })
  asked(cluster, 1, { kind: 'alter-configs', topics: [{ topic: 'orders', replace: true, changes: [{ name: 'min.insync.replicas', operation: 'set', value: '2' }] }], validateOnly: false })
  t.match(reassign(cluster, 0, [1]), { results: [{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage: /min.insync.replicas/ }] })
  asked(cluster, 1, { kind: 'alter-configs', topics: [{ topic: 'orders', replace: true, changes: [] }], validateOnly: false })
  t.match(reassign(cluster, 0, [1, 2], { allowReplicationFactorChange: false }), { results: [{ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR }] })
  const group = cluster.groups.at(id, 0)
  group.frozen = true
  reassign(cluster, 0, [4])
  t.same(listed(cluster), [{ topic: 'orders', partition: 0, replicas: [4, 1, 2, 3], adding: [4], removing: [1, 2, 3] }])
  t.match(reassign(cluster, 0, null), { results: [{ errorCode: 0 }] })
  t.same(listed(cluster), [{ topic: 'orders', partition: 0, replicas: [1, 2, 3, 4], adding: [], removing: [4] }])
  t.ok(cluster.node(4).files.has(`${id}-0`))
  group.frozen = false
  cluster.settle()
  t.same(listed(cluster), [])
  t.notOk(cluster.node(4).files.has(`${id}-0`))
  t.same(imageOf(cluster, 4, id), [[1, [1, 2, 3]]])
})

t.test('a move goes on under another active controller, and an old word about it ends nothing', async t => {
  const cluster = Cluster.ready()
  joined(cluster, 4)
  const id = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 1, replicas: 3, config: {}, assignments: [[1, 2, 3]] }], validateOnly: false, timeoutMs: 5000 }).results[0].id
  const group = cluster.groups.at(id, 0)
  group.frozen = true
  reassign(cluster, 0, [4, 2, 3])
  cluster.elect(2)
  // From before the move was meant, when the voters happened to be the same.
  for (const generation of [-1, 0]) {
    cluster.node(2).feed({ kind: 'controller-in', from: 1, body: { kind: 'leaders-told', leaders: [{ topicId: id, partition: 0, term: group.term, leader: 1, inSync: [1], voters: [4, 2, 3], joint: false, generation, saidAt: 1e9 }] } })
  }
  // And of somebody who does not lead it.
  cluster.node(2).feed({ kind: 'controller-in', from: 3, body: { kind: 'leaders-told', leaders: [{ topicId: id, partition: 0, term: 99, leader: 1, inSync: [1], voters: [4, 2, 3], joint: false, generation: 1, saidAt: 1e9 }] } })
  cluster.advance(2000)
  t.equal(listed(cluster).length, 1)
  group.frozen = false
  group.term = 100
  cluster.groups.announce(group)
  cluster.advance(2000)
  t.same(listed(cluster), [])
  t.notOk(cluster.node(1).files.has(`${id}-0`))
})

t.test('a broker that the active controller alone cannot reach: others lead what it led', async t => {
  const cluster = Cluster.ready()
  const { id } = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 2, replicas: 3, config: {}, assignments: [[3, 2, 1], [3, 1, 2]] }], validateOnly: false, timeoutMs: 5000 }).results[0]
  const terms = [0, 1].map(partition => cluster.groups.at(id, partition).term)
  cluster.carries = (from, to) => from.id + to.id !== 4
  cluster.advance(20_000)
  t.equal(cluster.node(1).image!.brokers.find(({ nodeId }) => nodeId === 3)!.fenced, true)
  t.same([0, 1].map(partition => cluster.groups.at(id, partition).leader), [2, 1])
  t.same([0, 1].map(partition => cluster.groups.at(id, partition).term), terms.map(term => term + 1), 'once')
  for (const node of [1, 2]) t.same(shown(cluster.node(node).topics.get(id)).map(([leader]) => leader), [2, 1])
})

t.test('a controller that was paused leaves all leaders where they are', async t => {
  const cluster = Cluster.ready()
  const { id } = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 3, replicas: 3, config: {}, assignments: [[1, 2, 3], [2, 3, 1], [3, 1, 2]] }], validateOnly: false, timeoutMs: 5000 }).results[0]
  const leaders = (): number[] => [0, 1, 2].map(partition => cluster.groups.at(id, partition).leader)
  t.same(leaders(), [1, 2, 3])
  cluster.carries = (_from, to) => to.id !== 1
  cluster.advance(8000)
  t.same(cluster.node(1).image!.brokers.map(({ fenced }) => fenced), [false, true, true])
  cluster.carries = () => true
  cluster.advance(8000)
  t.same(cluster.node(1).image!.brokers.map(({ fenced }) => fenced), [false, false, false])
  t.same(leaders(), [1, 2, 3])
})

t.test('a move that is sent elsewhere in the moment of its arrival has not arrived', async t => {
  const cluster = Cluster.ready()
  joined(cluster, 4)
  const id = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 1, replicas: 3, config: {}, assignments: [[1, 2, 3]] }], validateOnly: false, timeoutMs: 5000 }).results[0].id
  const group = cluster.groups.at(id, 0)
  group.frozen = true
  reassign(cluster, 0, [1, 2, 4])
  // In one turn of the active controller.
  cluster.node(1).feed({ kind: 'leader-elected', topicId: id, partition: 0, term: group.term, leader: 1, inSync: [1, 2, 4], voters: [1, 2, 4], joint: false, generation: 1 })
  cluster.node(1).ask({ kind: 'alter-reassignments', partitions: [{ topic: 'orders', partition: 0, replicas: [2, 3, 4] }], allowReplicationFactorChange: true })
  cluster.settle()
  t.same(listed(cluster), [{ topic: 'orders', partition: 0, replicas: [2, 3, 4, 1], adding: [4], removing: [1] }])
  t.ok(cluster.node(1).files.has(`${id}-0`))
})

t.test('a broker whose disk was erased comes back as another member, and gets its partitions again', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3)
  const before = imageOf(cluster, 1, id)
  t.match(join(cluster, 3, { directoryId: 'new' }), { errorCode: ErrorCode.DUPLICATE_RESOURCE }, 'while the old one is there')
  cluster.stop(3)
  cluster.advance(7000) // it is given up with its session
  const { nodeId, member } = join(cluster, 3, { directoryId: 'new' })
  t.same([nodeId, member], [3, 4])
  t.match(cluster.node(1).topics.get(id)!.partitions[0]!.replicas, before[0]![1], 'to clients nothing moves')
  const node = cluster.add(3, nodeId, member, { directoryId: 'new' })
  cluster.advance(5000)
  t.equal(node.partitions.size, 3)
  t.same(imageOf(cluster, 1, id).map(([, replicas]) => replicas), before.map(([, replicas]) => replicas))
  for (const partition of [0, 1, 2]) t.same(cluster.groups.at(id, partition).voters.toSorted(), [1, 2, 4])
  t.same(cluster.metadata, { voters: [1, 2, 4], outgoing: [], learners: [] }, 'it votes in the place of its old folder')
  t.match(asked(cluster, 1, { kind: 'describe-quorum' }), { reassigning: 0, underReplicated: 0 })
  t.same(listed(cluster), [])
})

t.test('also while another broker is down: nothing is given up, and all goes on when it is back', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3)
  cluster.stop(3)
  cluster.stop(2)
  cluster.add(3, 3, 4, { directoryId: 'new' }).up = false // it cannot join: nobody decides
  cluster.advance(3000)
  cluster.restart(2)
  cluster.elect(2)
  cluster.advance(8000)
  const { nodeId, member } = join(cluster, 3, { directoryId: 'new' })
  cluster.add(3, nodeId, member, { directoryId: 'new' })
  cluster.advance(5000)
  for (const partition of [0, 1, 2]) t.same(cluster.groups.at(id, partition).voters.toSorted(), [1, 2, member])
})

t.test('draining a broker moves everything away; then it can be struck off', async t => {
  const cluster = Cluster.ready()
  t.match(asked(cluster, 2, { kind: 'drain-broker', nodeId: 9, drain: true }), { errorCode: ErrorCode.BROKER_NOT_AVAILABLE })
  const id = create(cluster, 'orders', 3)
  t.match(asked(cluster, 2, { kind: 'drain-broker', nodeId: 1, drain: true }), { errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage: /2 other brokers/ })
  joined(cluster, 4)
  t.match(asked(cluster, 2, { kind: 'drain-broker', nodeId: 1, drain: true }), { errorCode: 0, partitionsLeft: 3 })
  cluster.advance(3000)
  t.match(asked(cluster, 2, { kind: 'drain-broker', nodeId: 1, drain: true }), { errorCode: 0, partitionsLeft: 0 })
  t.equal(cluster.node(1).partitions.size, 0)
  for (const [leader, replicas] of imageOf(cluster, 2, id)) t.ok(!replicas.includes(1) && leader !== 1 && replicas.length === 3)
  t.same(cluster.metadata, { voters: [4, 2, 3], outgoing: [], learners: [1] })
  const other = create(cluster, 'more', 3, 2)
  t.ok(imageOf(cluster, 2, other).every(([, replicas]) => !replicas.includes(1)), 'nothing new comes to it')
  t.match(asked(cluster, 2, { kind: 'remove-broker', nodeId: 1 }), { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: /running/ })
  cluster.elect(2)
  cluster.stop(1)
  cluster.advance(7000)
  t.match(asked(cluster, 2, { kind: 'remove-broker', nodeId: 3 }), { errorCode: ErrorCode.INVALID_REQUEST })
  t.match(asked(cluster, 2, { kind: 'remove-broker', nodeId: 1 }), { errorCode: 0 })
  cluster.advance(2000)
  t.same(cluster.node(2).image!.brokers.map(({ nodeId }) => nodeId), [2, 3, 4])
  t.same(cluster.metadata, { voters: [4, 2, 3], outgoing: [], learners: [] })
  t.same(cluster.node(2).peers.map(({ member }) => member), [3, 4])
  t.match(asked(cluster, 2, { kind: 'drain-broker', nodeId: 1, drain: false }), { errorCode: ErrorCode.BROKER_NOT_AVAILABLE })
})

t.test('a broker that is drained no more takes partitions again', async t => {
  const cluster = Cluster.ready()
  asked(cluster, 2, { kind: 'drain-broker', nodeId: 3, drain: true })
  t.match(asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'x', partitions: 1, replicas: 3, config: {} }], validateOnly: false, timeoutMs: 100 }), { results: [{ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR }] })
  asked(cluster, 2, { kind: 'drain-broker', nodeId: 3, drain: false })
  t.match(asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'x', partitions: 1, replicas: 3, config: {} }], validateOnly: false, timeoutMs: 100 }), { results: [{ errorCode: 0 }] })
})

t.test('preferred leaders lead again a while after a broker is back', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3)
  const leaders = imageOf(cluster, 1, id).map(([leader]) => leader)
  cluster.stop(3)
  cluster.restart(3)
  cluster.advance(3000)
  t.not(imageOf(cluster, 1, id).map(([leader]) => leader).includes(3), 'somebody else leads what it led')
  cluster.advance(15_000)
  t.same(imageOf(cluster, 1, id).map(([leader]) => leader), leaders)
})

t.test('elections that are asked for', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3)
  const elect = (partitions: object[] | null, preferred = true): AnyMessage => asked(cluster, 2, { kind: 'elect-leaders', preferred, partitions, timeoutMs: 2000 })
  t.match(elect([{ topic: 'orders', partition: 0 }, { topic: 'none', partition: 0 }]), {
    errorCode: 0, results: [{ errorCode: ErrorCode.ELECTION_NOT_NEEDED }, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }]
  })
  t.match(elect(null), { errorCode: 0, results: [] })
  t.match(elect([{ topic: 'orders', partition: 0 }], false), { results: [{ errorCode: ErrorCode.ELECTION_NOT_NEEDED }] }, 'unclean, and there is a leader')
  const transfer = (partition: number, to: number): AnyMessage => asked(cluster, 3, { kind: 'transfer-leaders', partitions: [{ topic: 'orders', partition, to }], timeoutMs: 2000 })
  const [leader, replicas] = imageOf(cluster, 1, id)[0]!
  const to = replicas.find(node => node !== leader)!
  t.match(transfer(0, to), { results: [{ errorCode: 0 }] })
  for (const node of cluster.nodes) t.equal(imageOf(cluster, node.id, id)[0]![0], to)
  t.match(transfer(0, to), { results: [{ errorCode: ErrorCode.ELECTION_NOT_NEEDED }] })
  t.match(transfer(0, 9), { results: [{ errorCode: ErrorCode.REPLICA_NOT_AVAILABLE }] })
  t.match(elect([{ topic: 'orders', partition: 0 }]), { results: [{ errorCode: 0 }] })
  t.equal(imageOf(cluster, 1, id)[0]![0], leader)
  t.match(transfer(0, -1), { results: [{ errorCode: 0 }] }, 'to whoever can')
  t.not(imageOf(cluster, 1, id)[0]![0], leader)
  // The leader hears nothing of it.
  cluster.groups.at(id, 1).frozen = true
  const other = imageOf(cluster, 1, id)[1]![1][1]!
  const late = cluster.node(3).ask({ kind: 'transfer-leaders', partitions: [{ topic: 'orders', partition: 1, to: other }], timeoutMs: 2000 })
  cluster.advance(1000)
  t.equal(cluster.node(3).answer(late), undefined)
  cluster.advance(2000)
  t.match(cluster.node(3).answer(late), { results: [{ errorCode: ErrorCode.REQUEST_TIMED_OUT }] })
})

t.test('a leader whose preferred replica is not in sync keeps leading', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3)
  const preferred = imageOf(cluster, 1, id)[0]![1][0]!
  if (preferred === 1) cluster.elect(2)
  cluster.stop(preferred)
  const through = preferred === 2 ? 3 : 2
  t.match(asked(cluster, through, { kind: 'elect-leaders', preferred: true, partitions: [{ topic: 'orders', partition: 0 }], timeoutMs: 1000 }), {
    results: [{ errorCode: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE }]
  })
})

t.test('a broker that is about to stop leads nothing any more, and nothing comes back to it', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3, 9)
  const node = cluster.node(1)
  const led = imageOf(cluster, 2, id).filter(([leader]) => leader === 1).length
  t.ok(led > 0)
  const correlation = node.ask({ kind: 'broker-leaving', timeoutMs: 10_000 })
  cluster.advance(300)
  t.match(node.answer(correlation), { kind: 'broker-left', partitionsLeft: 0, partitionsGiven: led })
  t.match(asked(cluster, 1, { kind: 'broker-leaving', timeoutMs: 10_000 }), { partitionsGiven: led }, 'each thread asks, and hears the same')
  t.ok(imageOf(cluster, 2, id).every(([leader]) => leader === 2 || leader === 3))
  t.not(cluster.leader!.id, 1, 'the metadata group has another leader too')
  cluster.advance(20_000)
  t.ok(imageOf(cluster, 2, id).every(([leader]) => leader !== 1))
  const more = asked(cluster, 2, { kind: 'create-topics', topics: [{ name: 'x', partitions: 2, replicas: 2, config: {} }], validateOnly: false, timeoutMs: 5000 })
  t.ok(imageOf(cluster, 2, more.results[0].id).every(([, replicas]) => !replicas.includes(1)))
})

t.test('a broker that nobody can stand in for stops all the same', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3, 6)
  const alone = new Cluster({ founders: 1, alone: true })
  alone.elect(1)
  asked(alone, 1, { kind: 'create-topics', topics: [{ name: 'x', partitions: 3, replicas: 1, config: {} }], validateOnly: false, timeoutMs: 5000 })
  t.match(asked(alone, 1, { kind: 'broker-leaving', timeoutMs: 10_000 }), { kind: 'broker-left', partitionsLeft: 0, partitionsGiven: 0 })
  for (let partition = 0; partition < 6; partition++) cluster.groups.at(id, partition).frozen = true
  const correlation = cluster.node(1).ask({ kind: 'broker-leaving', timeoutMs: 3000 })
  cluster.advance(2500)
  t.equal(cluster.node(1).answer(correlation), undefined)
  cluster.advance(1000)
  t.match(cluster.node(1).answer(correlation), { partitionsLeft: 2, partitionsGiven: 0 })
})

t.test('the feature level rises when all brokers can do more, and never falls', async t => {
  const cluster = Cluster.ready({ change: id => ({ features: { min: 1, max: id === 3 ? 2 : 3 } }) })
  cluster.advance(2000)
  for (const node of cluster.nodes) t.equal(node.image!.featureLevel, 2)
  const finalize = (level: number, validateOnly = false): AnyMessage => asked(cluster, 2, { kind: 'finalize-feature', level, validateOnly })
  t.match(finalize(3), { errorCode: ErrorCode.FEATURE_UPDATE_FAILED, level: 2, errorMessage: /broker-3/ })
  t.match(finalize(1), { errorCode: ErrorCode.INVALID_UPDATE_VERSION })
  t.match(finalize(2), { errorCode: 0, level: 2 })
  t.match(join(cluster, 4, { features: { min: 1, max: 1 } }), { errorCode: ErrorCode.UNSUPPORTED_VERSION })
  cluster.stop(3)
  cluster.node(3).change = { features: { min: 1, max: 3 } }
  cluster.restart(3)
  cluster.advance(3000)
  for (const node of cluster.nodes) t.equal(node.image!.featureLevel, 3)
})

t.test('a program that is older than the feature level of its cluster stops where it learns of it, and does not start again', async t => {
  const range = (max: number): object => ({ features: { min: 1, max } })
  const cluster = Cluster.ready({ change: id => range(id === 1 ? 1 : 2) })
  cluster.stop(3)
  cluster.stop(1)
  cluster.node(1).change = range(2)
  cluster.restart(1)
  cluster.elect(2)
  cluster.advance(3000)
  for (const id of [1, 2]) t.equal(cluster.node(id).image!.featureLevel, 2, 'that one is down keeps nobody, it was seen to be new enough')
  cluster.node(3).change = range(1)
  const tooOld = { name: 'TooOld', message: 'broker broker-3 works at feature levels 1 to 1; the cluster is at 2, for good: start a program of a newer version on this data_dir' }
  t.throws(() => {
    cluster.restart(3)
    cluster.advance(3000)
  }, tooOld)
  t.throws(() => cluster.node(3).start(), tooOld, 'now its own log says so')
  cluster.node(3).change = range(2)
  cluster.node(3).start()
})

t.test('a broker that moves to another address is found there', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.node(3).change = { host: 'elsewhere', raftHost: 'raft-elsewhere', rack: 'b' }
  cluster.restart(3)
  cluster.advance(2000)
  t.match(cluster.node(1).image!.brokers[2], { host: 'elsewhere', raftHost: 'raft-elsewhere', rack: 'b' })
  t.match(cluster.node(1).peers.find(({ member }) => member === 3), { host: 'raft-elsewhere' })
  t.match(cluster.node(3).image!.brokers[2], { host: 'elsewhere' })
})

t.test('nobody registers for another one', async t => {
  const cluster = Cluster.ready()
  const register = { kind: 'register-broker', nodeId: 2, member: 2, body: registration(2, { host: 'evil' }) }
  cluster.node(1).feed({ kind: 'controller-in', from: 3, body: { kind: 'forward', life: 1, number: 1, request: register } })
  cluster.settle()
  t.match(cluster.node(1).image!.brokers[1], { host: 'host-2' })
})

t.test('a leader that is asked to hand over is not asked again at once: asking keeps it from writing', async t => {
  const cluster = Cluster.ready()
  const id = create(cluster, 'orders', 3, 1)
  const group = cluster.groups.at(id, 0)
  group.frozen = true
  let asked = 0
  Object.defineProperty(group, 'transferTo', { get: () => 0, set: () => { asked++ } })
  cluster.node(group.leader).ask({ kind: 'broker-leaving', timeoutMs: 4000 })
  cluster.advance(1000)
  t.equal(asked, 1)
  cluster.advance(1000)
  t.equal(asked, 2)
})

t.test('a folder that was replaced speaks for its node no more', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.advance(7000)
  const { nodeId, member } = join(cluster, 3, { directoryId: 'new' })
  cluster.add(3, nodeId, member, { directoryId: 'new' })
  cluster.advance(2000)
  cluster.node(1).feed({ kind: 'controller-in', from: 3, body: { kind: 'broker-beat', leaving: true, ready: true, bytes: 0 } })
  t.match(asked(cluster, 1, { kind: 'describe-quorum' }).brokers.find(({ nodeId }: AnyMessage) => nodeId === 3), { leaving: false, member: 4 })
})

for (const restarts of [false, true]) {
  t.test(`files of a replica that was given back stay, however long the metadata takes to be replayed${restarts ? ' after a restart' : ''}`, async t => {
    const cluster = Cluster.ready()
    const three = cluster.node(3)
    const move = (...replicas: number[]): void => {
      t.match(asked(cluster, 1, { kind: 'alter-reassignments', partitions: [{ topic: 'orders', partition: 0, replicas }], allowReplicationFactorChange: true }), { results: [{ errorCode: 0 }] })
      cluster.advance(2000)
    }
    const { id } = asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 1, replicas: 3, config: {}, assignments: [[1, 2, 3]] }], validateOnly: false, timeoutMs: 5000 }).results[0]
    cluster.advance(2000)
    // Its disk is slow: what it replays ends where the test says.
    let end = three.replica.highWatermark
    let replayable = Infinity
    Object.defineProperty(three.replica, 'highWatermark', { get: () => Math.min(end, replayable), set: value => { end = value } })
    replayable = end
    move(1, 2)
    const outAt = cluster.node(1).replica.highWatermark
    move(1, 2, 3)
    t.same(cluster.groups.at(id, 0).voters, [1, 2, 3], 'it votes again, with the log that it had all the time')
    replayable = outAt
    if (restarts) {
      cluster.stop(3)
      cluster.restart(3)
    } else {
      three.feed({ kind: 'raft-in' })
      cluster.settle()
    }
    cluster.advance(8000)
    t.ok(three.files.has(`${id}-0`), 'what it knows is old, and it knows that')
    replayable = Infinity
    three.feed({ kind: 'raft-in' })
    cluster.advance(4000)
    t.ok(three.files.has(`${id}-0`))
  })
}

t.test('a new folder of a broker that was ready a moment ago is fenced until it says itself that it is', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.advance(7000)
  t.match(join(cluster, 3, { directoryId: 'folder-3b', host: 'host-3b' }, 1), { errorCode: 0, nodeId: 3, member: 4 })
  t.match(cluster.node(1).image!.brokers.find(({ nodeId }) => nodeId === 3), { member: 4, host: 'host-3b', fenced: true })
})

t.test('leaders that are asked for twice in one request are told of twice', async t => {
  const cluster = Cluster.ready()
  asked(cluster, 1, { kind: 'create-topics', topics: [{ name: 'orders', partitions: 1, replicas: 3, config: {}, assignments: [[1, 2, 3]] }], validateOnly: false, timeoutMs: 5000 })
  asked(cluster, 1, { kind: 'transfer-leaders', partitions: [{ topic: 'orders', partition: 0, to: 2 }], timeoutMs: 5000 })
  const orders = { topic: 'orders', partition: 0 }
  const correlation = cluster.node(1).ask({ kind: 'elect-leaders', preferred: true, partitions: [orders, orders], timeoutMs: 5000 })
  cluster.settle()
  cluster.advance(1000)
  t.match(cluster.node(1).answer(correlation), { results: [{ errorCode: 0 }, { errorCode: 0 }] })
})
