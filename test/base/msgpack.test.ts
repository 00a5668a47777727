import fc from 'fast-check'
import t from 'tap'
import { decode, encode } from '../../src/base/msgpack.ts'

t.test('what goes in comes out', async t => {
  // The one key that is not taken: it would set an object's prototype.
  const allowed = fc.jsonValue().filter(value => !JSON.stringify(value).includes('__proto__'))
  t.doesNotThrow(() => fc.assert(fc.property(allowed, value => JSON.stringify(decode(encode(value))) === JSON.stringify(value))))
  t.throws(() => decode(encode(JSON.parse('{"__proto__":1}'))))
  t.same(decode(encode({ a: 1, b: undefined, bytes: Uint8Array.of(1, 2) })), { a: 1, bytes: Uint8Array.of(1, 2) })
})

t.test('binary fields are copies', async t => {
  // A Buffer too, whose `slice` copies nothing.
  for (const packed of [encode({ bytes: Uint8Array.of(1, 2, 3) }), Buffer.from(encode({ bytes: Uint8Array.of(1, 2, 3) }))]) {
    const { bytes } = decode<{ bytes: Uint8Array }>(packed)
    packed.fill(0)
    t.same([...bytes], [1, 2, 3])
  }
})

t.test('malformed bytes throw', async t => {
  for (const bytes of [[], [0xc1], [0x92, 1], [0xdb, 0xff, 0xff, 0xff, 0xff]]) t.throws(() => decode(Uint8Array.from(bytes)))
})
