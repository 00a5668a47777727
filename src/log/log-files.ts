/**
 * What a log does to its files besides group writes: rolling, syncing, checkpoints, repair, truncation, removal. The log decides
 * when (in `receive`); everything here is slow, asynchronous, and changes only what is true of the files.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Offset } from '../base/ids.ts'
import type { CheckpointState, LogPoint } from './checkpoint.ts'
import { type Checkpointer, sameState } from './checkpointer.ts'
import { syncFile } from './checked-file.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { FlushMode } from './log-config.ts'
import { type LogRestart, noteRestart, removeAllSegments, restartDone } from './log-restart.ts'
import type { ProducerSnapshots } from './producer-snapshot.ts'
import type { RecoveredLog } from './recovery.ts'
import {
  appendIndexes, copyFile, cutFile, cutIndexes, findBatch, loadIndexes, openSegment, removeSegments, saveIndexes
} from './segment-files.ts'
import { Segment, segmentPath } from './segment.ts'

/** Index entries are appended to the files when so many are new. */
const indexEntriesUnsavedMax = 512

export interface ProducerStates {
  /** Exclusive; must be durable, and committed: what is cut takes its snapshots along. */
  readonly offset: Offset
  readonly bytes: Uint8Array
}

export class LogFiles {
  readonly directory: string
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #checkpoints: Checkpointer
  readonly #snapshots: ProducerSnapshots
  readonly epochs: LeaderEpochs
  /** Oldest first; those behind `writing` have no file yet. */
  readonly segments: Segment[]
  /** Where groups are written: the last segment whose file exists. */
  writing: Segment
  /** Handed to the operating system. */
  written: LogPoint
  /** Known to be on disk. */
  synced: LogPoint
  /** What checkpoints say besides. */
  highWatermark: Offset
  /** What the log's start becomes when that is durable: until then no checkpoint says so, since what is not synced may be cut. */
  startOffset: Offset
  #startSaved: Offset
  /** The mode in force; `leaving`: another one waits for a checkpoint that says so. */
  flush: FlushMode
  leavingAlways = false
  /** The last failure of the disk. */
  failure: unknown
  /** Without trust in what the operating system holds, checkpoints claim only what was synced. */
  #trustWritten = true
  /** The file whose last sync failed. */
  #suspect: DiskFile | undefined
  #syncing: Promise<void> = Promise.resolve()
  /** Counts what takes batches back, so that a sync that began before claims nothing of them. */
  #cuts = 0
  /** Closed segments get their index files, and under `os` their sync, one after the other. */
  #retiring: Promise<void> = Promise.resolve()
  /** The segment that a roll is making, or failed to make: its file may be there. */
  #begun: Segment | undefined

  constructor (
    directory: string, disk: Disk, clock: Clock, flush: FlushMode, recovered: RecoveredLog, checkpoints: Checkpointer, snapshots: ProducerSnapshots
  ) {
    this.directory = directory
    this.#disk = disk
    this.#clock = clock
    this.flush = flush
    this.#checkpoints = checkpoints
    this.#snapshots = snapshots
    this.epochs = recovered.epochs
    this.segments = recovered.segments
    this.writing = recovered.segments.at(-1)!
    this.written = { offset: recovered.logEndOffset, segmentBase: this.writing.base, segmentSize: this.writing.size }
    this.synced = this.written
    this.startOffset = this.#startSaved = recovered.logStartOffset
    // What lies below the start was committed, whatever became of the checkpoint.
    this.highWatermark = Math.max(this.startOffset, Math.min(recovered.checkpoint?.state.highWatermark ?? 0, recovered.logEndOffset)) as Offset
  }

  /** All that is written is on disk. */
  get isSynced (): boolean {
    return this.synced.offset === this.written.offset
  }

  /** What a checkpoint would say now. */
  state (): CheckpointState {
    const segment = this.writing
    const index = segment.index!
    let indexEntries = index.count
    while (indexEntries > 0 && index.positionAt(indexEntries - 1) >= segment.writtenSize) indexEntries--
    return {
      durable: this.synced,
      written: this.#trustWritten ? this.written : this.synced,
      highWatermark: this.highWatermark,
      logStartOffset: this.#startSaved,
      ordered: this.flush === 'always' && !this.leavingAlways && this.isSynced,
      maxTimestamp: segment.maxTimestamp!,
      maxTimestampOffset: segment.maxTimestampOffset,
      indexEntries
    }
  }

  get hasNews (): boolean {
    return !sameState(this.state(), this.#checkpoints.saved)
  }

  async checkpoint (states: ProducerStates | undefined): Promise<void> {
    const state = this.state()
    const segment = this.writing
    if (state.indexEntries - segment.indexSaved >= indexEntriesUnsavedMax) {
      await appendIndexes(this.#disk, this.directory, segment, state.indexEntries)
    }
    if (states !== undefined) await this.#snapshots.save(states.offset, states.bytes)
    await this.#checkpoints.save(state, this.epochs, false)
  }

  /** Makes the present state durable. */
  saveState (): Promise<void> {
    return this.#checkpoints.save(this.state(), this.epochs, true)
  }

  /** Leaving `always` waits until {@link relax} is done. */
  changeFlush (flush: FlushMode): void {
    this.leavingAlways = this.flush === 'always' && flush !== 'always'
    if (!this.leavingAlways) this.flush = flush
  }

  leftAlways (flush: FlushMode): void {
    if (!this.leavingAlways) return
    this.leavingAlways = false
    this.flush = flush
  }

  /** What is written from here on may reach the disk in any order: recovery must know before the first such write. */
  relax (): Promise<void> {
    return this.#checkpoints.relax(this.state(), this.epochs)
  }

  /** Puts all that is written by now onto the disk: the newest file, and those before it. A roll may come meanwhile, and a cut. */
  async sync (): Promise<void> {
    const { written } = this
    const before = this.#retiring
    const cuts = this.#cuts
    await this.#syncFile(this.writing.file!)
    await before
    if (!this.#trustWritten) throw this.failure
    if (cuts === this.#cuts && written.offset > this.synced.offset) this.synced = written
  }

  /**
   * Syncs one file at a time. One that failed once is never trusted again: its pages may be marked clean, and the next sync
   * would succeed without having written them.
   */
  #syncFile (file: DiskFile): Promise<void> {
    const done = this.#syncing.then(async () => {
      if (this.#suspect === file) throw this.failure
      try {
        await syncFile(file)
      } catch (error) {
        this.#suspect = file
        this.failure = error
        throw error
      }
    })
    this.#syncing = done.catch(() => {})
    return done
  }

  /** The segment being written is complete: closes it and opens the next. */
  async roll (): Promise<void> {
    const from = this.writing
    const to = this.segments[this.segments.indexOf(from) + 1]!
    const waits = this.flush !== 'os'
    if (from.preallocatedEnd > from.size) await from.file!.truncate(from.size)
    // Segments before it too: they may have been closed under `os`.
    if (waits) await this.sync()
    this.#begun = to
    await openSegment(this.#disk, this.directory, to)
    this.#begun = undefined
    to.firstMs = this.#clock.wallMs()
    const start: LogPoint = { offset: to.base, segmentBase: to.base, segmentSize: 0 }
    this.writing = to
    this.written = start
    if (waits) this.synced = start
    this.#retiring = this.#retiring.then(() => this.#retire(from, start, waits))
  }

  /** Gives a closed segment its index files; under `os` it is only synced now. Never fails: what is missing is found at the next start. */
  async #retire (segment: Segment, end: LogPoint, synced: boolean): Promise<void> {
    try {
      if (!synced) await this.#syncFile(segment.file!)
      await saveIndexes(this.#disk, this.directory, segment)
      if (!synced && this.#trustWritten && end.offset > this.synced.offset) this.synced = end
    } catch (error) {
      this.failure = error
      if (!synced) this.#trustWritten = false
    }
    const { file } = segment
    segment.file = undefined
    // One that cannot be closed must not keep all later ones from being closed.
    await file?.close().catch((error: unknown) => { this.failure = error })
    if (segment.indexSaved === segment.index?.count) segment.close(segment.size)
  }

  /** Forgets what stands behind `end` in the newest file, in memory; the file itself is cut by one of the following. */
  cutTo (end: LogPoint): void {
    assert(end.segmentBase === this.writing.base, 'only the newest file is cut')
    this.#cuts++
    while (this.segments.at(-1) !== this.writing) this.segments.pop()
    this.writing.truncate(end.offset, end.segmentSize)
    this.writing.preallocatedEnd = 0
    this.epochs.truncate(end.offset)
    this.highWatermark = Math.min(this.highWatermark, end.offset) as Offset
    this.startOffset = Math.max(this.#startSaved, Math.min(this.startOffset, end.offset)) as Offset
    this.written = end
    if (this.synced.offset > end.offset) this.synced = end
  }

  /** Cuts the newest file where it was cut in memory: after a write that got only part of the way. */
  async clear (): Promise<void> {
    await this.#removeBegun()
    await cutFile(this.writing.file!, this.writing.size, true)
  }

  /** Once the segment before it takes batches again, the empty file of a failed roll would cut the log in two. */
  async #removeBegun (): Promise<void> {
    if (this.#begun === undefined) return
    await removeSegments(this.#disk, this.directory, [this.#begun])
    this.#begun = undefined
  }

  /** Replaces the newest file by a synced copy: pages that a failed sync touched may be marked clean and lost. */
  async repair (): Promise<void> {
    const segment = this.writing
    const file = segment.file!
    const path = segmentPath(this.directory, segment.base, 'log')
    await this.#removeBegun()
    // Under `interval` one may hold what was written and is cut now.
    await this.#snapshots.truncate(this.written.offset)
    await copyFile(this.#disk, file, path, segment.size)
    // From the rename on the file is shorter than an earlier checkpoint may claim.
    await this.saveState()
    await cutIndexes(this.#disk, this.directory, segment, segment.index!.count)
    await this.#disk.rename(`${path}.new`, path)
    await this.#disk.syncFolder(this.directory)
    segment.file = undefined
    await file.close()
    await openSegment(this.#disk, this.directory, segment)
  }

  /** Cuts everything at and after `offset` from the files; {@link truncated} then does so in memory. */
  async truncate (offset: Offset): Promise<LogPoint> {
    await this.#retiring
    const created = this.segments.slice(0, this.segments.indexOf(this.writing) + 1)
    const segment = created.findLast(one => one.base <= offset)!
    const { position, base } = await findBatch(this.#disk, this.directory, segment, offset)
    assert(base >= offset, 'a log is cut between batches')
    const end: LogPoint = { offset, segmentBase: segment.base, segmentSize: position }
    const state = this.state()
    const durable = state.durable.offset < offset ? state.durable : end
    // First the checkpoint: it must never claim more than the files hold.
    await this.#checkpoints.save({ ...state, durable, written: end, indexEntries: -1 }, this.epochs, true)
    await removeSegments(this.#disk, this.directory, created.filter(one => one.base > segment.base).toReversed())
    await this.#snapshots.truncate(offset)
    if (segment.file === undefined) {
      await openSegment(this.#disk, this.directory, segment)
      await loadIndexes(this.#disk, this.directory, segment)
    }
    await cutIndexes(this.#disk, this.directory, segment, segment.index!.floor(offset - 1 as Offset) + 1)
    await cutFile(segment.file!, position, true)
    return end
  }

  truncated (end: LogPoint): void {
    while (this.segments.at(-1)!.base > end.segmentBase) this.segments.pop()
    this.writing = this.segments.at(-1)!
    this.cutTo(end)
  }

  /** Gives up all files and begins anew, empty. A crash on the way leaves the old log or the new one, see {@link LogRestart}. */
  async restart (restart: LogRestart): Promise<void> {
    const { offset, previousTerm, states } = restart
    await this.#retiring
    await noteRestart(this.#disk, this.directory, restart)
    this.#cuts++
    const { file } = this.writing
    this.writing.file = undefined
    await file!.close()
    await removeAllSegments(this.#disk, this.directory)
    this.#begun = undefined
    const segment = new Segment(offset, this.#clock.wallMs())
    this.segments.splice(0, this.segments.length, segment)
    this.epochs.restart(previousTerm, offset)
    this.writing = segment
    this.written = this.synced = { offset, segmentBase: offset, segmentSize: 0 }
    this.startOffset = this.#startSaved = this.highWatermark = offset
    await this.#snapshots.truncate(-1 as Offset)
    await this.#snapshots.save(offset, states)
    await openSegment(this.#disk, this.directory, segment)
    await this.saveState()
    await restartDone(this.#disk, this.directory)
  }

  /** Offset of the newest snapshot of the owner's states that no cut of the log takes along; 0: there is none. */
  get snapshotOffset (): Offset {
    return this.#snapshots.offsets.findLast(offset => offset <= this.highWatermark) ?? 0 as Offset
  }

  /** Offset of the oldest snapshot that is kept; 0: there is none. */
  get oldestSnapshotOffset (): Offset {
    return this.#snapshots.offsets[0] ?? 0 as Offset
  }

  /**
   * Makes `startOffset` durable; only then may anyone see it, because it never goes back. Returns how far that went: not beyond what
   * is synced, or a loss of power or a cut could leave a log that ends before it starts.
   */
  async saveStart (): Promise<Offset> {
    const wanted = this.startOffset
    if (this.#trustWritten && this.synced.offset < wanted) await this.sync()
    const { offset } = this.#trustWritten ? this.synced : this.written
    const start = Math.max(this.#startSaved, Math.min(wanted, this.startOffset, offset)) as Offset
    await this.#checkpoints.save({ ...this.state(), logStartOffset: start }, this.epochs, true)
    this.#startSaved = start
    return start
  }

  /** Takes the segments that lie wholly below `offset` out of the log; their files are {@link remove}d later. */
  takeBelow (offset: Offset): Segment[] {
    let count = 0
    while (this.segments[count] !== this.writing && this.segments[count + 1]!.base <= offset) count++
    const taken = this.segments.splice(0, count)
    this.epochs.advanceStart(this.segments[0]!.base)
    return taken
  }

  async remove (segments: readonly Segment[]): Promise<void> {
    await this.#retiring
    await removeSegments(this.#disk, this.directory, segments)
  }

  freeBytes (): Promise<number> {
    return this.#disk.freeBytes(this.directory)
  }

  /**
   * Gives the files back, when no group is being written and no work is under way.
   *
   * @param sound   everything written is known, so that the next start need not scan
   * @param states  the owner's producer states as of everything written
   */
  async close (sound: boolean, states: Uint8Array | undefined): Promise<void> {
    await this.#retiring
    const segment = this.writing
    if (sound && this.#suspect !== segment.file) {
      this.cutTo(this.written)
      await cutFile(segment.file!, segment.size, true)
      if (this.#trustWritten) {
        this.synced = this.written
        this.#startSaved = this.startOffset
      }
      if (segment.index!.count > segment.indexSaved) await saveIndexes(this.#disk, this.directory, segment)
      // Two are kept: one that may be cut must not push out the last one that cannot.
      const lastsLong = this.written.offset <= this.highWatermark || (this.#snapshots.offsets.at(-1) ?? 0) <= this.highWatermark
      if (states !== undefined && lastsLong) await this.#snapshots.save(this.written.offset, states)
      await this.saveState()
    }
    // A truncation that failed may have opened an older one again.
    for (const one of this.segments) await one.file?.close()
    await this.#checkpoints.close()
  }
}
