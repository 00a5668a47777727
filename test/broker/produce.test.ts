/** Produce at the protocol's level: acknowledgements, sequences, refusals, many partitions at once. */
import t from 'tap'
import { ErrorCode } from '../../src/base/error-code.ts'
import { startBroker } from '../../src/broker.ts'
import { describeConfigs } from '../../src/protocol/apis/describe-configs.ts'
import { initProducerId } from '../../src/protocol/apis/init-producer-id.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { openBroker, openClient, temporaryFolder } from './kit.ts'
import { RawClient } from './raw-client.ts'
import { append, batchOf, createTopic, deleteTopic, fetchFrom, offsetAt, partitionsOf, readAll, whenLed } from './requests.ts'

t.setTimeout(120_000)

t.test('every version appends, and offsets are dense', async t => {
  const client = await openClient(t, await openBroker(t))
  const topicId = await createTopic(client, 'orders')
  let next = 0
  for (let version = 3; version <= 13; version++) {
    const produced = await append(client, 'orders', 0, batchOf([`${version}a`, `${version}b`]), version >= 13 ? { version, topicId } : { version })
    t.match(produced, { errorCode: 0, baseOffset: next, logAppendTimeMs: -1 })
    next += 2
  }
  const records = await readAll(client, 'orders')
  t.same(records.map(record => record.offset), Array.from({ length: next }, (_, i) => i))
  t.same(records.map(record => record.value), Array.from({ length: next }, (_, i) => `${3 + (i >> 1)}${i % 2 === 0 ? 'a' : 'b'}`))
})

t.test('acks 0 has no answer, acks 1 and -1 have one, anything else is refused', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  const silent = batchOf(['silent'])
  client.send(produce, 9, { acks: 0, timeoutMs: 1000, topics: [{ name: 'orders', partitions: [{ index: 0, records: silent }] }] })
  t.match(await append(client, 'orders', 0, batchOf(['leader']), { acks: 1 }), { errorCode: 0, baseOffset: 1 })
  t.match(await append(client, 'orders', 0, batchOf(['all'])), { errorCode: 0, baseOffset: 2 })
  for (const acks of [2, -2, 32767]) t.match(await append(client, 'orders', 0, batchOf(['x']), { acks }), { errorCode: ErrorCode.INVALID_REQUIRED_ACKS, baseOffset: -1 })
  t.same((await readAll(client, 'orders')).map(record => record.value), ['silent', 'leader', 'all'])
})

t.test('a batch without acknowledgement that is refused ends the connection', async t => {
  const broker = await openBroker(t)
  const client = await openClient(t, broker)
  const other = await openClient(t, broker)
  await createTopic(client, 'orders')
  client.send(produce, 9, { acks: 0, timeoutMs: 1000, topics: [{ name: 'nowhere', partitions: [{ index: 0, records: batchOf(['x']) }] }] })
  await client.closed
  t.match(await append(other, 'orders', 0, batchOf(['x'])), { errorCode: 0, baseOffset: 0 })
})

t.test('versions 0 to 2 are refused with an answer', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  for (const version of [0, 1, 2]) {
    t.match(await append(client, 'orders', 0, batchOf(['x']), { version }), { errorCode: ErrorCode.UNSUPPORTED_VERSION })
  }
  t.equal((await offsetAt(client, 'orders', -1)).offset, 0)
})

t.test('what is no sound batch is refused, and nothing of it is stored', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const batch = batchOf(['one', 'two']).slice()
    change(new DataView(batch.buffer))
    return batch
  }
  const good = batchOf(['one', 'two'])
  const cases: ReadonlyArray<[what: string, records: Uint8Array | null, errorCode: number]> = [
    ['a wrong checksum', changed(view => view.setInt32(17, 7)), ErrorCode.CORRUPT_MESSAGE],
    ['a changed record', changed(view => view.setInt8(65, 0x55)), ErrorCode.CORRUPT_MESSAGE],
    ['an older magic', changed(view => view.setInt8(16, 1)), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
    ['a newer magic', changed(view => view.setInt8(16, 3)), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
    ['too small a length', changed(view => view.setInt32(8, 10)), ErrorCode.CORRUPT_MESSAGE],
    ['too large a length', changed(view => view.setInt32(8, 0x7fffffff)), ErrorCode.CORRUPT_MESSAGE],
    ['a negative length', changed(view => view.setInt32(8, -1)), ErrorCode.CORRUPT_MESSAGE],
    ['no records', changed(view => { view.setInt32(57, 0); view.setInt32(23, -1) }), ErrorCode.INVALID_RECORD],
    ['a count that is not its last offset', changed(view => view.setInt32(57, 3)), ErrorCode.INVALID_RECORD],
    ['a huge count', changed(view => view.setInt32(57, 0x7fffffff)), ErrorCode.INVALID_RECORD],
    ['a last offset below zero', changed(view => view.setInt32(23, -2)), ErrorCode.INVALID_RECORD],
    ['an endless timestamp', changed(view => view.setBigInt64(35, 0x7fffffffffffffffn)), ErrorCode.INVALID_TIMESTAMP],
    ['a negative timestamp', changed(view => view.setBigInt64(27, -5n)), ErrorCode.INVALID_TIMESTAMP],
    ['two batches', Buffer.concat([good, good]), ErrorCode.CORRUPT_MESSAGE],
    ['a batch cut short', good.subarray(0, good.length - 1), ErrorCode.CORRUPT_MESSAGE],
    ['a header cut short', good.subarray(0, 60), ErrorCode.CORRUPT_MESSAGE],
    ['no bytes', new Uint8Array(0), ErrorCode.CORRUPT_MESSAGE],
    ['null', null, ErrorCode.INVALID_RECORD],
    ['a control batch', batchOf(['x'], { attributes: 0x20 }), ErrorCode.INVALID_RECORD],
    ['a transactional batch', batchOf(['x'], { attributes: 0x10, producerId: 1, producerEpoch: 0, baseSequence: 0 }), ErrorCode.INVALID_RECORD]
  ]
  for (const [what, records, errorCode] of cases) t.match(await append(client, 'orders', 0, records), { errorCode, baseOffset: -1 }, what)
  t.equal((await offsetAt(client, 'orders', -1)).offset, 0)
  t.match(await append(client, 'orders', 0, good), { errorCode: 0, baseOffset: 0 })
})

t.test('a batch larger than max.message.bytes is refused, one of that size is taken', async t => {
  const client = await openClient(t, await openBroker(t))
  const batch = batchOf(['x'.repeat(3000)])
  await createTopic(client, 'small', 1, { 'max.message.bytes': String(batch.length) })
  t.match(await append(client, 'small', 0, batch), { errorCode: 0, baseOffset: 0 })
  t.match(await append(client, 'small', 0, batchOf(['x'.repeat(3001)])), { errorCode: ErrorCode.MESSAGE_TOO_LARGE, baseOffset: -1 })
  const { results } = await client.call(describeConfigs, 4, { resources: [{ resourceType: 2, resourceName: 'small', configurationKeys: ['max.message.bytes', 'retention.ms'] }] })
  t.match(results[0]!.configs.toSorted((a, b) => a.name < b.name ? -1 : 1), [
    { name: 'max.message.bytes', value: String(batch.length), configSource: 1 },
    { name: 'retention.ms', value: '604800000' }
  ])
})

t.test('topics and partitions that are not there', async t => {
  const client = await openClient(t, await openBroker(t))
  const topicId = await createTopic(client, 'orders', 2)
  const batch = batchOf(['x'])
  t.match(await append(client, 'nowhere', 0, batch), { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
  for (const partition of [2, -1, 0x7fffffff, -0x80000000]) t.match(await append(client, 'orders', partition, batch), { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }, `partition ${partition}`)
  t.match(await append(client, '', 0, batch, { version: 13, topicId: 'ab'.repeat(16) }), { errorCode: ErrorCode.UNKNOWN_TOPIC_ID })
  t.match(await append(client, '', 7, batch, { version: 13, topicId }), { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
  t.match(await append(client, '', 1, batch, { version: 13, topicId }), { errorCode: 0, baseOffset: 0 })
})

t.test('one request for partitions of several topics, good and bad mixed, is answered in its own order', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 3, logFlush: 'os' }]) {
    const client = await openClient(t, await openBroker(t, options))
    await createTopic(client, 'a', 6)
    await createTopic(client, 'b', 1)
    const bad = batchOf(['bad']).slice()
    bad[70]! ^= 1
    const { topics } = await client.call(produce, 9, {
      acks: -1,
      timeoutMs: 30_000,
      topics: [
        { name: 'a', partitions: [5, 0, 3, 9, 1].map(index => ({ index, records: batchOf([`a${index}`]) })) },
        { name: 'none', partitions: [{ index: 0, records: batchOf(['x']) }] },
        { name: 'b', partitions: [{ index: 0, records: bad }, { index: 0, records: batchOf(['b0']) }] }
      ]
    })
    t.same(topics.map(({ name, partitions }) => [name, partitions.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset])]), [
      ['a', [[5, 0, 0], [0, 0, 0], [3, 0, 0], [9, 3, -1], [1, 0, 0]]],
      ['none', [[0, 3, -1]]],
      ['b', [[0, 2, -1], [0, 0, 0]]]
    ])
    const fetched = partitionsOf(await fetchFrom(client, [0, 1, 2, 3, 4, 5].map(partition => ({ topic: 'a', partition }))))
    t.same([...fetched].map(([name, { highWatermark }]) => [name, highWatermark]).toSorted(), [['a/0', 1], ['a/1', 1], ['a/2', 0], ['a/3', 1], ['a/4', 0], ['a/5', 1]])
  }
})

t.test('requests in flight are answered in order, on one thread and over several', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 3, logFlush: 'os' }]) {
    const client = await openClient(t, await openBroker(t, options))
    await createTopic(client, 'a', 6)
    // The client itself fails when an answer comes out of turn. Long polls between the others hold up those behind them.
    const answers = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
      switch (i % 4) {
        case 0: return (await append(client, 'a', i % 6, batchOf([`${i}`]))).errorCode
        case 1: return (await offsetAt(client, 'a', -1, { partition: i % 6 })).errorCode
        case 2: return (await client.call(metadata, 12, { topics: [{ name: 'a' }] })).topics[0]!.errorCode
        default: return partitionsOf(await fetchFrom(client, [{ topic: 'a', partition: i % 6, offset: 0 }], { maxWaitMs: 5 })).get(`a/${i % 6}`)!.errorCode
      }
    }))
    t.same([...new Set(answers)], [0])
  }
})

t.test('more in flight than one connection may have: every batch is stored as it was sent, once', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders', 2)
  // All of one size, so that a batch in another's place would look sound.
  const values = Array.from({ length: 2000 }, (_, i) => `${i}`.padStart(40, '-'))
  const produced = await Promise.all(values.map(async (value, i) => await append(client, 'orders', i % 2, batchOf([value]))))
  t.same(produced.filter(({ errorCode }) => errorCode !== 0), [])
  for (const partition of [0, 1]) t.same((await readAll(client, 'orders', partition)).map(record => record.value), values.filter((_, i) => i % 2 === partition))
})

t.test('idempotent producers', async t => {
  const dataDir = await temporaryFolder(t)
  let broker = await startBroker({ dataDir, port: 0, threads: 2, logFlush: 'os', loggingLevel: 'fatal' })
  t.teardown(async () => await broker.close())
  let client = await RawClient.connect(broker.address)
  await createTopic(client, 'orders', 2)
  const newProducer = async (): Promise<number> => {
    const { errorCode, producerId, producerEpoch } = await client.call(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
    t.same([errorCode, producerEpoch], [0, 0])
    return producerId
  }
  const producerId = await newProducer()
  const other = await newProducer()
  t.not(producerId, other)
  const send = async (baseSequence: number, values: readonly string[], more: { id?: number, epoch?: number, partition?: number } = {}): Promise<[number, number]> => {
    const { errorCode, baseOffset } = await append(client, 'orders', more.partition ?? 0, batchOf(values, { producerId: more.id ?? producerId, producerEpoch: more.epoch ?? 0, baseSequence }))
    return [errorCode, baseOffset]
  }
  t.same(await send(0, ['0', '1', '2']), [0, 0])
  t.same(await send(0, ['0', '1', '2']), [0, 0], 'sent again: the first answer again')
  t.same(await send(3, ['3']), [0, 3])
  t.same(await send(5, ['5']), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1], 'a gap')
  t.same(await send(0, ['0', '1']), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1], 'no batch that came so')
  t.same(await send(0, ['a'], { id: other }), [0, 4], 'producers do not know each other')
  t.same(await send(0, ['0', '1', '2'], { partition: 1 }), [0, 0], 'nor do partitions')
  for (let sequence = 4; sequence < 8; sequence++) t.same(await send(sequence, [`${sequence}`]), [0, sequence + 1])
  t.same(await send(3, ['3']), [0, 3], 'the fifth last is known')
  t.same(await send(0, ['0', '1', '2']), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1], 'an older one is not')
  // In flight together: the second and third copy wait for what the first does.
  t.same(await Promise.all([send(8, ['8', '9']), send(8, ['8', '9']), send(8, ['8', '9']), send(10, ['10'])]), [[0, 9], [0, 9], [0, 9], [0, 11]])
  const before = await readAll(client, 'orders')

  client.close()
  await broker.close()
  broker = await startBroker({ dataDir, port: 0, threads: 2, logFlush: 'os', loggingLevel: 'fatal' })
  client = await RawClient.connect(broker.address)
  t.teardown(() => client.close())
  await whenLed(client, 'orders')
  t.same(await readAll(client, 'orders'), before)
  t.same(await send(10, ['10']), [0, 11], 'a duplicate after a restart')
  t.same(await send(8, ['8', '9']), [0, 9])
  t.same(await send(13, ['13']), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1])
  t.same(await send(11, ['11']), [0, 12])
  t.ok(await newProducer() > other, 'no id is given twice')
  t.same(await send(5, ['x'], { epoch: 1 }), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1], 'a new epoch starts at 0')
  t.same(await send(0, ['x'], { epoch: 1 }), [0, 13])
  t.same(await send(12, ['12']), [ErrorCode.INVALID_PRODUCER_EPOCH, -1], 'an old epoch is fenced')
  t.equal((await client.call(initProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 1000 })).errorCode, ErrorCode.UNSUPPORTED_VERSION)
})

t.test('the first batch of a new producer is the first, however many are under way', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  const send = async (baseSequence: number, values: readonly string[]): Promise<[number, number]> => {
    const { errorCode, baseOffset } = await append(client, 'orders', 0, batchOf(values, { producerId: 7, producerEpoch: 0, baseSequence }))
    return [errorCode, baseOffset]
  }
  t.same(await send(3, ['d']), [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1])
  t.same(await send(0, ['a', 'b', 'c']), [0, 0])
  t.same(await send(3, ['d']), [0, 3])
})

t.test('one more than a thread can have open: what is too much is refused, and nothing is stuck', async t => {
  const broker = await openBroker(t, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' })
  const client = await openClient(t, broker)
  await createTopic(client, 'orders', 2)
  const batch = batchOf(['x'])
  const { topics } = await client.call(produce, 9, {
    acks: -1, timeoutMs: 60_000, topics: [{ name: 'orders', partitions: Array.from({ length: 70_000 }, (_, i) => ({ index: i % 2, records: batch })) }]
  })
  const codes = new Map<number, number>()
  for (const { errorCode } of topics[0]!.partitions) codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1)
  t.ok([...codes.keys()].every(code => code === 0 || code === ErrorCode.NOT_ENOUGH_REPLICAS), `${JSON.stringify([...codes])}`)
  const stored = (await offsetAt(client, 'orders', -1)).offset + (await offsetAt(client, 'orders', -1, { partition: 1 })).offset
  t.equal(stored, codes.get(0))
  t.match(await append(client, 'orders', 0, batch), { errorCode: 0 })
})

t.test('a topic that is deleted and made anew never meets its old log', async t => {
  const dataDir = await temporaryFolder(t)
  let broker = await startBroker({ dataDir, port: 0, threads: 2, logFlush: 'os', loggingLevel: 'fatal' })
  t.teardown(async () => await broker.close())
  let client = await RawClient.connect(broker.address)
  t.teardown(() => client.close())
  const ids = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const topicId = await createTopic(client, 'orders', 3)
    ids.add(topicId)
    t.match(await append(client, 'orders', 1, batchOf([`round ${round}`])), { errorCode: 0, baseOffset: 0 })
    t.same(await readAll(client, 'orders', 1), [{ offset: 0, value: `round ${round}` }])
    if (round === 2) {
      client.close()
      await broker.close()
      broker = await startBroker({ dataDir, port: 0, threads: 1, logFlush: 'os', loggingLevel: 'fatal' })
      client = await RawClient.connect(broker.address)
      await whenLed(client, 'orders')
      t.same(await readAll(client, 'orders', 1), [{ offset: 0, value: `round ${round}` }])
    }
    t.equal(await deleteTopic(client, 'orders'), 0)
    t.equal(await deleteTopic(client, 'orders'), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    t.match(await append(client, '', 1, batchOf(['late']), { version: 13, topicId }), { errorCode: ErrorCode.UNKNOWN_TOPIC_ID })
  }
  t.equal(ids.size, 4)
})
