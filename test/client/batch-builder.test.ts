import fc from 'fast-check'
import t from 'tap'
import { BatchBuilder } from '../../src/client/batch-builder.ts'
import { messagesIn } from '../../src/client/topic-reader.ts'
import { Codec } from '../../src/record/compression.ts'
import { BatchFault, baseSequenceOf, codecOf, maxTimestampOf, producerIdOf, recordCountOf, validateBatch } from '../../src/record/record-batch.ts'
import { buildBatch } from '../../src/record/records.ts'

const bytes = fc.uint8Array({ maxLength: 200 })
const record = fc.record({ key: fc.option(bytes), value: bytes, laterMs: fc.nat(100_000) })

t.test('a batch is byte for byte what the plain builder makes', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 50 }), records => {
    const builder = new BatchBuilder(1_000_000)
    const times: number[] = []
    for (const { key, value, laterMs } of records) {
      times.push((times.at(-1) ?? 1_700_000_000_000) + laterMs)
      builder.append(key, value, times.at(-1)!)
    }
    const plain = buildBatch({
      records: records.map(({ key, value }, i) => ({ key, value, timestampDelta: times[i]! - times[0]! })),
      timestamp: times[0]!,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 9
    })
    return builder.finish(Codec.none, { producerId: 77n, epoch: 3 }, 9).equals(plain)
  })))
})

t.test('every codec comes back', async t => {
  for (const codec of Object.values(Codec)) {
    const builder = new BatchBuilder(1_000_000)
    const values = Array.from({ length: 1000 }, (_, i) => Buffer.from(`message ${i} `.repeat(i % 7)))
    for (const value of values) t.ok(builder.append(null, value, 1000))
    const batch = builder.finish(codec, undefined, 0)
    t.equal(validateBatch(batch, 0, batch.length), BatchFault.none)
    t.equal(codecOf(batch, 0), codec)
    t.equal(producerIdOf(batch, 0), -1)
    t.equal(baseSequenceOf(batch, 0), -1)
    t.equal(maxTimestampOf(batch, 0), 1000)
    const back = [...messagesIn({ partition: 0, offset: 0, end: Infinity, bytes: batch })]
    t.same(back.map(({ value }) => Buffer.from(value!).toString()), values.map(String))
  }
})

t.test('a full batch refuses, the first record always fits, reset begins anew', async t => {
  const builder = new BatchBuilder(1000)
  const big = Buffer.alloc(5000, 'x')
  t.ok(builder.append(null, big, 0))
  t.notOk(builder.append(null, Buffer.from('y'), 0))
  t.equal(builder.count, 1)
  const batch = builder.finish(Codec.none, undefined, 0)
  t.equal(validateBatch(batch, 0, batch.length), BatchFault.none)
  builder.reset()
  let count = 0
  while (builder.append(null, Buffer.alloc(10), 0)) count++
  t.ok(count > 10)
  const second = builder.finish(Codec.none, undefined, 0)
  t.ok(second.length <= 1000)
  t.equal(recordCountOf(second, 0), count)
})

t.test('messages below the wanted offset and from the end on are left out, as is a batch cut short', async t => {
  const builder = new BatchBuilder(10_000)
  for (let i = 0; i < 10; i++) builder.append(null, Buffer.from(String(i)), 0)
  const batch = builder.finish(Codec.none, undefined, 0)
  const whole = Buffer.concat([batch, batch.subarray(0, 70)])
  const offsets = [...messagesIn({ partition: 0, offset: 3, end: 7, bytes: whole })].map(({ offset }) => offset)
  t.same(offsets, [3, 4, 5, 6])
})
