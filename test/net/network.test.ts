/** The network actor under crashes, moves, full memory and clients that leave: no answer is lost, doubled or another's. */
import t from 'tap'
import { ErrorCode } from '../../src/base/error-code.ts'
import { apiIndex, metrics } from '../../src/base/metrics.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { ActorState } from '../../src/runtime/placement.ts'
import { append, fetchFrom, partitionsOf } from '../broker/requests.ts'
import { requestFrame } from '../broker/raw-client.ts'
import { type AnyMessage, appended, fetched, networkId, NetworkKit, partitionId, topic, until } from './network-kit.ts'

t.setTimeout(30_000)

t.test('an answer to the network actor before a crash is none to the one after it', async t => {
  const appends: AnyMessage[] = []
  const kit = await NetworkKit.open(t, {
    react: (message, out) => {
      if (message.kind === 'append') appends.push({ ...message, records: message.records.length })
      if (message.kind === 'answer') appended(appends[message.which]!, out, { baseOffset: message.which })
    }
  })
  const before = await kit.connect(t)
  const lost = t.rejects(append(before, topic, 0, new Uint8Array(100)), /closed/)
  await until(() => appends.length === 1)
  await kit.crash()
  await lost
  const after = await kit.connect(t)
  const answer = append(after, topic, 0, new Uint8Array(200))
  await until(() => appends.length === 2)
  kit.system.tell(partitionId, { kind: 'answer', which: 0 } as AnyMessage)
  kit.system.tell(partitionId, { kind: 'answer', which: 1 } as AnyMessage)
  t.match(await answer, { errorCode: 0, baseOffset: 1 })
})

t.test('a network actor that crashes while it encodes an answer lets go of all its connections', async t => {
  // An answer that cannot be written: no version has a field for it.
  const kit = await NetworkKit.open(t, { react: (message, out) => { if (message.kind === 'append') appended(message, out, { baseOffset: Symbol('none') as never }) } })
  const clients = [await kit.connect(t), await kit.connect(t), await kit.connect(t)]
  const lost = clients.map(async client => await t.rejects(append(client, topic, 0, new Uint8Array(100)), /closed/))
  await Promise.all([...lost, ...clients.map(async client => await client.closed)])
  t.ok(kit.events.some(event => event.kind === 'actor-crashed'))
})

t.test('a long poll outlasts a move of its partition, also while no more can be held for it', async t => {
  let busy = true
  const kit = await NetworkKit.open(t, {
    react: (message, out) => { if (message.kind === 'fetch' && message.beyond < 0) fetched(message, out) },
    idle: () => !busy
  })
  const [consumer, producer] = [await kit.connect(t), await kit.connect(t)]
  let answered = false
  fetchFrom(consumer, [{ topic }], { maxWaitMs: 300_000 }).then(() => { answered = true }, () => {})
  await until(() => kit.system.stats().openAsks === 1)
  const left = kit.leavePartition(ActorState.moving)
  // More than is held for an actor that moves.
  for (let i = 0; i < 5; i++) producer.send(produce, 9, { acks: -1, timeoutMs: 30_000, topics: [{ name: topic, partitions: [{ index: 0, records: new Uint8Array(1 << 20) }] }] })
  await until(() => kit.system.stats().refused > 0)
  const { receives } = kit.system.stats()
  busy = false
  await left
  await new Promise(resolve => setTimeout(resolve, 100))
  t.ok(kit.system.stats().receives - receives < 1000, 'it does not ask again and again')
  t.equal(kit.system.stats().crashes, 0)
  t.notOk(answered)
  t.notOk(consumer.isClosed)
})

t.test('nobody watches for a client that left while its fetch was planned', async t => {
  let watches = 0
  let planned: AnyMessage | undefined
  const kit = await NetworkKit.open(t, {
    react: (message, out) => {
      if (message.kind === 'fetch' && message.beyond < 0) planned = { ...message }
      if (message.kind === 'fetch' && message.beyond >= 0) watches++
      if (message.kind === 'plan') fetched(planned!, out)
    }
  })
  const client = await kit.connect(t)
  client.send(fetch, 12, { maxWaitMs: 300_000, minBytes: 1, maxBytes: 1 << 20, sessionId: 0, sessionEpoch: -1, topics: [{ name: topic, partitions: [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20, currentLeaderEpoch: -1 }] }], forgottenTopics: [] })
  await until(() => planned !== undefined)
  client.close()
  await until(() => kit.network.openExchanges === 0)
  kit.system.tell(partitionId, { kind: 'plan' } as AnyMessage)
  t.equal(watches, 0)
  t.equal(kit.system.stats().openAsks, 0)
})

t.test('what one fetch copies out of partitions\' memory is bounded, and the files give the rest', async t => {
  const memory = new Uint8Array(60_000)
  let lent = 0
  let lentMax = 0
  let reads = 0
  const lease = (bytes: Uint8Array) => {
    lentMax = Math.max(lentMax, lent += bytes.length)
    return { bytes, release: () => { lent -= bytes.length } }
  }
  const kit = await NetworkKit.open(t, {
    partitions: 400,
    react: (message, out) => {
      const plan = { segmentBase: 0, fileId: 1, position: 0, indexed: true, version: 1, bytes: memory.length, offset: 0, endOffset: 1, highWatermark: 1, hot: true, memory }
      if (message.kind === 'fetch') fetched(message, out, { highWatermark: 1, plan })
    },
    reader: {
      copy: lease,
      read: (_directory, plan, bytesMax, _minOneBatch, done) => {
        t.equal(plan.memory, undefined)
        reads++
        done(undefined, lease(memory.subarray(0, bytesMax)))
      }
    }
  })
  const client = await kit.connect(t)
  const from = Array.from({ length: 400 }, (_, partition) => ({ topic, partition, bytes: 60_000 }))
  const response = await fetchFrom(client, from, { maxBytes: 50 << 20 })
  t.equal([...partitionsOf(response).values()].filter(partition => partition.records!.length > 0).length, Math.ceil((8 << 20) / 60_000))
  t.ok(lentMax <= (8 << 20) + memory.length, `${lentMax} bytes`)
  t.ok(reads > 0)
  await until(() => lent === 0)
})

t.test('a fetch whose partition cannot be asked says the one error that consumers ask again for', async t => {
  for (const reason of ['mailbox-full', 'expired', 'restarting', 'dead']) {
    const kit = await NetworkKit.open(t, {
      react: (message, out) => { if (message.kind === 'fetch') out.tell(message.replyTo, { kind: 'undeliverable', correlation: message.correlation, reason } as AnyMessage) }
    })
    const response = await fetchFrom(await kit.connect(t), [{ topic }])
    t.equal(partitionsOf(response).get(`${topic}/0`)!.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER, reason)
  }
})

t.test('once the broker stops no request begins, whoever waits', async t => {
  const appends: AnyMessage[] = []
  const kit = await NetworkKit.open(t, {
    react: (message, out) => {
      if (message.kind === 'append') appends.push({ ...message, records: undefined })
      if (message.kind === 'answer') for (const one of appends.splice(0)) appended(one, out)
    }
  })
  const client = await kit.connect(t)
  const answers = Array.from({ length: 300 }, async () => await append(client, topic, 0, new Uint8Array(10)))
  // More requests than one client may have under way.
  await until(() => appends.length === 128)
  kit.network.quiesce()
  kit.system.tell(partitionId, { kind: 'answer' } as AnyMessage)
  await Promise.all(answers.slice(0, 128))
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(appends.length, 0)
  t.equal(kit.network.openExchanges, 0)
  client.close()
  await Promise.allSettled(answers)
})

t.test('clients that wait for room come in turn, and only the first of them is looked at', async t => {
  const waiting: AnyMessage[] = []
  const order: number[] = []
  const kit = await NetworkKit.open(t, {
    partitions: 3,
    react: (message, out) => {
      if (message.kind === 'append') {
        order.push(message.records[0])
        waiting.push({ ...message, records: undefined })
      }
      if (message.kind === 'answer-one') appended(waiting.shift()!, out)
    }
  })
  // About half of them have room in what all clients of a thread may have under way.
  const count = 90
  const clients = await Promise.all(Array.from({ length: count }, async () => await kit.connect(t)))
  const answers: Array<Promise<unknown>> = []
  const paused = (): number => kit.metrics.at(metrics.readsPaused)
  for (const [i, client] of clients.entries()) {
    answers.push(append(client, topic, i % 3, new Uint8Array(300_000).fill(i)))
    await until(() => order.length + paused() > i)
  }
  const pausedFirst = paused()
  t.ok(pausedFirst > 10, `${pausedFirst} wait`)
  for (let answered = 0; answered < count; answered++) {
    await until(() => waiting.length > 0)
    kit.system.tell(partitionId, { kind: 'answer-one' } as AnyMessage)
  }
  await Promise.all(answers)
  t.same(order, Array.from({ length: count }, (_, i) => i), 'in the order in which they came')
  t.ok(paused() - pausedFirst <= count, `${paused() - pausedFirst} offers found no room`)
})

t.test('behind a batch without acknowledgement that is refused nothing more of its client is taken', async t => {
  let appends = 0
  const kit = await NetworkKit.open(t, {
    react: (message, out) => {
      if (message.kind !== 'append') return
      appends++
      appended(message, out, { errorCode: ErrorCode.CORRUPT_MESSAGE })
    }
  })
  const client = await kit.connect(t)
  const request = (acks: number) => requestFrame(produce, 9, { acks, timeoutMs: 1000, topics: [{ name: topic, partitions: [{ index: 0, records: new Uint8Array(70) }] }] })
  client.socket.write(Buffer.concat([request(0), request(-1), request(-1)]))
  await client.closed
  t.equal(appends, 1)
})

t.test('a client that sends a byte now and then does not hold memory for its request for ever', async t => {
  const kit = await NetworkKit.open(t, {})
  const [slow, idle] = [await kit.connect(t), await kit.connect(t)]
  slow.socket.write(Uint8Array.of(0x01, 0, 0, 0))
  const drip = setInterval(() => slow.socket.write(Uint8Array.of(0)), 1)
  t.teardown(() => clearInterval(drip))
  for (let sweeps = 0; !slow.isClosed && sweeps < 500; sweeps++) {
    kit.system.tell(networkId, { kind: 'sweep' } as AnyMessage)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  t.ok(slow.isClosed)
  t.notOk(idle.isClosed)
})

t.test('large answers that nobody takes are made one at a time', async t => {
  const partitions = 20_000
  const kit = await NetworkKit.open(t, { partitions, react: () => {} })
  const client = await kit.connect(t)
  client.socket.pause()
  const frame = requestFrame(metadata, 12, { topics: null })
  client.socket.write(Buffer.concat(Array.from({ length: 600 }, () => frame)))
  const begun = (): number => kit.metrics.at(metrics.requests, apiIndex(metadata.key))
  // Until no more is taken from the client: its first answers lie in the kernel and in the socket.
  for (let before = -1; before !== begun();) {
    before = begun()
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  const bytesPerPartition = 26
  t.ok(begun() > 0)
  t.ok(begun() * partitions * bytesPerPartition < 40 << 20, `${begun()} answers`)
})
