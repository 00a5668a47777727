/** The slow work on a log's files: creating, closing, cutting, copying and removing segments. Plain functions of their arguments. */
import { assert } from '../base/assert.ts'
import { type Offset } from '../base/ids.ts'
import { baseOffsetOf, nextOffsetOf } from '../record/record-batch.ts'
import { readAt, readWhole, replaceWhole, syncFile, writeAt } from './checked-file.ts'
import { type Disk, type DiskFile } from './disk.ts'
import { offsetEntryBytes, OffsetIndex, segmentSpanMax } from './offset-index.ts'
import { walkBatches } from './scan.ts'
import { type Segment, segmentPath } from './segment.ts'
import { timeEntryBytes, TimeIndex } from './time-index.ts'

const copyBytes = 1 << 20

/** Opens a segment's file for writing; creates it durably if it is new. */
export async function openSegment (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const isNew = segment.fileId === 0
  segment.file = await disk.open(segmentPath(directory, segment.base, 'log'), 'write')
  segment.fileId = (await segment.file.stat()).id
  if (isNew) await disk.syncFolder(directory)
}

/** Writes the whole indexes of a segment, with the entry of its largest timestamp at the end. */
export async function saveIndexes (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const { base } = segment
  const closing = new TimeIndex(base)
  closing.add(segment.maxTimestamp!, segment.maxTimestampOffset)
  await replaceWhole(disk, segmentPath(directory, base, 'timeindex'), [segment.timeIndex!.encode(0), closing.encode(0)])
  await replaceWhole(disk, segmentPath(directory, base, 'index'), [segment.index!.encode(0)])
  segment.indexSaved = segment.index!.count
}

/** Adds the index entries `[indexSaved, count)` to the files, not synced: a lost entry is found again by the next recovery. */
export async function appendIndexes (disk: Disk, directory: string, segment: Segment, count: number): Promise<void> {
  const from = segment.indexSaved
  const entries = { index: segment.index!.encode(from), timeindex: segment.timeIndex!.encode(from) }
  for (const [kind, entryBytes] of [['timeindex', timeEntryBytes], ['index', offsetEntryBytes]] as const) {
    const file = await disk.open(segmentPath(directory, segment.base, kind), 'write')
    try {
      await writeAt(file, [entries[kind].subarray(0, (count - from) * entryBytes)], from * entryBytes, false)
    } finally {
      await file.close()
    }
  }
  segment.indexSaved = count
}

/** Takes a closed segment's indexes back into memory. */
export async function loadIndexes (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const { base, size } = segment
  const index = OffsetIndex.decode(base, await readWhole(disk, segmentPath(directory, base, 'index')) ?? new Uint8Array(0), size)
  const timeIndex = TimeIndex.decode(base, await readWhole(disk, segmentPath(directory, base, 'timeindex')) ?? new Uint8Array(0), base + segmentSpanMax as Offset)
  segment.adopt(index, timeIndex)
  segment.size = size
}

/** Reads the largest timestamp of a closed segment from the end of its time index; -1 when nothing is known. */
export async function loadMaxTimestamp (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const bytes = await readWhole(disk, segmentPath(directory, segment.base, 'timeindex')) ?? new Uint8Array(0)
  const index = TimeIndex.decode(segment.base, bytes, segment.base + segmentSpanMax as Offset)
  segment.maxTimestamp = index.lastTimestamp
  if (index.count > 0) segment.maxTimestampOffset = index.offsetAt(index.count - 1)
}

/**
 * Returns where the batch that begins at `offset` stands, or where the last batch below it ends.
 *
 * @throws AssertionError  `offset` lies inside a batch: a batch is one entry of the log and is cut as a whole
 */
export async function findBoundary (disk: Disk, directory: string, segment: Segment, offset: Offset): Promise<number> {
  if (offset <= segment.base) return 0
  const index = segment.index ?? OffsetIndex.decode(segment.base, await readWhole(disk, segmentPath(directory, segment.base, 'index')) ?? new Uint8Array(0), segment.size)
  let boundary = segment.size
  await walkBatches(disk, segmentPath(directory, segment.base, 'log'), index.floorPosition(offset), segment.size, (bytes, at, position) => {
    if (baseOffsetOf(bytes, at) < offset) {
      assert(nextOffsetOf(bytes, at) <= offset, 'a log is cut between batches')
      return true
    }
    boundary = position
    return false
  })
  return boundary
}

/** Cuts what stands behind `size` in the file. */
export async function cutFile (file: DiskFile, size: number, sync: boolean): Promise<void> {
  await file.truncate(size)
  if (sync) await syncFile(file)
}

/** Replaces a segment's file by a fresh, synced copy of its first `size` bytes: pages that a failed sync touched are left behind. */
export async function copyFile (disk: Disk, from: DiskFile, path: string, size: number): Promise<void> {
  const freshPath = `${path}.new`
  await disk.remove(freshPath)
  const fresh = await disk.open(freshPath, 'write')
  try {
    const buffer = new Uint8Array(Math.min(copyBytes, size))
    for (let position = 0; position < size;) {
      const piece = buffer.subarray(0, Math.min(buffer.length, size - position))
      const read = await readAt(from, piece, position)
      if (read === 0) throw Object.assign(new Error(`${path} ends at ${position}, before ${size}`), { code: 'EIO' })
      await writeAt(fresh, [piece.subarray(0, read)], position, false)
      position += read
    }
    await syncFile(fresh)
  } finally {
    await fresh.close()
  }
}

/** Removes segments with their indexes, oldest first, durably. */
export async function removeSegments (disk: Disk, directory: string, segments: readonly Segment[]): Promise<void> {
  for (const segment of segments) {
    await segment.file?.close()
    for (const kind of ['log', 'index', 'timeindex'] as const) await disk.remove(segmentPath(directory, segment.base, kind))
  }
  await disk.syncFolder(directory)
}
