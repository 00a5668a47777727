/** A request that names the same thing again and again gets one answer for it: what it costs is bounded by what there is. */
import t from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { describeConfigs } from '../../../src/protocol/apis/describe-configs.ts'
import { describeGroups } from '../../../src/protocol/apis/describe-groups.ts'
import { describeTopicPartitions } from '../../../src/protocol/apis/describe-topic-partitions.ts'
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts'
import { metadata } from '../../../src/protocol/apis/metadata.ts'
import { offsetFetch } from '../../../src/protocol/apis/offset-fetch.ts'
import { zeroUuid } from '../../../src/protocol/schema.ts'
import { type AnyMessage, NetworkKit, topic, topicId } from '../network-kit.ts'

t.setTimeout(30_000)

const times = <T>(count: number, item: T): T[] => new Array(count).fill(item)

t.test('Metadata', async t => {
  const client = await (await NetworkKit.open(t, { partitions: 50 })).connect(t)
  const { topics } = await client.call(metadata, 12, { topics: [...times(5000, { name: topic, topicId: zeroUuid }), ...times(100, { name: 'other', topicId: zeroUuid })] })
  t.strictSame(topics.map(({ name, errorCode, partitions }) => [name, errorCode, partitions.length]), [[topic, 0, 50], ['other', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0]])
  const unknown = 'f'.repeat(32)
  const byId = await client.call(metadata, 12, { topics: [topicId, unknown, topicId, unknown].map(topicId => ({ name: null, topicId })) })
  t.strictSame(byId.topics.map(({ topicId, partitions }) => [topicId, partitions.length]), [[topicId, 50], [unknown, 0]])
})

t.test('DescribeTopicPartitions', async t => {
  const client = await (await NetworkKit.open(t, { partitions: 3 })).connect(t)
  const { topics } = await client.call(describeTopicPartitions, 0, { topics: times(3, { name: topic }), cursor: null })
  t.equal(topics.length, 1)
})

t.test('DescribeConfigs: all keys that any of them names', async t => {
  const client = await (await NetworkKit.open(t, { network: { brokerSettings: { a: '1', b: '2', c: '3' } } })).connect(t)
  const keys = async (...lists: Array<string[] | null>): Promise<string[][]> => {
    const { results } = await client.call(describeConfigs, 4, { resources: lists.map(configurationKeys => ({ resourceType: 4, resourceName: '1', configurationKeys })) })
    return results.map(({ configs }) => configs.map(({ name }) => name))
  }
  t.strictSame(await keys(['a'], ['c'], ['a']), [['a', 'c']])
  t.strictSame(await keys(['a'], null), [['a', 'b', 'c']])
  const { results } = await client.call(describeConfigs, 4, { resources: [...times(10, { resourceType: 2, resourceName: topic, configurationKeys: null }), { resourceType: 4, resourceName: '', configurationKeys: null }] })
  t.strictSame(results.map(({ resourceName }) => resourceName), [topic, ''])
})

t.test('DescribeGroups and OffsetFetch', async t => {
  const asked: unknown[] = []
  const kit = await NetworkKit.open(t, {
    groups: ({ kind, replyTo, correlation, groupIds, groups }: AnyMessage, out) => {
      asked.push(groupIds ?? groups)
      out.tell(replyTo, (kind === 'describe-groups'
        ? { kind: 'groups-described', correlation, groups: [] }
        : {
            kind: 'offsets-fetched',
            correlation,
            groups: groups.map(({ groupId, topics }: AnyMessage) => ({
              groupId,
              errorCode: 0,
              topics: (topics ?? []).map(({ name, partitions }: AnyMessage) => ({ name, partitions: partitions.map((partition: number) => ({ partition, offset: 7, leaderEpoch: -1, metadata: '', errorCode: 0 })) }))
            }))
          }) as unknown as Message)
    }
  })
  const client = await kit.connect(t)
  await client.call(describeGroups, 5, { groups: ['a', 'b', ...times(1000, 'a')] })
  t.strictSame(asked.pop(), ['a', 'b'])
  const old = await client.call(offsetFetch, 7, { groupId: 'a', topics: [{ name: topic, partitionIndexes: [0, 1, 0] }, { name: 'u', partitionIndexes: [0] }, { name: topic, partitionIndexes: [2, 1] }] })
  t.strictSame(asked.pop(), [{ groupId: 'a', topics: [{ name: topic, partitions: [0, 1, 2] }, { name: 'u', partitions: [0] }] }])
  t.strictSame(old.topics.map(({ name, partitions }) => [name, partitions.map(({ index }) => index)]), [[topic, [0, 1, 2]], ['u', [0]]])
  const group = (groupId: string, ...names: string[]) => ({ groupId, memberId: null, topics: names.map(name => ({ name, partitionIndexes: [0] })) })
  await client.call(offsetFetch, 9, { groups: [group('a', topic), group('b', 'u'), group('a', 'u', topic), ...times(100, { groupId: 'c', memberId: null, topics: null }), group('c', 'u')] })
  t.strictSame(asked.pop(), [
    { groupId: 'a', topics: [{ name: topic, partitions: [0] }, { name: 'u', partitions: [0] }] },
    { groupId: 'b', topics: [{ name: 'u', partitions: [0] }] },
    { groupId: 'c', topics: null }
  ])
  // Ids that nobody knows stay apart, and each answer has its own.
  const ids = ['e'.repeat(32), topicId, 'f'.repeat(32), topicId]
  const byId = await client.call(offsetFetch, 10, { groups: [{ groupId: 'a', memberId: null, topics: ids.map((topicId, index) => ({ topicId, partitionIndexes: [index] })) }] })
  t.strictSame(byId.groups[0]!.topics.map(({ topicId, partitions }) => [topicId, partitions.map(({ index }) => index)]), [[ids[0], [0]], [topicId, [1, 3]], [ids[2], [2]]])
})

t.test('ListOffsets: the first question to a partition is the one that counts', async t => {
  const asked: number[] = []
  const kit = await NetworkKit.open(t, {
    partitions: 2,
    react: ({ replyTo, correlation, timestamp }: AnyMessage, out) => {
      asked.push(timestamp)
      out.tell(replyTo, { kind: 'listed-offset', correlation, errorCode: 0, offset: timestamp, leaderEpoch: 1, plan: null } as Message)
    }
  })
  const client = await kit.connect(t)
  const at = (index: number, timestamp: number) => ({ index, timestamp })
  const { topics } = await client.call(listOffsets, 7, { topics: [{ name: topic, partitions: [at(1, 10), ...times(1000, at(1, 11))] }, { name: 'u', partitions: [at(0, 1)] }, { name: topic, partitions: [at(0, 12), at(1, 13)] }] })
  t.strictSame(asked, [10, 12])
  t.strictSame(topics.map(({ name, partitions }) => [name, partitions.map(({ index, offset }) => [index, offset])]), [[topic, [[1, 10], [0, 12]]], ['u', [[0, -1]]]])
})
