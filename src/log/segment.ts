/**
 * One segment of a log: a file of batches, named by its first offset, and what is known of it in memory. The newest segment
 * keeps its sparse indexes here; a closed one leaves them in its files, from where readers load them.
 */
import { join } from 'node:path'
import type { Offset } from '../base/ids.ts'
import type { DiskFile } from './disk.ts'
import type { ScanResult } from './scan.ts'
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

export type SegmentFileKind = 'log' | 'index' | 'timeindex'

/** 20 digits, so that names sort as numbers. */
export function offsetName (offset: number): string {
  return String(offset).padStart(20, '0')
}

export function segmentPath (directory: string, base: number, kind: SegmentFileKind): string {
  return join(directory, `${offsetName(base)}.${kind}`)
}

/** The offset in a file's name, if it is `<20 digits>.<ending>`. */
export function offsetOfName (name: string, ending: string): Offset | undefined {
  if (name.length !== 21 + ending.length || !name.endsWith(`.${ending}`)) return undefined
  const digits = name.slice(0, 20)
  const offset = /^\d{20}$/.test(digits) ? Number(digits) : NaN
  return Number.isSafeInteger(offset) ? offset as Offset : undefined
}

/** Counts on over all segments of the thread: one that is opened anew differs from what it was before. */
let newestVersion = 0

export class Segment {
  readonly base: Offset
  /** Another one whenever the file was cut: what was known of its index files then no longer holds. */
  version = ++newestVersion
  /** End of the last appended batch; what is behind it in the file is zeros. Includes what is not yet written. */
  size = 0
  /** End of what was handed to the file. */
  writtenSize = 0
  /** End of the zeros written ahead; 0: none. */
  preallocatedEnd = 0
  /** Bytes below this were there when the log was opened: perhaps no longer in the page cache. */
  coldEnd = 0
  /** Largest timestamp of the segment's batches; -1: none has one; undefined: closed and not looked up yet. */
  maxTimestamp: number | undefined = -1
  /** The batch that brought `maxTimestamp`. */
  maxTimestampOffset: Offset
  /** Wall clock at the first append, or when the file was found; for rolling by age. */
  firstMs: number
  /** Present while its files do not hold them all. */
  index: OffsetIndex | undefined
  timeIndex: TimeIndex | undefined
  /** How many entries of each index are in the files. */
  indexSaved = 0
  /** Open for writing; undefined for closed segments and for one that was not created yet. */
  file: DiskFile | undefined
  /** {@link FileStat.id} of the log file; 0 until it is created. */
  fileId = 0
  #indexedPosition = 0

  constructor (base: Offset, firstMs: number) {
    this.base = base
    this.maxTimestampOffset = base
    this.firstMs = firstMs
    this.index = new OffsetIndex(base)
    this.timeIndex = new TimeIndex(base)
  }

  /** A batch of `bytes` is added at the end; adds to the indexes when the last entry is `intervalBytes` back. */
  add (baseOffset: Offset, bytes: number, maxTimestamp: number, intervalBytes: number): void {
    if (this.size - this.#indexedPosition >= intervalBytes) {
      this.index!.add(baseOffset, this.size)
      this.timeIndex!.add(this.maxTimestamp!, this.maxTimestampOffset)
      this.#indexedPosition = this.size
    }
    this.size += bytes
    if (maxTimestamp > this.maxTimestamp!) {
      this.maxTimestamp = maxTimestamp
      this.maxTimestampOffset = baseOffset
    }
  }

  /**
   * Takes over what its index files held: entries that are sure to be right. Then {@link addScanned} adds what stands behind
   * the last of them, or {@link endAt} says that nothing was looked at.
   */
  adopt (index: OffsetIndex, timeIndex: TimeIndex): void {
    if (timeIndex.count > 0) {
      this.maxTimestamp = timeIndex.lastTimestamp
      this.maxTimestampOffset = timeIndex.offsetAt(timeIndex.count - 1)
    }
    const count = Math.min(index.count, timeIndex.count)
    index.keep(count)
    timeIndex.truncate(count)
    this.index = index
    this.timeIndex = timeIndex
    this.indexSaved = count
    this.size = this.#indexedPosition = count === 0 ? 0 : index.positionAt(count - 1)
  }

  addScanned (scan: ScanResult): void {
    for (let i = 0; i < scan.index.length; i += 4) {
      const timestamp = Math.max(this.maxTimestamp!, scan.index[i + 2]!)
      const from = timestamp > scan.index[i + 2]! ? this.maxTimestampOffset : scan.index[i + 3]! as Offset
      this.index!.add(scan.index[i]! as Offset, scan.index[i + 1]!)
      this.timeIndex!.add(timestamp, from)
    }
    if (scan.maxTimestamp > this.maxTimestamp!) {
      this.maxTimestamp = scan.maxTimestamp
      this.maxTimestampOffset = scan.maxTimestampOffset
    }
    this.endAt(scan.endPosition)
  }

  endAt (size: number): void {
    this.size = this.writtenSize = this.coldEnd = size
    const count = this.index!.count
    this.#indexedPosition = count === 0 ? 0 : this.index!.positionAt(count - 1)
  }

  /** Takes no more writes: its indexes are in its files. */
  close (size: number): void {
    this.size = this.writtenSize = size
    this.index = undefined
    this.timeIndex = undefined
  }

  /** Where an index entry last pointed: what stands behind it must be walked to find a batch. */
  get indexedPosition (): number {
    return this.#indexedPosition
  }

  /** Cuts everything at and after `offset`, which begins at `position`. `maxTimestamp` may stay too large: searches know that. */
  truncate (offset: Offset, position: number): void {
    this.version = ++newestVersion
    this.size = position
    this.writtenSize = Math.min(this.writtenSize, position)
    this.coldEnd = Math.min(this.coldEnd, position)
    if (position === 0) this.maxTimestamp = -1
    this.maxTimestampOffset = Math.max(this.base, Math.min(this.maxTimestampOffset, offset - 1)) as Offset
    this.index!.truncate(offset)
    this.timeIndex!.truncate(this.index!.count)
    this.indexSaved = Math.min(this.indexSaved, this.index!.count)
    const count = this.index!.count
    this.#indexedPosition = count === 0 ? 0 : this.index!.positionAt(count - 1)
  }
}
