import t from 'tap'
import { OffsetLedger } from '../../bench/loads/kafka-append.ts'
import { NatsAppend } from '../../bench/loads/nats-append.ts'
import { RedisAppend } from '../../bench/loads/redis-append.ts'
import { walkBatches } from '../../bench/loads/fetch.ts'
import { runLoad } from '../../bench/raw-loader.ts'
import { startLimit } from '../../bench/subjects.ts'
import { crcFits, Reader, recordBatch, Writer } from '../../bench/wire.ts'

t.test('what is written by hand reads back', async t => {
  const bytes = new Writer(1).int8(-1).int16(-2).int32(-3).int64(2 ** 40 + 5).string('ä').string(null).data(Buffer.from('xyz')).list([1, 2], item => item).view()
  const reader = new Reader(bytes)
  t.same([reader.int8(), reader.int16(), reader.int32(), reader.int64(), reader.string(), reader.string(), reader.data().toString(), reader.int32()], [-1, -2, -3, 2 ** 40 + 5, 'ä', null, 'xyz', 2])
  t.throws(() => reader.int8(), RangeError)
})

t.test('batches: CRC and offsets', async t => {
  const batch = recordBatch({ count: 3, valueBytes: 200, timestamp: 1_700_000_000_000, random: () => 7 })
  t.ok(crcFits(batch))
  const next = Buffer.from(batch)
  next.writeInt32BE(3, 4)
  t.equal(walkBatches(Buffer.concat([batch, next]), 0), 6)
  t.equal(walkBatches(Buffer.concat([batch, next]).subarray(0, -1), 1), 3, 'a cut batch is left')
  t.throws(() => walkBatches(Buffer.concat([batch, batch]), 0), /offset 0, expected 3/)
  t.throws(() => walkBatches(next, 0), /offset 3, expected 0/)
  next[100] = next[100]! ^ 1
  t.throws(() => walkBatches(next, 3), /wrong CRC/)
})

t.test('offsets must be dense and given once', async t => {
  const ledger = new OffsetLedger([10, 0], 4, 5)
  for (const offset of [15, 10]) ledger.take(0, offset)
  ledger.take(1, 0)
  t.equal(ledger.verify([20, 5]), 15)
  t.throws(() => ledger.verify([25, 5]), /ends at 25/)
  t.throws(() => ledger.take(0, 10), /twice/)
  t.throws(() => ledger.take(0, 12), /no batch can have/)
  t.throws(() => ledger.take(0, 5), /no batch can have/)
  ledger.take(1, 10)
  t.throws(() => ledger.verify([20, 15]), /gap/)
})

t.test('answers of Redis and NATS, whole and cut', async t => {
  const redis = new RedisAppend('s', Buffer.from('v'), 1)
  const ids = Buffer.from('$15\r\n1718000000000-9\r\n$16\r\n1718000000000-10\r\n')
  t.equal(redis.parse(ids, 0, 10), -1)
  t.equal(redis.parse(ids, 0, ids.length), 22)
  t.equal(redis.parse(ids, 22, ids.length), ids.length)
  t.throws(() => redis.parse(ids, 0, ids.length), /larger/)
  t.throws(() => redis.parse(Buffer.from('-ERR no\r\n$'), 0, 10), /-ERR no/)
  const nats = new NatsAppend('s', Buffer.from('v'), 1, 0)
  const message = Buffer.from('PING\r\nMSG _INBOX.0 1 23\r\n{"stream":"S","seq": 7}\r\n'.replace(': 7', ':17'))
  for (let end = 1; end < message.length; end++) t.equal(nats.parse(message, 0, end), -1)
  t.equal(nats.parse(message, 0, message.length), message.length)
})

t.test('loads on the limit', async t => {
  for (const flush of ['os', 'always'] as const) {
    const limit = await startLimit({ flush })
    t.teardown(async () => await limit.stop())
    const target = { port: limit.port, serverPid: limit.server.pid, valueBytes: 1000 }
    const produced = await runLoad({ load: 'produce', ...target, topic: 'one', connections: 3, inFlight: 2, warmupRequests: 10, requests: 100 })
    t.match(produced, { messages: 100, bytes: 100_000, checksum: '011512f2' })
    const spread = await runLoad({ load: 'produce', ...target, topic: 'spread', partitions: 8, recordsPerBatch: 70, connections: 2, inFlight: 5, warmupRequests: 0, requests: 50 })
    t.match(spread, { messages: 3500, bytes: 3_500_000 })
    const fetched = await runLoad({ load: 'fetch', ...target, topic: 'read', partitions: 2, connections: 1, maxBytes: 40_000, messages: 300, passes: 2 })
    t.match(fetched, { messages: 600 })
    const waited = await runLoad({ load: 'latency', ...target, topic: 'wait', perSecond: 1000, warmupMessages: 5, messages: 50 })
    t.match(waited, { messages: 50, latencyMs: { p50: Number, p999: Number } })
  }
})
