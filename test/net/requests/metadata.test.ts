/** What clients are told of brokers, leaders and replicas, from the image that the controller gives. */
import t from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { featureRange } from '../../../src/base/versions.ts'
import { apiVersions } from '../../../src/protocol/apis/api-versions.ts'
import { describeCluster } from '../../../src/protocol/apis/describe-cluster.ts'
import { describeTopicPartitions } from '../../../src/protocol/apis/describe-topic-partitions.ts'
import { metadata } from '../../../src/protocol/apis/metadata.ts'
import { brokerImage, clusterImage, networkId, NetworkKit, partitionImage, topic, topicId } from '../network-kit.ts'

t.setTimeout(30_000)

const brokers = [brokerImage(3, { fenced: true, rack: 'c' }), brokerImage(2, { rack: 'b' }), brokerImage(1)]
const cluster = clusterImage(brokers, { controller: 2 as never })
const images = [
  partitionImage({ leader: 2, term: 7, replicas: [2, 1, 3], isr: [2, 1], offline: [3] }),
  partitionImage({ leader: 3, term: 4, replicas: [3, 1], isr: [3], offline: [3] }),
  partitionImage({ leader: -1, term: 5, replicas: [2] }),
  partitionImage({ leader: -1, term: 0, replicas: [2], isr: [] }),
  partitionImage({ leader: 1, replicas: [2, 3], adding: [2], removing: [1], isr: [1] })
]

t.test('Metadata: live brokers, the controller, and who leads what', async t => {
  const kit = await NetworkKit.open(t, { images, cluster })
  const client = await kit.connect(t)
  const answer = await client.call(metadata, 12, { topics: null })
  t.strictSame(answer.brokers, [
    { nodeId: 1, host: 'host-1', port: 9001, rack: null },
    { nodeId: 2, host: 'host-2', port: 9002, rack: 'b' }
  ])
  t.match(answer, { clusterId: 'c', controllerId: 2 })
  t.strictSame(answer.topics[0]!.partitions, [
    { errorCode: 0, index: 0, leaderId: 2, leaderEpoch: 7, replicaNodes: [2, 1, 3], isrNodes: [2, 1], offlineReplicas: [3] },
    // A leader that cannot be reached is none.
    { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, index: 1, leaderId: -1, leaderEpoch: 4, replicaNodes: [3, 1], isrNodes: [3], offlineReplicas: [3] },
    { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, index: 2, leaderId: -1, leaderEpoch: 5, replicaNodes: [2], isrNodes: [1], offlineReplicas: [] },
    { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, index: 3, leaderId: -1, leaderEpoch: -1, replicaNodes: [2], isrNodes: [], offlineReplicas: [] },
    // While it moves, both the new and the old replicas are shown.
    { errorCode: 0, index: 4, leaderId: 1, leaderEpoch: 1, replicaNodes: [2, 3, 1], isrNodes: [1], offlineReplicas: [] }
  ])
  for (let version = 0; version <= 13; version++) t.equal((await client.call(metadata, version, { topics: [{ name: topic, topicId }] })).topics[0]!.partitions.length, 5, `version ${version}`)
})

t.test('DescribeTopicPartitions says the same, in pages', async t => {
  const kit = await NetworkKit.open(t, { images, cluster })
  const client = await kit.connect(t)
  const first = await client.call(describeTopicPartitions, 0, { topics: [{ name: topic }], responsePartitionLimit: 2, cursor: null })
  t.match(first.topics[0]!.partitions, [
    { index: 0, leaderId: 2, leaderEpoch: 7, replicaNodes: [2, 1, 3], isrNodes: [2, 1], eligibleLeaderReplicas: [], lastKnownElr: [], offlineReplicas: [3] },
    { index: 1, leaderId: -1, errorCode: ErrorCode.LEADER_NOT_AVAILABLE }
  ])
  t.strictSame(first.nextCursor, { topicName: topic, partitionIndex: 2 })
  const next = await client.call(describeTopicPartitions, 0, { topics: [], cursor: first.nextCursor })
  t.strictSame(next.topics[0]!.partitions.map(({ index }) => index), [2, 3, 4])
  t.equal(next.nextCursor, null)
})

t.test('DescribeCluster: fenced brokers only for who asks for them', async t => {
  const kit = await NetworkKit.open(t, { images, cluster })
  const client = await kit.connect(t)
  const old = await client.call(describeCluster, 1, {})
  t.match(old, { errorCode: 0, clusterId: 'c', controllerId: 2, endpointType: 1 })
  t.strictSame(old.brokers.map(({ brokerId, rack }) => [brokerId, rack]), [[1, null], [2, 'b']])
  const all = await client.call(describeCluster, 2, { includeFencedBrokers: true })
  t.strictSame(all.brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced]), [[1, false], [2, false], [3, true]])
  t.match(await client.call(describeCluster, 1, { endpointType: 2 }), { errorCode: ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, brokers: [] })
})

t.test('without an active controller clients are sent to this broker, which passes requests on when there is one', async t => {
  const kit = await NetworkKit.open(t, { images, cluster: clusterImage(brokers, { controller: -1 as never }) })
  const client = await kit.connect(t)
  t.equal((await client.call(metadata, 12, { topics: [] })).controllerId, 1)
  t.equal((await client.call(describeCluster, 1, {})).controllerId, 1)
})

t.test('changes of topics and of the cluster are taken in as they come', async t => {
  const kit = await NetworkKit.open(t, { images, cluster })
  const client = await kit.connect(t)
  const leaders = async (): Promise<unknown> => {
    const { brokers, topics } = await client.call(metadata, 12, { topics: null })
    return [brokers.map(({ nodeId }) => nodeId), topics.map(({ name, partitions }) => [name, partitions.map(({ leaderId }) => leaderId)])]
  }
  const change = (fields: object): void => kit.system.tell(networkId, { kind: 'metadata-changed', topics: [], deleted: [], cluster: null, ...fields } as Message)
  change({ cluster: clusterImage([brokerImage(1), brokerImage(3)]) })
  t.strictSame(await leaders(), [[1, 3], [[topic, [-1, 3, -1, -1, 1]]]], 'broker 2 is gone, 3 is back')
  change({ topics: [{ name: topic, id: topicId, config: {}, partitions: [partitionImage({ leader: 3 })] }] })
  t.strictSame(await leaders(), [[1, 3], [[topic, [3]]]])
  change({ deleted: [topicId] })
  t.strictSame(await leaders(), [[1, 3], []])
  kit.system.tell(networkId, { kind: 'metadata-replaced', topics: [], cluster } as unknown as Message)
  t.strictSame(await leaders(), [[1, 2], []])
})

t.test('ApiVersions: the level that all brokers understand, and what this one could', async t => {
  const kit = await NetworkKit.open(t, { cluster: clusterImage(brokers, { featureLevel: 2 }), network: { features: { min: 1, max: 3 } } })
  const client = await kit.connect(t)
  const answer = await client.call(apiVersions, 4, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  t.strictSame(answer.supportedFeatures, [{ name: 'ringmq.version', minVersion: 1, maxVersion: 3 }])
  t.equal(answer.finalizedFeaturesEpoch, 2)
  t.strictSame(answer.finalizedFeatures, [{ name: 'ringmq.version', maxVersionLevel: 2, minVersionLevel: 2 }])
  t.equal((await client.call(apiVersions, 0, {})).errorCode, 0)
  const supported = { minVersion: featureRange.min, maxVersion: featureRange.max }
  const early = await NetworkKit.open(t, { cluster: clusterImage(brokers, { featureLevel: 0 }) })
  t.match(await (await early.connect(t)).call(apiVersions, 3, {}), { supportedFeatures: [{ name: 'ringmq.version', ...supported }], finalizedFeaturesEpoch: -1, finalizedFeatures: [] })
})

t.test('before the controller has told of any broker there is this one', async t => {
  const kit = await NetworkKit.open(t, { images: [], cluster: clusterImage([], { controller: -1 as never, self: -1 as never }) })
  const client = await kit.connect(t)
  t.strictSame((await client.call(metadata, 1, { topics: [] })).brokers, [{ nodeId: 1, host: '127.0.0.1', port: 1, rack: null }])
  t.match(await client.call(describeCluster, 2, { includeFencedBrokers: true }), { brokers: [{ brokerId: 1, host: '127.0.0.1' }], controllerId: 1 })
})

t.test('DescribeTopicPartitions: a cursor before the first partition begins there', async t => {
  const kit = await NetworkKit.open(t, { images, cluster })
  const client = await kit.connect(t)
  const { topics, nextCursor } = await client.call(describeTopicPartitions, 0, { topics: [{ name: topic }], responsePartitionLimit: 2, cursor: { topicName: topic, partitionIndex: -1 } })
  t.strictSame(topics[0]!.partitions.map(({ index }) => index), [0, 1])
  t.strictSame(nextCursor, { topicName: topic, partitionIndex: 2 })
})
