/** The slow work on a log's files: creating, closing, cutting, copying and removing segments. Plain functions of their arguments. */
import type { Offset } from '../base/ids.ts'
import { baseOffsetOf, nextOffsetOf } from '../record/record-batch.ts'
import type { LogPoint } from './checkpoint.ts'
import { readAt, readWhole, replaceWhole, syncFile, writeAt } from './checked-file.ts'
import type { Disk, DiskFile } from './disk.ts'
import { offsetEntryBytes, OffsetIndex, segmentSpanMax } from './offset-index.ts'
import { walkBatches } from './scan.ts'
import { type Segment, segmentPath } from './segment.ts'
import { timeEntryBytes, TimeIndex } from './time-index.ts'

const copyBytes = 1 << 20

/** Opens a segment's file for writing; creates it durably if it is new. After an error the file is closed, and may be there. */
export async function openSegment (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const isNew = segment.fileId === 0
  const file = await disk.open(segmentPath(directory, segment.base, 'log'), 'write')
  try {
    segment.fileId = (await file.stat()).id
    if (isNew) await disk.syncFolder(directory)
  } catch (error) {
    await file.close()
    throw error
  }
  segment.file = file
}

/**
 * Puts what an unclean stop may have left unsynced onto the disk: from the durable point on. It is written again, as it is, before
 * it is synced: where a sync had failed before, the system calls its pages clean, and a sync alone would succeed without them.
 */
export async function syncSegments (
  disk: Disk, directory: string, segments: readonly Segment[], durable: LogPoint | undefined, logEndOffset: Offset
): Promise<void> {
  if (durable?.offset === logEndOffset) return
  for (const segment of segments) {
    if (segment.base < (durable?.segmentBase ?? 0)) continue
    const file = segment.file ?? await disk.open(segmentPath(directory, segment.base, 'log'), 'write')
    await writeAgain(file, segment.base === durable?.segmentBase ? durable.segmentSize : 0, segment.size)
    await syncFile(file)
    if (segment.file === undefined) await file.close()
  }
}

async function writeAgain (file: DiskFile, from: number, end: number): Promise<void> {
  const bytes = new Uint8Array(Math.min(copyBytes, Math.max(0, end - from)))
  for (let at = from; at < end;) {
    const count = await readAt(file, bytes.subarray(0, Math.min(bytes.length, end - at)), at)
    if (count === 0) return
    await writeAt(file, [bytes.subarray(0, count)], at, false)
    at += count
  }
}

/** Writes the whole indexes of a segment, with the entry of its largest timestamp at the end. */
export async function saveIndexes (disk: Disk, directory: string, segment: Segment): Promise<void> {
  const { base } = segment
  const closing = new TimeIndex(base)
  closing.add(segment.maxTimestamp!, segment.maxTimestampOffset)
  await replaceWhole(disk, segmentPath(directory, base, 'timeindex'), [segment.timeIndex!.encode(0), closing.encode(0)])
  if (segment.index!.count > 0) await replaceWhole(disk, segmentPath(directory, base, 'index'), [segment.index!.encode(0)])
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

/** Returns where the batch that holds `offset` stands and begins, or the end of what is written if there is none. */
export async function findBatch (disk: Disk, directory: string, segment: Segment, offset: Offset): Promise<{ position: number, base: number }> {
  const index = segment.index ?? OffsetIndex.decode(segment.base, await readWhole(disk, segmentPath(directory, segment.base, 'index')) ?? new Uint8Array(0), segment.size)
  let found = { position: segment.writtenSize, base: Infinity }
  await walkBatches(disk, segmentPath(directory, segment.base, 'log'), index.floorPosition(offset), segment.writtenSize, (bytes, at, position) => {
    if (nextOffsetOf(bytes, at) <= offset) return true
    found = { position, base: baseOffsetOf(bytes, at) }
    return false
  })
  return found
}

/** Cuts what stands behind `size` in the file. */
export async function cutFile (file: DiskFile, size: number, sync: boolean): Promise<void> {
  await file.truncate(size)
  if (sync) await syncFile(file)
}

/** Drops the entries from `count` on: they speak of bytes that are cut, and others may come to stand there. */
export async function cutIndexes (disk: Disk, directory: string, segment: Segment, count: number): Promise<void> {
  for (const [kind, entryBytes] of [['index', offsetEntryBytes], ['timeindex', timeEntryBytes]] as const) {
    const path = segmentPath(directory, segment.base, kind)
    const stat = await disk.stat(path)
    if (stat === undefined || stat.size <= count * entryBytes) continue
    const file = await disk.open(path, 'write')
    try {
      await cutFile(file, count * entryBytes, true)
    } finally {
      await file.close()
    }
  }
}

/** Makes a fresh, synced copy of a segment's first `size` bytes beside it: pages that a failed sync touched are left behind. The caller renames it. */
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
    const { file } = segment
    segment.file = undefined
    await file?.close()
    for (const kind of ['log', 'index', 'timeindex'] as const) await disk.remove(segmentPath(directory, segment.base, kind))
  }
  await disk.syncFolder(directory)
}
