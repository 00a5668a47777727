/**
 * Raft messages as bytes, for connections between brokers and for rings between threads: a fixed header, then raw bytes.
 * Numbers are little-endian (what the machines do); offsets and read rounds are float64, exact for safe integers.
 *
 * ```
 *  0 code u8 | 1 flag u8 | 2 round u16, or zero | 4 from i32 | 8 to i32 | 12 term i32, then by kind:
 *
 *  pre-vote, vote       16 endOffset f64     | 24 lastTerm i32                            round (pre-vote); flag: transfer (vote)
 *  pre-voted, voted                                                                       round (pre-voted); flag: granted
 *  append-entries       16 offset f64        | 24 highWatermark f64 | 32 endOffset f64    | 40 previousTerm i32 | 44 entryTerm i32
 *                       48 pieces u32        | 52 bytes of each piece u32 … | pieces …
 *  entries-appended     16 endOffset f64     | 24 offset f64        | 32 hintTerm i32     flag: 1 rejected, 2 forgetful
 *  heartbeat            16 highWatermark f64 | 24 sentEnd f64       | 32 readRound f64    flag: quiesce
 *  heartbeat-answered   16 sentEnd f64       | 24 endOffset f64     | 32 readRound f64
 *  reset-log            16 offset f64        | 24 highWatermark f64 | 32 previousTerm i32 | 36 state …
 *  timeout-now
 * ```
 * What was read is whole and in range, or nothing was read: bytes from another machine may be anything.
 */
import { assert } from '../base/assert.ts'
import type { GroupKey, MemberId, Offset, Term } from '../base/ids.ts'
import type { AppendEntries, RaftMessage } from './messages.ts'

const Code = {
  'pre-vote': 1,
  'pre-voted': 2,
  vote: 3,
  voted: 4,
  'append-entries': 5,
  'entries-appended': 6,
  heartbeat: 7,
  'heartbeat-answered': 8,
  'reset-log': 9,
  'timeout-now': 10
} as const satisfies Record<RaftMessage['kind'], number>

const headerBytes = 16
/** By code: bytes of the message without its pieces or state; and the largest flag that means something in it. */
const fixedBytes = [0, 28, 16, 28, 16, 52, 36, 40, 40, 36, 16]
const flagMax = [0, 0, 1, 1, 1, 0, 2, 1, 0, 0, 0]

/** What one `append-entries` may hold. A leader sends some MiB at a time, and a batch takes at least 61 bytes. */
const piecesMax = 1 << 20

/** Exact bytes that {@link writeRaftMessage} will write. */
export function raftMessageBytes (message: RaftMessage): number {
  const fixed = fixedBytes[Code[message.kind]]!
  if (message.kind === 'append-entries') {
    let bytes = fixed + 4 * message.batches.length
    for (let i = 0; i < message.batches.length; i++) bytes += message.batches[i]!.length
    return bytes
  }
  return message.kind === 'reset-log' ? fixed + message.state.length : fixed
}

/**
 * Writes a message at `offset`: the one copy of its bytes on the way to another broker or thread.
 *
 * @param view  of the same memory as `bytes`
 * @returns where the message ends
 */
export function writeRaftMessage (message: RaftMessage, bytes: Uint8Array, view: DataView, offset: number): number {
  const code = Code[message.kind]
  assert(message.from > 0 && message.to > 0 && message.term >= 0, 'a message is between members, in a term')
  view.setUint32(offset, code, true)
  view.setInt32(offset + 4, message.from, true)
  view.setInt32(offset + 8, message.to, true)
  view.setInt32(offset + 12, message.term, true)
  switch (message.kind) {
    case 'pre-vote':
      view.setUint16(offset + 2, message.round, true)
      writeEnd(view, offset, message)
      break
    case 'vote':
      bytes[offset + 1] = message.transfer ? 1 : 0
      writeEnd(view, offset, message)
      break
    case 'pre-voted':
      view.setUint16(offset + 2, message.round, true)
      bytes[offset + 1] = message.granted ? 1 : 0
      break
    case 'voted':
      bytes[offset + 1] = message.granted ? 1 : 0
      break
    case 'append-entries':
      return writeEntries(message, bytes, view, offset)
    case 'entries-appended':
      bytes[offset + 1] = message.rejected ? 1 : message.forgetful ? 2 : 0
      view.setFloat64(offset + 16, message.endOffset, true)
      view.setFloat64(offset + 24, message.offset, true)
      view.setInt32(offset + 32, message.hintTerm, true)
      break
    case 'heartbeat':
      bytes[offset + 1] = message.quiesce ? 1 : 0
      view.setFloat64(offset + 16, message.highWatermark, true)
      view.setFloat64(offset + 24, message.sentEnd, true)
      view.setFloat64(offset + 32, message.readRound, true)
      break
    case 'heartbeat-answered':
      view.setFloat64(offset + 16, message.sentEnd, true)
      view.setFloat64(offset + 24, message.endOffset, true)
      view.setFloat64(offset + 32, message.readRound, true)
      break
    case 'reset-log':
      view.setFloat64(offset + 16, message.offset, true)
      view.setFloat64(offset + 24, message.highWatermark, true)
      view.setInt32(offset + 32, message.previousTerm, true)
      bytes.set(message.state, offset + 36)
      return offset + 36 + message.state.length
  }
  return offset + fixedBytes[code]!
}

function writeEnd (view: DataView, offset: number, { endOffset, lastTerm }: { endOffset: Offset, lastTerm: Term }): void {
  view.setFloat64(offset + 16, endOffset, true)
  view.setInt32(offset + 24, lastTerm, true)
}

function writeEntries (message: AppendEntries, bytes: Uint8Array, view: DataView, offset: number): number {
  const { batches } = message
  assert(batches.length <= piecesMax, 'more pieces than a receiver takes')
  view.setFloat64(offset + 16, message.offset, true)
  view.setFloat64(offset + 24, message.highWatermark, true)
  view.setFloat64(offset + 32, message.endOffset, true)
  view.setInt32(offset + 40, message.previousTerm, true)
  view.setInt32(offset + 44, message.entryTerm, true)
  view.setUint32(offset + 48, batches.length, true)
  let end = offset + 52 + 4 * batches.length
  for (let i = 0; i < batches.length; i++) {
    const batch = batches[i]!
    view.setUint32(offset + 52 + 4 * i, batch.length, true)
    bytes.set(batch, end)
    end += batch.length
  }
  return end
}

/**
 * Reads the message that fills `bytes[start..end)`. Its byte fields are views of `bytes`.
 *
 * @param view  of the same memory as `bytes`
 * @returns undefined: this is no message, or not a whole one
 */
export function readRaftMessage (bytes: Uint8Array, view: DataView, start: number, end: number): RaftMessage | undefined {
  if (end - start < headerBytes) return undefined
  const code = bytes[start]!
  const fixed = code === 0 ? undefined : fixedBytes[code]
  const holdsBytes = code === Code['append-entries'] || code === Code['reset-log']
  if (fixed === undefined || (holdsBytes ? end - start < fixed : end - start !== fixed)) return undefined
  const flag = bytes[start + 1]!
  const round = view.getUint16(start + 2, true)
  if (flag > flagMax[code]! || (round !== 0 && code > Code['pre-voted'])) return undefined
  return readKind(code, flag, round, bytes, view, start, end)
}

function readKind (code: number, flags: number, round: number, bytes: Uint8Array, view: DataView, start: number, end: number): RaftMessage | undefined {
  const from = view.getInt32(start + 4, true) as MemberId
  const to = view.getInt32(start + 8, true) as MemberId
  const term = view.getInt32(start + 12, true) as Term
  if (from < 1 || to < 1 || term < 0) return undefined
  const flag = flags === 1
  switch (code) {
    case Code['pre-voted']: return { kind: 'pre-voted', from, to, term, round, granted: flag }
    case Code.voted: return { kind: 'voted', from, to, term, granted: flag }
    case Code['timeout-now']: return { kind: 'timeout-now', from, to, term }
  }
  const first = view.getFloat64(start + 16, true) as Offset
  if (!isOffset(first)) return undefined
  if (code === Code['pre-vote'] || code === Code.vote) {
    const lastTerm = view.getInt32(start + 24, true) as Term
    if (lastTerm < 0) return undefined
    if (code === Code['pre-vote']) return { kind: 'pre-vote', from, to, term, round, lastTerm, endOffset: first }
    return { kind: 'vote', from, to, term, lastTerm, endOffset: first, transfer: flag }
  }
  const second = view.getFloat64(start + 24, true) as Offset
  if (!isOffset(second)) return undefined
  if (code === Code.heartbeat || code === Code['heartbeat-answered'] || code === Code['append-entries']) {
    const third = view.getFloat64(start + 32, true) as Offset
    if (!isOffset(third)) return undefined
    if (code === Code.heartbeat) return { kind: 'heartbeat', from, to, term, highWatermark: first, sentEnd: second, readRound: third, quiesce: flag }
    if (code === Code['heartbeat-answered']) return { kind: 'heartbeat-answered', from, to, term, sentEnd: first, endOffset: second, readRound: third }
    const previousTerm = view.getInt32(start + 40, true) as Term
    const entryTerm = view.getInt32(start + 44, true) as Term
    const batches = readPieces(bytes, view, start + 48, end)
    if (previousTerm < 0 || entryTerm < 0 || third < first || batches === undefined) return undefined
    return { kind: 'append-entries', from, to, term, offset: first, previousTerm, endOffset: third, entryTerm, highWatermark: second, batches }
  }
  const otherTerm = view.getInt32(start + 32, true) as Term
  if (otherTerm < 0) return undefined
  if (code === Code['entries-appended']) return { kind: 'entries-appended', from, to, term, rejected: flag, endOffset: first, offset: second, hintTerm: otherTerm, forgetful: flags === 2 }
  return { kind: 'reset-log', from, to, term, offset: first, previousTerm: otherTerm, highWatermark: second, state: bytes.subarray(start + 36, end) }
}

function readPieces (bytes: Uint8Array, view: DataView, start: number, end: number): Uint8Array[] | undefined {
  const count = view.getUint32(start, true)
  let at = start + 4 + 4 * count
  if (count > piecesMax || at > end) return undefined
  const pieces: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(start + 4 + 4 * i, true)
    if (length > end - at) return undefined
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return at === end ? pieces : undefined
}

/** The fields that are float64 here: counted from 0, and exact. */
function isOffset (value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value)
}

/** A group's key: 16 bytes of topic id, the partition as int32. */
export const groupKeyBytes = 20
const keyPattern = /^[0-9a-f]{32}-(0|[1-9]\d{0,9})$/

/** @throws AssertionError  it is no key: a defect, as keys come from our own metadata */
export function writeGroupKey (group: GroupKey, bytes: Uint8Array, view: DataView, offset: number): void {
  assert(keyPattern.test(group), 'a group key is 32 hex digits and a partition')
  for (let i = 0; i < 16; i++) bytes[offset + i] = parseInt(group.slice(2 * i, 2 * i + 2), 16)
  view.setInt32(offset + 16, Number(group.slice(33)), true)
}

export function readGroupKey (bytes: Uint8Array, view: DataView, offset: number): GroupKey {
  let id = ''
  for (let i = 0; i < 16; i++) id += bytes[offset + i]!.toString(16).padStart(2, '0')
  return `${id}-${view.getInt32(offset + 16, true)}` as GroupKey
}
