/** Topics, offsets by time, and the pages of a running broker. */
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { ErrorCode } from '../../src/base/error-code.ts'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { createTopics } from '../../src/protocol/apis/create-topics.ts'
import { describeCluster } from '../../src/protocol/apis/describe-cluster.ts'
import { describeConfigs } from '../../src/protocol/apis/describe-configs.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { openBroker, openClient, temporaryFolder } from './kit.ts'
import { requestFrame } from './raw-client.ts'
import { append, batchOf, createTopic, deleteTopic, offsetAt } from './requests.ts'

t.setTimeout(120_000)

t.test('offsets: start, end, newest, by time', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' }]) {
    const client = await openClient(t, await openBroker(t, options))
    await createTopic(client, 'orders')
    for (const special of [-1, -2, -4]) t.match(await offsetAt(client, 'orders', special), { errorCode: 0, offset: 0, timestamp: -1 }, `${special} of an empty partition`)
    for (const special of [-3, -5, 0, 5]) t.match(await offsetAt(client, 'orders', special), { errorCode: 0, offset: -1, timestamp: -1 }, `${special} of an empty partition`)
    const times = [[1000, 1010], [1005], [3000, 2000], [2500]]
    for (const records of times) {
      await append(client, 'orders', 0, batchOf([], { timestamp: records[0]!, records: records.map(time => ({ value: `${time}`, timestampDelta: time - records[0]! })) }))
    }
    const all = times.flat()
    t.match(await offsetAt(client, 'orders', -1), { offset: all.length })
    t.match(await offsetAt(client, 'orders', -2), { offset: 0 })
    t.match(await offsetAt(client, 'orders', -4), { offset: 0 })
    t.match(await offsetAt(client, 'orders', -5), { offset: -1 })
    t.match(await offsetAt(client, 'orders', -3), { offset: 3, timestamp: 3000 })
    for (const time of [0, 1000, 1001, 1006, 1010, 1011, 2000, 2001, 2500, 2501, 3000, 3001, Number.MAX_SAFE_INTEGER]) {
      const expected = all.findIndex(stored => stored >= time)
      t.match(await offsetAt(client, 'orders', time), { errorCode: 0, offset: expected, timestamp: expected < 0 ? -1 : all[expected] }, `first at or after ${time}`)
    }
    t.match(await offsetAt(client, 'orders', -1, { partition: 1 }), { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, offset: -1 })
    t.match(await offsetAt(client, 'none', -1), { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, offset: -1 })
    for (let version = 1; version <= 11; version++) t.match(await offsetAt(client, 'orders', -1, { version }), { offset: all.length }, `version ${version}`)
  }
})

t.test('a topic is made when a client first asks, where that is allowed', async t => {
  for (const autoCreateTopics of [true, false]) {
    const client = await openClient(t, await openBroker(t, { autoCreateTopics, numPartitions: 3 }))
    const ask = async (name: string, allowAutoTopicCreation: boolean): Promise<[number, number]> => {
      const topic = (await client.call(metadata, 9, { topics: [{ name }], allowAutoTopicCreation })).topics[0]!
      return [topic.errorCode, topic.partitions.length]
    }
    t.same(await ask('orders', false), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0])
    t.same(await ask('orders', true), autoCreateTopics ? [0, 3] : [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0])
    t.equal((await append(client, 'orders', 2, batchOf(['x']))).errorCode, autoCreateTopics ? 0 : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    for (const name of ['', '.', '..', 'a/b', 'a b', 'ä', 'x'.repeat(250), '../../etc']) t.same(await ask(name, true), [name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.INVALID_TOPIC_EXCEPTION, 0], JSON.stringify(name))
  }
})

t.test('topics that cannot be made', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'there')
  const refused = async (topic: { name: string, numPartitions?: number, replicationFactor?: number, assignments?: Array<{ partitionIndex: number, brokerIds: number[] }>, configs?: Array<{ name: string, value: string }> }): Promise<number> => {
    const { topics } = await client.call(createTopics, 7, { topics: [{ numPartitions: 1, replicationFactor: 1, ...topic }], timeoutMs: 10_000 })
    return topics[0]!.errorCode
  }
  t.equal(await refused({ name: 'there' }), ErrorCode.TOPIC_ALREADY_EXISTS)
  for (const name of ['', '.', '..', 'a/b', 'x'.repeat(250), 'x'.repeat(32_767)]) t.equal(await refused({ name }), ErrorCode.INVALID_TOPIC_EXCEPTION)
  for (const numPartitions of [0, -2, 0x7fffffff]) t.equal(await refused({ name: 'x', numPartitions }), ErrorCode.INVALID_PARTITIONS)
  for (const replicationFactor of [0, 2, -2, 32767]) t.equal(await refused({ name: 'x', replicationFactor }), ErrorCode.INVALID_REPLICATION_FACTOR)
  t.equal(await refused({ name: 'x', configs: [{ name: 'no.such', value: '1' }] }), ErrorCode.INVALID_CONFIG)
  t.equal(await refused({ name: 'x', configs: [{ name: 'y'.repeat(32_767), value: 'z'.repeat(32_767) }] }), ErrorCode.INVALID_CONFIG, 'a message that would be longer than the protocol can say')
  t.equal(await refused({ name: 'x', configs: [{ name: 'retention.ms', value: 'soon' }] }), ErrorCode.INVALID_CONFIG)
  t.equal(await refused({ name: 'x', numPartitions: -1, replicationFactor: -1, assignments: Array.from({ length: 200_000 }, (_, partitionIndex) => ({ partitionIndex, brokerIds: [1] })) }), ErrorCode.INVALID_PARTITIONS)
  const twice = await client.call(createTopics, 7, { topics: ['a', 'a', 'b'].map(name => ({ name, numPartitions: 1, replicationFactor: 1 })), timeoutMs: 10_000 })
  t.same(twice.topics.map(({ name, errorCode }) => [name, errorCode]).toSorted(), [['a', 0], ['a', ErrorCode.INVALID_REQUEST], ['b', 0]])
  const tried = await client.call(createTopics, 7, { topics: [{ name: 'only-tried', numPartitions: 2, replicationFactor: 1 }], timeoutMs: 10_000, validateOnly: true })
  t.equal(tried.topics[0]!.errorCode, 0)
  t.equal(await deleteTopic(client, 'only-tried'), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

t.test('a setting by the name of a prototype is unknown, on every thread', async t => {
  const dataDir = await temporaryFolder(t)
  const broker = await openBroker(t, { dataDir, threads: 2 })
  // Several connections, so that some are not on the controller's thread.
  for (let i = 0; i < 8; i++) {
    const client = await openClient(t, broker)
    const { topics } = await client.call(createTopics, 7, { topics: [{ name: 'proto', numPartitions: 1, replicationFactor: 1, configs: [{ name: '__proto__', value: 'x' }] }] })
    t.equal(topics[0]!.errorCode, ErrorCode.INVALID_CONFIG)
  }
})

t.test('names that are longer or stranger than an answer can say', async t => {
  const broker = await openBroker(t)
  const client = await openClient(t, broker)
  for (const version of [1, 4]) {
    const { results } = await client.call(describeConfigs, version, { resources: [{ resourceType: 2, resourceName: 'x'.repeat(32_767), configurationKeys: null }] })
    t.equal(results[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  }
  // Each byte that is no UTF-8 becomes a character of three.
  const frame = requestFrame(metadata, 1, { topics: [{ name: 'x'.repeat(30_000) }] })
  frame.fill(0xff, frame.indexOf('xxxxxxxx'), frame.lastIndexOf('x') + 1)
  const strange = await openClient(t, broker)
  strange.socket.write(frame)
  await strange.closed // the raw client takes no answer that it did not ask for
  t.match(await client.call(describeCluster, 1, {}), { errorCode: 0 })
})

t.test('what nobody speaks', async t => {
  const broker = await openBroker(t)
  const other = await openClient(t, broker)
  const answer = await other.call(apiVersions, 0, {})
  t.match(answer.apiKeys.find(api => api.apiKey === 0), { minVersion: 0, maxVersion: 13 })
  t.match(answer.apiKeys.find(api => api.apiKey === 1), { minVersion: 4, maxVersion: 18 })
  const newer = await openClient(t, broker)
  const question = requestFrame(apiVersions, 3, { clientSoftwareName: 'x', clientSoftwareVersion: '1' }, 77)
  question.writeInt16BE(99, 6)
  const answered = new Promise<Buffer>(resolve => newer.socket.once('data', resolve))
  newer.socket.write(question)
  const frame = await answered
  t.same([frame.readInt32BE(4), frame.readInt16BE(8)], [77, ErrorCode.UNSUPPORTED_VERSION], 'in version 0, with the list')
  for (const [key, version] of [[999, 0], [-1, 0], [3, 99], [3, -1], [7, 0]] as const) {
    const client = await openClient(t, broker)
    const frame = requestFrame(metadata, 1, { topics: [] })
    frame.writeInt16BE(key, 4)
    frame.writeInt16BE(version, 6)
    client.socket.write(frame)
    await client.closed
  }
  t.match(await other.call(describeCluster, 0, {}), { errorCode: 0 })
})

t.test('pages on the same port', async t => {
  const broker = await openBroker(t, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' })
  const client = await openClient(t, broker)
  const topicId = await createTopic(client, 'orders', 2)
  for (let i = 0; i < 3; i++) await append(client, 'orders', i % 2, batchOf(['a', 'b']))
  const page = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await globalThis.fetch(`http://${broker.address}${path}`, { method })
    return [response.status, await response.text()]
  }
  const [healthy, health] = await page('/health')
  t.same([healthy, JSON.parse(health).status], [200, 'ok'])
  const [found, metrics] = await page('/metrics')
  t.equal(found, 200)
  t.match(metrics, /^ringmq_appended_records_total\S* 6$/m, 'counts of all threads together')
  // Measured once a second.
  for (let left = 100; left > 0 && !/^ringmq_log_bytes [1-9]/m.test((await page('/metrics'))[1]); left--) await setTimeout(100)
  t.match((await page('/metrics'))[1], /^ringmq_log_bytes [1-9]/m, 'what the logs hold')
  const [, status] = await page('/cluster/status')
  t.match(JSON.parse(status), { topics: [{ name: 'orders', id: topicId, partitions: [{ index: 0, leader: 1 }, { index: 1, leader: 1 }] }] })
  t.equal((await page('/nothing'))[0], 404)
  t.equal((await page('/health', 'POST'))[0], 405)
  t.match(await append(client, 'orders', 0, batchOf(['c'])), { errorCode: 0 })
})
