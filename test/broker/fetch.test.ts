/** Fetch at the protocol's level: limits, long polls, sessions, fencing. */
import t from 'tap'
import { ErrorCode } from '../../src/base/error-code.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { openBroker, openClient, temporaryFolder } from './kit.ts'
import { append, batchOf, createTopic, fetchFrom, offsetAt, partitionsOf, readAll, recordsIn } from './requests.ts'

const valuesOf = (bytes: Uint8Array | null): string[] => recordsIn(bytes).map(record => record.value)

t.setTimeout(120_000)

t.test('every version reads what is there, from the offset on', async t => {
  const client = await openClient(t, await openBroker(t))
  const topicId = await createTopic(client, 'orders')
  for (const value of ['a', 'b', 'c']) await append(client, 'orders', 0, batchOf([value]))
  for (let version = 4; version <= 18; version++) {
    const response = await fetchFrom(client, [version >= 13 ? { topicId, offset: 1 } : { topic: 'orders', offset: 1 }], { version })
    t.equal(response.errorCode, 0)
    const [partition] = [...partitionsOf(response).values()]
    t.match(partition, { errorCode: 0, highWatermark: 3, lastStableOffset: 3, logStartOffset: version >= 5 ? 0 : -1 }, `version ${version}`)
    t.same(valuesOf(partition!.records), ['b', 'c'])
  }
})

t.test('below the start and above the end an offset is out of range; the end itself is empty', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  await append(client, 'orders', 0, batchOf(['a', 'b']))
  for (const [offset, errorCode] of [[-1, 1], [3, 1], [Number.MAX_SAFE_INTEGER, 1], [2, 0]] as const) {
    const partition = partitionsOf(await fetchFrom(client, [{ topic: 'orders', offset }])).get('orders/0')!
    t.equal(partition.errorCode, errorCode, `offset ${offset}`)
    t.equal(partition.records?.length, 0)
  }
  t.same(recordsIn(partitionsOf(await fetchFrom(client, [{ topic: 'orders', offset: 1 }])).get('orders/0')!.records), [{ offset: 0, value: 'a' }, { offset: 1, value: 'b' }], 'whole batches')
})

t.test('max bytes: whole batches within it, but a first batch always', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' }]) {
    const client = await openClient(t, await openBroker(t, options))
    await createTopic(client, 'orders', 2)
    const batch = batchOf(['x'.repeat(1000)])
    for (let i = 0; i < 10; i++) for (const partition of [0, 1]) await append(client, 'orders', partition, batch)
    const read = async (bytes: number, maxBytes: number): Promise<number[]> => {
      const response = await fetchFrom(client, [{ topic: 'orders', partition: 0, bytes }, { topic: 'orders', partition: 1, bytes }], { maxBytes })
      return [0, 1].map(index => (partitionsOf(response).get(`orders/${index}`)!.records?.length ?? 0) / batch.length)
    }
    t.same(await read(batch.length * 3, 1 << 20), [3, 3])
    t.same(await read(1 << 20, batch.length * 4), [4, 0], 'the first partition took all')
    t.same(await read(1, 1), [1, 0], 'a first batch comes whole, however large')
    t.same(await read(0, 1 << 20), [1, 0])
    t.same(await read(batch.length + 1, batch.length * 2 - 1), [1, 0], 'no batch is cut')
    t.same(await read(-1, -1), [1, 0])
  }
})

t.test('a long poll is answered when what it waits for is appended', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' }]) {
    const broker = await openBroker(t, options)
    const client = await openClient(t, broker)
    const writer = await openClient(t, broker)
    await createTopic(writer, 'orders', 4)
    const batch = batchOf(['x'.repeat(100)])
    const from = [0, 1, 2, 3].map(partition => ({ topic: 'orders', partition }))
    for (let offset = 0; offset < 3; offset++) {
      const poll = fetchFrom(client, from.map(partition => ({ ...partition, offset: partition.partition === 2 ? offset : 0 })), { maxWaitMs: 300_000 })
      await append(writer, 'orders', 2, batch)
      t.same(recordsIn(partitionsOf(await poll).get('orders/2')!.records).map(record => record.offset), [offset])
    }
    const poll = fetchFrom(client, [{ topic: 'orders', partition: 0 }, { topic: 'orders', partition: 1 }, { topic: 'orders', partition: 3 }], { maxWaitMs: 300_000, minBytes: batch.length * 4 })
    for (const partition of [0, 1, 3]) await append(writer, 'orders', partition, batch)
    t.equal(client.underWay, 1, 'three batches are too few')
    await append(writer, 'orders', 1, batch)
    const bytes = [...partitionsOf(await poll).values()].reduce((sum, { records }) => sum + records!.length, 0)
    t.equal(bytes, batch.length * 4)
    t.match([...partitionsOf(await fetchFrom(client, [{ topic: 'orders', partition: 0, offset: 1 }], { maxWaitMs: 10 })).values()], [{ errorCode: 0, highWatermark: 1 }], 'time is up')
    t.match([...partitionsOf(await fetchFrom(client, [{ topic: 'orders', partition: 0, offset: 1 }, { topic: 'none' }], { maxWaitMs: 300_000 })).values()],
      [{ errorCode: 0 }, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }], 'an error is not waited with')
    t.match([...partitionsOf(await fetchFrom(client, [{ topic: 'orders', partition: 0, offset: 9 }], { maxWaitMs: 300_000 })).values()], [{ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE }])
  }
})

t.test('min bytes counts from the offset on: what lies before it in the file does not make up for it', async t => {
  for (const options of [{}, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' }]) {
    const broker = await openBroker(t, options)
    const [client, writer] = [await openClient(t, broker), await openClient(t, broker)]
    await createTopic(client, 'orders')
    // The thread that the writer is on may hear of the new leader after the one that was asked for the topic.
    for (let i = 0; i < 20;) if ((await append(writer, 'orders', 0, batchOf([`${i}`]))).errorCode === ErrorCode.NONE) i++
    let answered = false
    const answer = fetchFrom(client, [{ topic: 'orders', offset: 19 }], { maxWaitMs: 60_000, minBytes: batchOf(['19']).length + 1 })
    answer.then(() => { answered = true }, () => {})
    await new Promise(resolve => setTimeout(resolve, 50))
    t.notOk(answered)
    await append(writer, 'orders', 0, batchOf(['20']))
    t.same(valuesOf(partitionsOf(await answer).get('orders/0')!.records), ['19', '20'])
  }
})

t.test('more long polls than a partition lets wait, then clients that leave: all others go on', async t => {
  const broker = await openBroker(t)
  const client = await openClient(t, broker)
  await createTopic(client, 'orders')
  const waiting = await Promise.all(Array.from({ length: 6 }, async () => await openClient(t, broker)))
  for (const poller of waiting) {
    const partitions = Array.from({ length: 2000 }, () => ({ index: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }))
    poller.send(fetch, 12, { maxWaitMs: 300_000, minBytes: 1 << 20, topics: [{ name: 'orders', partitions }] })
  }
  // Answered in order behind what was sent before, on the same thread.
  t.match(await append(client, 'orders', 0, batchOf(['x'])), { errorCode: 0, baseOffset: 0 })
  for (const poller of waiting) poller.close()
  await Promise.all(waiting.map(async poller => await poller.closed))
  t.match(await append(client, 'orders', 0, batchOf(['y'])), { errorCode: 0, baseOffset: 1 })
  const poll = fetchFrom(client, [{ topic: 'orders', offset: 2 }], { maxWaitMs: 300_000 })
  const writer = await openClient(t, broker)
  await append(writer, 'orders', 0, batchOf(['z']))
  t.same(valuesOf(partitionsOf(await poll).get('orders/0')!.records), ['z'])
})

t.test('a session names only what is new', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'a', 2)
  await createTopic(client, 'b')
  await append(client, 'a', 0, batchOf(['a0']))
  const first = await fetchFrom(client, [{ topic: 'a', partition: 0 }, { topic: 'a', partition: 1 }], { sessionEpoch: 0 })
  const { sessionId } = first
  t.ok(sessionId > 0)
  t.same([...partitionsOf(first).keys()].toSorted(), ['a/0', 'a/1'], 'all partitions at first')
  const next = async (sessionEpoch: number, from: Parameters<typeof fetchFrom>[1] = [], forgotten: Array<{ name: string, partitions: number[] }> = [], maxWaitMs = 0): Promise<Record<string, string[]>> => {
    const response = await fetchFrom(client, from, { sessionId, sessionEpoch, forgotten, maxWaitMs })
    t.match(response, { errorCode: 0, sessionId })
    return Object.fromEntries([...partitionsOf(response)].map(([name, { records }]) => [name, valuesOf(records)]))
  }
  t.same(await next(1, [{ topic: 'a', partition: 0, offset: 1 }]), {}, 'nothing is new')
  await append(client, 'a', 1, batchOf(['a1']))
  t.same(await next(2), { 'a/1': ['a1'] })
  t.same(await next(3), { 'a/1': ['a1'] }, 'until the client moves on it is given again')
  t.same(await next(4, [{ topic: 'a', partition: 1, offset: 1 }]), {})
  await append(client, 'b', 0, batchOf(['b0']))
  t.same(await next(5), {}, 'not asked for')
  t.same(await next(6, [{ topic: 'b' }]), { 'b/0': ['b0'] }, 'added')
  t.same(await next(7, [], [{ name: 'b', partitions: [0] }]), {}, 'forgotten')
  await append(client, 'a', 0, batchOf(['more']))
  await append(client, 'b', 0, batchOf(['more']))
  t.same(await next(8, [], [], 300_000), { 'a/0': ['more'] })

  for (const [id, epoch, errorCode] of [[sessionId, 8, 71], [sessionId, 10, 71], [sessionId + 1, 9, 70], [0, 9, 70]] as const) {
    t.match(await fetchFrom(client, [], { sessionId: id, sessionEpoch: epoch }), { errorCode, topics: [] }, `session ${id} epoch ${epoch}`)
  }
  t.same(await next(9), { 'a/0': ['more'] }, 'errors leave the session as it is')
  const anew = await fetchFrom(client, [{ topic: 'b' }], { sessionId, sessionEpoch: 0 })
  t.not(anew.sessionId, sessionId, 'a new one replaces it')
  t.match(await fetchFrom(client, [], { sessionId, sessionEpoch: 10 }), { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND })
  t.equal((await fetchFrom(client, [{ topic: 'b' }], { sessionId: anew.sessionId, sessionEpoch: -1 })).sessionId, 0, 'closed by the client')
  t.match(await fetchFrom(client, [], { sessionId: anew.sessionId, sessionEpoch: 1 }), { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND })
})

t.test('a session by topic id', async t => {
  const client = await openClient(t, await openBroker(t))
  const topicId = await createTopic(client, 'a')
  const first = await fetchFrom(client, [{ topicId }], { version: 13, sessionEpoch: 0 })
  await append(client, 'a', 0, batchOf(['x']))
  const second = await fetchFrom(client, [], { version: 13, sessionId: first.sessionId, sessionEpoch: 1 })
  t.same([...partitionsOf(second).keys()], [`${topicId}/0`])
  t.match([...partitionsOf(await fetchFrom(client, [{ topicId: 'ab'.repeat(16) }], { version: 13 })).values()], [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }])
  t.match([...partitionsOf(await fetchFrom(client, [{ topicId, partition: 4 }], { version: 13 })).values()], [{ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }])
})

t.test('a client with another leader epoch is told so', async t => {
  const dataDir = await temporaryFolder(t)
  const first = await openBroker(t, { dataDir, threads: 1, logFlush: 'os' })
  const writer = await openClient(t, first)
  await createTopic(writer, 'orders')
  await append(writer, 'orders', 0, batchOf(['a']))
  const { leaderEpoch } = await offsetAt(writer, 'orders', -1)
  await first.close()
  const client = await openClient(t, await openBroker(t, { dataDir, threads: 1, logFlush: 'os' }))
  await append(client, 'orders', 0, batchOf(['b'])).then(async ({ errorCode }) => { if (errorCode !== 0) await readAll(client, 'orders') }).catch(() => {})
  let now = await offsetAt(client, 'orders', -1)
  for (let tries = 0; now.errorCode !== 0 && tries < 1000; tries++) now = await offsetAt(client, 'orders', -1)
  t.ok(now.leaderEpoch > leaderEpoch, 'each start is a new epoch')
  const errorOf = async (epoch: number): Promise<number> => partitionsOf(await fetchFrom(client, [{ topic: 'orders', leaderEpoch: epoch }])).get('orders/0')!.errorCode
  t.equal(await errorOf(now.leaderEpoch), 0)
  t.equal(await errorOf(now.leaderEpoch - 1), ErrorCode.FENCED_LEADER_EPOCH)
  t.equal(await errorOf(now.leaderEpoch + 1), ErrorCode.UNKNOWN_LEADER_EPOCH)
  t.equal((await offsetAt(client, 'orders', -1, { leaderEpoch: now.leaderEpoch - 1 })).errorCode, ErrorCode.FENCED_LEADER_EPOCH)
  t.equal((await offsetAt(client, 'orders', -1, { leaderEpoch: now.leaderEpoch + 1 })).errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
  const oldest = await offsetAt(client, 'orders', -2)
  t.match(oldest, { offset: 0, leaderEpoch }, 'a record keeps the epoch it was written in')
})

t.test('a message and the end of the wait in the same moment: one answer, memory given back once', async t => {
  const broker = await openBroker(t, { dataDir: await temporaryFolder(t), threads: 2, logFlush: 'os' })
  const [producer, consumers] = [await openClient(t, broker), await Promise.all(Array.from({ length: 8 }, async () => await openClient(t, broker)))]
  await createTopic(producer, 'orders')
  const end = new AbortController()
  const produced = (async () => {
    let count = 0
    for (; !end.signal.aborted; count++) t.equal((await append(producer, 'orders', 0, batchOf([`${count}`]))).errorCode, 0)
    return count
  })()
  // Waits of one and two milliseconds, about as long as the next message takes.
  const read = await Promise.all(consumers.map(async (client, i) => {
    const values: string[] = []
    for (let round = 0; round < 250; round++) {
      const partition = partitionsOf(await fetchFrom(client, [{ topic: 'orders', offset: values.length }], { maxWaitMs: 1 + (round + i) % 2 })).get('orders/0')!
      t.equal(partition.errorCode, 0)
      values.push(...valuesOf(partition.records))
    }
    return values
  }))
  end.abort()
  const count = await produced
  for (const values of read) {
    t.ok(values.length <= count)
    t.same(values, values.map((_, i) => `${i}`), 'each message once, in order')
  }
})

t.test('a request that waited for the fetches before it, and is answered in the moment they leave, is answered', async t => {
  const client = await openClient(t, await openBroker(t))
  await createTopic(client, 'orders')
  await append(client, 'orders', 0, batchOf(['a']))
  for (let round = 0; round < 50; round++) {
    const sessions = await Promise.all([
      fetchFrom(client, [{ topic: 'orders' }]), fetchFrom(client, [{ topic: 'orders' }]),
      fetchFrom(client, [{ topic: 'orders' }], { sessionId: 99, sessionEpoch: 5 })
    ])
    t.same(sessions.map(({ errorCode }) => errorCode), [0, 0, ErrorCode.FETCH_SESSION_ID_NOT_FOUND])
  }
})
