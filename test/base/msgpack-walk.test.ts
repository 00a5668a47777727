import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { decodeForeign, encode } from '../../src/base/msgpack.ts'
import { isWholeMessagePack } from '../../src/base/msgpack-walk.ts'

const values = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, false, '', 0, -1, 2 ** 32, -(2 ** 31), 2 ** 40, 0.5, -(2 ** 40)),
    fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true }).map(value => value + 0), fc.string(), fc.string({ unit: 'binary', maxLength: 400 }), fc.uint8Array({ maxLength: 400 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string().filter(key => key !== '__proto__'), tie('value'), { maxKeys: 20, noNullPrototype: true })
  )
})).value

t.test('whatever was encoded is whole, and nothing less or more of it is', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(values, value => {
    const bytes = encode(value)
    for (let size = 0; size < bytes.length; size += 1 + (size >> 4)) if (isWholeMessagePack(bytes.subarray(0, size))) return false
    return isWholeMessagePack(bytes) && !isWholeMessagePack(Uint8Array.of(...bytes, 0xc0)) && isDeepStrictEqual(decodeForeign(bytes), value)
  }), { numRuns: 300 }))
})

t.test('every format, at the begin and the end of its sizes', async t => {
  const pairs = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]))
  for (const count of [0, 1, 15, 16, 17, 31, 32, 255, 256, 65_535, 65_536]) {
    for (const value of ['x'.repeat(count), new Uint8Array(count), new Array(count).fill(1), pairs(count)]) {
      t.ok(isWholeMessagePack(encode(value)))
      t.notOk(isWholeMessagePack(encode(value).subarray(0, -1)))
    }
  }
  const whole = [[0xcf, ...Array(8).fill(1)], [0xd3, ...Array(8).fill(1)], [0xd4, 0, 1], [0xd8, 0, ...Array(16).fill(1)], [0xc7, 2, 5, 1, 1], [0xc8, 0, 1, 5, 1], [0xc9, 0, 0, 0, 1, 5, 1], [0xca, 1, 1, 1, 1], [0xff], [0x7f]]
  for (const bytes of whole) {
    t.ok(isWholeMessagePack(Uint8Array.from(bytes)), Buffer.from(bytes).toString('hex'))
    t.notOk(isWholeMessagePack(Uint8Array.from(bytes.slice(0, -1))))
  }
})

t.test('what lies about its size is refused before anything is made of it', async t => {
  const lies = ['', 'c1', 'ddffffffff', 'dfffffffff', 'dcffff', 'deffff', 'dbffffffff', 'c6ffffffff', 'c9ffffffff05', '91', '8101', '92c0', 'dd7fffffffdd7fffffff', 'dc0010dc0010c0', 'dd', 'dc00', 'd9', 'da00', 'c7', 'd8']
  for (const hex of lies) {
    const bytes = Buffer.from(hex, 'hex')
    t.notOk(isWholeMessagePack(bytes), hex)
    t.equal(decodeForeign(bytes), undefined, hex)
  }
  // Each of them takes so many bytes, but not all of them together.
  const nested = Buffer.concat(Array.from({ length: 20 }, () => Buffer.from('dc0050', 'hex')).concat(Buffer.alloc(100)))
  t.notOk(isWholeMessagePack(nested))
})

t.test('what is nested too deep', async t => {
  const nested = (depth: number): Uint8Array => Uint8Array.from([...Array(depth).fill(0x91), 0xc0])
  t.ok(isWholeMessagePack(nested(32)))
  t.notOk(isWholeMessagePack(nested(33)))
  t.notOk(isWholeMessagePack(nested(1_000_000)))
})

t.test('whole, but nothing that can be decoded', async t => {
  const bytes = encode({ __proto: 1 })
  const text = Buffer.from('__proto__')
  t.equal(decodeForeign(Buffer.concat([Buffer.from([0x81, 0xa0 + text.length]), text, Buffer.from([1])])), undefined)
  t.equal(decodeForeign(Buffer.from([0x81, 0xc0, 1])), undefined, 'a key that is no text')
  t.same(decodeForeign(bytes), { __proto: 1 })
})

t.test('any bytes', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
    const value = decodeForeign(bytes)
    return isWholeMessagePack(bytes) || value === undefined
  }), { numRuns: 5000 }))
})
