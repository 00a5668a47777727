import t from 'tap'
import fc from 'fast-check'
import {
  attributesOf, BatchFault, batchBytesOf, baseOffsetOf, baseSequenceOf, baseTimestampOf, batchHeaderBytes, codecOf, crcOf, isControl, isLogAppendTime, isTransactional,
  lastOffsetDeltaOf, leaderEpochOf, magicOf, maxTimestampOf, nextOffsetOf, producerEpochOf, producerIdOf, recordCountOf, stamp, validateBatch, validateStoredBatch
} from '../../src/record/record-batch.ts'
import { buildBatch, encodeRecords, readRecords, RecordError } from '../../src/record/records.ts'
import { crc32c } from '../../src/base/crc32c.ts'

t.test('crc32c of the standard check string, at once and in pieces', async t => {
  const bytes = new TextEncoder().encode('123456789')
  t.equal(crc32c(bytes), 0xe3069283)
  t.equal(crc32c(bytes.subarray(4), crc32c(bytes.subarray(0, 4))), 0xe3069283)
})

t.test('header accessors read what the builder wrote, at any position', async t => {
  const batch = buildBatch({
    records: [{ value: 'a' }, { key: 'k', value: 'b', timestampDelta: 5 }],
    baseOffset: 2 ** 40 + 7,
    term: 9,
    attributes: 0x10,
    timestamp: 1_700_000_000_123,
    producerId: 2 ** 35 + 1,
    producerEpoch: 3,
    baseSequence: 77
  })
  const bytes = new Uint8Array(batch.length + 10)
  bytes.set(batch, 7)
  t.equal(baseOffsetOf(bytes, 7), 2 ** 40 + 7)
  t.equal(batchBytesOf(bytes, 7), batch.length)
  t.equal(leaderEpochOf(bytes, 7), 9)
  t.equal(magicOf(bytes, 7), 2)
  t.equal(attributesOf(bytes, 7), 0x10)
  t.equal(lastOffsetDeltaOf(bytes, 7), 1)
  t.equal(baseTimestampOf(bytes, 7), 1_700_000_000_123)
  t.equal(maxTimestampOf(bytes, 7), 1_700_000_000_128)
  t.equal(producerIdOf(bytes, 7), 2 ** 35 + 1)
  t.equal(producerEpochOf(bytes, 7), 3)
  t.equal(baseSequenceOf(bytes, 7), 77)
  t.equal(recordCountOf(bytes, 7), 2)
  t.equal(nextOffsetOf(bytes, 7), 2 ** 40 + 9)
  t.equal(crcOf(batch, 0), crc32c(batch.subarray(21)))
  t.same([codecOf(bytes, 7), isControl(bytes, 7), isTransactional(bytes, 7), isLogAppendTime(bytes, 7)], [0, false, true, false])
})

t.test('stamp changes offset and term only, and the batch stays sound', async () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 10 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }), (offset, term) => {
    const batch = buildBatch({ records: [{ value: 'x' }] })
    stamp(batch, 0, offset, term)
    return baseOffsetOf(batch, 0) === offset && leaderEpochOf(batch, 0) === term && validateBatch(batch, 0, batch.length) === BatchFault.none
  }))
})

t.test('each fault is told apart', async t => {
  const sound = buildBatch({ records: [{ value: 'hello' }, { value: 'world' }], timestamp: 5 })
  const fault = (change: (view: DataView) => void, end = sound.length): number => {
    const copy = sound.slice()
    change(new DataView(copy.buffer))
    return validateBatch(copy, 0, end)
  }
  t.equal(fault(() => {}), BatchFault.none)
  for (let end = 0; end < batchHeaderBytes; end++) t.equal(fault(() => {}, end), BatchFault.short)
  for (let end = batchHeaderBytes; end < sound.length; end++) t.equal(fault(() => {}, end), BatchFault.length)
  t.equal(fault(view => view.setInt32(8, sound.length)), BatchFault.length)
  t.equal(fault(view => view.setInt32(8, -1)), BatchFault.length)
  t.equal(fault(view => view.setInt8(16, 1)), BatchFault.magic)
  t.equal(fault(view => view.setInt32(57, 3)), BatchFault.count)
  t.equal(fault(view => view.setInt32(57, 0)), BatchFault.count)
  t.equal(fault(view => view.setInt32(23, -1)), BatchFault.count)
  t.equal(fault(view => view.setBigInt64(27, 2n ** 53n)), BatchFault.timestamp)
  t.equal(fault(view => view.setBigInt64(35, -2n)), BatchFault.timestamp)
  for (let at = 21; at < sound.length; at++) {
    t.not(fault(view => view.setUint8(at, view.getUint8(at) ^ 1)), BatchFault.none, `byte ${at}`)
  }
})

t.test('a stored batch may be followed by others', async t => {
  const one = buildBatch({ records: [{ value: 'x' }] })
  const two = new Uint8Array(one.length * 2)
  two.set(one)
  two.set(one, one.length)
  t.equal(validateStoredBatch(two, 0, two.length), BatchFault.none)
  t.equal(validateStoredBatch(two, one.length, two.length), BatchFault.none)
  t.equal(validateStoredBatch(two, 0, one.length - 1), BatchFault.length)
  t.equal(validateBatch(two, 0, two.length), BatchFault.length)
})

t.test('unsafe int64s read as NaN', async t => {
  const batch = buildBatch({ records: [{ value: 'x' }] })
  const view = new DataView(batch.buffer)
  view.setBigInt64(0, 2n ** 53n)
  t.ok(Number.isNaN(baseOffsetOf(batch, 0)))
  view.setBigInt64(0, 2n ** 53n - 1n)
  t.equal(baseOffsetOf(batch, 0), Number.MAX_SAFE_INTEGER)
  view.setBigInt64(43, -(2n ** 53n))
  t.equal(producerIdOf(batch, 0), -(2 ** 53))
})

t.test('records come back as they went in', async t => {
  const bytes = fc.option(fc.uint8Array({ maxLength: 40 }))
  const record = fc.record({
    key: bytes, value: bytes, timestampDelta: fc.integer({ min: -1000, max: 2 ** 40 }), headers: fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 3 })
  })
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), records => {
    const back = [...readRecords(encodeRecords(records), records.length)]
    t.same(back, records.map((one, offsetDelta) => ({ offsetDelta, timestampDelta: one.timestampDelta, key: one.key, value: one.value, headers: one.headers })))
  }), { numRuns: 60 })
})

t.test('records cut anywhere, or counted wrongly, are refused', async t => {
  const payload = encodeRecords([{ key: 'k', value: 'value', headers: [{ key: 'h', value: 'v' }] }, { value: 'w' }])
  for (let end = 0; end < payload.length; end++) t.throws(() => [...readRecords(payload.subarray(0, end), 2)], RecordError)
  t.throws(() => [...readRecords(payload, 3)], RecordError)
})
