/**
 * Reads a segment's file batch by batch and checks every checksum: for recovery and for the scrub. It keeps no state and takes
 * plain data in and out, so it can run on another thread.
 */
import type { Offset, Term } from '../base/ids.ts'
import {
  baseOffsetOf, batchBytesOf, batchHeaderBytes, batchMagic, BatchFault, leaderEpochOf, magicOf, maxTimestampOf, nextOffsetOf,
  validateStoredBatch
} from '../record/record-batch.ts'
import type { LeaderEpoch } from './leader-epochs.ts'
import type { Disk } from './disk.ts'
import { readAt } from './checked-file.ts'

export interface ScanRequest {
  /** The segment's log file. */
  readonly path: string
  /** A batch begins here. */
  readonly fromPosition: number
  /** The lowest base offset that the first batch may have. */
  readonly fromOffset: Offset
  /** The end of what is looked at; exclusive. */
  readonly toPosition: number
  /** Stop at the first batch at or after it; default: `toPosition`. */
  readonly stopPosition?: number
  readonly indexIntervalBytes: number
  /** From how far behind a fault on a sound batch proves that what is missing was complete once. */
  readonly proofDistance: number
}

export interface ScanResult {
  /** End of the last sound batch, and the offset after it. */
  readonly endPosition: number
  readonly endOffset: Offset
  /** What stands at `endPosition`: nothing but zeros, or bytes that are no batch. */
  readonly fault: boolean
  /** There is a sound batch at least `proofDistance` behind the fault. */
  readonly batchAfterFault: boolean
  /** (offset, position, largest timestamp so far, the offset that brought it) about every `indexIntervalBytes`, flat. */
  readonly index: readonly number[]
  /** Where terms begin. */
  readonly terms: readonly LeaderEpoch[]
  readonly maxTimestamp: number
  readonly maxTimestampOffset: Offset
}

/** Runs a scan somewhere; by default on the calling thread, piece by piece between other work. */
export type Scan = (request: ScanRequest) => Promise<ScanResult>

const windowBytes = 1 << 20
const maxOffsetsInSegment = 2 ** 31

/** A window over a file that moves forward and grows to hold the batch that is looked at. */
class Window {
  readonly #read: (into: Uint8Array, position: number) => Promise<number>
  readonly #end: number
  bytes = new Uint8Array(0)
  position: number

  constructor (read: (into: Uint8Array, position: number) => Promise<number>, from: number, end: number) {
    this.#read = read
    this.#end = end
    this.position = from
  }

  /** Makes `[position, position + count)` present if the file has it; returns how many bytes from `position` on are present. */
  async need (position: number, count: number): Promise<number> {
    const at = position - this.position
    if (at >= 0 && at + count <= this.bytes.length) return this.bytes.length - at
    const size = Math.min(Math.max(count, windowBytes), this.#end - position)
    const bytes = new Uint8Array(Math.max(0, size))
    const read = size <= 0 ? 0 : await this.#read(bytes, position)
    this.bytes = bytes.subarray(0, read)
    this.position = position
    return read
  }
}

/** Scans `[fromPosition, toPosition)`. @throws on a failed read */
export async function scanFile (disk: Disk, request: ScanRequest): Promise<ScanResult> {
  const file = await disk.open(request.path, 'read')
  try {
    const window = new Window((into, position) => readAt(file, into, position), request.fromPosition, request.toPosition)
    return await scanWindow(window, request)
  } finally {
    await file.close()
  }
}

async function scanWindow (window: Window, request: ScanRequest): Promise<ScanResult> {
  const index: number[] = []
  const terms: LeaderEpoch[] = []
  let position = request.fromPosition
  let offset = request.fromOffset
  let indexed = position
  let maxTimestamp = -1
  let maxTimestampOffset = offset
  let fault = false
  const stop = request.stopPosition ?? Infinity
  while (position < stop) {
    let present = await window.need(position, batchHeaderBytes)
    if (present === 0) break
    let at = position - window.position
    if (present >= batchHeaderBytes && couldBeBatch(window.bytes, at, offset, request.toPosition - window.position)) {
      present = await window.need(position, batchBytesOf(window.bytes, at))
      at = position - window.position
    }
    const bytes = window.bytes
    if (validateStoredBatch(bytes, at, bytes.length) !== BatchFault.none || baseOffsetOf(bytes, at) < offset) {
      fault = true
      break
    }
    const base = baseOffsetOf(bytes, at) as Offset
    if (position - indexed >= request.indexIntervalBytes) {
      index.push(base, position, maxTimestamp, maxTimestampOffset)
      indexed = position
    }
    if (leaderEpochOf(bytes, at) !== terms.at(-1)?.term) terms.push({ term: leaderEpochOf(bytes, at) as Term, start: base })
    if (maxTimestampOf(bytes, at) > maxTimestamp) {
      maxTimestamp = maxTimestampOf(bytes, at)
      maxTimestampOffset = base
    }
    offset = nextOffsetOf(bytes, at) as Offset
    position += batchBytesOf(bytes, at)
  }
  const found = { endPosition: position, endOffset: offset, index, terms, maxTimestamp, maxTimestampOffset }
  if (!fault || await isZeroToEnd(window, position)) return { ...found, fault: false, batchAfterFault: false }
  return { ...found, fault: true, batchAfterFault: await hasBatchAfter(window, position + request.proofDistance, offset, request.toPosition) }
}

/** Zeros written ahead end the log in peace. */
async function isZeroToEnd (window: Window, from: number): Promise<boolean> {
  for (let position = from; ;) {
    const present = await window.need(position, 1)
    if (present === 0) return true
    const at = position - window.position
    for (let i = at; i < at + present; i++) if (window.bytes[i] !== 0) return false
    position += present
  }
}

/** Looks at every position from `from` on for a sound batch with an offset that could follow. */
async function hasBatchAfter (window: Window, from: number, offset: Offset, end: number): Promise<boolean> {
  for (let position = from; position + batchHeaderBytes <= end; position++) {
    if (await window.need(position, batchHeaderBytes) < batchHeaderBytes) return false
    let at = position - window.position
    // The inner loop stays free of awaits: nearly every position fails the first comparison.
    while (at + batchHeaderBytes <= window.bytes.length && !couldBeBatch(window.bytes, at, offset, end - window.position)) at++
    position = window.position + at
    if (at + batchHeaderBytes > window.bytes.length) {
      position--
      continue
    }
    const size = batchBytesOf(window.bytes, at)
    if (await window.need(position, size) < size) continue
    at = position - window.position
    if (validateStoredBatch(window.bytes, at, window.bytes.length) === BatchFault.none) return true
  }
  return false
}

function couldBeBatch (bytes: Uint8Array, at: number, offset: Offset, end: number): boolean {
  if (magicOf(bytes, at) !== batchMagic) return false
  const base = baseOffsetOf(bytes, at)
  const size = batchBytesOf(bytes, at)
  return base >= offset && base < offset + maxOffsetsInSegment && size >= batchHeaderBytes && size <= end - at
}

/**
 * Shows every batch of `[from, to)`, in order, without checking checksums. The bytes are valid only during the call.
 *
 * @throws on a failed read; stops at the first thing that is no batch
 */
export async function walkBatches (
  disk: Disk, path: string, from: number, to: number, visit: (bytes: Uint8Array, at: number, position: number) => boolean
): Promise<void> {
  const file = await disk.open(path, 'read')
  try {
    const window = new Window((into, position) => readAt(file, into, position), from, to)
    for (let position = from; position < to;) {
      if (await window.need(position, batchHeaderBytes) < batchHeaderBytes) return
      let at = position - window.position
      const size = batchBytesOf(window.bytes, at)
      if (magicOf(window.bytes, at) !== batchMagic || size < batchHeaderBytes) return
      if (await window.need(position, size) < size) return
      at = position - window.position
      if (!visit(window.bytes, at, position)) return
      position += size
    }
  } finally {
    await file.close()
  }
}
