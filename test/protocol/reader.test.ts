import fc from 'fast-check'
import t from 'tap'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { bytesOf } from './golden/frames.ts'

const reader = (hex: string): Reader => new Reader(bytesOf(hex))

t.test('numbers', t => {
  t.strictSame(['00', '7f', '80', 'ff'].map(hex => reader(hex).int8()), [0, 127, -128, -1])
  t.strictSame(['0001', '7fff', '8000', 'ffff'].map(hex => reader(hex).int16()), [1, 32767, -32768, -1])
  t.strictSame(['00000001', '7fffffff', '80000000', 'ffffffff'].map(hex => reader(hex).int32()), [1, 0x7fffffff, -0x80000000, -1])
  t.strictSame(['00', '01', '02'].map(hex => reader(hex).bool()), [false, true, true])
  t.end()
})

t.test('int64 is a safe integer or an error', t => {
  fc.assert(fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), value => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(value)
    const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    const saturated = isSafe ? Number(value) : value < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER
    if (new Reader(bytes).saturatedInt64() !== saturated) return false
    try {
      return new Reader(bytes).int64() === Number(value) && isSafe
    } catch (error) {
      return error instanceof ProtocolError && !isSafe
    }
  }), { numRuns: 2000 })
  const edges: Array<[string, number | undefined]> = [
    ['ffffffffffffffff', -1],
    ['001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['0020000000000000', undefined],
    ['ffe0000000000001', Number.MIN_SAFE_INTEGER],
    ['ffe0000000000000', undefined],
    ['ffdfffffffffffff', undefined],
    ['7fffffffffffffff', undefined],
    ['00000000ffffffff', 0xffffffff]
  ]
  for (const [hex, value] of edges) {
    if (value === undefined) t.throws(() => reader(hex).int64(), ProtocolError, hex)
    else t.equal(reader(hex).int64(), value, hex)
  }
  t.end()
})

t.test('varints', t => {
  const good: Array<[string, number]> = [['00', 0], ['7f', 127], ['8001', 128], ['ac02', 300], ['ffffffff0f', 0xffffffff], ['8000', 0]]
  for (const [hex, value] of good) t.equal(reader(hex).uvarint(), value, hex)
  for (const hex of ['', '80', 'ffffffff', 'ffffffff10', 'ffffffffff01', '808080808000']) t.throws(() => reader(hex).uvarint(), ProtocolError, hex)
  t.end()
})

t.test('strings', t => {
  t.equal(reader('0003 616263').string(), 'abc')
  t.equal(reader('0000').string(), '')
  t.equal(reader('ffff').nullableString(), null)
  t.equal(reader('04 616263').compactString(), 'abc')
  t.equal(reader('00').compactNullableString(), null)
  t.equal(reader('04 efbbbf').compactString(), '\ufeff', 'a byte order mark is a character')
  t.equal(reader('0002 c328').string(), '\ufffd(', 'malformed UTF-8')
  for (const hex of ['ffff', 'fffe', '8000', '0003 6162']) t.throws(() => reader(hex).string(), ProtocolError, hex)
  for (const hex of ['fffe', '0001']) t.throws(() => reader(hex).nullableString(), ProtocolError, hex)
  for (const hex of ['00', '05 616263', 'ffffffff0f']) t.throws(() => reader(hex).compactString(), ProtocolError, hex)
  t.throws(() => new Reader(Buffer.concat([bytesOf('818002'), Buffer.alloc(40_000)])).compactString(), { message: /string of 32768/ }, 'no longer than the old encoding can say')
  t.end()
})

t.test('the table of known strings and UUIDs changes nothing', t => {
  // Names that share length and the bytes that choose the slot.
  const names = ['a-x-b-y-c', 'a-y-b-x-c', 'a-?-b-?-c', 'aééé-bb-c', '\ufffd', 'ÿÿ', 'ab', 'ba', 'x'.repeat(64), 'x'.repeat(65)]
  fc.assert(fc.property(fc.array(fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 30 }), texts => {
    return texts.every(text => {
      const bytes = Buffer.from(text)
      const length = Buffer.alloc(2)
      length.writeInt16BE(bytes.length)
      return new Reader(Buffer.concat([length, bytes])).string() === bytes.toString()
    })
  }))
  const words = ['00000000', '00000001', '80000000', 'ffffffff']
  fc.assert(fc.property(fc.array(fc.array(fc.constantFrom(...words), { minLength: 4, maxLength: 4 }).map(four => four.join('')), { maxLength: 20 }),
    uuids => uuids.every(uuid => reader(uuid).uuid() === uuid)))
  for (const bytes of [Uint8Array.of(0, 2, 0xc3, 0xbf), Uint8Array.of(0, 2, 0xff, 0xff), Uint8Array.of(0, 2, 0xc3, 0xbf)]) {
    t.equal(new Reader(bytes).string(), new TextDecoder().decode(bytes.subarray(2)))
  }
  t.end()
})

t.test('byte strings are views', t => {
  const bytes = bytesOf('00000003 010203 04 040506')
  const r = new Reader(bytes)
  const first = r.byteString()
  const second = r.compactByteString()
  bytes[4] = 9
  bytes[8] = 8
  t.strictSame([...first], [9, 2, 3])
  t.strictSame([...second], [8, 5, 6])
  t.equal(reader('ffffffff').nullableByteString(), null)
  t.equal(reader('00').compactNullableByteString(), null)
  for (const hex of ['ffffffff', '00000001', '7fffffff', '80000000']) t.throws(() => reader(hex).byteString(), ProtocolError, hex)
  for (const hex of ['00', '03 00', 'ffffffff0f']) t.throws(() => reader(hex).compactByteString(), ProtocolError, hex)
  t.end()
})

t.test('counts are held against what is left', t => {
  t.equal(reader('00000002 0000 0000').count(2), 2)
  t.equal(reader('ffffffff').nullableCount(4), -1)
  t.equal(reader('03 0000').compactCount(1), 2)
  t.equal(reader('00').compactNullableCount(1), -1)
  for (const hex of ['00000003 0000 0000', '7fffffff 00', 'ffffffff', 'fffffffe']) t.throws(() => reader(hex).count(2), ProtocolError, hex)
  t.throws(() => reader('fffffffe').nullableCount(1), ProtocolError)
  for (const hex of ['00', '04 0000', 'ffffffff0f 00']) t.throws(() => reader(hex).compactCount(1), ProtocolError, hex)
  t.end()
})

t.test('tagged fields', t => {
  const r = reader('03 00 02 aabb 01 00 05 01 cc dd')
  r.skipTags()
  t.equal(r.int8(), -35, 'stands behind the section')
  for (const hex of ['02 01 00 01 00', '02 01 00 00 00', '01', '01 00', '01 00 02 aa', 'ffffffff0f']) t.throws(() => reader(hex).skipTags(), ProtocolError, hex)
  t.end()
})

t.test('nothing beyond the end of the frame is read', t => {
  const r = new Reader(bytesOf('00000001 00000002'), 0, 6)
  t.equal(r.int32(), 1)
  t.equal(r.remaining, 2)
  t.throws(() => r.int32(), ProtocolError)
  t.throws(() => r.expectEnd(), ProtocolError)
  t.equal(r.int16(), 0)
  r.expectEnd()
  t.equal(r.reset(bytesOf('ff 05'), 1, 2).int8(), 5)
  t.end()
})
