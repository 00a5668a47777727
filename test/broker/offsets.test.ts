import t from 'tap'
import { deleteRecords } from '../../src/protocol/apis/delete-records.ts'
import { offsetForLeaderEpoch } from '../../src/protocol/apis/offset-for-leader-epoch.ts'
import { ErrorCode } from '../../src/base/error-code.ts'
import { openBroker, openClient, temporaryFolder } from './kit.ts'
import type { RawClient } from './raw-client.ts'
import { append, batchOf, createTopic, fetchFrom, offsetAt, partitionsOf, readAll } from './requests.ts'

/** A broker that has just started answers NOT_LEADER_OR_FOLLOWER until the partition has recovered and elected itself; clients try again. */
async function appendOnceLed (client: RawClient, topic: string, value: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const { errorCode } = await append(client, topic, 0, batchOf([value]))
    if (errorCode === ErrorCode.NONE) return
    if (errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) throw new Error(`append: error ${errorCode}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`${topic} has no leader`)
}

t.test('an epoch ends where the next one began, and the present one at the log\'s end', async t => {
  const dataDir = await temporaryFolder(t)
  let broker = await openBroker(t, { dataDir, threads: 1 })
  let client = await openClient(t, broker)
  await createTopic(client, 'epochs')
  await append(client, 'epochs', 0, batchOf(['a', 'b']))
  await broker.close()
  broker = await openBroker(t, { dataDir, threads: 1 })
  client = await openClient(t, broker)
  await appendOnceLed(client, 'epochs', 'c')
  const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
    const response = await client.call(offsetForLeaderEpoch, 4, { topics: [{ name: 'epochs', partitions: [{ index: 0, leaderEpoch, currentLeaderEpoch }] }] })
    return response.topics[0]!.partitions[0]!
  }
  t.same(await ask(1), { errorCode: 0, index: 0, leaderEpoch: 1, endOffset: 2 })
  t.same(await ask(2), { errorCode: 0, index: 0, leaderEpoch: 2, endOffset: 3 })
  t.equal((await ask(1, 1)).errorCode, ErrorCode.FENCED_LEADER_EPOCH)
  t.equal((await ask(1, 9)).errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
  const unknown = await client.call(offsetForLeaderEpoch, 4, { topics: [{ name: 'nowhere', partitions: [{ index: 0, leaderEpoch: 1 }] }] })
  t.equal(unknown.topics[0]!.partitions[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

t.test('records below an offset are given up for good', async t => {
  const dataDir = await temporaryFolder(t)
  let broker = await openBroker(t, { dataDir, threads: 1 })
  let client = await openClient(t, broker)
  await createTopic(client, 'cut')
  for (let i = 0; i < 5; i++) await append(client, 'cut', 0, batchOf([`r${i}`]))
  const cut = async (offset: number) => {
    const response = await client.call(deleteRecords, 2, { topics: [{ name: 'cut', partitions: [{ index: 0, offset }] }], timeoutMs: 10_000 })
    return response.topics[0]!.partitions[0]!
  }
  t.same(await cut(3), { index: 0, lowWatermark: 3, errorCode: 0 })
  t.same(await cut(1), { index: 0, lowWatermark: 3, errorCode: 0 }, 'the start never goes back')
  t.equal((await cut(6)).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  t.equal((await offsetAt(client, 'cut', -2)).offset, 3)
  t.equal(partitionsOf(await fetchFrom(client, [{ topic: 'cut', offset: 2 }])).get('cut/0')!.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  t.same(await readAll(client, 'cut', 0, 3), [{ offset: 3, value: 'r3' }, { offset: 4, value: 'r4' }])
  await broker.close()
  broker = await openBroker(t, { dataDir, threads: 1 })
  client = await openClient(t, broker)
  await appendOnceLed(client, 'cut', 'r5')
  t.equal((await offsetAt(client, 'cut', -2)).offset, 3, 'also after a restart')
  t.same(await cut(-1), { index: 0, lowWatermark: 6, errorCode: 0 })
  await append(client, 'cut', 0, batchOf(['r6']))
  t.same(await readAll(client, 'cut', 0, 6), [{ offset: 6, value: 'r6' }])
})
