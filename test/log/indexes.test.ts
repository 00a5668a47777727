/** The small structures of a log against plain models. */
import t from 'tap'
import fc from 'fast-check'
import type { Offset, Term } from '../../src/base/ids.ts'
import { IoQuota } from '../../src/log/io-quota.ts'
import { LeaderEpochs } from '../../src/log/leader-epochs.ts'
import { OffsetIndex } from '../../src/log/offset-index.ts'
import { expiredSegments } from '../../src/log/retention.ts'
import { offsetName, offsetOfName, Segment } from '../../src/log/segment.ts'
import { TimeIndex } from '../../src/log/time-index.ts'

const steps = fc.array(fc.record({ offset: fc.integer({ min: 1, max: 50 }), position: fc.integer({ min: 1, max: 5000 }), time: fc.integer({ min: 0, max: 20 }) }), { maxLength: 60 })

t.test('offset index: floor, truncation, and the way through a file', async () => {
  fc.assert(fc.property(steps, fc.integer({ min: 0, max: 3000 }), (list, probe) => {
    const base = 1000 as Offset
    const index = new OffsetIndex(base)
    const model: { offset: number, position: number }[] = []
    let offset = 1000
    let position = 0
    for (const one of list) {
      index.add((offset += one.offset) as Offset, position += one.position)
      model.push({ offset, position })
    }
    const wanted = model.findLast(entry => entry.offset <= base + probe)?.position ?? 0
    const same = (other: OffsetIndex, entries: typeof model): boolean =>
      other.count === entries.length && entries.every((entry, i) => other.offsetAt(i) === entry.offset && other.positionAt(i) === entry.position)
    const back = OffsetIndex.decode(base, index.encode(0), position + 1)
    if (index.floorPosition(base + probe as Offset) !== wanted || !same(back, model)) return false
    index.truncate(base + probe as Offset)
    return same(index, model.filter(entry => entry.offset < base + probe))
  }))
})

t.test('offset index: a file is read up to what cannot be right', async t => {
  const index = new OffsetIndex(0 as Offset)
  for (const [offset, position] of [[5, 100], [9, 200], [12, 300]] as const) index.add(offset as Offset, position)
  const bytes = index.encode(0)
  t.equal(OffsetIndex.decode(0 as Offset, bytes, 300).count, 2)
  t.equal(OffsetIndex.decode(0 as Offset, bytes.subarray(0, 15), 1000).count, 1)
  const zeroed = bytes.slice()
  zeroed.fill(0, 8, 16)
  t.equal(OffsetIndex.decode(0 as Offset, zeroed, 1000).count, 1)
})

t.test('time index: a search starts at or before the first batch that is young enough', async () => {
  fc.assert(fc.property(steps, fc.integer({ min: 0, max: 300 }), (list, probe) => {
    const index = new TimeIndex(0 as Offset)
    const batches: { offset: number, time: number }[] = []
    let offset = 0
    let time = 0
    for (const one of list) {
      offset += one.offset
      time += one.time
      batches.push({ offset, time })
      index.add(time, offset as Offset)
    }
    const first = batches.find(batch => batch.time >= probe)
    const back = TimeIndex.decode(0 as Offset, index.encode(0), offset + 1 as Offset)
    return back.count === index.count && back.lastTimestamp === index.lastTimestamp &&
      (first === undefined || index.searchStart(probe) <= first.offset)
  }))
})

t.test('leader epochs: starts, ends, cuts', async t => {
  const epochs = new LeaderEpochs()
  t.equal(epochs.lastTerm, 0)
  t.equal(epochs.termAt(0 as Offset), undefined)
  for (const [term, start] of [[1, 0], [3, 10], [4, 10], [7, 30]] as const) epochs.assign(term as Term, start as Offset)
  t.same(epochs.entries, [{ term: 1, start: 0 }, { term: 4, start: 10 }, { term: 7, start: 30 }], 'a term without entries leaves no trace')
  t.equal(epochs.termAt(29 as Offset), 4)
  t.same(epochs.endOf(7 as Term, 44 as Offset), { term: 7, endOffset: 44 })
  t.same(epochs.endOf(5 as Term, 44 as Offset), { term: 4, endOffset: 30 })
  t.throws(() => epochs.assign(6 as Term, 50 as Offset))
  t.same(LeaderEpochs.decode(epochs.encode()).entries, epochs.entries)
  epochs.advanceStart(10 as Offset)
  t.equal(epochs.termAt(9 as Offset), 1, 'the entry before the start is covered')
  epochs.advanceStart(11 as Offset)
  t.equal(epochs.termAt(9 as Offset), undefined)
  epochs.truncate(30 as Offset)
  t.equal(epochs.lastTerm, 4)
})

t.test('leader epochs of a log that begins anew', async t => {
  const epochs = new LeaderEpochs()
  for (const [term, start] of [[1, 0], [3, 10]] as const) epochs.assign(term as Term, start as Offset)
  const { version } = epochs
  epochs.restart(5 as Term, 20 as Offset)
  t.not(epochs.version, version, 'it is to be written')
  t.same([epochs.termAt(18 as Offset), epochs.termAt(19 as Offset), epochs.lastTerm], [undefined, 5, 5])
  t.same([epochs.endOf(4 as Term, 20 as Offset), epochs.endOf(5 as Term, 20 as Offset)], [undefined, { term: 5, endOffset: 20 }])
  epochs.truncate(20 as Offset)
  t.equal(epochs.termAt(19 as Offset), 5, 'an empty log that is cut at its end knows it still')
  epochs.assign(5 as Term, 20 as Offset)
  epochs.assign(6 as Term, 23 as Offset)
  t.same(epochs.endOf(5 as Term, 30 as Offset), { term: 5, endOffset: 23 })
  t.same(LeaderEpochs.decode(epochs.encode()).entries, epochs.entries)
  epochs.restart(0 as Term, 0 as Offset)
  t.same([epochs.entries, epochs.lastTerm], [[], 0], 'nothing is before the beginning')
})

t.test('file names', async t => {
  t.equal(offsetName(42), '00000000000000000042')
  t.equal(offsetOfName('00000000000000000042.log', 'log'), 42)
  for (const name of ['42.log', '00000000000000000042.logx', '0000000000000000004x.log', '99999999999999999999.log', 'checkpoint']) {
    t.equal(offsetOfName(name, 'log'), undefined, name)
  }
})

t.test('retention never takes the newest segment, nor what is above the high watermark', async t => {
  const segments = [0, 10, 20, 30].map((base, i) => Object.assign(new Segment(base as Offset, 0), { size: 100, maxTimestamp: 1000 + i }))
  const limits = { retentionMs: -1, retentionBytes: -1, limit: 40 as Offset }
  t.equal(expiredSegments(segments, limits, 1e9), 0)
  t.equal(expiredSegments(segments, { ...limits, retentionMs: 0 }, 1e9), 3)
  t.equal(expiredSegments(segments, { ...limits, retentionMs: 500 }, 1502), 2)
  t.equal(expiredSegments(segments, { ...limits, retentionBytes: 250 }, 0), 1)
  t.equal(expiredSegments(segments, { ...limits, retentionBytes: 0, limit: 15 as Offset }, 0), 1)
})

t.test('a quota starts so many at once, the others in order', async t => {
  const quota = new IoQuota(2)
  const started: number[] = []
  for (let i = 0; i < 3000; i++) quota.run({ start: () => { started.push(i) } })
  t.same(started, [0, 1])
  for (let i = 0; i < 3000; i++) quota.release()
  t.same(started, Array.from({ length: 3000 }, (_, i) => i))
  t.equal(quota.waiting, 0)
})
