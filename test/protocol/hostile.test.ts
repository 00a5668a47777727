/** Input from outside: mutated frames end in an answerable request or a ProtocolError, and never cost more memory than they are long. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { frameBytes, lengthBytes, readRequest, readRequestHeader, readResponse } from '../../src/protocol/frame.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { requests, responses } from './golden/frames.ts'

const seed = 20_240_607

/** Objects, array elements and bytes that a message is made of. */
function weigh (value: unknown): number {
  if (value instanceof Uint8Array) return 1
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + weigh(element), 1)
  if (value !== null && typeof value === 'object') return Object.values(value).reduce((sum: number, inner) => sum + weigh(inner), 1)
  return 1
}

t.test('100,000 mutations', t => {
  const chance = seededChance(seed)
  const below = (end: number): number => Math.floor(chance.next() * end)
  const interesting = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40]
  let read = 0
  let refused = 0
  let unknown = 0
  for (let run = 0; run < 100_000; run++) {
    const isRequest = run % 2 === 0
    const golden = isRequest ? requests[below(requests.length)]! : responses[below(responses.length)]!
    let frame = Buffer.from(golden.frame)
    for (let count = 1 + below(4); count > 0; count--) {
      const at = lengthBytes + below(frame.length - lengthBytes)
      switch (below(5)) {
        case 0: frame[at] = interesting[below(interesting.length)]!; break
        case 1: frame[at] = below(256); break
        case 2: frame[at]! ^= 1 << below(8); break
        case 3: frame = Buffer.concat([frame.subarray(0, at), Buffer.alloc(below(8), below(256)), frame.subarray(at)]); break
        case 4: if (frame.length > lengthBytes + 4) frame = Buffer.concat([frame.subarray(0, at), frame.subarray(at + 1)])
      }
    }
    try {
      const reader = new Reader(frame, lengthBytes)
      let message: unknown
      if (isRequest) {
        const { codec } = readRequestHeader(reader)
        if (codec === undefined) {
          unknown++
          continue
        }
        message = readRequest(reader, codec)
      } else {
        message = readResponse(reader, golden.api, golden.version).response
      }
      read++
      // No struct has more than 12 fields that are not on the wire.
      if (weigh(message) > 12 * (frame.length + 12)) t.fail(`seed=${seed} run=${run}: ${frame.toString('hex')} grew`)
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        t.fail(`seed=${seed} run=${run}: ${frame.toString('hex')}`, { error })
        break
      }
      refused++
    }
  }
  t.comment(`${read} read, ${refused} refused, ${unknown} of unknown APIs or versions`)
  t.ok(read > 1000 && refused > 1000 && unknown > 100)
  t.end()
})

t.test('lengths that lie', t => {
  const heap = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
  const before = heap()
  let tried = 0
  for (const golden of [...requests, ...responses]) {
    const isRequest = 'clientId' in golden
    // Overwriting any place with a huge number hits every length, count and varint in turn.
    for (const lie of ['7fffffff', '80000000', 'fffffffe', '7fff', '8000', 'ffffffff0f', 'ffffffffff', 'feffffff07']) {
      const bytes = Buffer.from(lie, 'hex')
      for (let at = lengthBytes; at + bytes.length <= golden.frame.length; at++) {
        const frame = Buffer.from(golden.frame)
        bytes.copy(frame, at)
        try {
          const reader = new Reader(frame, lengthBytes)
          if (isRequest) {
            const { codec } = readRequestHeader(reader)
            if (codec !== undefined) readRequest(reader, codec)
          } else {
            readResponse(reader, golden.api, golden.version)
          }
        } catch (error) {
          if (!(error instanceof ProtocolError)) t.fail(`${golden.api.name} ${golden.version} at ${at}: ${String(error)}`)
        }
        tried++
      }
    }
  }
  t.ok(tried > 5000, `${tried} frames`)
  t.ok(heap() - before < 200 * 2 ** 20, 'no count was believed')
  t.end()
})

t.test('a huge count in a huge frame is not believed either', t => {
  // A Metadata request of 64 MiB that claims a topic per byte, and holds none that is sound.
  const frame = Buffer.alloc(64 * 2 ** 20, 0xff)
  frame.writeInt16BE(3, 4)
  frame.writeInt16BE(1, 6)
  frame.writeInt16BE(-1, 12)
  frame.writeInt32BE(16 * 2 ** 20, 14)
  const reader = new Reader(frame, lengthBytes)
  const { codec } = readRequestHeader(reader)
  const before = process.memoryUsage().heapUsed
  t.throws(() => readRequest(reader, codec!), ProtocolError)
  t.ok(process.memoryUsage().heapUsed - before < 2 ** 20)
  t.end()
})

t.test('an honest count has a bound', t => {
  // Empty names take two bytes each, and would become objects.
  const count = 600_000
  const frame = Buffer.alloc(18 + count * 2)
  frame.writeInt16BE(3, 4)
  frame.writeInt16BE(1, 6)
  frame.writeInt16BE(-1, 12)
  frame.writeInt32BE(count, 14)
  const reader = new Reader(frame, lengthBytes)
  const { codec } = readRequestHeader(reader)
  t.throws(() => readRequest(reader, codec!), { name: 'ProtocolError', message: /array elements/ })
  frame.writeInt32BE(1000, 14)
  const fewer = new Reader(frame, lengthBytes, 18 + 2000)
  const request = readRequest(fewer, readRequestHeader(fewer).codec!) as { topics: unknown[] }
  t.equal(request.topics.length, 1000)
  t.end()
})

t.test('frame lengths', t => {
  const prefix = (length: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    return bytes
  }
  t.equal(frameBytes(prefix(100).subarray(0, 3), 0, 3, 1000), 0, 'not there yet')
  t.equal(frameBytes(prefix(100), 0, 4, 1000), 104)
  t.equal(frameBytes(Buffer.concat([Buffer.of(1), prefix(1000)]), 1, 5, 1000), 1004, 'the limit itself is taken')
  for (const length of [1001, 0x7fffffff, -1, -0x80000000, 0, 9]) t.throws(() => frameBytes(prefix(length), 0, 4, 1000), ProtocolError, `${length}`)
  t.equal(frameBytes(Buffer.from('GET / HTTP/1.1'), 0, 4, 0x7fffffff), 4 + 0x47455420, 'text is a frame of a gigabyte')
  t.end()
})

t.test('unknown APIs and versions leave what is sure', t => {
  const header = (key: number, version: number): ReturnType<typeof readRequestHeader> => {
    const bytes = Buffer.alloc(8)
    bytes.writeInt16BE(key, 0)
    bytes.writeInt16BE(version, 2)
    bytes.writeInt32BE(77, 4)
    return readRequestHeader(new Reader(bytes))
  }
  t.match(header(9999, 0), { apiKey: 9999, apiVersion: 0, correlationId: 77, api: undefined, codec: undefined })
  for (const version of [5, 0x7fff, -1, -0x8000]) {
    const { api, codec, apiVersion } = header(18, version)
    t.match({ name: api?.name, codec, apiVersion }, { name: 'apiVersions', codec: undefined, apiVersion: version })
  }
  t.equal(header(1, 3).codec, undefined, 'older than any we serve')
  t.throws(() => readRequestHeader(new Reader(Buffer.alloc(7))), ProtocolError)
  t.end()
})
