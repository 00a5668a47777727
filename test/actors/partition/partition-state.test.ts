/** What a partition derives from its log: it must come to the same whichever way the log went. */
import t from 'tap'
import fc from 'fast-check'
import { LogStarts } from '../../../src/actors/partition/log-starts.ts'
import { PartitionState } from '../../../src/actors/partition/partition-state.ts'
import { ProducerState } from '../../../src/actors/partition/producer-state.ts'
import { encode } from '../../../src/base/msgpack.ts'
import type { Offset } from '../../../src/base/ids.ts'
import { leaderChangeBatch, logStartBatch } from '../../../src/record/control-record.ts'
import { stamp } from '../../../src/record/record-batch.ts'
import { buildBatch } from '../../../src/record/records.ts'

const next = { kind: 'next' }

t.test('cut back through an epoch: the producer goes on with the last sequence of the one before', async t => {
  const state = new ProducerState()
  state.update(1, 0, 0, 10, 4, 1)
  state.update(1, 1, 0, 20, 2, 2)
  state.truncate(20)
  t.same(state.check(1, 0, 5, 0), next, 'the epoch before counts again, from where it was')
  t.same(state.check(1, 0, 6, 0), { kind: 'out-of-order' })
  t.same(state.check(1, 0, 0, 4), { kind: 'out-of-order' }, 'that it is a repetition is forgotten, and so it is refused')
  t.same(state.check(1, 1, 0, 0), next)
  state.update(1, 0, 5, 20, 0, 3)
  t.same(state.check(1, 0, 5, 0), { kind: 'duplicate', baseOffset: 20, lastOffset: 20 })
  state.truncate(20)
  t.same(state.check(1, 0, 5, 0), next, 'cut again')
  state.truncate(14)
  t.equal(state.size, 0, 'nothing is known of what came before')
})

t.test('cut back through batches that were evicted', async t => {
  const state = new ProducerState()
  for (let i = 0; i < 8; i++) state.update(1, 3, i * 10, 100 + i * 10, 9, i)
  state.truncate(150)
  t.same(state.check(1, 3, 50, 0), next)
  t.same(state.check(1, 3, 40, 9), { kind: 'duplicate', baseOffset: 140, lastOffset: 149 })
  state.truncate(130)
  t.same(state.check(1, 3, 30, 0), next, 'the last of those that were evicted is remembered')
  state.truncate(120)
  t.equal(state.size, 0)
})

t.test('a snapshot that leaves out what stands above an offset is that of a state that was cut there', async () => {
  const batch = fc.record({ id: fc.nat(2), length: fc.integer({ min: 1, max: 3 }), raise: fc.boolean() })
  fc.assert(fc.property(fc.array(batch, { maxLength: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), (batches, where) => {
    const state = new ProducerState()
    const known = new Map<number, { epoch: number, sequence: number }>()
    const ends = [0]
    for (const { id, length, raise } of batches) {
      const before = known.get(id) ?? { epoch: 0, sequence: 0 }
      const at = raise ? { epoch: before.epoch + 1, sequence: 0 } : before
      state.update(id, at.epoch, at.sequence, ends.at(-1)!, length - 1, ends.length)
      known.set(id, { epoch: at.epoch, sequence: at.sequence + length })
      ends.push(ends.at(-1)! + length)
    }
    const end = ends[Math.floor(where * (ends.length - 1))]!
    const told = new ProducerState()
    told.restore(state.snapshot(end))
    state.truncate(end)
    for (let id = 0; id < 3; id++) {
      for (let epoch = 0; epoch <= (known.get(id)?.epoch ?? 0); epoch++) {
        for (let sequence = 0; sequence < 30; sequence++) {
          if (JSON.stringify(told.check(id, epoch, sequence, 0)) !== JSON.stringify(state.check(id, epoch, sequence, 0))) return false
        }
      }
    }
    return told.size === state.size
  }))
})

t.test('producers of a snapshot from before there were floors', async t => {
  const state = new ProducerState()
  state.restore(encode([[7, 2, 1000, [0, 9, 100, 109, 10, 12, 110, 112]]]))
  t.same(state.check(7, 2, 10, 2), { kind: 'duplicate', baseOffset: 110, lastOffset: 112 })
  t.same(state.check(7, 2, 13, 0), next)
  state.truncate(100)
  t.equal(state.size, 0)
})

function at (offset: number, batch: Uint8Array): Uint8Array {
  stamp(batch, 0, offset, 1)
  return batch
}

t.test('a partition derives producers and starts from its log, and reads both forms of a snapshot', async t => {
  const state = new PartitionState()
  state.apply(at(0, leaderChangeBatch(1, [1])))
  state.apply(at(1, buildBatch({ records: [{ value: 'a' }, { value: 'b' }], producerId: 5, producerEpoch: 0, baseSequence: 0 })))
  state.apply(at(3, buildBatch({ records: [{ value: 'c' }] })))
  state.apply(at(4, logStartBatch(2)))
  t.same(state.producers.check(5, 0, 0, 1), { kind: 'duplicate', baseOffset: 1, lastOffset: 2 })
  t.same([state.producers.size, state.starts.last, state.starts.committed], [1, 2, 0])
  const again = new PartitionState()
  again.restore(state.snapshot())
  t.same([again.producers.size, again.starts.last, again.starts.committed], [1, 2, 0])
  again.starts.commit(5 as Offset)
  t.equal(again.starts.committed, 2)
  state.truncate(2 as Offset)
  t.same([state.producers.size, state.starts.last], [1, 0], 'the producer\'s batch begins below')
  state.truncate(1 as Offset)
  t.equal(state.producers.size, 0)
  const old = new PartitionState()
  old.restore(encode([[5, 0, 1000, [0, 1, 1, 2], []]]))
  t.same([old.producers.check(5, 0, 2, 0), old.starts.last], [next, 0])
  old.restore(encode([]))
  t.equal(old.producers.size, 0)
})

t.test('starts count when the batch that sets them is committed', async t => {
  const starts = new LogStarts()
  for (const [offset, start] of [[10, 5], [20, 4], [30, 25], [40, 39]] as const) starts.stands(offset, start)
  t.equal(starts.last, 39)
  starts.commit(30 as Offset)
  t.equal(starts.committed, 5, 'one that is lower is no news')
  starts.truncate(40 as Offset)
  t.equal(starts.last, 25)
  const again = new LogStarts()
  again.restore(starts.snapshot(31))
  t.same([again.committed, again.last], [5, 25])
  again.restore(starts.snapshot(30))
  t.same([again.committed, again.last], [5, 5], 'left out: it stands at 30')
  starts.commit(31 as Offset)
  t.same([starts.committed, starts.last], [25, 25])
})

t.test('starts that are not committed take bounded memory, and the newest of them counts', async t => {
  const starts = new LogStarts()
  for (let i = 1; i <= 5000; i++) starts.stands(i, i)
  t.ok(starts.snapshot(Infinity).length <= 2001)
  starts.commit(5001 as Offset)
  t.equal(starts.committed, 5000)
})
