import t from 'tap'
import type { Message } from '../../src/base/effect.ts'
import { Codecs, type MessageCodec } from '../../src/runtime/codec.ts'
import { memoryOf } from '../../src/runtime/ring.ts'

interface Bulk extends Message { readonly kind: 'bulk', readonly bytes: Uint8Array }

const bulk: MessageCodec<Bulk> = {
  kind: 'bulk',
  code: 1,
  size: ({ bytes }) => bytes.length,
  write: ({ bytes }, memory, offset) => { memory.bytes.set(bytes, offset) },
  read: ({ bytes }, offset, length) => ({ kind: 'bulk', bytes: bytes.subarray(offset, offset + length) })
}

const message = (size: number, fill: number): Bulk => ({ kind: 'bulk', bytes: new Uint8Array(size).fill(fill) })

t.test('large payloads use memory again that was given back, and only then', async t => {
  const codecs = new Codecs([bulk as unknown as MessageCodec])
  const first = codecs.encode(message(500_000, 1))
  const second = codecs.encode(message(500_000, 2))
  t.not(first.buffer, second.buffer)
  codecs.giveBack(first)
  const third = codecs.encode(message(400_000, 3))
  t.equal(third.buffer, first.buffer)
  t.equal(third.length, 400_000)
  t.ok(third.every(byte => byte === 3) && second.every(byte => byte === 2))
  t.same(codecs.decode(1, memoryOf(third.buffer, third.byteOffset, third.byteLength), 0, third.length), message(400_000, 3))
  for (const size of [1000, 5_000_000]) {
    const other = codecs.encode(message(size, 4))
    codecs.giveBack(other)
    t.not(codecs.encode(message(size, 5)).buffer, other.buffer, `${size} bytes are not kept`)
  }
})
