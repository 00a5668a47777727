import fc from 'fast-check'
import { createRequire } from 'node:module'
import t from 'tap'
import { Codec, compress, CompressionError, decompress } from '../../src/record/compression.ts'

const codecs = Object.values(Codec)
const text = Buffer.from('a queue of words, a queue of words, a queue of words. '.repeat(2000))

t.test('what went in comes out', t => {
  for (const codec of codecs) {
    for (const bytes of [Buffer.alloc(0), Buffer.of(1), text, Buffer.alloc(5 * 2 ** 20, 7)]) {
      const packed = compress(codec, bytes)
      t.ok(Buffer.from(decompress(codec, packed, bytes.length)).equals(bytes), `codec ${codec}, ${bytes.length} bytes in ${packed.length}`)
      if (codec !== Codec.none && bytes.length > 1000) t.ok(packed.length < bytes.length / 10)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 300 }), (piece, times) => {
      const bytes = Buffer.concat(Array.from({ length: times }, () => piece))
      return Buffer.from(decompress(codec, compress(codec, bytes), bytes.length)).equals(bytes)
    }), { numRuns: 30 })
  }
  t.end()
})

t.test('a view into other memory', t => {
  for (const codec of codecs) {
    const packed = compress(codec, text)
    const shared = new Uint8Array(new SharedArrayBuffer(packed.length + 20)).subarray(7, 7 + packed.length)
    shared.set(packed)
    t.ok(Buffer.from(decompress(codec, shared, text.length)).equals(text), `codec ${codec}`)
  }
  t.end()
})

t.test('never more than allowed', t => {
  const large = Buffer.alloc(8 * 2 ** 20)
  for (const codec of codecs) {
    const packed = compress(codec, large)
    t.equal(decompress(codec, packed, large.length).length, large.length)
    for (const bytesMax of [large.length - 1, 1000, 0]) t.throws(() => decompress(codec, packed, bytesMax), CompressionError, `codec ${codec}, ${bytesMax}`)
  }
  t.end()
})

t.test('malformed input', t => {
  for (const codec of codecs.filter(codec => codec !== Codec.none)) {
    const packed = Buffer.from(compress(codec, text))
    for (const end of [0, 1, 3, 4, 7, 10, packed.length >> 1]) t.throws(() => decompress(codec, packed.subarray(0, end), text.length), CompressionError, `codec ${codec} cut at ${end}`)
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }), changes => {
      const bytes = Buffer.from(packed)
      for (const [at, byte] of changes) bytes[at] = byte
      try {
        return decompress(codec, bytes, text.length).length <= text.length
      } catch (error) {
        return error instanceof CompressionError
      }
    }), { numRuns: 300 })
  }
  for (const codec of [5, 6, 7, -1]) t.throws(() => decompress(codec, text, 1e6), CompressionError, `codec ${codec}`)
  t.end()
})

t.test('LZ4 frames of every layout', t => {
  const { compressFrameSync } = createRequire(import.meta.url)('lz4-napi') as typeof import('lz4-napi')
  const noise = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 0xff))
  for (const bytes of [text, noise, Buffer.concat([noise, text]), Buffer.alloc(300)]) {
    for (const options of [{}, { contentChecksum: true }, { blockChecksums: true }, { contentChecksum: true, blockChecksums: true }]) {
      const frame = compressFrameSync(bytes, options)
      t.ok(Buffer.from(decompress(Codec.lz4, frame, bytes.length)).equals(bytes))
      t.throws(() => decompress(Codec.lz4, frame, bytes.length - 1), CompressionError)
    }
  }
  // Kafka's Java client takes version 1 with independent blocks only.
  t.equal(compress(Codec.lz4, text)[4]! & 0xe0, 0x60)
  t.end()
})

t.test('snappy in the framing of its Java library', t => {
  const blocks = [text.subarray(0, 32768), text.subarray(32768, 65536), text.subarray(65536), Buffer.alloc(0)]
  const framed = Buffer.concat([
    Buffer.from('82534e41505059000000000100000001', 'hex'),
    ...blocks.flatMap(block => {
      const packed = compress(Codec.snappy, block)
      const length = Buffer.alloc(4)
      length.writeInt32BE(packed.length)
      return [length, packed]
    })
  ])
  t.ok(Buffer.from(decompress(Codec.snappy, framed, text.length)).equals(text))
  t.throws(() => decompress(Codec.snappy, framed, text.length - 1), CompressionError, 'the blocks together are bounded')
  for (const end of [17, 19, 30, framed.length - 1]) t.throws(() => decompress(Codec.snappy, framed.subarray(0, end), text.length), CompressionError, `cut at ${end}`)
  const lying = Buffer.from(framed)
  for (const length of [0x7fffffff, -1, -0x80000000]) {
    lying.writeInt32BE(length, 16)
    t.throws(() => decompress(Codec.snappy, lying, text.length), CompressionError)
  }
  // A raw block that claims four gigabytes.
  t.throws(() => decompress(Codec.snappy, Buffer.from('ffffffff0f00', 'hex'), 1e6), CompressionError)
  t.end()
})

t.test('a bomb of LZ4 is refused before it goes off', t => {
  const blockBytes = 4 * 2 ** 20
  const frame = Buffer.from(compress(Codec.lz4, Buffer.alloc(blockBytes)))
  const block = frame.subarray(7, -4)
  const bomb = (blocks: number): Buffer => Buffer.concat([frame.subarray(0, 7), ...Array.from({ length: blocks }, () => block), Buffer.alloc(4)])
  t.equal(decompress(Codec.lz4, bomb(2), 2 * blockBytes).length, 2 * blockBytes, 'a sound frame')
  const large = bomb(500)
  t.ok(large.length < 10 * 2 ** 20, 'two gigabytes in less than ten megabytes')
  const before = process.memoryUsage().rss
  t.throws(() => decompress(Codec.lz4, large, 3 * blockBytes), { name: 'CompressionError', message: /more than/ })
  t.ok(process.memoryUsage().rss - before < 64 * 2 ** 20)
  t.end()
})
