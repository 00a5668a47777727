import fc from 'fast-check'
import t from 'tap'
import { assert } from '../../src/base/assert.ts'
import { createRing, RingReader, RingWriter } from '../../src/runtime/ring.ts'

const capacity = 1024

/** Sequences that run through 2^31 and 2^32 within a few frames, and a plain one. */
const firstSequences = [0, 2 ** 31 - 512, 2 ** 32 - 512, 2 ** 31 - 8, 2 ** 32 - 8]

function fill (length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff)
}

function write (writer: RingWriter, bytes: Uint8Array, tag: number): boolean {
  const offset = writer.reserve(bytes.length)
  if (offset < 0) return false
  assert(offset % 8 === 0, 'payloads are aligned')
  writer.memory.bytes.set(bytes, offset)
  writer.commit(tag)
  return true
}

t.test('frames come out as they went in, and only after publishing', async t => {
  for (const first of firstSequences) {
    const shared = createRing(capacity, first)
    const writer = new RingWriter(shared)
    const reader = new RingReader(shared)
    for (let i = 0; i < 200; i++) {
      const bytes = fill(i % 61, i)
      assert(write(writer, bytes, i), 'there is room')
      assert(!reader.next(), 'not yet visible')
      assert(writer.publish() && !writer.publish(), 'published once')
      assert(reader.next() && reader.tag === i, 'visible')
      assert(Buffer.compare(reader.memory.bytes.subarray(reader.offset, reader.offset + reader.length), bytes) === 0, 'same bytes')
      reader.release()
    }
    t.pass(`from ${first}`)
  }
})

t.test('a slice of what came in outlives the frame', async t => {
  const shared = createRing(capacity)
  const [writer, reader] = [new RingWriter(shared), new RingReader(shared)]
  const bytes = fill(100, 1)
  write(writer, bytes, 1)
  writer.publish()
  t.ok(reader.next())
  const kept = reader.memory.bytes.subarray(reader.offset, reader.offset + reader.length).slice()
  new Uint8Array(shared).fill(0)
  t.same(kept, bytes)
})

t.test('a full ring refuses until the consumer gives space back, and tells who wanted it', async t => {
  const shared = createRing(capacity, 2 ** 32 - 64)
  const writer = new RingWriter(shared)
  const reader = new RingReader(shared)
  let written = 0
  while (write(writer, fill(56, written), written)) written++
  t.equal(written, capacity / 64)
  writer.publish()
  t.notOk(writer.hasRoom(56))
  t.ok(reader.next())
  t.notOk(writer.hasRoom(56), 'stepped over is not given back')
  t.notOk(reader.release(), 'nobody asked')
  t.ok(writer.hasRoom(56))
  t.ok(write(writer, fill(56, 1), 1))
  writer.wantSpace()
  t.ok(reader.next())
  t.ok(reader.release(), 'the producer asked to be told')
  t.ok(reader.next())
  t.notOk(reader.release(), 'it is told once')
})

t.test('the largest payload fits into an empty ring wherever its tail stands', async t => {
  for (let position = 0; position < capacity; position += 8) {
    const shared = createRing(capacity, position)
    const writer = new RingWriter(shared)
    const reader = new RingReader(shared)
    assert(write(writer, fill(writer.payloadBytesMax, position), 1), 'it fits')
    writer.publish()
    assert(reader.next() && reader.length === writer.payloadBytesMax, 'it comes out')
  }
  t.pass('at every position')
})

t.test('a reservation that is given up leaves no trace', async t => {
  const shared = createRing(capacity, capacity - 64)
  const writer = new RingWriter(shared)
  const reader = new RingReader(shared)
  t.ok(writer.reserve(200) > 0, 'needs a wrap')
  writer.publish()
  t.notOk(reader.next())
  reader.release()
  t.ok(write(writer, fill(8, 3), 3))
  writer.publish()
  t.ok(reader.next())
  t.equal(reader.tag, 3)
})

t.test('property: any mix of writing, publishing, reading and releasing equals a plain queue', async t => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), length: fc.integer({ min: 0, max: capacity / 2 - 8 }) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), length: fc.integer({ min: 0, max: 40 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('publish' as const), length: fc.constant(0) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), length: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), length: fc.constant(0) }) }
  )
  t.doesNotThrow(() => fc.assert(fc.property(fc.constantFrom(...firstSequences), fc.array(step, { maxLength: 200 }), (first, steps) => {
    const shared = createRing(capacity, first)
    const writer = new RingWriter(shared)
    const reader = new RingReader(shared)
    const hidden: Uint8Array[] = []
    const visible: Uint8Array[] = []
    const held: { at: number, length: number, bytes: Uint8Array }[] = []
    let tag = 0
    let expectedTag = 0
    for (const { do: what, length } of steps) {
      if (what === 'write') {
        const bytes = fill(length, tag)
        const offset = writer.reserve(length)
        if (offset < 0) {
          // It may only refuse when what is in it, with padding and a wrap, could be in the way.
          if (hidden.length + visible.length + held.length === 0) return false
          continue
        }
        writer.memory.bytes.set(bytes, offset)
        writer.commit(tag++)
        hidden.push(bytes)
      } else if (what === 'publish') {
        writer.publish()
        visible.push(...hidden.splice(0))
      } else if (what === 'read') {
        const expected = visible.shift()
        if (reader.hasNext() !== (expected !== undefined)) return false
        if (reader.next() !== (expected !== undefined)) return false
        if (expected === undefined) continue
        if (reader.tag !== expectedTag++ || reader.length !== expected.length) return false
        held.push({ at: reader.offset, length: reader.length, bytes: expected })
      } else {
        reader.release()
        held.length = 0
      }
      // Whatever was read stays in place until it is released, however much is written meanwhile.
      for (const { at, length, bytes } of held) {
        if (Buffer.compare(reader.memory.bytes.subarray(at, at + length), bytes) !== 0) return false
      }
    }
    return true
  }), { numRuns: 300 }))
})
