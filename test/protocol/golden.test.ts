/** Golden frames both ways, cut short everywhere, followed by garbage, with lengths that lie; and every message's golden bytes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { frameBytes, lengthBytes, readRequest, readRequestHeader, readResponse, writeRequest, writeResponse } from '../../src/protocol/frame.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { Reader } from '../../src/protocol/reader.ts'
import type { Fields } from '../../src/protocol/schema.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { type GoldenRequest, type GoldenResponse, requests, responses } from './golden/frames.ts'
import { everyMessage, plain, readBack, sampleOf, type Message } from './values.ts'

const frameBytesMax = 1 << 20

function takeRequest (frame: Uint8Array, end: number): { header: ReturnType<typeof readRequestHeader>, message: unknown } {
  const reader = new Reader(frame, lengthBytes, end)
  const header = readRequestHeader(reader)
  if (header.codec === undefined) throw new Error('unknown API or version')
  return { header, message: readRequest(reader, header.codec) }
}

const titleOf = ({ api, version }: GoldenRequest | GoldenResponse, side: string): string => `${api.name} ${version} ${side}`

for (const golden of requests) {
  t.test(titleOf(golden, 'request'), t => {
    const { api, version, correlationId, clientId, message, frame } = golden
    const writer = new Writer()
    writeRequest(writer, api, version, { correlationId, clientId }, message)
    t.equal(Buffer.concat(writer.finish()).toString('hex'), frame.toString('hex'), 'written')
    t.equal(frameBytes(frame, 0, frame.length, frameBytesMax), frame.length)
    const { header, message: read } = takeRequest(frame, frame.length)
    t.equal(header.api, api)
    t.match(header, { apiKey: api.key, apiVersion: version, correlationId, clientId })
    t.strictSame(plain(read), plain(readBack(api.request as Fields, version, message)), 'read')
    const survived = Array.from({ length: frame.length - lengthBytes }, (_, i) => lengthBytes + i).filter(end => !fails(() => takeRequest(frame, end)))
    t.strictSame(survived, [], 'every truncation is an error')
    t.throws(() => takeRequest(Buffer.concat([frame, Buffer.of(0)]), frame.length + 1), ProtocolError, 'so is a byte too many')
    t.end()
  })
}

for (const golden of responses) {
  t.test(titleOf(golden, 'response'), t => {
    const { api, version, correlationId, message, frame } = golden
    const writer = new Writer()
    writeResponse(writer, api, version, correlationId, message)
    t.equal(Buffer.concat(writer.finish()).toString('hex'), frame.toString('hex'), 'written')
    const read = readResponse(new Reader(frame, lengthBytes), api, version)
    t.equal(read.correlationId, correlationId)
    t.strictSame(plain(read.response), plain(readBack(api.response as Fields, version, message)), 'read')
    const survived = Array.from({ length: frame.length - lengthBytes }, (_, i) => lengthBytes + i).filter(end => !fails(() => readResponse(new Reader(frame, lengthBytes, end), api, version)))
    t.strictSame(survived, [], 'every truncation is an error')
    t.throws(() => readResponse(new Reader(Buffer.concat([frame, Buffer.of(0)]), lengthBytes), api, version), ProtocolError, 'so is a byte too many')
    t.end()
  })
}

function fails (run: () => unknown): boolean {
  try {
    run()
    return false
  } catch (error) {
    if (error instanceof ProtocolError) return true
    throw error
  }
}

/**
 * One line a message: API, version, side, sample, bytes. The bytes of versions that Apache Kafka 4.3.1 speaks were read by its own message
 * classes and came out of them unchanged. `node test/protocol/golden.test.ts --rewrite` writes the file anew, to be reviewed as a difference.
 */
t.test('all messages', t => {
  const file = join(import.meta.dirname, 'golden', 'messages.txt')
  const lines = everyMessage().flatMap(({ api, version, side, fields }) => (['full', 'sparse'] as const).map(kind => {
    const writer = new Writer()
    const codec = api.codec(version)!
    const message = sampleOf(fields, version, kind)
    if (side === 'request') codec.writeRequest(writer, message)
    else codec.writeResponse(writer, message)
    const bytes = Buffer.concat(writer.finish())
    const read = codec[side === 'request' ? 'readRequest' : 'readResponse'](new Reader(bytes)) as Message
    t.strictSame(plain(read), plain(readBack(fields, version, message)), `${api.name} ${version} ${side} ${kind}`)
    return `${api.name} ${version} ${side} ${kind} ${bytes.toString('hex')}`
  }))
  if (process.argv.includes('--rewrite')) writeFileSync(file, lines.join('\n') + '\n')
  t.equal(lines.join('\n') + '\n', readFileSync(file, 'utf8'))
  t.end()
})
