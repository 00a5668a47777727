import fc from 'fast-check'
import t from 'tap'
import { peersCodecs } from '../../src/actors/peers/codec.ts'
import type { GroupKey } from '../../src/base/ids.ts'
import { seededChance } from '../../src/base/prng.ts'
import type { AppendEntries, RaftMessage } from '../../src/raft/messages.ts'
import { groupKeyBytes, raftMessageBytes, readGroupKey, readRaftMessage, writeGroupKey, writeRaftMessage } from '../../src/raft/wire.ts'
import { Codecs } from '../../src/runtime/codec.ts'
import { memoryOf } from '../../src/runtime/ring.ts'
import { groupKeys, oneOfEachKind, raftMessages } from './messages.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** Written in the middle of other bytes, which must stay as they are. */
function written (message: RaftMessage, before = 0): { bytes: Uint8Array, view: DataView, end: number } {
  const { bytes, view } = memoryOf(new ArrayBuffer(before + raftMessageBytes(message) + 8))
  bytes.fill(0xee)
  const end = writeRaftMessage(message, bytes, view, before)
  return { bytes, view, end }
}

t.test('every message is read as it was written, in exactly the bytes that were announced', async t => {
  fc.assert(fc.property(raftMessages, fc.nat({ max: 9 }), (message, before) => {
    const { bytes, view, end } = written(message, before)
    t.equal(end, before + raftMessageBytes(message))
    t.ok(bytes.subarray(0, before).every(byte => byte === 0xee) && bytes.subarray(end).every(byte => byte === 0xee), 'nothing else is touched')
    t.same(readRaftMessage(bytes, view, before, end), message)
  }), { numRuns: 3000 })
})

t.test('what is not whole, or has something behind it, is no message', async t => {
  const chance = seededChance(3)
  for (const message of [...oneOfEachKind(), ...fc.sample(raftMessages, { seed: 9, numRuns: 60 })]) {
    const { bytes, view, end } = written(message)
    const left = [...Array(end).keys()].filter(size => readRaftMessage(bytes, view, 0, size) !== undefined)
    // The state of a reset has no length of its own: a part of it is a state too. Frames have one.
    t.same(message.kind === 'reset-log' ? left.filter(size => size < 36) : left, [], message.kind)
    if (message.kind !== 'reset-log') t.equal(readRaftMessage(bytes, view, 0, end + 1), undefined)
    t.equal(readRaftMessage(bytes, view, 0, 0), undefined)
    for (let i = 0; i < 300; i++) {
      const other = bytes.slice()
      other[Math.floor(chance.next() * end)] = chance.uint32()
      const read = readRaftMessage(other, memoryOf(other.buffer).view, 0, end)
      if (read !== undefined) t.ok(read.from > 0 && read.to > 0 && read.term >= 0)
    }
  }
})

t.test('what is out of range is no message', async t => {
  const refused = (change: (view: DataView) => void, message: RaftMessage): void => {
    const { bytes, view, end } = written(message)
    change(view)
    t.equal(readRaftMessage(bytes, view, 0, end), undefined, `${message.kind}: ${change.toString()}`)
  }
  for (const message of oneOfEachKind()) {
    refused(view => view.setUint8(0, 0), message)
    refused(view => view.setUint8(0, 11), message)
    refused(view => view.setUint8(0, 255), message)
    refused(view => view.setUint8(1, 3), message)
    if (message.kind !== 'entries-appended') refused(view => view.setUint8(1, 2), message)
    if (!('round' in message)) refused(view => view.setUint16(2, 1), message)
    refused(view => view.setInt32(4, 0, true), message)
    refused(view => view.setInt32(8, -1, true), message)
    refused(view => view.setInt32(12, -1, true), message)
    if (raftMessageBytes(message) === 16) continue
    for (const value of [-1, 0.5, 2 ** 53, NaN, Infinity, -Infinity]) refused(view => view.setFloat64(16, value, true), message)
  }
  const message = oneOfEachKind().find(({ kind }) => kind === 'append-entries') as AppendEntries
  refused(view => view.setUint32(48, 0xffffffff, true), message)
  refused(view => view.setUint32(48, (1 << 20) + 1, true), message)
  refused(view => view.setUint32(52, 0xffffffff, true), message)
  refused(view => view.setFloat64(32, message.offset - 1, true), message)
  refused(view => view.setInt32(44, -1, true), message)
})

t.test('pieces of a message stay apart, and are views', async t => {
  const pieces = [new Uint8Array(70_000).fill(1), new Uint8Array(0), new Uint8Array([2, 3])]
  const message = { ...oneOfEachKind().find(({ kind }) => kind === 'append-entries') as AppendEntries, batches: pieces }
  const { bytes, view, end } = written(message)
  const read = readRaftMessage(bytes, view, 0, end) as AppendEntries
  t.same(read.batches, pieces)
  t.equal(read.batches[0]!.buffer, bytes.buffer)
})

t.test('the keys of groups', async t => {
  fc.assert(fc.property(groupKeys, fc.nat({ max: 5 }), (key, before) => {
    const { bytes, view } = memoryOf(new ArrayBuffer(before + groupKeyBytes))
    writeGroupKey(key, bytes, view, before)
    t.equal(readGroupKey(bytes, view, before), key)
  }))
  const { bytes, view } = memoryOf(new ArrayBuffer(groupKeyBytes))
  for (const wrong of ['', 'x', `${'0'.repeat(32)}`, `${'0'.repeat(32)}-`, `${'0'.repeat(32)}--1`, `${'g'.repeat(32)}-1`, `${'0'.repeat(32)}-01`, `${'0'.repeat(33)}-1`]) {
    t.throws(() => writeGroupKey(wrong as GroupKey, bytes, view, 0), /32 hex digits/)
  }
})

t.test('rings carry what links and groups say to each other', async t => {
  const codecs = new Codecs(peersCodecs)
  fc.assert(fc.property(groupKeys, raftMessages, (group, message) => {
    for (const told of [{ kind: 'raft-in', message }, { kind: 'raft-out', group, message }]) {
      const encoded = codecs.encode(told)
      t.same(codecs.decode(codecs.codeOf(told.kind), memoryOf(encoded.buffer, encoded.byteOffset, encoded.byteLength), 0, encoded.byteLength), told)
    }
  }), { numRuns: 300 })
  t.same([codecs.codeOf('raft-in'), codecs.codeOf('raft-out')], [10, 11])
})
