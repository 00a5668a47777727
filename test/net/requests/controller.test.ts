/** Requests that the controller answers: what it is asked, what clients are told, and what when it says nothing. */
import t, { type Test } from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { alterConfigs } from '../../../src/protocol/apis/alter-configs.ts'
import { alterPartitionReassignments } from '../../../src/protocol/apis/alter-partition-reassignments.ts'
import { clusterStatus } from '../../../src/protocol/apis/cluster-status.ts'
import { createPartitions } from '../../../src/protocol/apis/create-partitions.ts'
import { createTopics } from '../../../src/protocol/apis/create-topics.ts'
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts'
import { describeQuorum } from '../../../src/protocol/apis/describe-quorum.ts'
import { drainBroker } from '../../../src/protocol/apis/drain-broker.ts'
import { electLeaders } from '../../../src/protocol/apis/elect-leaders.ts'
import { incrementalAlterConfigs } from '../../../src/protocol/apis/incremental-alter-configs.ts'
import { listPartitionReassignments } from '../../../src/protocol/apis/list-partition-reassignments.ts'
import { unregisterBroker } from '../../../src/protocol/apis/unregister-broker.ts'
import { updateFeatures } from '../../../src/protocol/apis/update-features.ts'
import type { RawClient } from '../../broker/raw-client.ts'
import { type AnyMessage, brokerImage, NetworkKit } from '../network-kit.ts'

t.setTimeout(30_000)

const { NONE, INVALID_REQUEST, INVALID_REPLICA_ASSIGNMENT, INVALID_UPDATE_VERSION, NOT_CONTROLLER, REQUEST_TIMED_OUT, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode

/** A client of a broker whose controller answers everything so; what it was asked, without the addresses. */
async function open (t: Test, answer: object): Promise<{ client: RawClient, asked: unknown[] }> {
  const asked: unknown[] = []
  const kit = await NetworkKit.open(t, {
    network: { wallMs: () => 1_000_000 },
    controller: ({ replyTo, correlation, ...request }: AnyMessage, out) => {
      asked.push(request)
      out.tell(replyTo, { correlation, ...answer } as unknown as Message)
    }
  })
  return { client: await kit.connect(t), asked }
}

const silent = (reason: string): object => ({ kind: 'undeliverable', reason })
const fine = { errorCode: NONE, errorMessage: null }

t.test('CreateTopics with replicas of the client\'s choice', async t => {
  const { client, asked } = await open(t, { kind: 'topics-created', results: [{ name: 'good', id: 'a'.repeat(32), ...fine, partitions: 2, replicas: 2, config: { 'retention.ms': '1' } }] })
  const one = (partitionIndex: number, ...brokerIds: number[]) => ({ partitionIndex, brokerIds })
  const topic = (name: string, assignments: ReadonlyArray<ReturnType<typeof one>>, numPartitions = -1, replicationFactor = -1) => ({ name, numPartitions, replicationFactor, assignments })
  const { topics } = await client.call(createTopics, 7, {
    timeoutMs: 1000,
    topics: [
      topic('good', [one(1, 2, 3), one(0, 1, 2)]),
      topic('counted', [one(0, 1)], 2),
      topic('factored', [one(0, 1)], -1, 3),
      topic('gap', [one(0, 1), one(2, 1)]),
      topic('twice', [one(0, 1), one(0, 1)]),
      topic('uneven', [one(0, 1), one(1, 1, 2)])
    ]
  })
  t.strictSame(asked, [{
    kind: 'create-topics', topics: [{ name: 'good', partitions: 2, replicas: 2, config: {}, assignments: [[1, 2], [2, 3]] }], validateOnly: false, timeoutMs: 1000
  }])
  t.strictSame(Object.fromEntries(topics.map(({ name, errorCode }) => [name, errorCode])), {
    good: NONE, counted: INVALID_REQUEST, factored: INVALID_REQUEST, gap: INVALID_REPLICA_ASSIGNMENT, twice: INVALID_REPLICA_ASSIGNMENT, uneven: INVALID_REPLICA_ASSIGNMENT
  })
  t.match(topics.find(({ name }) => name === 'good'), { topicId: 'a'.repeat(32), numPartitions: 2, replicationFactor: 2, configs: [{ name: 'retention.ms', value: '1' }] })
  const none = await client.call(createTopics, 5, { topics: [topic('counted', [one(0, 1)], 2)] })
  t.match(none.topics, [{ name: 'counted', errorCode: INVALID_REQUEST }], 'the controller is not asked for nothing')
  t.equal(asked.length, 1)
})

t.test('CreatePartitions', async t => {
  const { client, asked } = await open(t, { kind: 'partitions-created', results: [{ name: 'a', ...fine }, { name: 'b', errorCode: ErrorCode.INVALID_PARTITIONS, errorMessage: 'no' }] })
  const { results } = await client.call(createPartitions, 3, {
    topics: [{ name: 'a', count: 5, assignments: [{ brokerIds: [1, 2] }] }, { name: 'b', count: 1 }, { name: 'c', count: 2 }, { name: 'c', count: 3 }], timeoutMs: 1000, validateOnly: true
  })
  t.strictSame(asked, [{
    kind: 'create-partitions', topics: [{ name: 'a', count: 5, assignments: [[1, 2]] }, { name: 'b', count: 1, assignments: null }], validateOnly: true, timeoutMs: 1000
  }])
  t.strictSame(results.map(({ name, errorCode }) => [name, errorCode]), [['c', INVALID_REQUEST], ['a', NONE], ['b', ErrorCode.INVALID_PARTITIONS]])
})

t.test('AlterConfigs and IncrementalAlterConfigs', async t => {
  const { client, asked } = await open(t, { kind: 'configs-altered', results: [{ name: 'a', ...fine }, { name: 'b', errorCode: ErrorCode.INVALID_CONFIG, errorMessage: 'no' }] })
  const whole = await client.call(alterConfigs, 2, {
    resources: [
      { resourceType: 4, resourceName: '1', configs: [] },
      { resourceType: 2, resourceName: 'a', configs: [{ name: 'k', value: 'v' }] },
      { resourceType: 2, resourceName: 'b', configs: [] },
      { resourceType: 2, resourceName: 'a', configs: [] },
      { resourceType: 2, resourceName: 'c', configs: [{ name: 'k', value: null }] },
      { resourceType: 2, resourceName: 'd', configs: [{ name: 'k', value: '1' }, { name: 'k', value: '2' }] },
      { resourceType: 8, resourceName: '1', configs: [] }
    ],
    validateOnly: true
  })
  t.strictSame(asked.splice(0), [{
    kind: 'alter-configs', topics: [{ topic: 'a', replace: true, changes: [{ name: 'k', operation: 'set', value: 'v' }] }, { topic: 'b', replace: true, changes: [] }], validateOnly: true
  }])
  t.strictSame(whole.resources.map(({ resourceType, resourceName, errorCode }) => [resourceType, resourceName, errorCode]), [
    [4, '1', INVALID_REQUEST], [2, 'a', NONE], [2, 'b', ErrorCode.INVALID_CONFIG], [2, 'a', INVALID_REQUEST], [2, 'c', INVALID_REQUEST], [2, 'd', INVALID_REQUEST], [8, '1', INVALID_REQUEST]
  ])
  const single = await client.call(incrementalAlterConfigs, 1, {
    resources: [
      { resourceType: 2, resourceName: 'a', configs: [0, 1, 2, 3].map(configOperation => ({ name: `k${configOperation}`, configOperation, value: configOperation === 1 ? null : 'v' })) },
      { resourceType: 2, resourceName: 'b', configs: [] },
      { resourceType: 2, resourceName: 'c', configs: [{ name: 'k', configOperation: 4, value: 'v' }] },
      { resourceType: 2, resourceName: 'd', configs: [{ name: 'k', configOperation: 2, value: null }] }
    ],
    validateOnly: false
  })
  t.strictSame(asked.splice(0), [{
    kind: 'alter-configs',
    topics: [
      { topic: 'a', replace: false, changes: ['set', 'delete', 'append', 'subtract'].map((operation, i) => ({ name: `k${i}`, operation, value: i === 1 ? null : 'v' })) },
      { topic: 'b', replace: false, changes: [] }
    ],
    validateOnly: false
  }])
  t.strictSame(single.resources.map(({ errorCode }) => errorCode), [NONE, ErrorCode.INVALID_CONFIG, INVALID_REQUEST, INVALID_REQUEST])
  const nothing = await client.call(alterConfigs, 0, { resources: [{ resourceType: 4, resourceName: '1', configs: [] }], validateOnly: false })
  t.match(nothing.resources, [{ errorCode: INVALID_REQUEST }])
  t.strictSame(asked, [])
})

t.test('AlterPartitionReassignments', async t => {
  const { client, asked } = await open(t, {
    kind: 'reassignments-altered', ...fine, results: [{ topic: 'a', partition: 1, ...fine }, { topic: 'b', partition: 0, errorCode: 85, errorMessage: 'no' }, { topic: 'a', partition: 0, ...fine }]
  })
  const request = { topics: [{ name: 'a', partitions: [{ index: 1, replicas: [3, 1] }, { index: 0, replicas: [1] }] }, { name: 'b', partitions: [{ index: 0, replicas: null }] }] }
  const answer = await client.call(alterPartitionReassignments, 1, { ...request, allowReplicationFactorChange: false })
  t.strictSame(asked, [{
    kind: 'alter-reassignments',
    partitions: [{ topic: 'a', partition: 1, replicas: [3, 1] }, { topic: 'a', partition: 0, replicas: [1] }, { topic: 'b', partition: 0, replicas: null }],
    allowReplicationFactorChange: false
  }])
  t.match(answer, { errorCode: NONE, allowReplicationFactorChange: false })
  t.strictSame(answer.topics, [
    { name: 'a', partitions: [{ index: 1, ...fine }, { index: 0, ...fine }] },
    { name: 'b', partitions: [{ index: 0, errorCode: 85, errorMessage: 'no' }] }
  ])
  await client.call(alterPartitionReassignments, 0, request)
  t.match(asked[1], { allowReplicationFactorChange: true }, 'version 0 cannot forbid it')
})

t.test('ListPartitionReassignments', async t => {
  const { client, asked } = await open(t, { kind: 'reassignments-listed', ...fine, partitions: [{ topic: 'a', partition: 1, replicas: [3, 1], adding: [3], removing: [1] }] })
  const all = await client.call(listPartitionReassignments, 0, { topics: null })
  t.strictSame(all.topics, [{ name: 'a', partitions: [{ index: 1, replicas: [3, 1], addingReplicas: [3], removingReplicas: [1] }] }])
  await client.call(listPartitionReassignments, 0, { topics: [{ name: 'a', partitionIndexes: [1, 2] }] })
  t.strictSame(asked, [
    { kind: 'list-reassignments', partitions: null },
    { kind: 'list-reassignments', partitions: [{ topic: 'a', partition: 1 }, { topic: 'a', partition: 2 }] }
  ])
})

t.test('ElectLeaders', async t => {
  const { client, asked } = await open(t, { kind: 'elections-held', ...fine, results: [{ topic: 'a', partition: 1, errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: 'no' }] })
  const answer = await client.call(electLeaders, 2, { electionType: 0, topics: [{ name: 'a', partitions: [1] }], timeoutMs: 500 })
  t.match(answer, { errorCode: NONE, topics: [{ name: 'a', partitions: [{ index: 1, errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: 'no' }] }] })
  await client.call(electLeaders, 2, { electionType: 1, topics: null, timeoutMs: 500 })
  t.strictSame(asked, [
    { kind: 'elect-leaders', preferred: true, partitions: [{ topic: 'a', partition: 1 }], timeoutMs: 500 },
    { kind: 'elect-leaders', preferred: false, partitions: null, timeoutMs: 500 }
  ])
  t.match(await client.call(electLeaders, 1, { electionType: 2, topics: null }), { errorCode: INVALID_REQUEST })
  const { client: refused } = await open(t, { kind: 'elections-held', errorCode: NOT_CONTROLLER, errorMessage: 'none', results: [] })
  t.match(await refused.call(electLeaders, 0, { topics: [{ name: 'a', partitions: [1] }] }), { topics: [{ partitions: [{ index: 1, errorCode: NOT_CONTROLLER }] }] }, 'version 0 says it of each partition')
})

const voter = { member: 101, nodeId: 1, directoryId: '00112233-4455-6677-8899-aabbccddeeff', endOffset: 10, silentMs: -1 }
const observer = { member: 102, nodeId: 2, directoryId: 'odd', endOffset: 4, silentMs: 250.4 }
const quorum = {
  kind: 'quorum-described',
  ...fine,
  leader: 1,
  term: 3,
  highWatermark: 10,
  voters: [voter],
  observers: [observer],
  brokers: [1, 2].map(nodeId => ({ ...brokerImage(nodeId), draining: nodeId === 2, leaving: false, replicas: 6, leaders: 2, behind: 1, silentMs: 20.6 })),
  featureLevel: 1,
  partitions: 6,
  leaderless: 0,
  underReplicated: 1,
  reassigning: 2
}

t.test('DescribeQuorum', async t => {
  const { client, asked } = await open(t, quorum)
  const topics = [{ name: '__cluster_metadata', partitions: [{ index: 0 }, { index: 1 }] }, { name: 'other', partitions: [{ index: 0 }] }]
  const answer = await client.call(describeQuorum, 2, { topics })
  t.strictSame(asked, [{ kind: 'describe-quorum' }])
  t.equal(answer.errorCode, NONE)
  t.strictSame(answer.topics[0]!.partitions[0], {
    index: 0,
    ...fine,
    leaderId: 1,
    leaderEpoch: 3,
    highWatermark: 10,
    currentVoters: [{ replicaId: 1, replicaDirectoryId: '00112233445566778899aabbccddeeff', logEndOffset: 10, lastFetchTimestamp: -1, lastCaughtUpTimestamp: 1_000_000 }],
    observers: [{ replicaId: 2, replicaDirectoryId: '0'.repeat(32), logEndOffset: 4, lastFetchTimestamp: 999_750, lastCaughtUpTimestamp: -1 }]
  })
  t.equal(answer.topics[0]!.partitions[1]!.errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  t.equal(answer.topics[1]!.partitions[0]!.errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  t.strictSame(answer.nodes, [{ nodeId: 1, listeners: [{ name: 'CONTROLLER', host: 'raft-1', port: 8001 }] }])
  t.match(await client.call(describeQuorum, 0, { topics: topics.slice(1) }), { topics: [{ partitions: [{ errorCode: UNKNOWN_TOPIC_OR_PARTITION }] }] })
  t.equal(asked.length, 1)
  t.match(await client.call(describeQuorum, 1, { topics: [{ name: '__metadata', partitions: [{ index: 0 }] }] }), { topics: [{ partitions: [{ leaderId: 1 }] }] })
})

t.test('ClusterStatus', async t => {
  const { client } = await open(t, quorum)
  const answer = await client.call(clusterStatus, 0, {})
  t.match(answer, { ...fine, clusterId: 'c', controllerId: 1, term: 3, highWatermark: 10, featureLevel: 1, partitions: 6, leaderless: 0, underReplicated: 1, reassigning: 2 })
  t.strictSame(answer.voters, [{ memberId: 101, nodeId: 1, directoryId: '00112233445566778899aabbccddeeff', endOffset: 10, silentMs: -1 }])
  t.strictSame(answer.observers, [{ memberId: 102, nodeId: 2, directoryId: '0'.repeat(32), endOffset: 4, silentMs: 250 }])
  t.strictSame(answer.brokers[1], {
    nodeId: 2, memberId: 102, name: 'broker-2', host: 'host-2', port: 9002, raftHost: 'raft-2', raftPort: 8002, rack: null, fenced: false, draining: true, leaving: false, replicas: 6, leaders: 2, behind: 1, silentMs: 21
  })
})

t.test('ClusterStatus of a broker that is a cluster of its own', async t => {
  const { client } = await open(t, { ...quorum, brokers: [] })
  const { brokers } = await client.call(clusterStatus, 0, {})
  t.match(brokers, [{ nodeId: 1, name: 'broker-1', host: 'host-1', fenced: false, draining: false, replicas: 1, leaders: 1, behind: 0, silentMs: 0 }])
  t.equal(brokers.length, 1)
})

t.test('DrainBroker and UnregisterBroker', async t => {
  const drained = await open(t, { kind: 'broker-drained', ...fine, partitionsLeft: 4 })
  t.match(await drained.client.call(drainBroker, 0, { brokerId: 3, drain: true }), { ...fine, replicasLeft: 4 })
  t.strictSame(drained.asked, [{ kind: 'drain-broker', nodeId: 3, drain: true }])
  const removed = await open(t, { kind: 'broker-removed', errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED, errorMessage: 'no' })
  t.match(await removed.client.call(unregisterBroker, 0, { brokerId: 9 }), { errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED, errorMessage: 'no' })
  t.strictSame(removed.asked, [{ kind: 'remove-broker', nodeId: 9 }])
})

t.test('UpdateFeatures', async t => {
  const { client, asked } = await open(t, { kind: 'feature-answered', ...fine, level: 2 })
  const level = { name: 'ringmq.version', maxVersionLevel: 2 }
  t.match(await client.call(updateFeatures, 1, { features: [level], validateOnly: true }), { ...fine, results: [{ name: 'ringmq.version', ...fine }] })
  t.match(await client.call(updateFeatures, 2, { features: [level] }), { ...fine, results: [] })
  t.strictSame(asked, [{ kind: 'finalize-feature', level: 2, validateOnly: true }, { kind: 'finalize-feature', level: 2, validateOnly: false }])
  for (const features of [[{ ...level, name: 'other' }], [{ ...level, maxVersionLevel: 0 }], [level, level]]) {
    t.match(await client.call(updateFeatures, 1, { features }), { errorCode: INVALID_UPDATE_VERSION, errorMessage: String, results: [] })
  }
  t.match(await client.call(updateFeatures, 1, { features: [] }), { ...fine, results: [] })
  t.equal(asked.length, 2)
})

t.test('a controller that says nothing', async t => {
  for (const [reason, errorCode] of [['expired', REQUEST_TIMED_OUT], ['dead', NOT_CONTROLLER], ['mailbox-full', NOT_CONTROLLER], ['moved', NOT_CONTROLLER], ['restarting', NOT_CONTROLLER]] as const) {
    const { client } = await open(t, silent(reason))
    const failed = { errorCode, errorMessage: String }
    t.match(await client.call(createTopics, 7, { topics: [{ name: 'a', numPartitions: 1, replicationFactor: 1 }] }), { topics: [{ name: 'a', ...failed }] }, reason)
    t.match(await client.call(deleteTopics, 6, { topics: [{ name: 'a' }], timeoutMs: 1 }), { topics: [{ name: 'a', ...failed }] })
    t.match(await client.call(createPartitions, 3, { topics: [{ name: 'a', count: 2 }], timeoutMs: 1, validateOnly: false }), { results: [{ name: 'a', ...failed }] })
    t.match(await client.call(incrementalAlterConfigs, 1, { resources: [{ resourceType: 2, resourceName: 'a', configs: [] }], validateOnly: false }), { resources: [{ resourceName: 'a', ...failed }] })
    t.match(await client.call(alterPartitionReassignments, 0, { topics: [] }), { ...failed, topics: [] })
    t.match(await client.call(listPartitionReassignments, 0, {}), { ...failed, topics: [] })
    t.match(await client.call(electLeaders, 2, { topics: [{ name: 'a', partitions: [0] }] }), { errorCode, topics: [{ name: 'a', partitions: [{ index: 0, ...failed }] }] })
    t.match(await client.call(describeQuorum, 2, { topics: [{ name: '__metadata', partitions: [{ index: 0 }] }] }), { topics: [{ partitions: [{ ...failed, leaderId: -1 }] }] })
    t.match(await client.call(clusterStatus, 0, {}), { ...failed, clusterId: 'c' })
    t.match(await client.call(drainBroker, 0, { brokerId: 1, drain: true }), { ...failed, replicasLeft: -1 })
    t.match(await client.call(unregisterBroker, 0, { brokerId: 1 }), failed)
    t.match(await client.call(updateFeatures, 2, { features: [{ name: 'ringmq.version', maxVersionLevel: 1 }] }), failed)
  }
})
