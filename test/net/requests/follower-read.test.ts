/** Fetches of clients that say where they stand, and of clients that say what they have. */
import t, { type Test } from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { fetch } from '../../../src/protocol/apis/fetch.ts'
import type { ResponseToRead } from '../../../src/protocol/api.ts'
import { SentAway } from '../../../src/net/sent-away.ts'
import type { RawClient } from '../../broker/raw-client.ts'
import { type AnyMessage, brokerImage, clusterImage, fetched, NetworkKit, partitionId, partitionImage, topic, topicId } from '../network-kit.ts'

t.setTimeout(30_000)

const brokers = [brokerImage(1, { rack: 'a' }), brokerImage(2, { rack: 'b' }), brokerImage(3, { rack: 'b' }), brokerImage(4, { rack: 'c', fenced: true }), brokerImage(5, { rack: 'd' })]
const images = [
  partitionImage({ actor: partitionId, leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3] }),
  partitionImage({ actor: partitionId + 1, leader: 1, replicas: [1, 2, 3, 4, 5], isr: [1, 3, 4] }),
  partitionImage({ actor: partitionId + 2, leader: 2, replicas: [2, 1, 3], isr: [2, 1, 3] })
]
const memory = new Uint8Array(50)
const plan = { segmentBase: 0, fileId: 1, position: 0, indexed: true, version: 1, bytes: memory.length, offset: 0, endOffset: 1, highWatermark: 1, hot: true, memory }

async function openKit (t: Test, enableFollowerRead: boolean): Promise<{ kit: NetworkKit, asked: AnyMessage[] }> {
  const asked: AnyMessage[] = []
  const kit = await NetworkKit.open(t, {
    images,
    cluster: clusterImage(brokers),
    network: { enableFollowerRead },
    react: (message, out) => {
      if (message.kind !== 'fetch') return
      asked.push({ ...message })
      fetched(message, out, { highWatermark: 1, plan })
    }
  })
  return { kit, asked }
}

type Answer = ResponseToRead<typeof fetch>
interface Wanted { readonly version?: number, readonly index?: number, readonly maxWaitMs?: number, readonly minBytes?: number }

async function read (client: RawClient, rackId: string, { version = 12, index = 0, maxWaitMs = 0, minBytes = 1 }: Wanted = {}): Promise<Answer['topics'][number]['partitions'][number]> {
  const answer = await client.call(fetch, version, {
    maxWaitMs, minBytes, rackId, topics: [{ name: topic, topicId, partitions: [{ index, fetchOffset: 0, partitionMaxBytes: 1000 }] }]
  })
  return answer.topics[0]!.partitions[0]!
}

t.test('the leader sends a client to a replica of its rack that is in sync', async t => {
  const { kit } = await openKit(t, true)
  const client = await kit.connect(t)
  const sent = await read(client, 'b', { maxWaitMs: 60_000, minBytes: 1000 })
  t.match(sent, { errorCode: 0, preferredReadReplica: 2, highWatermark: 1, records: new Uint8Array(0) }, 'at once, and without records')
  t.match(await read(client, 'b', { index: 1 }), { preferredReadReplica: 3 }, 'not the one that is behind')
  for (const version of [11, 13, 18]) t.equal((await read(await kit.connect(t), 'b', { version })).preferredReadReplica, 2, `version ${version}`)
})

t.test('a client that is back soon could not read there: it reads here', async t => {
  const { kit } = await openKit(t, true)
  const client = await kit.connect(t)
  for (const [index, replica] of [[0, 2], [1, 3]] as const) {
    t.match(await read(client, 'b', { index }), { preferredReadReplica: replica, records: new Uint8Array(0) })
    for (const version of [12, 13]) t.match(await read(client, 'b', { index, version }), { preferredReadReplica: -1, records: Buffer.from(memory) })
  }
  t.match(await read(await kit.connect(t), 'b'), { preferredReadReplica: 2 }, 'another client is not concerned')
})

t.test('after a minute it is sent again', async t => {
  const sentAway = new SentAway()
  const sent = (partition: number, now: number): boolean => sentAway.sends(`t/${partition}`, now)
  t.same([sent(0, 1000), sent(0, 1001), sent(1, 2000), sent(0, 60_999), sent(0, 61_000), sent(0, 62_000), sent(1, 62_000)], [true, false, true, false, true, false, true])
  for (let partition = 2; partition < 10_001; partition++) sent(partition, 70_000)
  t.same([sent(1, 70_000), sent(0, 70_000)], [false, true], 'the one sent longest ago has been forgotten')
})

t.test('otherwise it reads here', async t => {
  const { kit } = await openKit(t, true)
  const client = await kit.connect(t)
  const cases: Array<[why: string, rack: string, wanted: Wanted]> = [
    ['it does not say where it stands', '', {}],
    ['its version cannot say it', 'b', { version: 10 }],
    ['the leader stands there itself', 'a', {}],
    ['nobody stands there', 'elsewhere', {}],
    ['the replica there is fenced', 'c', { index: 1 }],
    ['the replica there is not in sync', 'd', { index: 1 }],
    ['this is no leader: it serves what it has', 'b', { index: 2 }]
  ]
  for (const [why, rack, wanted] of cases) t.match(await read(client, rack, wanted), { preferredReadReplica: -1, records: Buffer.from(memory) }, why)
  const { kit: strict } = await openKit(t, false)
  t.match(await read(await strict.connect(t), 'b'), { preferredReadReplica: -1, records: Buffer.from(memory) }, 'the broker does not do this')
})

t.test('partitions are told whether a follower may answer', async t => {
  const { kit, asked } = await openKit(t, true)
  const client = await kit.connect(t)
  await read(client, 'a')
  await read(client, '')
  await read(client, 'b', { version: 10 })
  const { kit: strict, asked: askedStrictly } = await openKit(t, false)
  await read(await strict.connect(t), 'a')
  t.strictSame([...asked, ...askedStrictly].map(({ replicaOk }) => replicaOk), [true, false, false, false])
})

t.test('in a session it is said once, and what the client has is remembered', async t => {
  const { kit, asked } = await openKit(t, true)
  const client = await kit.connect(t)
  const topics = [{ topicId, partitions: [{ index: 0, fetchOffset: 0, lastFetchedEpoch: 4, partitionMaxBytes: 1000 }] }]
  const { sessionId, topics: sent } = await client.call(fetch, 13, { maxWaitMs: 0, minBytes: 1, rackId: 'b', sessionId: 0, sessionEpoch: 0, topics })
  const again = await client.call(fetch, 13, { maxWaitMs: 0, minBytes: 1, rackId: 'b', sessionId, sessionEpoch: 1, topics: [] })
  t.match(sent, [{ partitions: [{ preferredReadReplica: 2 }] }])
  t.match(again.topics, [{ partitions: [{ preferredReadReplica: -1, records: Buffer.from(memory) }] }])
  await client.call(fetch, 13, { maxWaitMs: 0, minBytes: 1, rackId: 'b', sessionId, sessionEpoch: 2, topics: [{ topicId, partitions: [{ ...topics[0]!.partitions[0]!, lastFetchedEpoch: 6 }] }] })
  t.strictSame(asked.map(({ lastFetchedEpoch }) => lastFetchedEpoch), [4, 4, 6])
})

t.test('a client whose log left the leader\'s is told where, at once and without records', async t => {
  const asked: AnyMessage[] = []
  const kit = await NetworkKit.open(t, {
    react: (message, out) => {
      if (message.kind !== 'fetch') return
      asked.push({ ...message })
      fetched(message, out, { highWatermark: 9, diverging: message.lastFetchedEpoch === 5 ? { epoch: 3, endOffset: 7 } : null })
    }
  })
  const client = await kit.connect(t)
  const ask = async (version: number, lastFetchedEpoch: number, maxWaitMs: number): Promise<Answer> => await client.call(fetch, version, {
    maxWaitMs, minBytes: 1, topics: [{ name: topic, topicId, partitions: [{ index: 0, fetchOffset: 8, lastFetchedEpoch, partitionMaxBytes: 1000 }] }]
  })
  for (const version of [12, 17]) {
    const { topics } = await ask(version, 5, 60_000)
    t.match(topics[0]!.partitions[0], { errorCode: ErrorCode.NONE, divergingEpoch: { epoch: 3, endOffset: 7 }, records: new Uint8Array(0) })
  }
  t.equal((await ask(12, 3, 0)).topics[0]!.partitions[0]!.divergingEpoch, null)
  t.equal((await ask(11, 5, 0)).topics[0]!.partitions[0]!.divergingEpoch, null, 'a version that cannot ask')
  t.strictSame(asked.map(({ lastFetchedEpoch }) => lastFetchedEpoch), [5, 5, 3, -1])
})
