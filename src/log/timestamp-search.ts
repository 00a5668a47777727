/** Finds records by time: off the hot path, on the disk, from a plan that the log's owner hands out. */
import type { Offset } from '../base/ids.ts'
import {
  baseOffsetOf, baseTimestampOf, batchBytesOf, batchHeaderBytes, codecOf, isLogAppendTime, maxTimestampOf, nextOffsetOf, recordCountOf
} from '../record/record-batch.ts'
import { readRecords } from '../record/records.ts'
import { readWhole } from './checked-file.ts'
import type { Disk } from './disk.ts'
import { OffsetIndex, segmentSpanMax } from './offset-index.ts'
import { walkBatches } from './scan.ts'
import { type Segment, segmentPath } from './segment.ts'
import { TimeIndex } from './time-index.ts'

interface SegmentView {
  readonly base: Offset
  /** Bytes that are in the file. */
  readonly size: number
  /** undefined: its time index file knows. */
  readonly maxTimestamp: number | undefined
  readonly maxTimestampOffset: Offset
  /** Where the search in it begins, when the log had its indexes in memory. */
  readonly start: number | undefined
}

export interface TimestampPlan {
  readonly directory: string
  /** What is looked for: the first record at or after it; Infinity: the youngest record. */
  readonly timestamp: number
  readonly startOffset: Offset
  /** Exclusive: nothing at or above it is found. */
  readonly endOffset: Offset
  readonly segments: readonly SegmentView[]
}

export interface TimestampFound {
  readonly offset: Offset
  readonly timestamp: number
}

/** Opens a compressed batch's records; undefined if it cannot. `codec`: the attribute bits 0-2. */
export type Decompress = (codec: number, payload: Uint8Array) => Uint8Array | undefined

/** What the log knows now; the search itself needs the log no more. */
export function planTimestampSearch (
  directory: string, segments: readonly Segment[], timestamp: number, startOffset: Offset, endOffset: Offset
): TimestampPlan {
  return {
    directory,
    timestamp,
    startOffset,
    endOffset,
    segments: segments.filter(segment => segment.base < endOffset && segment.writtenSize > 0).map(segment => ({
      base: segment.base,
      size: segment.writtenSize,
      maxTimestamp: segment.maxTimestamp,
      maxTimestampOffset: segment.maxTimestampOffset,
      start: segment.index === undefined || segment.timeIndex === undefined
        ? undefined
        : segment.index.floorPosition(timestamp === Infinity ? segment.maxTimestampOffset : segment.timeIndex.searchStart(timestamp))
    }))
  }
}

/**
 * Returns the first record at or after `plan.timestamp`, or for Infinity the youngest record; undefined if there is none.
 *
 * @param decompress  without it a compressed batch answers with its base offset: early, never late
 * @throws on failing I/O
 */
export async function findTimestamp (disk: Disk, plan: TimestampPlan, decompress?: Decompress): Promise<TimestampFound | undefined> {
  if (plan.timestamp === Infinity) return findYoungest(disk, plan, decompress)
  for (const view of plan.segments) {
    if (view.maxTimestamp !== undefined && view.maxTimestamp < plan.timestamp) continue
    const found = await findIn(disk, plan, view, decompress)
    if (found !== undefined) return found
  }
  return undefined
}

async function findYoungest (disk: Disk, plan: TimestampPlan, decompress?: Decompress): Promise<TimestampFound | undefined> {
  const candidates: { view: SegmentView, timestamp: number }[] = []
  for (const view of plan.segments) {
    candidates.push({ view, timestamp: view.maxTimestamp ?? (await loadTimes(disk, plan.directory, view)).lastTimestamp })
  }
  // A segment may claim more than it holds, after it was cut: then its batches tell.
  for (let tries = 0; tries <= plan.segments.length; tries++) {
    const best = candidates.reduce((a, b) => b.timestamp > a.timestamp ? b : a, { view: undefined as SegmentView | undefined, timestamp: -1 })
    if (best.view === undefined) return undefined
    const found = await findIn(disk, { ...plan, timestamp: best.timestamp }, best.view, decompress)
    if (found !== undefined) return found
    best.timestamp = await maxTimestampIn(disk, plan, best.view, best.timestamp)
    best.view = { ...best.view, start: 0 }
  }
  return undefined
}

/** The largest timestamp below `below` of the batches that the plan allows. */
async function maxTimestampIn (disk: Disk, plan: TimestampPlan, view: SegmentView, below: number): Promise<number> {
  let max = -1
  await walkBatches(disk, segmentPath(plan.directory, view.base, 'log'), 0, view.size, (bytes, at) => {
    const timestamp = maxTimestampOf(bytes, at)
    if (timestamp > max && timestamp < below && nextOffsetOf(bytes, at) > plan.startOffset) max = timestamp
    return baseOffsetOf(bytes, at) < plan.endOffset
  })
  return max
}

async function loadTimes (disk: Disk, directory: string, view: SegmentView): Promise<TimeIndex> {
  const bytes = await readWhole(disk, segmentPath(directory, view.base, 'timeindex')) ?? new Uint8Array(0)
  return TimeIndex.decode(view.base, bytes, view.base + segmentSpanMax as Offset)
}

async function findIn (disk: Disk, plan: TimestampPlan, view: SegmentView, decompress?: Decompress): Promise<TimestampFound | undefined> {
  const { directory, timestamp } = plan
  let start = view.start
  if (start === undefined) {
    const times = await loadTimes(disk, directory, view)
    if (times.lastTimestamp < timestamp && times.count > 0) return undefined
    const index = OffsetIndex.decode(view.base, await readWhole(disk, segmentPath(directory, view.base, 'index')) ?? new Uint8Array(0), segmentSpanMax)
    start = index.floorPosition(times.searchStart(timestamp))
  }
  let found: TimestampFound | undefined
  await walkBatches(disk, segmentPath(directory, view.base, 'log'), start, view.size, (bytes, at) => {
    if (baseOffsetOf(bytes, at) >= plan.endOffset) return false
    if (maxTimestampOf(bytes, at) < timestamp || nextOffsetOf(bytes, at) <= plan.startOffset) return true
    found = findRecord(bytes, at, plan, decompress)
    return found === undefined
  })
  return found
}

function findRecord (bytes: Uint8Array, at: number, plan: TimestampPlan, decompress?: Decompress): TimestampFound | undefined {
  const base = baseOffsetOf(bytes, at) as Offset
  const whole = { offset: Math.max(base, plan.startOffset) as Offset, timestamp: maxTimestampOf(bytes, at) }
  if (isLogAppendTime(bytes, at)) return whole
  const codec = codecOf(bytes, at)
  const stored = bytes.subarray(at + batchHeaderBytes, at + batchBytesOf(bytes, at))
  const payload = codec === 0 ? stored : decompress?.(codec, stored)
  if (payload === undefined) return whole
  try {
    for (const record of readRecords(payload, recordCountOf(bytes, at))) {
      const timestamp = baseTimestampOf(bytes, at) + record.timestampDelta
      const offset = base + record.offsetDelta as Offset
      if (timestamp >= plan.timestamp && offset >= plan.startOffset && offset < plan.endOffset) return { offset, timestamp }
    }
  } catch {
    // What lies inside a batch is its producer's business: one that cannot be read counts as a whole.
    return whole
  }
  return undefined
}
