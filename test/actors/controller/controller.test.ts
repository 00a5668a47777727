/** Controllers of several brokers together: who decides, who forwards, and what every broker comes to know. */
import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { TopicId } from '../../../src/base/ids.ts'
import { Cluster, shown, type AnyMessage, type BrokerNode } from './cluster-kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const create = (name: string, replicas: number, more: object = {}): Record<string, unknown> =>
  ({ kind: 'create-topics', topics: [{ name, partitions: 3, replicas, config: {}, ...more }], validateOnly: false, timeoutMs: 5000 })

function created (cluster: Cluster, node: BrokerNode, request: Record<string, unknown>): AnyMessage {
  const correlation = node.ask(request)
  cluster.settle()
  return node.answer(correlation)!
}

t.test('founders register, and all brokers know all', async t => {
  const cluster = Cluster.ready()
  for (const node of cluster.nodes) {
    t.match(node.image, { controller: 1, self: node.nodeId, featureLevel: 1 })
    t.same(node.image!.brokers.map(({ nodeId, member, name, host, fenced }) => [nodeId, member, name, host, fenced]), [
      [1, 1, 'broker-1', 'host-1', false], [2, 2, 'broker-2', 'host-2', false], [3, 3, 'broker-3', 'host-3', false]
    ])
    t.same(node.peers.map(({ member, host }) => [member, host]), [1, 2, 3].filter(id => id !== node.id).map(id => [id, `raft-${id}`]))
    t.ok(node.groups.has('00000000000000000000000000000001-0'), 'the links know the metadata group')
  }
})

t.test('any broker takes a request; its answer finds the topic with its leaders in the image of that very broker', async t => {
  for (const id of [1, 2, 3]) {
    const cluster = Cluster.ready()
    const node = cluster.node(id)
    const correlation = node.ask(create('orders', 3))
    let image: unknown
    const push = node.answers.push.bind(node.answers)
    node.answers.push = (...messages) => {
      image = shown([...node.topics.values()][0])
      return push(...messages)
    }
    cluster.settle()
    t.match(node.answer(correlation), { kind: 'topics-created', results: [{ name: 'orders', errorCode: 0, partitions: 3, replicas: 3 }] })
    t.same(image, shown([...cluster.node(1).topics.values()][0]))
    t.same(shown([...node.topics.values()][0]).map(([leader]) => leader).toSorted(), [1, 2, 3])
    for (const other of cluster.nodes) {
      t.same(shown([...other.topics.values()][0]), image)
      t.equal(other.partitions.size, 3)
      t.equal(other.groups.size, 4)
      t.ok([...other.topics.values()][0]!.partitions.every(({ actor }) => other.partitions.has(actor)))
    }
  }
})

t.test('without an active controller the answer is an error on which clients ask again', async t => {
  const cluster = Cluster.ready()
  cluster.depose()
  for (const node of cluster.nodes) {
    t.match(created(cluster, node, create('orders', 3)), { results: [{ name: 'orders', errorCode: ErrorCode.NOT_CONTROLLER }] })
    t.match(created(cluster, node, { kind: 'allocate-producer-id' }), { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE })
    t.equal(node.image!.controller, -1)
  }
  cluster.elect(2)
  t.match(created(cluster, cluster.node(1), create('orders', 3)), { results: [{ errorCode: 0 }] })
  for (const node of cluster.nodes) t.equal(node.image!.controller, 2)
})

t.test('a request whose way is lost ends at its deadline; one to a broker that is gone, at once', async t => {
  const cluster = Cluster.ready()
  cluster.carries = (_from, _to, { kind }) => kind !== 'forward'
  const lost = cluster.node(2).ask({ kind: 'alter-configs', topics: [], validateOnly: false })
  cluster.advance(9000)
  t.equal(cluster.node(2).answer(lost), undefined)
  cluster.advance(2500)
  t.ok(cluster.node(2).answer(lost))
  cluster.carries = (_from, _to, { kind }) => kind !== 'forward-answered'
  const open = cluster.node(2).ask({ kind: 'drain-broker', nodeId: 3, drain: false })
  cluster.settle()
  cluster.node(2).feed({ kind: 'member-status', member: 1, up: false })
  t.match(cluster.node(2).answer(open), { errorCode: ErrorCode.NOT_CONTROLLER })
})

t.test('an answer waits until the broker that was asked knows what it tells of', async t => {
  const cluster = Cluster.ready()
  const node = cluster.node(3)
  const feed = node.feed.bind(node)
  const held: AnyMessage[] = []
  // What its replica is told comes late.
  node.feed = message => {
    if (message.kind === 'raft-in') held.push(message)
    else feed(message)
  }
  const correlation = node.ask({ kind: 'delete-topics', topics: [{ name: 'none', id: null }] })
  cluster.settle()
  t.match(node.answer(correlation), { results: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }] }, 'nothing was decided: nothing to wait for')
  node.feed = feed
  t.match(created(cluster, node, create('orders', 1)), { results: [{ errorCode: 0 }] })
})

t.test('what an active controller had decided and nobody else has is refused when another one takes over', async t => {
  const cluster = Cluster.ready()
  cluster.replicates = false
  const first = cluster.node(1).ask(create('lost', 3))
  const second = cluster.node(2).ask(create('lost-too', 3))
  cluster.settle()
  t.equal(cluster.node(1).answer(first), undefined, 'not before it is committed')
  // The others elect one of them, who has none of it.
  cluster.node(1).up = false
  cluster.elect(2)
  cluster.replicates = true
  cluster.settle()
  cluster.node(1).up = true
  cluster.settle()
  t.match(cluster.node(1).answer(first), { results: [{ errorCode: ErrorCode.NOT_CONTROLLER }] })
  cluster.advance(12_000)
  t.match(cluster.node(2).answer(second), { results: [{}] }, 'whoever forwarded is answered too')
  t.not(cluster.node(2).answer(second)!.results[0].errorCode, 0)
  for (const node of cluster.nodes) t.equal(node.topics.size, 0)
  t.match(created(cluster, cluster.node(1), create('lost', 3)), { results: [{ errorCode: 0 }] }, 'its name is free')
})

t.test('what was committed is answered even if the one who decided it leads no more', async t => {
  const cluster = Cluster.ready()
  cluster.replicates = false
  const correlation = cluster.node(1).ask(create('kept', 3))
  cluster.settle()
  cluster.replicates = true
  cluster.elect(1) // in a new term: it has its log
  t.match(cluster.node(1).answer(correlation), { results: [{ errorCode: 0 }] })
})

t.test('producer ids are never given twice, through whoever is active', async t => {
  const cluster = Cluster.ready()
  const given = new Set<number>()
  for (let round = 0; round < 12; round++) {
    for (const node of cluster.nodes) {
      const { errorCode, producerId } = created(cluster, node, { kind: 'allocate-producer-id' })
      t.equal(errorCode, 0)
      t.notOk(given.has(producerId))
      given.add(producerId)
    }
    cluster.elect(1 + round % 3)
  }
})

t.test('a broker that is not heard of is fenced, and when it is back it is not', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  cluster.stop(3)
  cluster.advance(5000)
  t.notOk(cluster.node(1).image!.brokers[2]!.fenced, 'not before its session is over')
  cluster.advance(3000)
  for (const id of [1, 2]) {
    t.ok(cluster.node(id).image!.brokers[2]!.fenced)
    for (const { offline, leader, isr } of [...cluster.node(id).topics.values()][0]!.partitions) {
      t.same(offline, [3])
      t.not(leader, 3)
      t.not(leader, -1)
      t.ok(isr.length >= 2)
    }
  }
  cluster.restart(3)
  cluster.advance(3000)
  for (const node of cluster.nodes) t.notOk(node.image!.brokers[2]!.fenced, `as ${node.id} knows`)
  t.same([...cluster.node(3).topics.values()][0]!.partitions.map(({ offline }) => offline), [[], [], []])
})

t.test('a broker that is there and does not know the metadata yet stays fenced, and takes no clients', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.advance(8000)
  cluster.replicates = false
  cluster.restart(3)
  cluster.replicates = true
  const node = cluster.node(3)
  node.replica.leader = 1 as never
  // It hears of the leader, and not how far the log is committed.
  const feed = node.feed.bind(node)
  node.feed = message => {
    node.replica.established = false
    feed(message)
  }
  cluster.advance(3000)
  t.ok(cluster.node(1).image!.brokers[2]!.fenced)
  t.equal(node.image, undefined)
  node.feed = feed
  cluster.advance(3000)
  t.notOk(cluster.node(1).image!.brokers[2]!.fenced)
  t.notOk(node.image!.brokers[2]!.fenced)
})

t.test('a broker that finds no active controller takes clients with what it knows, after a while', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  cluster.stop(1)
  cluster.stop(2)
  cluster.stop(3)
  cluster.restart(3)
  cluster.advance(9000)
  t.equal(cluster.node(3).image, undefined)
  t.equal(cluster.node(3).partitions.size, 3, 'its replicas run at once')
  cluster.advance(2000)
  t.equal(cluster.node(3).image!.controller, -1)
  t.equal(cluster.node(3).topics.size, 1)
})

t.test('ids that an earlier leadership of the same broker asked for do not mix with those of the next', async t => {
  const cluster = Cluster.ready()
  const node = cluster.node(1)
  cluster.replicates = false
  const asked = Array.from({ length: 1500 }, () => node.ask({ kind: 'allocate-producer-id' }))
  cluster.depose()
  cluster.replicates = true
  cluster.elect(1)
  for (let i = 0; i < 1500; i++) asked.push(node.ask({ kind: 'allocate-producer-id' }))
  cluster.settle()
  const answers = asked.map(correlation => node.answer(correlation)!)
  t.ok(answers.every(answer => answer !== undefined))
  const ids = answers.filter(({ errorCode }) => errorCode === 0).map(({ producerId }) => producerId)
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.length >= 1500)
})

t.test('a new active controller gives everybody a whole session first', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  cluster.advance(5000)
  cluster.elect(2)
  cluster.advance(5000)
  t.notOk(cluster.node(1).image!.brokers[2]!.fenced)
  cluster.advance(2500)
  t.ok(cluster.node(1).image!.brokers[2]!.fenced)
})

t.test('while one of three brokers is away topics get three replicas all the same; with two away they do not', async t => {
  const cluster = Cluster.ready()
  cluster.stop(3)
  t.match(created(cluster, cluster.node(1), create('orders', 3)), { results: [{ errorCode: 0, replicas: 3 }] })
  t.ok([...cluster.node(1).topics.values()][0]!.partitions.every(({ replicas, leader }) => replicas.length === 3 && replicas[2] === 3 && leader !== 3))
  cluster.node(1).feed({ kind: 'member-status', member: 2, up: false })
  t.match(created(cluster, cluster.node(1), create('more', 3)), { results: [{ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage: /majority/ }] })
  t.match(created(cluster, cluster.node(1), create('many', 4)), { results: [{ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage: /there are 3/ }] })
})

t.test('who leads is said again: a word that was lost is not missed for long', async t => {
  const cluster = Cluster.ready()
  cluster.carries = (_from, to, { kind }) => !(kind === 'leaders-told' && to.id === 3)
  created(cluster, cluster.node(1), create('orders', 3))
  t.ok([...cluster.node(3).topics.values()][0]!.partitions.some(({ leader }) => leader === -1))
  cluster.carries = () => true
  cluster.advance(2000)
  t.ok([...cluster.node(3).topics.values()][0]!.partitions.every(({ leader }) => leader !== -1))
})

t.test('a broker that restarts knows the leaders from the others, and they from it', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  cluster.stop(2)
  cluster.restart(2)
  cluster.advance(1500)
  const images = cluster.nodes.map(node => JSON.stringify(shown([...node.topics.values()][0])))
  t.equal(new Set(images).size, 1, images.join('\n'))
})

t.test('to clients a leader on a fenced broker is none', async t => {
  const cluster = Cluster.ready()
  const { results: [{ id }] } = created(cluster, cluster.node(1), create('orders', 1))
  cluster.stop(3)
  cluster.advance(2000)
  t.ok(cluster.node(1).topics.get(id)!.partitions.some(({ leader }) => leader === 3))
  cluster.advance(6000)
  t.same(cluster.node(1).topics.get(id)!.partitions.map(({ leader }) => leader).toSorted(), [-1, 1, 2])
})

t.test('deleting a topic stops its replicas everywhere and takes its files', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  t.match(created(cluster, cluster.node(2), { kind: 'delete-topics', topics: [{ name: 'orders', id: null }] }), { results: [{ errorCode: 0 }] })
  for (const node of cluster.nodes) {
    t.same([node.topics.size, node.partitions.size, node.files.size, node.groups.size], [0, 0, 0, 1])
    t.same(node.forgotten, ['orders'])
  }
  // Said once: by the time of a restart the name may be that of another topic.
  cluster.stop(2)
  cluster.restart(2)
  t.same(cluster.node(2).forgotten, ['orders'])
  // One that was away does it when it is back.
  created(cluster, cluster.node(1), create('orders', 3))
  cluster.stop(3)
  created(cluster, cluster.node(1), { kind: 'delete-topics', topics: [{ name: 'orders', id: null }] })
  t.equal(cluster.node(3).files.size, 3)
  cluster.restart(3)
  t.equal(cluster.node(3).files.size, 0)
})

t.test('settings reach the partitions', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  const alter = (changes: object[], replace = false): AnyMessage =>
    created(cluster, cluster.node(2), { kind: 'alter-configs', topics: [{ topic: 'orders', replace, changes }], validateOnly: false })
  t.match(alter([{ name: 'retention.ms', operation: 'set', value: '1000' }]), { results: [{ errorCode: 0 }] })
  for (const node of cluster.nodes) for (const { config } of node.partitions.values()) t.same(config, { 'retention.ms': '1000' })
  t.match(alter([{ name: 'min.insync.replicas', operation: 'set', value: '4' }]), { results: [{ errorCode: ErrorCode.INVALID_CONFIG, errorMessage: /3 replicas/ }] })
  t.match(alter([{ name: 'min.insync.replicas', operation: 'set', value: '2' }]), { results: [{ errorCode: 0 }] })
  t.match(alter([{ name: 'retention.ms', operation: 'delete', value: null }]), { results: [{ errorCode: 0 }] })
  t.same([...cluster.node(3).topics.values()][0]!.config, { 'min.insync.replicas': '2' })
  // A replica that starts later has the settings of now.
  cluster.stop(3)
  cluster.restart(3)
  for (const { config } of cluster.node(3).partitions.values()) t.same(config, { 'min.insync.replicas': '2' })
})

t.test('a replica that starts again is told what is meant now, whatever it was made from', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  created(cluster, cluster.node(1), { kind: 'alter-configs', topics: [{ topic: 'orders', replace: true, changes: [{ name: 'retention.ms', operation: 'set', value: '7' }] }], validateOnly: false })
  for (const word of ['partition-started', 'leader-elected']) {
    const [partition] = cluster.node(2).partitions.values()
    Object.assign(partition!, { generation: -1, voters: [], config: {} })
    const { topicId, partition: index } = partition!.spec
    cluster.node(2).feed({ kind: word, topicId, partition: index, term: 1, leader: 2, inSync: [2], voters: [2], joint: false, generation: -1 })
    t.match(partition, { generation: 0, config: { 'retention.ms': '7' } }, word)
    t.equal(partition!.voters.length, 3)
  }
})

t.test('a topic is created when its leaders can be reached: one may be elected before it is known where it runs', async t => {
  for (const slow of [1, 2]) {
    const cluster = Cluster.ready()
    const { unheard } = Object.assign(cluster.node(slow), { unheard: [] as Array<() => void> })
    const asked = cluster.node(1).ask(create('orders', 1, { assignments: [[slow]] }))
    cluster.settle()
    t.equal(unheard.length, 1)
    t.equal(cluster.node(1).answer(asked), undefined)
    for (const hear of unheard) hear()
    cluster.settle()
    t.match(cluster.node(1).answer(asked), { results: [{ errorCode: 0 }] })
    const [partition] = [...cluster.node(slow).topics.values()][0]!.partitions
    t.match(partition, { leader: slow })
    t.ok(partition!.actor >= 0, 'its broker knows the actor')
  }
})

t.test('more partitions', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 2))
  const grow = (count: number, assignments: number[][] | null = null): AnyMessage =>
    created(cluster, cluster.node(3), { kind: 'create-partitions', topics: [{ name: 'orders', count, assignments }], validateOnly: false, timeoutMs: 5000 })
  t.match(grow(3), { results: [{ errorCode: ErrorCode.INVALID_PARTITIONS }] })
  t.match(grow(6), { results: [{ errorCode: 0 }] })
  const topic = [...cluster.node(3).topics.values()][0]!
  t.same([1, 2, 3].map(id => topic.partitions.filter(({ replicas }) => replicas.includes(id as never)).length), [4, 4, 4])
  t.ok(topic.partitions.every(({ leader }) => leader !== -1), 'all have leaders by the time of the answer')
  t.match(grow(7, [[3, 1]]), { results: [{ errorCode: 0 }] })
  t.same(shown([...cluster.node(1).topics.values()][0])[6], [3, [3, 1]])
  t.match(grow(8, [[3]]), { results: [{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT }] })
})

t.test('a broker alone: nothing is said to anyone, and no time passes for it', async t => {
  const cluster = new Cluster({ founders: 1, alone: true })
  cluster.elect(1)
  const node = cluster.node(1)
  t.match(node.image, { controller: 1, self: 1, brokers: [{ nodeId: 1, fenced: false }] })
  t.match(created(cluster, node, create('orders', -1)), { results: [{ errorCode: 0, replicas: 1 }] })
  t.same(shown([...node.topics.values()][0]), [[1, [1]], [1, [1]], [1, [1]]])
  t.match(created(cluster, node, create('more', 2)), { results: [{ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage: '2 replicas need as many brokers; there is 1' }] })
  t.same(node.kit.timers.filter(({ message }) => message.kind === 'controller-tick'), [])
  t.ok([...node.partitions.values()].every(({ generation }) => generation === -1))
})

t.test('two replicas are made with a warning', async t => {
  const cluster = Cluster.ready()
  t.match(created(cluster, cluster.node(1), create('orders', 2)), { results: [{ errorCode: 0, errorMessage: /takes? no writes/ }] })
})

t.test('the active controller tells how the cluster is', async t => {
  const cluster = Cluster.ready()
  created(cluster, cluster.node(1), create('orders', 3))
  cluster.stop(3)
  const described = created(cluster, cluster.node(2), { kind: 'describe-quorum' })
  t.match(described, { errorCode: 0, leader: 1, term: 1, partitions: 3, leaderless: 0, underReplicated: 1, reassigning: 0, featureLevel: 1 })
  t.same(described.voters.map(({ nodeId, directoryId }: AnyMessage) => [nodeId, directoryId]), [[1, 'folder-1'], [2, 'folder-2'], [3, 'folder-3']])
  t.ok(described.voters.slice(0, 2).every(({ endOffset }: AnyMessage) => endOffset === described.highWatermark))
  t.same(described.brokers.map(({ nodeId, replicas }: AnyMessage) => [nodeId, replicas]), [[1, 3], [2, 3], [3, 3]])
})

t.test('an id that nobody ever had', async t => {
  const cluster = Cluster.ready()
  const unknown = 'f'.repeat(32) as TopicId
  cluster.node(1).feed({ kind: 'leader-elected', topicId: unknown, partition: 0, term: 5 })
  cluster.node(1).feed({ kind: 'partition-started', topicId: unknown, partition: 0 })
  cluster.settle()
  for (const node of cluster.nodes) t.equal(node.topics.size, 0)
})

t.test('a request that only a newer program knows is refused, and nothing ends by it', async t => {
  const cluster = Cluster.ready()
  const request = { kind: 'paint-topics', colour: 'red' }
  for (const id of [1, 2]) {
    cluster.node(id).feed({ kind: 'controller-in', from: 3, body: { kind: 'forward', life: 1, number: 1, request } })
    cluster.settle()
    t.ok(cluster.carried.includes(`${id}>3 forward-answered`))
  }
  // As the newer program sees it, which knows what it asked for.
  const three = cluster.node(3)
  cluster.carries = (_from, _to, body) => {
    if (body.kind === 'forward') body.request.kind = 'paint-topics'
    return true
  }
  const correlation = three.ask({ kind: 'finalize-feature', level: 1, validateOnly: false })
  cluster.settle()
  t.match(three.answer(correlation), { kind: 'feature-answered', errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage: /paint-topics/ })
})
