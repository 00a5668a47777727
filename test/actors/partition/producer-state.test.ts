import t from 'tap'
import fc from 'fast-check'
import { encode } from '../../../src/base/msgpack.ts'
import { lastSequence, ProducerState } from '../../../src/actors/partition/producer-state.ts'

t.test('the next batch, a repeated one, a gap, an old epoch', t => {
  const state = new ProducerState()
  t.same(state.check(7, 0, 0, 9), { kind: 'next' })
  state.update(7, 0, 0, 100, 9, 1)
  t.same(state.check(7, 0, 10, 4), { kind: 'next' })
  t.same(state.check(7, 0, 0, 9), { kind: 'duplicate', baseOffset: 100, lastOffset: 109 })
  t.same(state.check(7, 0, 0, 8), { kind: 'out-of-order' }, 'the same start with another length is another batch')
  t.same(state.check(7, 0, 11, 0), { kind: 'out-of-order' })
  t.same(state.check(7, 1, 0, 0), { kind: 'next' }, 'a new epoch starts at 0')
  t.same(state.check(7, 1, 5, 0), { kind: 'out-of-order' })
  state.update(7, 1, 0, 110, 0, 2)
  t.same(state.check(7, 0, 10, 0), { kind: 'old-epoch' })
  t.end()
})

t.test('a new producer starts at 0: what it sent behind a batch that was refused does not get before it', t => {
  const state = new ProducerState(2)
  t.same(state.check(8, 0, 1, 0), { kind: 'out-of-order' })
  t.same(state.check(8, 0, 0, 0), { kind: 'next' })
  state.update(8, 0, 0, 0, 0, 1)
  t.same(state.check(8, 0, 1, 0), { kind: 'next' })
  state.truncate(0)
  t.same(state.check(8, 0, 1, 0), { kind: 'out-of-order' }, 'its first batch was cut')
  state.update(8, 0, 0, 0, 0, 1)
  state.expire(2)
  t.same(state.check(8, 0, 1, 0), { kind: 'next' }, 'it was known once')
  t.same(state.check(7, 0, 1, 0), { kind: 'next' }, 'so may this one have been')
  t.same(state.check(9, 0, 1, 0), { kind: 'out-of-order' })
  const copy = new ProducerState()
  copy.restore(state.snapshot())
  t.same([8, 9].map(id => copy.check(id, 0, 1, 0).kind), ['next', 'out-of-order'])
  copy.restore(encode([]))
  t.same(copy.check(9, 0, 1, 0), { kind: 'next' }, 'a snapshot that is older does not say whom it had forgotten')
  t.end()
})

t.test('more batches are cut than are remembered', t => {
  const state = new ProducerState()
  for (let i = 0; i < 10; i++) state.update(1, 0, i, i, 0, i)
  const copy = new ProducerState()
  copy.restore(state.snapshot(3))
  state.truncate(3)
  for (const one of [state, copy]) {
    t.equal(one.size, 0)
    t.same(one.check(1, 0, 3, 0), { kind: 'next' }, 'the log still holds three of them')
    t.same(one.check(2, 0, 3, 0), { kind: 'out-of-order' })
  }
  t.end()
})

t.test('sequences wrap behind 2^31 - 1', t => {
  const state = new ProducerState()
  const base = 2 ** 31 - 2
  state.update(1, 0, base, 0, 1, 1)
  t.equal(lastSequence(base, 1), 2 ** 31 - 1)
  t.same(state.check(1, 0, 0, 0), { kind: 'next' })
  state.update(1, 0, 0, 2, 0, 1)
  t.same(state.check(1, 0, 1, 0), { kind: 'next' })
  t.equal(lastSequence(2 ** 31 - 1, 2), 1, 'a batch may wrap in its middle')
  t.end()
})

t.test('five batches are remembered, the sixth back is not', t => {
  const state = new ProducerState()
  for (let i = 0; i < 6; i++) state.update(1, 0, i, i, 0, i)
  t.same(state.check(1, 0, 1, 0), { kind: 'duplicate', baseOffset: 1, lastOffset: 1 })
  t.same(state.check(1, 0, 0, 0), { kind: 'out-of-order' })
  t.end()
})

t.test('the bound forgets whoever wrote longest ago; expiry by time; truncation by offset', t => {
  const state = new ProducerState(2)
  state.update(1, 0, 0, 0, 0, 30)
  state.update(2, 0, 0, 1, 0, 10)
  state.update(3, 0, 0, 2, 0, 20)
  t.equal(state.size, 2)
  t.same(state.check(2, 0, 5, 0), { kind: 'next' }, 'forgotten')
  t.same(state.check(1, 0, 5, 0), { kind: 'out-of-order' }, 'kept')
  state.expire(30)
  t.equal(state.size, 1)
  state.update(1, 0, 1, 9, 0, 31)
  state.truncate(9)
  t.same(state.check(1, 0, 1, 0), { kind: 'next' }, 'the batch at 9 is gone')
  state.truncate(0)
  t.equal(state.size, 0)
  t.end()
})

t.test('a snapshot brings back the same answers', t => {
  fc.assert(fc.property(fc.array(fc.record({ id: fc.nat(3), length: fc.integer({ min: 1, max: 4 }), raise: fc.boolean() }), { maxLength: 40 }), batches => {
    const state = new ProducerState()
    const next = new Map<number, { epoch: number, sequence: number }>()
    let offset = 0
    for (const { id, length, raise } of batches) {
      const at = next.get(id) ?? { epoch: 0, sequence: 0 }
      if (raise) {
        at.epoch++
        at.sequence = 0
      }
      if (state.check(id, at.epoch, at.sequence, length - 1).kind !== 'next') return false
      state.update(id, at.epoch, at.sequence, offset, length - 1, offset)
      const again = state.check(id, at.epoch, at.sequence, length - 1)
      if (again.kind !== 'duplicate' || again.baseOffset !== offset) return false
      next.set(id, { epoch: at.epoch, sequence: at.sequence + length })
      offset += length
    }
    const copy = new ProducerState()
    copy.restore(state.snapshot())
    for (let id = 0; id < 4; id++) {
      for (let sequence = 0; sequence < 20; sequence++) {
        const { epoch } = next.get(id) ?? { epoch: 0 }
        if (JSON.stringify(copy.check(id, epoch, sequence, 0)) !== JSON.stringify(state.check(id, epoch, sequence, 0))) return false
      }
    }
    return copy.size === state.size
  }))
  t.end()
})
