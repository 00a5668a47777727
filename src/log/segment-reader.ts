/**
 * Reads what a {@link ReadPlan} says, on the thread of whoever needs the bytes. One per thread: it keeps the newest used files
 * open, remembers where sequential readers left off, and lends buffers that are used again and again.
 *
 * ```
 *  plan.position                                        plan.position + plan.bytes
 *     [ batches below plan.offset | whole batches up to maxBytes and below plan.endOffset | … ]
 *                                 ^ lease.bytes                                          ^
 * ```
 */
import { type Clock, systemClock } from '../base/clock.ts'
import type { Offset } from '../base/ids.ts'
import { assert } from '../base/assert.ts'
import { batchBytesOf, batchHeaderBytes, batchMagic, magicOf, nextOffsetOf, baseOffsetOf } from '../record/record-batch.ts'
import type { Disk, DiskFile } from './disk.ts'
import { readWhole } from './checked-file.ts'
import type { ReadPlan } from './log.ts'
import { OffsetIndex, segmentSpanMax } from './offset-index.ts'
import { ReadBuffers, type ReadBuffer } from './read-buffers.ts'
import { type Paced, ReadPace } from './read-pace.ts'
import { segmentPath } from './segment.ts'

/** Bytes lent to one reader. Whoever got it gives it back exactly once, after the last use. */
export interface ReadLease {
  /** Whole batches; the first holds the plan's offset. Valid until `release`. */
  readonly bytes: Uint8Array
  release (): void
}

/** `lease` is undefined when nothing fits: no whole batch within `maxBytes`, or nothing there. */
export type ReadDone = (error: Error | undefined, lease: ReadLease | undefined) => void

/** Read beyond `maxBytes`, because the position may lie an index interval before the wanted batch. */
const slackBytes = 16384
const hintsPerFile = 8
/** Larger reads always go to the pool: what a thread may do at a time. Most clients ask for 1 MiB of a partition. */
const hereBytesMax = (1 << 20) + slackBytes

interface OpenFile extends Paced {
  readonly key: string
  readonly fileId: number
  readonly file: DiskFile
  /** Of a closed segment, loaded when a plan needs it; and the plan's version and bytes: with others the file was cut since, and written anew. */
  index: OffsetIndex | undefined
  indexVersion: number
  indexedBytes: number
  /** Reads, and opens whose read comes next: the descriptor stays theirs, in the cache or out of it. */
  users: number
  /** Counts up with each use of any file: the lowest is the one to close. */
  lastUse: number
  /** Where reads ended, as (offset, position) pairs: sequential readers go on exactly there. */
  readonly hints: Float64Array
  nextHint: number
  closing: boolean
}

export interface SegmentReaderOptions {
  readonly disk: Disk
  /** Files kept open. */
  readonly filesMax?: number
  /** Memory for read buffers: `performance.read_cache_size`. Beyond it reads get smaller, never stuck. */
  readonly bufferBytesMax?: number
  readonly clock?: Clock
}

export class SegmentReader {
  readonly #disk: Disk
  readonly #filesMax: number
  readonly #buffers: ReadBuffers
  readonly #pace: ReadPace
  readonly #files = new Map<string, OpenFile>()
  readonly #opening = new Map<string, Promise<OpenFile>>()
  #uses = 0

  constructor (options: SegmentReaderOptions) {
    this.#disk = options.disk
    this.#filesMax = options.filesMax ?? 128
    this.#buffers = new ReadBuffers(options.bufferBytesMax ?? 32 << 20)
    this.#pace = new ReadPace(options.clock ?? systemClock)
  }

  get openFiles (): number {
    return this.#files.size
  }

  get bufferBytes (): number {
    return this.#buffers.bytes
  }

  /**
   * Reads whole batches from the plan's offset on.
   *
   * @param maxBytes     at most so many bytes …
   * @param minOneBatch  … but the first batch whole, however large (otherwise nothing, if it does not fit)
   * @param done         called exactly once; before this returns if the read is made on this thread (see {@link ReadPace}) and its file is open
   */
  read (directory: string, plan: ReadPlan, maxBytes: number, minOneBatch: boolean, done: ReadDone): void {
    assert(plan.memory === undefined, 'bytes in memory need no reading')
    const key = segmentPath(directory, plan.segmentBase, 'log')
    const open = this.#files.get(key)
    if (open !== undefined && canServe(open, plan)) {
      this.#readFile(this.#use(open), plan, maxBytes, minOneBatch, done)
      return
    }
    this.#open(directory, key, plan).then(
      file => this.#readFile(file, plan, maxBytes, minOneBatch, done),
      error => done(error, undefined)
    )
  }

  /** Copies bytes that are valid only now, such as a plan's `memory`, into a buffer that may be kept until it is released; undefined while memory is short. */
  copy (bytes: Uint8Array): ReadLease | undefined {
    const buffer = this.#buffers.take(bytes.length, false)
    if (buffer.bytes.length < bytes.length) return undefined
    buffer.bytes.set(bytes)
    return this.#buffers.lease(buffer, 0, bytes.length)
  }

  /** Closes the files of a folder, each when its last read ends: its partition is gone from here. */
  forget (directory: string): void {
    for (const open of [...this.#files.values()]) if (open.key.startsWith(directory)) this.#evict(open)
    for (const [key, opening] of this.#opening) if (key.startsWith(directory)) opening.then(open => this.#evict(open), () => {})
  }

  /** Closes all files, when nothing new is read any more; one that is still being read, when that ends. */
  async close (): Promise<void> {
    while (this.#opening.size > 0) await Promise.allSettled(this.#opening.values())
    await Promise.all([...this.#files.values()].map(open => this.#evict(open)))
  }

  /** Returns the file in use by the caller, whose read ends that: others may push it out of the cache before. */
  async #open (directory: string, key: string, plan: ReadPlan): Promise<OpenFile> {
    const present = this.#opening.get(key)
    if (present !== undefined) {
      const open = await present
      if (canServe(open, plan)) return this.#use(open)
      return this.#open(directory, key, plan)
    }
    const opening = this.#openNow(directory, key, plan)
    this.#opening.set(key, opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(key)
    }
  }

  async #openNow (directory: string, key: string, plan: ReadPlan): Promise<OpenFile> {
    let open = this.#files.get(key)
    if (open !== undefined && open.fileId !== plan.fileId) {
      this.#evict(open)
      open = undefined
    }
    if (open !== undefined) this.#use(open)
    else {
      const file = await this.#disk.open(key, 'read')
      const { id } = await file.stat()
      if (id !== plan.fileId) {
        await file.close()
        throw Object.assign(new Error(`${key} was replaced: ask for a new plan`), { code: 'ESTALE' })
      }
      open = { key, fileId: id, file, index: undefined, indexVersion: 0, indexedBytes: 0, users: 1, lastUse: ++this.#uses, hints: new Float64Array(hintsPerFile * 2).fill(-1), nextHint: 0, quick: false, closing: false }
      this.#files.set(key, open)
      while (this.#files.size > this.#filesMax) this.#evict(this.#leastRecentlyUsed())
    }
    if (!canSearch(open, plan)) {
      try {
        const bytes = await readWhole(this.#disk, segmentPath(directory, plan.segmentBase, 'index')) ?? new Uint8Array(0)
        open.index = OffsetIndex.decode(plan.segmentBase, bytes, segmentSpanMax)
        open.indexVersion = plan.version
        open.indexedBytes = plan.bytes
      } catch (error) {
        this.#unuse(open)
        throw error
      }
    }
    return open
  }

  #leastRecentlyUsed (): OpenFile {
    let oldest: OpenFile | undefined
    for (const open of this.#files.values()) {
      if (oldest === undefined || open.lastUse < oldest.lastUse) oldest = open
    }
    return oldest!
  }

  /** Takes the file out of the cache; it is closed when nobody uses it, and only once: its descriptor's number may be another file's by then. */
  async #evict (open: OpenFile): Promise<void> {
    if (open.closing) return
    this.#files.delete(open.key)
    open.closing = true
    if (open.users === 0) await open.file.close().catch(() => {})
  }

  #use (open: OpenFile): OpenFile {
    open.users++
    open.lastUse = ++this.#uses
    return open
  }

  #unuse (open: OpenFile): void {
    if (--open.users === 0 && open.closing) open.file.close().catch(() => {})
  }

  /** Where to begin: exactly, if an earlier read ended there, else by the index. */
  #startOf (open: OpenFile, plan: ReadPlan): number {
    for (let i = 0; i < hintsPerFile; i++) {
      if (open.hints[i * 2] === plan.offset) return open.hints[i * 2 + 1]!
    }
    return plan.indexed ? plan.position : open.index!.floorPosition(plan.offset as Offset)
  }

  /** Reads from a file that is in use for this read. */
  #readFile (open: OpenFile, plan: ReadPlan, maxBytes: number, minOneBatch: boolean, done: ReadDone): void {
    const position = this.#startOf(open, plan)
    const end = plan.position + plan.bytes
    const wanted = Math.min(maxBytes + slackBytes, end - position)
    if (wanted < batchHeaderBytes) {
      this.#unuse(open)
      return done(undefined, undefined)
    }
    new Reading(this, this.#buffers, this.#pace, open, plan, position, end, maxBytes, minOneBatch, done).start(wanted)
  }

  /** The read is over; it ended at (nextOffset, nextPosition) if it found something. What is not committed may be cut and written anew. */
  finished (open: OpenFile, plan: ReadPlan, nextOffset: number, nextPosition: number): void {
    if (nextOffset >= 0 && nextOffset <= plan.highWatermark) {
      open.hints[open.nextHint * 2] = nextOffset
      open.hints[open.nextHint * 2 + 1] = nextPosition
      open.nextHint = (open.nextHint + 1) % hintsPerFile
    }
    this.#unuse(open)
  }
}

/** The file is still open, is the one that the plan means, and can be searched. */
function canServe (open: OpenFile, plan: ReadPlan): boolean {
  return (open.users > 0 || !open.closing) && open.fileId === plan.fileId && canSearch(open, plan)
}

/** The plan says where to begin, or the index that it means is here. A log that another thread opened anew counts versions from 1: hence the bytes. */
function canSearch (open: OpenFile, plan: ReadPlan): boolean {
  return plan.indexed || (open.index !== undefined && open.indexVersion === plan.version && open.indexedBytes === plan.bytes)
}

/** One read under way: usually one piece, more when the wanted batch lies further on or is larger than asked for. */
class Reading {
  readonly #reader: SegmentReader
  readonly #buffers: ReadBuffers
  readonly #pace: ReadPace
  readonly #open: OpenFile
  readonly #plan: ReadPlan
  readonly #end: number
  readonly #maxBytes: number
  readonly #minOneBatch: boolean
  readonly #done: ReadDone
  #position: number
  #buffer: ReadBuffer | undefined
  #wanted = 0
  #startMs = 0

  constructor (
    reader: SegmentReader, buffers: ReadBuffers, pace: ReadPace, open: OpenFile, plan: ReadPlan, position: number, end: number,
    maxBytes: number, minOneBatch: boolean, done: ReadDone
  ) {
    this.#reader = reader
    this.#buffers = buffers
    this.#pace = pace
    this.#open = open
    this.#plan = plan
    this.#position = position
    this.#end = end
    this.#maxBytes = maxBytes
    this.#minOneBatch = minOneBatch
    this.#done = done
  }

  /** Reads `wanted` bytes from the present position on. `exactly`: fewer would not help, so take memory beyond the bound if need be. */
  start (wanted: number, exactly = false): void {
    this.#buffer = this.#buffers.take(wanted, exactly)
    this.#wanted = Math.min(wanted, this.#buffer.bytes.length)
    const into = this.#buffer.bytes.subarray(0, this.#wanted)
    this.#startMs = this.#pace.nowMs
    if (this.#wanted > hereBytesMax || !this.#pace.isHere(this.#open, this.#plan.hot, this.#startMs)) {
      this.#open.file.read(into, this.#position, this.#onRead)
      return
    }
    let count = 0
    try {
      count = this.#open.file.readNow(into, this.#position)
    } catch (error) {
      return this.#finish(error as Error)
    }
    this.#pace.note(this.#open, this.#startMs, true)
    this.#handle(count)
  }

  readonly #onRead = (error: Error | undefined, count: number): void => {
    if (error !== undefined) return this.#finish(error)
    this.#pace.note(this.#open, this.#startMs, false)
    this.#handle(count)
  }

  /** Finds the whole batches that were asked for among the bytes read. */
  #handle (count: number): void {
    const { offset, endOffset } = this.#plan
    const bytes = this.#buffer!.bytes
    let at = 0
    let size = 0
    for (;; at += size) {
      if (count - at < batchHeaderBytes) {
        if (at === 0 || count < this.#wanted) return this.#finish(undefined)
        return this.#again(at, Math.min(this.#maxBytes + slackBytes, this.#end - this.#position - at), false)
      }
      if (magicOf(bytes, at) !== batchMagic || batchBytesOf(bytes, at) < batchHeaderBytes) return this.#finish(undefined)
      size = batchBytesOf(bytes, at)
      if (nextOffsetOf(bytes, at) > offset) break
    }
    if (baseOffsetOf(bytes, at) >= endOffset) return this.#finish(undefined)
    if (size > this.#maxBytes && !this.#minOneBatch) return this.#finish(undefined)
    if (at + size > count) {
      if (this.#position + at + size > this.#end) return this.#finish(undefined)
      const wanted = this.#buffer!.sizeClass < 0 ? size : Math.max(size, this.#maxBytes)
      return this.#again(at, Math.min(wanted, this.#end - this.#position - at), true)
    }
    const start = at
    let nextOffset: number
    do {
      nextOffset = nextOffsetOf(bytes, at)
      at += size
      if (count - at < batchHeaderBytes || magicOf(bytes, at) !== batchMagic) break
      size = batchBytesOf(bytes, at)
    } while (size >= batchHeaderBytes && at + size <= count && at + size - start <= this.#maxBytes && baseOffsetOf(bytes, at) < endOffset)
    this.#reader.finished(this.#open, this.#plan, nextOffset, this.#position + at)
    this.#done(undefined, this.#buffers.lease(this.#buffer!, start, at))
  }

  #again (at: number, wanted: number, exactly: boolean): void {
    this.#buffers.give(this.#buffer!)
    this.#buffer = undefined
    this.#position += at
    this.start(wanted, exactly)
  }

  #finish (error: Error | undefined): void {
    if (this.#buffer !== undefined) this.#buffers.give(this.#buffer)
    this.#reader.finished(this.#open, this.#plan, -1, 0)
    this.#done(error, undefined)
  }
}
