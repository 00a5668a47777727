import fc from 'fast-check'
import t from 'tap'
import { AssertionError } from '../../src/base/assert.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { bytesOf } from './golden/frames.ts'

const join = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts)
function written (write: (writer: Writer) => void): string {
  const writer = new Writer()
  write(writer)
  return join(writer.finish()).toString('hex')
}

t.test('primitives', t => {
  t.equal(written(w => { w.int8(-1); w.bool(true); w.bool(false); w.int16(-2); w.int32(-3); w.int32(0x7fffffff) }), 'ff0100fffefffffffd7fffffff')
  t.equal(written(w => { w.int64(-1); w.int64(0x100000002); w.int64(Number.MAX_SAFE_INTEGER); w.int64(Number.MIN_SAFE_INTEGER); w.int64(-0x100000000) }),
    'ffffffffffffffff' + '0000000100000002' + '001fffffffffffff' + 'ffe0000000000001' + 'ffffffff00000000')
  t.equal(written(w => { w.saturatedInt64(Number.MAX_SAFE_INTEGER); w.saturatedInt64(Number.MIN_SAFE_INTEGER); w.saturatedInt64(-2) }),
    '7fffffffffffffff' + '8000000000000000' + 'fffffffffffffffe')
  t.equal(written(w => { w.uvarint(0); w.uvarint(127); w.uvarint(128); w.uvarint(0xffffffff) }), '007f8001ffffffff0f')
  t.equal(written(w => { w.string('é'); w.nullableString(null); w.compactString('ab'); w.compactNullableString(null); w.string('') }), '0002c3a9ffff036162000000')
  t.equal(written(w => { w.uuid('00112233445566778899AAbbccddeeff'); w.uuid('0'.repeat(32)) }), '00112233445566778899aabbccddeeff' + '0'.repeat(32))
  for (const text of ['', 'x'.repeat(32), '0'.repeat(31), '0'.repeat(33), 'é'.repeat(32), '-'.repeat(32)]) t.throws(() => new Writer().uuid(text), AssertionError, text)
  t.equal(written(w => { w.count(-1); w.compactCount(-1); w.compactCount(5) }), 'ffffffff0006')
  for (const write of ['string', 'compactString'] as const) {
    for (const [text, kept] of [['x'.repeat(0x8000), 0x7fff], ['é'.repeat(0x4000), 0x7ffe], ['€'.repeat(0x3000), 0x7ffe]] as const) {
      const writer = new Writer()
      writer[write](text)
      const reader = new Reader(Buffer.concat(writer.finish()))
      t.equal(Buffer.byteLength(reader[write]()), kept, 'too long for the protocol: cut at a character')
      reader.expectEnd()
    }
  }
  t.end()
})

t.test('integers as an oracle writes them', t => {
  fc.assert(fc.property(fc.maxSafeInteger(), value => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(BigInt(value))
    return written(w => w.int64(value)) === bytes.toString('hex')
  }))
  t.end()
})

t.test('long texts whose last character takes several bytes', t => {
  const bad: string[] = []
  for (let length = 60; length < 300; length++) {
    for (const [unit, last] of [['\u{10000}', '\u0400'], ['a', 'é'], ['é', '\u{1f600}'], ['\u{10000}a', '中']] as const) {
      const text = unit.repeat(length) + last
      if (new Reader(Buffer.from(written(w => w.string(text)), 'hex')).string() !== text) bad.push(text)
    }
  }
  t.strictSame(bad, [])
  t.end()
})

t.test('frames of any parts, over any blocks, are what they would be in one piece', t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'binary', maxLength: 200 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.integer({ min: 0, max: 5000 }) }),
    fc.record({ kind: fc.constant('finish' as const) })
  )
  fc.assert(fc.property(fc.integer({ min: 16, max: 3000 }), fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 8 }), (blockBytes, frames) => {
    const writer = new Writer(blockBytes)
    const expected: Buffer[] = []
    const parts: Uint8Array[] = []
    for (const steps of frames) {
      const pieces: Buffer[] = []
      writer.beginFrame()
      for (const { kind, ...rest } of steps) {
        const { value } = rest as { value: number | string }
        if (kind === 'int32') {
          writer.int32(value as number)
          const bytes = Buffer.alloc(4)
          bytes.writeInt32BE(value as number)
          pieces.push(bytes)
        } else if (kind === 'text') {
          writer.compactString(value as string)
          const bytes = Buffer.from(value as string)
          pieces.push(Buffer.from(bytes.length + 1 < 128 ? [bytes.length + 1] : [(bytes.length + 1) & 0x7f | 0x80, (bytes.length + 1) >> 7]), bytes)
        } else if (kind === 'bytes') {
          const bytes = Buffer.alloc(value as number, value as number)
          writer.splice(bytes)
          pieces.push(bytes)
        }
      }
      writer.endFrame()
      const length = Buffer.alloc(4)
      length.writeInt32BE(join(pieces).length)
      expected.push(length, ...pieces)
      if (steps.some(({ kind }) => kind === 'finish')) parts.push(...writer.finish())
    }
    parts.push(...writer.finish())
    return join(parts).equals(join(expected))
  }))
  t.end()
})

t.test('large bytes go by reference, small ones are copied', t => {
  const large = Buffer.alloc(4096, 1)
  const small = Buffer.alloc(16, 2)
  const writer = new Writer()
  writer.int32(1)
  writer.splice(small)
  writer.splice(large)
  writer.int32(2)
  t.equal(writer.bytes, 4 + 16 + 4096 + 4)
  const parts = writer.finish()
  t.equal(parts.length, 3)
  t.equal(parts[1], large)
  small.fill(9)
  t.equal(parts[0]![4], 2, 'its own copy')
  t.equal(writer.bytes, 0)
  t.strictSame(writer.finish(), [], 'nothing new')
  t.end()
})

t.test('what was given out is never written again', t => {
  const writer = new Writer(64)
  const given: Array<{ parts: Uint8Array[], hex: string }> = []
  for (let i = 0; i < 100; i++) {
    writer.beginFrame()
    writer.int32(i)
    writer.string('x'.repeat(i % 50))
    writer.endFrame()
    const parts = writer.finish()
    given.push({ parts, hex: join(parts).toString('hex') })
  }
  t.ok(given.every(({ parts, hex }) => join(parts).toString('hex') === hex))
  t.end()
})

t.test('tagged fields carry their length', t => {
  t.equal(written(w => w.tagged(3, 'abc', (side, text) => side.compactString(text))), '0304' + '04616263')
  const large = Buffer.alloc(3000, 7)
  const writer = new Writer()
  writer.uvarint(1)
  writer.tagged(0, large, (side, bytes) => side.compactByteString(bytes))
  const reader = new Reader(join(writer.finish()))
  reader.skipTags()
  reader.expectEnd()
  t.end()
})

t.test('frames are opened and closed in turn', t => {
  const writer = new Writer()
  t.throws(() => writer.endFrame(), AssertionError)
  writer.beginFrame()
  t.throws(() => writer.beginFrame(), AssertionError)
  t.throws(() => writer.finish(), AssertionError)
  writer.endFrame()
  t.strictSame(writer.finish(), [bytesOf('00000000')])
  t.end()
})

t.test('memory that is taken back holds what comes next, and no other', async t => {
  const writer = new Writer(64)
  const text = (value: string): Uint8Array[] => {
    writer.string(value)
    return writer.finish()
  }
  const shown = (parts: readonly Uint8Array[]): string => join(parts).subarray(2).toString('latin1')
  const kept = text('kept')
  const used = text('used')
  writer.takeBack(used)
  const next = text('next')
  t.equal(next[0]!.byteOffset, used[0]!.byteOffset, 'the same place')
  t.same([shown(kept), shown(next)], ['kept', 'next'])
  const later = text('later')
  writer.takeBack(next)
  t.same([shown(text('other')), shown(later), shown(next)], ['other', 'later', 'next'], 'with something given out since nothing is taken back')
  for (let i = 0; i < 40; i++) {
    const parts = text(`text ${i}`)
    t.equal(shown(parts), `text ${i}`)
    if (i % 3 !== 0) writer.takeBack(parts)
  }
  t.equal(shown(kept), 'kept', 'what was given out before is never touched')
  const last = text('last')
  writer.string('x')
  t.throws(() => writer.takeBack(last), { name: 'AssertionError' }, 'not while something is being written')
})
