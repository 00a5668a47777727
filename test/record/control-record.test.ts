/** Control batches: their bytes are part of the log's format, and for the leader's change of Kafka's. */
import t from 'tap'
import { configurationBatch, ControlType, controlRecordOf, leaderChangeBatch, logStartBatch } from '../../src/record/control-record.ts'
import { attributesOf, batchHeaderBytes, BatchFault, isControl, isTransactional, producerIdOf, recordCountOf, validateBatch } from '../../src/record/record-batch.ts'
import { buildBatch, readRecords } from '../../src/record/records.ts'

function onlyRecord (batch: Uint8Array): { readonly key: string, readonly value: string } {
  const [record, ...more] = readRecords(batch.subarray(batchHeaderBytes), recordCountOf(batch, 0))
  if (record === undefined || more.length > 0) throw new Error('a control batch has one record')
  return { key: Buffer.from(record.key!).toString('hex'), value: Buffer.from(record.value!).toString('hex') }
}

t.test('all kinds are sound batches of one record that clients skip', async t => {
  for (const batch of [leaderChangeBatch(1, [1]), configurationBatch({ voters: [1], outgoing: [], learners: [] }), logStartBatch(5)]) {
    t.equal(validateBatch(batch, 0, batch.length), BatchFault.none)
    t.same([isControl(batch, 0), isTransactional(batch, 0), attributesOf(batch, 0), recordCountOf(batch, 0), producerIdOf(batch, 0)], [true, false, 0x20, 1, -1])
  }
})

t.test('a leader\'s change is Kafka\'s LeaderChangeMessage, version 0', async t => {
  // version int16 | leaderId int32 | voters: compact array of (voterId int32, tags) | grantingVoters: the same | tags
  const voters = '04' + '0000000100' + '0000000200' + '00000003' + '00'
  t.same(onlyRecord(leaderChangeBatch(3, [1, 2, 3])), { key: '00000002', value: '0000' + '00000003' + voters + voters + '00' })
  t.same(onlyRecord(leaderChangeBatch(7, [])), { key: '00000002', value: '0000' + '00000007' + '01' + '01' + '00' })
  t.same(controlRecordOf(leaderChangeBatch(3, [1, 2, 3])), { type: ControlType.leaderChange })
})

t.test('a configuration and a new start come back as they were given', async t => {
  const configuration = { voters: [1, 2, 300], outgoing: [1, 2], learners: [70_000] }
  t.same(controlRecordOf(configurationBatch(configuration)), { type: ControlType.configuration, ...configuration })
  t.equal(onlyRecord(configurationBatch(configuration)).key, '00000064')
  t.same(controlRecordOf(logStartBatch(2 ** 40 + 1)), { type: ControlType.logStart, offset: 2 ** 40 + 1 })
  t.equal(onlyRecord(logStartBatch(1)).key, '00000065')
})

t.test('bytes of the first version are read for ever', async t => {
  const stored = (type: string, value: string): Uint8Array => buildBatch({ attributes: 0x20, records: [{ key: Buffer.from(`0000${type}`, 'hex'), value: Buffer.from(value, 'hex') }] })
  t.same(controlRecordOf(stored('0064', '83a6766f74657273930102cd012ca86f7574676f696e67920102a86c6561726e65727391ce00011170')),
    { type: ControlType.configuration, voters: [1, 2, 300], outgoing: [1, 2], learners: [70_000] })
  t.same(controlRecordOf(stored('0065', '81a66f6666736574cd03e8')), { type: ControlType.logStart, offset: 1000 })
})

t.test('what only others know is passed over', async t => {
  const control = (key: Uint8Array | null): Uint8Array => buildBatch({ attributes: 0x20, records: [{ key, value: 'anything' }] })
  t.equal(controlRecordOf(control(Uint8Array.of(0, 0, 0, 0))), undefined, 'an abort marker')
  t.equal(controlRecordOf(control(Uint8Array.of(0, 0, 0, 99))), undefined)
  t.equal(controlRecordOf(control(Uint8Array.of(0, 0))), undefined, 'a short key')
  t.equal(controlRecordOf(control(null)), undefined)
  t.equal(controlRecordOf(buildBatch({ records: [{ key: Uint8Array.of(0, 0, 0, 100), value: 'a client\'s' }] })), undefined)
})
