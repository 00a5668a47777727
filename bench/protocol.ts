/**
 * Nanoseconds of CPU to read and to write the messages of the hot path, in memory: one-record produce, and fetch.
 * `node bench/protocol.ts [--smoke] [--again] [--rounds N] [--rows NAME,...]`
 */
import type { AnyApi, RequestToWrite, ResponseOf } from '../src/protocol/api.ts'
import { apis } from '../src/protocol/apis.ts'
import { frameBytes, lengthBytes, readRequest, readRequestHeader, readResponse, writeRequest, writeResponse } from '../src/protocol/frame.ts'
import { Reader } from '../src/protocol/reader.ts'
import { Writer } from '../src/protocol/writer.ts'
import { benchOptions, Checksum, figure, type Measurement, median, Results, total } from './harness.ts'

interface Row<A extends AnyApi> {
  readonly api: A
  readonly version: number
  readonly request: RequestToWrite<A>
  /** Made anew each time, as a broker does. */
  readonly response: (i: number) => ResponseOf<A>
}

const name = 'orders'
const topicId = '0123456789abcdef0123456789abcdef'
/** As large as a batch with one record of 100 bytes. */
const records = new Uint8Array(168)

const produce = (version: number): Row<typeof apis.produce> => ({
  api: apis.produce,
  version,
  request: { acks: -1, timeoutMs: 30_000, topics: [{ name, topicId, partitions: [{ index: 0, records }] }] },
  response: i => ({ topics: [{ name, topicId, partitions: [{ index: 0, errorCode: 0, baseOffset: i, logStartOffset: 0 }] }] })
})

const fetch = (version: number): Row<typeof apis.fetch> => ({
  api: apis.fetch,
  version,
  request: { maxWaitMs: 500, minBytes: 1, topics: [{ name, topicId, partitions: [{ index: 0, fetchOffset: 123_456, partitionMaxBytes: 1 << 20 }] }] },
  response: i => ({ topics: [{ name, topicId, partitions: [{ index: 0, errorCode: 0, highWatermark: i, lastStableOffset: i, logStartOffset: 0, abortedTransactions: null, records }] }] })
})

function part<A extends AnyApi> ({ api, version, request, response }: Row<A>, name: string, rounds: number): () => number {
  const writer = new Writer()
  const reader = new Reader()
  const joined = (): Uint8Array => Buffer.concat(writer.finish())
  writeRequest(writer, api, version, { correlationId: 1, clientId: 'bench' }, request)
  const requestFrame = joined()
  writeResponse(writer, api, version, 1, response(0))
  const responseFrame = joined()
  const once: Record<string, (i: number) => number> = {
    'read request': () => {
      const end = frameBytes(requestFrame, 0, requestFrame.length, 1 << 20)
      const { codec, correlationId } = readRequestHeader(reader.reset(requestFrame, lengthBytes, end))
      return correlationId + readRequest(reader, codec!).topics.length
    },
    'write response': i => {
      writeResponse(writer, api, version, 1, response(i))
      const { bytes } = writer
      // As many answers as a busy turn of a connection gathers.
      if (i % 16 === 0) writer.finish()
      return bytes
    },
    'write request': i => {
      writeRequest(writer, api, version, { correlationId: i, clientId: 'bench' }, request)
      const { bytes } = writer
      if (i % 16 === 0) writer.finish()
      return bytes
    },
    'read response': () => readResponse(reader.reset(responseFrame, lengthBytes, responseFrame.length), api, version).correlationId
  }
  const run = once[name]!
  return () => {
    let sum = 0
    for (let i = 0; i < rounds; i++) sum += run(i)
    return sum
  }
}

const options = benchOptions()
const results = new Results('protocol', options)
const perRun = options.smoke ? 100 : 500_000
for (const [name, row] of Object.entries({ 'produce 7': produce(7), 'produce 13': produce(13), 'fetch 11': fetch(11), 'fetch 18': fetch(18) })) {
  for (const direction of ['read request', 'write response', 'write request', 'read response']) {
    const label = `${name} ${direction}`
    if (options.rows.length > 0 && !options.rows.some(wanted => label.startsWith(wanted))) continue
    const run = part(row as Row<AnyApi>, direction, perRun)
    run()
    const cpuSeconds: number[] = []
    for (let round = 0; round < options.rounds; round++) {
      const result = await results.measure('protocol', { row: label }, (): Measurement => {
        const start = process.hrtime.bigint()
        const startCpu = process.cpuUsage()
        const checksum = new Checksum().add(run()).toString()
        const { user, system } = process.cpuUsage(startCpu)
        return { messages: perRun, bytes: 0, seconds: Number(process.hrtime.bigint() - start) / 1e9, cpu: { user: user / 1e6, system: system / 1e6 }, checksum }
      }, round)
      cpuSeconds.push(total(result.cpu)!)
    }
    console.log(`${label.padEnd(28)} ${figure(median(cpuSeconds) / perRun * 1e9).padStart(6)} ns`)
  }
}
