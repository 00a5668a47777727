/** Requests for partitions that are led elsewhere: refused, with the leader's name for clients that can read it. */
import t, { type Test } from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { apiVersions } from '../../../src/protocol/apis/api-versions.ts'
import { deleteRecords } from '../../../src/protocol/apis/delete-records.ts'
import { fetch } from '../../../src/protocol/apis/fetch.ts'
import { offsetForLeaderEpoch } from '../../../src/protocol/apis/offset-for-leader-epoch.ts'
import { produce } from '../../../src/protocol/apis/produce.ts'
import type { ResponseToRead } from '../../../src/protocol/api.ts'
import { offsetAt } from '../../broker/requests.ts'
import type { RawClient } from '../../broker/raw-client.ts'
import { appended, brokerImage, clusterImage, fetched, NetworkKit, partitionId, partitionImage, topic, topicId } from '../network-kit.ts'

t.setTimeout(30_000)

const { NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = ErrorCode
const brokers = [brokerImage(1), brokerImage(2, { rack: 'b' }), brokerImage(3), brokerImage(4, { fenced: true })]
const images = [
  partitionImage({ leader: 2, term: 7 }),
  partitionImage({ leader: 3, term: 8 }),
  partitionImage({ leader: -1, term: 9 }),
  partitionImage({ leader: 4, term: 10 }),
  partitionImage({ leader: 2, term: 11, actor: partitionId }),
  partitionImage({ leader: 1, term: 12, actor: partitionId + 1 }),
  partitionImage({ leader: 1, term: 13, actor: partitionId + 2 })
]
/** What each partition with an actor here says, by its number. */
const said: Readonly<Record<number, number>> = { 4: NOT_LEADER_OR_FOLLOWER, 5: NOT_LEADER_OR_FOLLOWER, 6: FENCED_LEADER_EPOCH }
const expected = [
  [0, NOT_LEADER_OR_FOLLOWER, 2, 7],
  [1, NOT_LEADER_OR_FOLLOWER, 3, 8],
  [2, NOT_LEADER_OR_FOLLOWER, -1, -1],
  [3, NOT_LEADER_OR_FOLLOWER, -1, -1], // its broker cannot be reached
  [4, NOT_LEADER_OR_FOLLOWER, 2, 11],
  [5, NOT_LEADER_OR_FOLLOWER, -1, -1], // the image has yet to learn who follows
  [6, FENCED_LEADER_EPOCH, 1, 13]
]
const endpoints = [
  { nodeId: 2, host: 'host-2', port: 9002, rack: 'b' },
  { nodeId: 3, host: 'host-3', port: 9003, rack: null },
  { nodeId: 1, host: 'host-1', port: 9001, rack: null }
]

async function openKit (t: Test): Promise<NetworkKit> {
  let errorCode = 0
  return await NetworkKit.open(t, {
    images,
    cluster: clusterImage(brokers),
    react: (message, out) => {
      // All partitions' actors do the same: which of them this is shows in what it is asked.
      if (message.kind === 'append') errorCode = said[message.records[0]]!
      if (message.kind === 'append') appended(message, out, { errorCode, baseOffset: -1 })
      if (message.kind === 'fetch') fetched(message, out, { errorCode: said[message.offset]!, highWatermark: -1, logStartOffset: -1 })
    }
  })
}

async function introduced (t: Test, kit: NetworkKit, clientSoftwareName = 'test', version = 3): Promise<RawClient> {
  const client = await kit.connect(t)
  await client.call(apiVersions, version, { clientSoftwareName, clientSoftwareVersion: '1' })
  return client
}

const produceAll = async (client: RawClient, version: number): Promise<ResponseToRead<typeof produce>> => await client.call(produce, version, {
  acks: -1, timeoutMs: 1000, topics: [{ name: topic, topicId, partitions: images.map((_, index) => ({ index, records: Uint8Array.of(index, 0, 0) })) }]
})
const fetchAll = async (client: RawClient, version: number): Promise<ResponseToRead<typeof fetch>> => await client.call(fetch, version, {
  maxWaitMs: 60_000, minBytes: 1, topics: [{ name: topic, topicId, partitions: images.map((_, index) => ({ index, fetchOffset: index, partitionMaxBytes: 1000 })) }]
})
type Hinted = { readonly topics: ReadonlyArray<{ readonly partitions: ReadonlyArray<{ index: number, errorCode: number, currentLeader: { leaderId: number, leaderEpoch: number } | null }> }> }
const rows = ({ topics }: Hinted): unknown => topics[0]!.partitions.map(({ index, errorCode, currentLeader }) => [index, errorCode, currentLeader?.leaderId ?? -1, currentLeader?.leaderEpoch ?? -1])
const plainRows = expected.map(([index, errorCode]) => [index, errorCode, -1, -1])

t.test('Produce: each refused partition names its leader, and the leaders\' addresses come once', async t => {
  const kit = await openKit(t)
  const client = await introduced(t, kit)
  for (const version of [10, 12, 13]) {
    const answer = await produceAll(client, version)
    t.strictSame(rows(answer), expected, `version ${version}`)
    t.strictSame(answer.nodeEndpoints, endpoints)
  }
  const old = await produceAll(client, 9)
  t.strictSame(rows(old), plainRows)
})

t.test('Fetch: the same, and it does not wait', async t => {
  const kit = await openKit(t)
  const client = await introduced(t, kit)
  for (const version of [12, 13, 15]) {
    const answer = await fetchAll(client, version)
    t.strictSame(rows(answer), expected, `version ${version}`)
    t.strictSame(answer.nodeEndpoints, [], 'which this version has no place for')
  }
  for (const version of [16, 18]) t.strictSame((await fetchAll(client, version)).nodeEndpoints, endpoints)
  t.strictSame(rows(await fetchAll(client, 11)), plainRows)
})

t.test('who may not be able to read tagged fields gets none', async t => {
  const kit = await openKit(t)
  for (const client of [await kit.connect(t), await introduced(t, kit, 'platformatic-kafka'), await introduced(t, kit, '', 3), await introduced(t, kit, 'old', 2)]) {
    const [produced, fetched] = [await produceAll(client, 11), await fetchAll(client, 17)]
    t.strictSame([rows(produced), produced.nodeEndpoints, rows(fetched), fetched.nodeEndpoints], [plainRows, [], plainRows, []])
  }
})

t.test('other errors are not the leader\'s matter', async t => {
  const kit = await NetworkKit.open(t, {
    images: [partitionImage({ leader: 2, term: 7, actor: partitionId })],
    cluster: clusterImage(brokers),
    react: (message, out) => {
      if (message.kind === 'append') appended(message, out, { errorCode: ErrorCode.CORRUPT_MESSAGE })
      if (message.kind === 'fetch') fetched(message, out, { errorCode: UNKNOWN_LEADER_EPOCH })
    }
  })
  const client = await introduced(t, kit)
  const produced = await client.call(produce, 10, { acks: -1, timeoutMs: 1000, topics: [{ name: topic, partitions: [{ index: 0, records: new Uint8Array(9) }] }] })
  t.match(produced, { topics: [{ partitions: [{ errorCode: ErrorCode.CORRUPT_MESSAGE, currentLeader: null }] }], nodeEndpoints: [] })
  const fetchedAnswer = await client.call(fetch, 16, { maxWaitMs: 0, minBytes: 1, topics: [{ topicId, partitions: [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }] })
  t.match(fetchedAnswer, { topics: [{ partitions: [{ errorCode: UNKNOWN_LEADER_EPOCH, currentLeader: null }] }], nodeEndpoints: [] })
})

t.test('a session of fetches learns of a new leader too', async t => {
  let errorCode = 0
  const kit = await NetworkKit.open(t, {
    images: [partitionImage({ leader: 2, term: 7, actor: partitionId })],
    cluster: clusterImage(brokers),
    react: (message, out) => { if (message.kind === 'fetch') fetched(message, out, { errorCode, highWatermark: 3 }) }
  })
  const client = await introduced(t, kit)
  const topics = [{ topicId, partitions: [{ index: 0, fetchOffset: 3, partitionMaxBytes: 1 }] }]
  const { sessionId } = await client.call(fetch, 16, { maxWaitMs: 0, minBytes: 1, sessionId: 0, sessionEpoch: 0, topics })
  t.strictSame((await client.call(fetch, 16, { maxWaitMs: 0, minBytes: 1, sessionId, sessionEpoch: 1, topics: [] })).topics, [], 'nothing new')
  errorCode = NOT_LEADER_OR_FOLLOWER
  const answer = await client.call(fetch, 16, { maxWaitMs: 0, minBytes: 1, sessionId, sessionEpoch: 2, topics: [] })
  t.match(answer, { topics: [{ partitions: [{ errorCode, currentLeader: { leaderId: 2, leaderEpoch: 7 } }] }], nodeEndpoints: [{ nodeId: 2 }] })
})

t.test('ListOffsets, OffsetForLeaderEpoch and DeleteRecords are refused as well', async t => {
  const kit = await openKit(t)
  const client = await kit.connect(t)
  t.equal((await offsetAt(client, topic, -1)).errorCode, NOT_LEADER_OR_FOLLOWER)
  const epochs = await client.call(offsetForLeaderEpoch, 4, { topics: [{ name: topic, partitions: [{ index: 0, leaderEpoch: 1 }, { index: 99, leaderEpoch: 1 }] }] })
  t.match(epochs.topics[0]!.partitions, [{ errorCode: NOT_LEADER_OR_FOLLOWER, endOffset: -1 }, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }])
  const deleted = await client.call(deleteRecords, 2, { topics: [{ name: topic, partitions: [{ index: 1, offset: 5 }] }], timeoutMs: 1000 })
  t.match(deleted.topics[0]!.partitions, [{ errorCode: NOT_LEADER_OR_FOLLOWER, lowWatermark: -1 }])
})
