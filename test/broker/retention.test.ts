/** Retention at the protocol's level: what is deleted, and what clients are told. Slow: the broker looks every half minute. */
import t from 'tap'
import { ErrorCode } from '../../src/base/error-code.ts'
import { openBroker, openClient, temporaryFolder } from './kit.ts'
import { append, batchOf, createTopic, fetchFrom, offsetAt, partitionsOf, readAll } from './requests.ts'

t.setTimeout(120_000)

t.test('retention deletes whole segments; what lies below is out of range', async t => {
  const client = await openClient(t, await openBroker(t, { dataDir: await temporaryFolder(t), threads: 1, logFlush: 'os' }))
  await createTopic(client, 'old', 1, { 'segment.bytes': '65536', 'retention.bytes': '100000' })
  const value = 'x'.repeat(8000)
  for (let i = 0; i < 60; i++) t.equal((await append(client, 'old', 0, batchOf([value]))).baseOffset, i)
  // The check runs every half minute, with whatever load there is.
  let start = 0
  for (let tries = 0; start === 0 && tries < 900; tries++) {
    start = (await offsetAt(client, 'old', -2)).offset
    if (start === 0) await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(start > 30 && start < 60, `the log starts at ${start}`)
  t.match([...partitionsOf(await fetchFrom(client, [{ topic: 'old', offset: start - 1 }])).values()], [{ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: start }])
  t.same((await readAll(client, 'old', 0, start)).map(record => record.offset), Array.from({ length: 60 - start }, (_, i) => start + i))
  t.equal((await append(client, 'old', 0, batchOf(['x']))).baseOffset, 60)
})
