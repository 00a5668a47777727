/**
 * The log of one partition, which is its Raft log too: appended to in memory, written in groups, read by plans.
 *
 * ```
 *  logStartOffset ….… durableEndOffset ….… logEndOffset
 *        [ on disk as `flush` promises ][ in memory, in flight ]
 * ```
 * One group write is under way at a time; what is appended meanwhile forms the next group. The log is itself the effect that
 * writes a group, so a group costs no closure. Nothing here waits: work leaves as effects and comes back through {@link Log.handle}.
 */
import type { Clock } from '../base/clock.ts'
import type { Effect, EffectSink, Message, Post } from '../base/effect.ts'
import type { Offset, Term } from '../base/ids.ts'
import { assert } from '../base/assert.ts'
import { Appender } from './appender.ts'
import type { BlockPool } from './block-pool.ts'
import { bootHash, type CheckpointState, type LogPoint } from './checkpoint.ts'
import { Checkpointer, sameState } from './checkpointer.ts'
import { syncFile } from './checked-file.ts'
import { type Disk, type DiskFile, isDiskFull } from './disk.ts'
import { GroupWriter } from './group-writer.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { FlushMode, LogConfig } from './log-config.ts'
import { exclusiveJobs, type JobName, type LogEvent, type LogJobDone, type LogMessage, type LogRefusal } from './log-message.ts'
import { segmentSpanMax } from './offset-index.ts'
import { ProducerSnapshots } from './producer-snapshot.ts'
import type { ReadPlan } from './read-plan.ts'
import { type LogDamage, type RecoveredLog, recoverLog } from './recovery.ts'
import { type LogReplay, replayLog } from './replay.ts'
import { expiredSegments } from './retention.ts'
import { type Scan, scanFile } from './scan.ts'
import {
  appendIndexes, copyFile, cutFile, cutIndexes, findBatch, loadIndexes, loadMaxTimestamp, openSegment, removeSegments, saveIndexes, syncSegments
} from './segment-files.ts'
import { Segment, segmentPath } from './segment.ts'
import { planTimestampSearch, type TimestampPlan } from './timestamp-search.ts'

export { defaultLogConfig, type FlushMode, type LogConfig } from './log-config.ts'
export type { LogEvent, LogMessage, LogRefusal } from './log-message.ts'
export type { ReadPlan } from './read-plan.ts'
export type { LogReplay } from './replay.ts'

export interface LogOptions {
  /** The log's own folder; made if it is missing. */
  readonly directory: string
  readonly disk: Disk
  readonly pool: BlockPool
  readonly clock: Clock
  readonly config: LogConfig
  /** Names this boot of the machine; without it, what was not synced is scanned at every start. */
  readonly bootId?: string
  /** Where scans of whole segments run; by default here, piece by piece. */
  readonly scan?: Scan
}

export type OpenedLog =
  | { readonly state: 'ready', readonly log: Log, readonly scannedBytes: number, readonly cutBytes: number }
  /** Must not be served: see {@link LogDamage}. */
  | { readonly state: 'damaged', readonly damage: LogDamage }

/** The newest bytes of a log are in the page cache: they were written a moment ago. */
const hotBytes = 32 << 20
/** With less room than this a full disk counts as still full. */
const spaceBytesMin = 4 << 20
/** Index entries are appended to the files when so many are new. */
const indexEntriesUnsavedMax = 512

export class Log implements Effect {
  readonly directory: string
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #appender: Appender
  readonly #group: GroupWriter
  readonly #checkpoints: Checkpointer
  readonly #snapshots: ProducerSnapshots
  readonly #segments: Segment[]
  readonly #epochs: LeaderEpochs
  #config: LogConfig
  /** The flush mode in force. */
  #flush: FlushMode
  /** Where appends go: the last segment. Its file may not exist yet. */
  #active: Segment
  /** Where groups are written: the last segment whose file exists. */
  #writing: Segment
  #logStartOffset: Offset
  /** What `logStartOffset` becomes when that is durable. */
  #wantedStart: Offset
  #logEndOffset: Offset
  #highWatermark: Offset
  /** Handed to the operating system. */
  #written: LogPoint
  /** Known to be on disk. */
  #synced: LogPoint
  #pendingBytes = 0
  #rollNext = false
  #refusal: LogRefusal | undefined
  #failure: unknown

  /** The exclusive work under way. */
  #busy: 'no' | 'write' | 'job' = 'no'
  /** A sync failed while a group was being written: the cut comes when that is over. */
  #cutWanted: LogRefusal | undefined
  #truncateWanted: Offset | undefined
  readonly #jobs = new Map<JobName, Promise<void>>()
  /** Closed segments get their index files, and under `os` their sync, one after the other. */
  #retiring: Promise<void> = Promise.resolve()
  #lastSyncMs = 0
  #syncing: Promise<void> = Promise.resolve()
  /** The file whose last sync failed. */
  #suspect: DiskFile | undefined
  /** Without trust in what the operating system holds, checkpoints claim only what was synced. */
  #trustWritten = true
  /** Segments that are no longer part of the log, and whose files still exist. */
  readonly #doomed: Segment[] = []

  private constructor (options: LogOptions, recovered: RecoveredLog, snapshots: ProducerSnapshots) {
    this.directory = options.directory
    this.#disk = options.disk
    this.#clock = options.clock
    this.#config = options.config
    this.#flush = options.config.flush
    this.#appender = new Appender(options.pool)
    this.#snapshots = snapshots
    this.#segments = recovered.segments
    this.#epochs = recovered.epochs
    this.#checkpoints = new Checkpointer(options.disk, options.directory, bootHash(options.bootId), recovered.checkpoint?.sequence ?? 0)
    this.#active = this.#writing = recovered.segments.at(-1)!
    this.#logStartOffset = this.#wantedStart = recovered.logStartOffset
    this.#logEndOffset = recovered.logEndOffset
    this.#highWatermark = Math.min(recovered.checkpoint?.state.highWatermark ?? 0, recovered.logEndOffset) as Offset
    this.#written = { offset: recovered.logEndOffset, segmentBase: this.#active.base, segmentSize: this.#active.size }
    this.#synced = this.#written
    this.#group = new GroupWriter(this.#appender, options.clock, this.#written)
  }

  /**
   * Recovers the log in `options.directory`, or makes a new one.
   *
   * @throws on failing I/O; damage is not an error but an answer
   */
  static async open (options: LogOptions, replay?: LogReplay): Promise<OpenedLog> {
    const { disk, directory } = options
    const recovered = await recoverLog({
      disk,
      directory,
      indexIntervalBytes: options.config.indexIntervalBytes,
      boot: bootHash(options.bootId),
      scan: options.scan ?? (request => scanFile(disk, request)),
      wallMs: options.clock.wallMs()
    })
    if ('damage' in recovered) return { state: 'damaged', damage: recovered.damage }
    const snapshots = await ProducerSnapshots.open(disk, directory, recovered.logEndOffset)
    const log = new Log(options, recovered, snapshots)
    await openSegment(disk, directory, log.#active)
    // What was written before this start may not be synced (`os`, or a kill between write and sync): from here on it is.
    await syncSegments(disk, directory, recovered.segments, recovered.checkpoint?.state.durable, recovered.logEndOffset)
    const ordered = options.config.flush === 'always'
    if (recovered.checkpoint === undefined || (recovered.checkpoint.state.ordered && !ordered)) await log.#saveCheckpoint(log.#state(), true)
    if (replay !== undefined) await replayLog(disk, directory, recovered.segments, snapshots, recovered.logStartOffset, replay)
    return { state: 'ready', log, scannedBytes: recovered.scannedBytes, cutBytes: recovered.cutBytes }
  }

  get logStartOffset (): Offset {
    return this.#logStartOffset
  }

  /** The next offset; includes what is not yet written. */
  get logEndOffset (): Offset {
    return this.#logEndOffset
  }

  /** Exclusive end of what is as durable as `flush` promises. */
  get durableEndOffset (): Offset {
    return this.#written.offset
  }

  /** As last told by {@link advanceHighWatermark}, or by the checkpoint this log was opened from. */
  get highWatermark (): Offset {
    return this.#highWatermark
  }

  /** Bytes appended and not yet durable. */
  get pendingBytes (): number {
    return this.#pendingBytes
  }

  /** Ask before every append. */
  get refusal (): LogRefusal | undefined {
    return this.#refusal
  }

  /** The last failure of the disk, for a log line. */
  get failure (): unknown {
    return this.#failure
  }

  get config (): LogConfig {
    return this.#config
  }

  /** Size of all segments. */
  get bytes (): number {
    let bytes = 0
    for (const segment of this.#segments) bytes += segment.size
    return bytes
  }

  get segmentCount (): number {
    return this.#segments.length
  }

  /** Takes effect at once; only leaving `always` waits for the next {@link maintain}, which first notes that durably. */
  configure (config: LogConfig): void {
    this.#config = config
    if (this.#flush !== 'always' || config.flush === 'always') this.#flush = config.flush
  }

  /** What is written from here on may reach the disk in any order: recovery must know before the first such write. */
  #relax (out: EffectSink): void {
    if (this.#jobs.has('relax') || this.#jobs.has('truncate') || this.#jobs.has('repair')) return
    this.#startJob('relax', out, () => this.#checkpoints.relax(this.#state(), this.#epochs))
  }

  /** Each group is on disk before the next is written, and was since the last checkpoint. */
  get #ordered (): boolean {
    return this.#flush === 'always' && this.#config.flush === 'always' && this.#synced.offset === this.#written.offset
  }

  advanceHighWatermark (offset: Offset): void {
    assert(offset <= this.#logEndOffset, 'the high watermark is in the log')
    if (offset > this.#highWatermark) this.#highWatermark = offset
  }

  /**
   * Copies one sound batch to the end of the log and stamps the copy with its offset and `term`. Ask `refusal` first, and
   * `pendingBytes` for room: memory for it is always found.
   *
   * @param lastOffsetDelta  the batch's, 0 or more
   * @param maxTimestamp     the batch's, -1 for none
   * @returns the batch's base offset
   */
  append (batch: Uint8Array, term: Term, lastOffsetDelta: number, maxTimestamp: number): Offset {
    assert(this.#refusal === undefined, 'nothing is appended while the log refuses')
    const base = this.#logEndOffset
    const bytes = batch.length
    const end = base + lastOffsetDelta + 1 as Offset
    let segment = this.#active
    if (segment.size > 0 && (segment.size + bytes > this.#config.segmentBytesMax || this.#rollNext || end - segment.base > segmentSpanMax)) {
      segment = this.#active = new Segment(base, 0)
      this.#segments.push(segment)
      this.#rollNext = false
    }
    if (term !== this.#epochs.lastTerm) this.#epochs.assign(term, base)
    this.#appender.append(batch, segment.base, segment.size, base, term, end)
    segment.add(base, bytes, maxTimestamp, this.#config.indexIntervalBytes)
    this.#logEndOffset = end
    this.#pendingBytes += bytes
    return base
  }

  /** Starts writing what was appended, unless a write is under way (its completion starts the next). */
  flush (out: EffectSink): void {
    if (this.#busy !== 'no' || !this.#appender.hasPending || this.#refusal !== undefined) return
    this.#busy = 'write'
    out.effect(this)
  }

  /** The effect: writes everything pending of one segment as one group. */
  run (post: Post): void {
    if (this.#appender.pendingSegmentBase !== this.#writing.base) {
      this.#runJob('roll', post, () => this.#roll())
      return
    }
    const sync = this.#flush === 'always'
    if (sync && this.#synced.offset !== this.#written.offset) {
      // `flush` was changed to `always`: what was written under the old promise is synced first.
      this.#runJob('sync-first', post, () => this.#sync())
      return
    }
    this.#group.write(this.#writing, sync, this.#config, this.#logEndOffset, post)
  }

  /** Takes a completion that this log's effects posted. It may start the next group. */
  handle (message: LogMessage, out: EffectSink): LogEvent {
    if (message.kind === 'log-written') return this.#handleWritten(this.#group.takeError(), out)
    const { job, error, value } = message as LogJobDone
    this.#jobs.delete(job)
    const event = this.#handleJob(job, error, value, out)
    if (this.#busy !== 'no') return event
    if (this.#cutWanted !== undefined) return this.#cut(this.#cutWanted, out)
    this.#next(out)
    return event
  }

  #handleWritten (error: unknown, out: EffectSink): LogEvent {
    this.#busy = 'no'
    if (error !== undefined) {
      this.#appender.groupFailed()
      this.#failure = error
      return this.#cut(isDiskFull(error) ? 'full' : 'sync-failed', out)
    }
    this.#groupWritten()
    if (this.#cutWanted !== undefined) return this.#cut(this.#cutWanted, out)
    this.#next(out)
    return 'durable'
  }

  #groupWritten (): void {
    this.#appender.groupDone()
    this.#written = this.#group.end
    this.#writing.writtenSize = this.#group.end.segmentSize
    this.#pendingBytes -= this.#group.bytes
    if (this.#group.synced) this.#synced = this.#group.end
  }

  #handleJob (job: JobName, error: unknown, value: unknown, out: EffectSink): LogEvent {
    if (error !== undefined) this.#failure = error
    switch (job) {
      case 'roll':
        this.#busy = 'no'
        if (error !== undefined) return this.#cut(isDiskFull(error) ? 'full' : 'sync-failed', out)
        return 'rolled'
      case 'sync-first':
        this.#busy = 'no'
        return error === undefined ? 'durable' : this.#cut('sync-failed', out)
      case 'sync':
        return error === undefined ? 'none' : this.#cut('sync-failed', out)
      case 'clear':
      case 'repair':
        this.#busy = 'no'
        if (error !== undefined) return this.#break()
        if (this.#refusal === 'full') return 'none'
        this.#refusal = undefined
        return 'ready'
      case 'probe-space':
        if (error !== undefined || (value as number) < spaceBytesMin || this.#refusal !== 'full') return 'none'
        this.#refusal = undefined
        return 'ready'
      case 'truncate':
        this.#busy = 'no'
        if (error !== undefined) return this.#break()
        this.#truncated(value as LogPoint)
        return 'truncated'
      case 'retention':
        if (error === undefined) this.#removeExpired(value as number, out)
        return 'none'
      case 'move-start':
        return error === undefined ? this.#moveStart(value as Offset, out) : 'none'
      case 'remove':
        if (error !== undefined) this.#doomed.unshift(...value as Segment[])
        return 'none'
      case 'relax':
        if (error === undefined) this.#flush = this.#config.flush
        return 'none'
      case 'checkpoint':
        return 'none'
    }
  }

  /** Nothing is under way that needs the files alone: what comes next? */
  #next (out: EffectSink): void {
    if (this.#truncateWanted !== undefined && this.#truncateWanted <= this.#written.offset) {
      this.#startTruncate(this.#truncateWanted, out)
    } else if (this.#appender.hasPending && (this.#refusal === undefined || this.#truncateWanted !== undefined)) {
      this.#busy = 'write'
      out.effect(this)
    }
  }

  /**
   * Gives up what is not durable, and makes the file good for more: after a full disk by cutting what was half written, after
   * a failed sync by a fresh copy, because pages that a sync failed on may be marked clean and lost.
   */
  #cut (reason: LogRefusal, out: EffectSink): LogEvent {
    this.#refusal = reason
    if (this.#busy !== 'no') {
      this.#cutWanted = reason
      return 'none'
    }
    this.#cutWanted = undefined
    const copies = reason === 'sync-failed' && this.#flush !== 'os'
    const end = copies ? this.#synced : this.#written
    if (end.segmentBase !== this.#writing.base) return this.#break()
    this.#cutTo(end)
    const segment = this.#writing
    const file = segment.file!
    if (copies) this.#startJob('repair', out, () => this.#repair(segment, file))
    else this.#startJob('clear', out, () => cutFile(file, end.segmentSize, true))
    return 'cut'
  }

  #cutTo (end: LogPoint): void {
    assert(end.segmentBase === this.#writing.base, 'only the newest file is cut')
    this.#appender.clear()
    while (this.#active !== this.#writing) {
      this.#segments.pop()
      this.#active = this.#segments.at(-1)!
    }
    this.#writing.truncate(end.offset, end.segmentSize)
    this.#writing.preallocatedEnd = 0
    this.#epochs.truncate(end.offset)
    this.#logEndOffset = end.offset
    this.#highWatermark = Math.min(this.#highWatermark, end.offset) as Offset
    this.#written = end
    if (this.#synced.offset > end.offset) this.#synced = end
    this.#pendingBytes = 0
    this.#rollNext = false
  }

  async #repair (segment: Segment, file: DiskFile): Promise<void> {
    await Promise.all([this.#jobs.get('sync'), this.#jobs.get('checkpoint'), this.#jobs.get('move-start'), this.#jobs.get('relax')])
    const path = segmentPath(this.directory, segment.base, 'log')
    await copyFile(this.#disk, file, path, segment.size)
    // From the rename on the file is shorter than an earlier checkpoint may claim.
    await this.#saveCheckpoint(this.#state(), true)
    await cutIndexes(this.#disk, this.directory, segment, segment.index!.count)
    await this.#disk.rename(`${path}.new`, path)
    await this.#disk.syncFolder(this.directory)
    await file.close()
    await openSegment(this.#disk, this.directory, segment)
  }

  #break (): LogEvent {
    this.#refusal = 'broken'
    this.#busy = 'job'
    return 'broken'
  }

  /** The segment being written is complete: closes it and opens the next. */
  async #roll (): Promise<void> {
    const from = this.#writing
    const to = this.#segments[this.#segments.indexOf(from) + 1]!
    const waits = this.#flush !== 'os'
    if (from.preallocatedEnd > from.size) await from.file!.truncate(from.size)
    if (waits) await this.#syncFile(from.file!)
    await openSegment(this.#disk, this.directory, to)
    to.firstMs = this.#clock.wallMs()
    this.#group.rolled()
    this.#writing = to
    this.#written = { offset: to.base, segmentBase: to.base, segmentSize: 0 }
    if (waits) this.#synced = this.#written
    const end = this.#written
    this.#retiring = this.#retiring.then(() => this.#retire(from, end, waits))
  }

  /** Gives a closed segment its index files; under `os` it is only synced now. Never fails: what is missing is found at the next start. */
  async #retire (segment: Segment, end: LogPoint, synced: boolean): Promise<void> {
    try {
      if (!synced) await this.#syncFile(segment.file!)
      await saveIndexes(this.#disk, this.directory, segment)
      if (!synced && this.#trustWritten && end.offset > this.#synced.offset) this.#synced = end
    } catch (error) {
      this.#failure = error
      if (!synced) this.#trustWritten = false
    }
    const file = segment.file
    segment.file = undefined
    await file?.close()
    if (segment.indexSaved === segment.index?.count) segment.close(segment.size)
  }

  /**
   * Syncs one file at a time. One that failed once is never trusted again: its pages may be marked clean, and the next sync
   * would succeed without having written them.
   */
  #syncFile (file: DiskFile): Promise<void> {
    const done = this.#syncing.then(async () => {
      if (this.#suspect === file) throw this.#failure
      try {
        await syncFile(file)
      } catch (error) {
        this.#suspect = file
        this.#failure = error
        throw error
      }
    })
    this.#syncing = done.catch(() => {})
    return done
  }

  /** Puts all that is written onto the disk. */
  async #sync (): Promise<void> {
    const written = this.#written
    await this.#retiring
    if (!this.#trustWritten) throw this.#failure
    await this.#syncFile(this.#writing.file!)
    if (written.offset > this.#synced.offset) this.#synced = written
  }

  /**
   * Removes everything at and after `offset`, for a follower whose leader has another history. Appends are refused until the
   * event 'truncated'.
   *
   * @param offset  at or above the high watermark; between batches
   */
  truncate (offset: Offset, out: EffectSink): void {
    assert(offset >= this.#highWatermark && offset <= this.#logEndOffset, 'only what is not committed is truncated')
    assert(this.#refusal === undefined, 'nothing else is going on')
    this.#refusal = 'truncating'
    this.#truncateWanted = offset
    if (this.#busy === 'no') this.#next(out)
  }

  #startTruncate (offset: Offset, out: EffectSink): void {
    this.#truncateWanted = undefined
    this.#appender.clear()
    this.#startJob('truncate', out, () => this.#truncateFiles(offset))
  }

  async #truncateFiles (offset: Offset): Promise<LogPoint> {
    await Promise.all([this.#retiring, this.#jobs.get('sync'), this.#jobs.get('checkpoint'), this.#jobs.get('move-start'), this.#jobs.get('relax')])
    const created = this.#segments.slice(0, this.#segments.indexOf(this.#writing) + 1)
    const segment = created.findLast(one => one.base <= offset)!
    const { position, base } = await findBatch(this.#disk, this.directory, segment, offset)
    assert(base >= offset, 'a log is cut between batches')
    const end: LogPoint = { offset, segmentBase: segment.base, segmentSize: position }
    const state = this.#state()
    // First the checkpoint: it must never claim more than the files hold.
    await this.#saveCheckpoint({
      ...state,
      durable: state.durable.offset < offset ? state.durable : end,
      written: end,
      indexEntries: -1
    }, true)
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

  #truncated (end: LogPoint): void {
    while (this.#segments.at(-1)!.base > end.segmentBase) this.#segments.pop()
    this.#active = this.#writing = this.#segments.at(-1)!
    this.#cutTo(end)
    if (end.offset < this.#synced.offset) this.#synced = end
    this.#refusal = undefined
  }

  /** Runs what depends on time: the sync of `interval`, and the look whether a full disk has room again. Call it every 100 ms or so. */
  maintain (nowMs: number, out: EffectSink): void {
    if (this.#flush !== this.#config.flush) this.#relax(out)
    this.#removeDoomed(out)
    if (this.#wantedStart > this.#logStartOffset) this.#startMove(this.#wantedStart, out)
    if (this.#refusal === 'full') {
      if (this.#busy === 'no') this.#startJob('probe-space', out, () => this.#disk.freeBytes(this.directory))
    } else if (this.#flush === 'interval' && this.#synced.offset < this.#written.offset && nowMs - this.#lastSyncMs >= this.#config.flushIntervalMs) {
      this.#lastSyncMs = nowMs
      this.#startJob('sync', out, () => this.#sync())
    }
  }

  /**
   * Writes down how far the log may be trusted, if that has changed. Call it at most every second.
   *
   * @param snapshot  the owner's producer states as of `offset`, exclusive, which must be durable
   */
  checkpoint (out: EffectSink, snapshot?: { readonly offset: Offset, readonly bytes: Uint8Array }): void {
    if (this.#jobs.has('checkpoint') || this.#jobs.has('repair') || this.#jobs.has('truncate') || this.#refusal === 'broken') return
    const state = this.#state()
    if (snapshot === undefined && sameState(state, this.#checkpoints.saved)) return
    this.#startJob('checkpoint', out, async () => {
      const segment = this.#writing
      if (segment.base === state.written.segmentBase && state.indexEntries - segment.indexSaved >= indexEntriesUnsavedMax) {
        await appendIndexes(this.#disk, this.directory, segment, state.indexEntries)
      }
      if (snapshot !== undefined) await this.#snapshots.save(snapshot.offset, snapshot.bytes)
      await this.#saveCheckpoint(state, false)
    })
  }

  #state (): CheckpointState {
    const segment = this.#writing
    const index = segment.index!
    let indexEntries = index.count
    while (indexEntries > 0 && index.positionAt(indexEntries - 1) >= segment.writtenSize) indexEntries--
    return {
      durable: this.#synced,
      written: this.#trustWritten ? this.#written : this.#synced,
      highWatermark: this.#highWatermark,
      logStartOffset: this.#wantedStart,
      ordered: this.#ordered,
      maxTimestamp: segment.maxTimestamp!,
      maxTimestampOffset: segment.maxTimestampOffset,
      indexEntries
    }
  }

  #saveCheckpoint (state: CheckpointState, sync: boolean): Promise<void> {
    return this.#checkpoints.save(state, this.#epochs, sync)
  }

  /** Gives up everything below `offset` (at most the high watermark); whole segments below it are removed. Event 'start-moved'. */
  deleteBefore (offset: Offset, out: EffectSink): void {
    assert(offset <= this.#highWatermark, 'only what is committed is deleted')
    this.#startMove(offset, out)
  }

  /** The new start is made durable before anyone sees it: it must never go back. */
  #startMove (offset: Offset, out: EffectSink): void {
    if (offset > this.#wantedStart) this.#wantedStart = offset
    if (this.#jobs.has('move-start') || this.#jobs.has('truncate') || this.#jobs.has('repair')) return
    const wanted = this.#wantedStart
    this.#startJob('move-start', out, async () => {
      // Else a loss of power could leave a log that ends before it starts.
      if (this.#trustWritten && this.#synced.offset < wanted) await this.#sync()
      await this.#saveCheckpoint(this.#state(), true)
      return wanted
    })
  }

  #moveStart (offset: Offset, out: EffectSink): LogEvent {
    if (offset > this.#logStartOffset) this.#logStartOffset = offset
    this.#epochs.advanceStart(this.#logStartOffset)
    let count = 0
    while (this.#segments[count] !== this.#writing && this.#segments[count + 1]!.base <= offset) count++
    this.#doomed.push(...this.#segments.splice(0, count))
    this.#removeDoomed(out)
    if (this.#wantedStart > offset) this.#startMove(this.#wantedStart, out)
    return 'start-moved'
  }

  #removeDoomed (out: EffectSink): void {
    if (this.#doomed.length === 0 || this.#jobs.has('remove')) return
    const doomed = this.#doomed.splice(0)
    this.#startJob('remove', out, async () => {
      await this.#retiring
      await removeSegments(this.#disk, this.directory, doomed)
    }, doomed)
  }

  /** Closes a segment that is too old, and removes the segments that retention gives up. */
  applyRetention (wallMs: number, out: EffectSink): void {
    const { segmentMs, retentionMs } = this.#config
    const active = this.#active
    const idle = this.#busy === 'no' && this.#refusal === undefined && !this.#appender.hasPending
    const expired = retentionMs >= 0 && (active.maxTimestamp! >= 0 ? active.maxTimestamp! : active.firstMs) < wallMs - retentionMs
    if (idle && active.size > 0 && active === this.#writing && (expired || active.firstMs < wallMs - segmentMs)) {
      this.#active = new Segment(this.#logEndOffset, 0)
      this.#segments.push(this.#active)
      this.#startJob('roll', out, () => this.#roll())
    }
    if (this.#jobs.has('retention')) return
    if (this.#segments[0]!.maxTimestamp !== undefined) return this.#removeExpired(wallMs, out)
    const unknown = this.#segments.filter(segment => segment.maxTimestamp === undefined)
    this.#startJob('retention', out, async () => {
      for (const segment of unknown) {
        await loadMaxTimestamp(this.#disk, this.directory, segment)
        if (expiredSegments([segment, this.#active], { ...this.#config, highWatermark: this.#highWatermark }, wallMs) === 0) break
      }
      return wallMs
    })
  }

  #removeExpired (wallMs: number, out: EffectSink): void {
    const count = expiredSegments(this.#segments, { ...this.#config, highWatermark: this.#highWatermark }, wallMs)
    const bounded = Math.min(count, this.#segments.indexOf(this.#writing))
    if (bounded > 0) this.#startMove(this.#segments[bounded]!.base, out)
  }

  #startJob (job: JobName, out: EffectSink, work: () => Promise<unknown>, onError?: unknown): void {
    if (exclusiveJobs.has(job)) this.#busy = 'job'
    this.#jobs.set(job, Promise.resolve())
    out.effect({ run: post => this.#runJob(job, post, work, onError) })
  }

  /** @param onError  what the completion carries instead of the result if the work fails */
  #runJob (job: JobName, post: Post, work: () => Promise<unknown>, onError?: unknown): void {
    if (exclusiveJobs.has(job)) this.#busy = 'job'
    const done = (error: unknown, value: unknown): void => post({ kind: 'log-job-done', job, error, value } satisfies LogJobDone as Message)
    this.#jobs.set(job, work().then(value => done(undefined, value), error => done(error, onError)))
  }

  /**
   * Says where to read from `offset` on; undefined if there is nothing below `endOffset`.
   *
   * @param maxBytes   how much the reader wants; bounds only what memory returns, by whole batches but at least one
   * @param endOffset  exclusive; high watermark, last stable offset or log end: the end of a batch
   */
  read (offset: Offset, maxBytes: number, endOffset: Offset): ReadPlan | undefined {
    if (offset < this.#logStartOffset || offset >= endOffset) return undefined
    const unwritten = offset >= this.#written.offset
    const memory = this.#appender.read(offset, endOffset, maxBytes, unwritten)
    if (unwritten && memory === undefined) return undefined
    const segment = this.#segmentOf(offset)
    const position = segment.index === undefined ? 0 : segment.index.floorPosition(offset)
    return {
      segmentBase: segment.base,
      fileId: segment.fileId,
      position,
      indexed: segment.index !== undefined,
      bytes: segment.writtenSize - position,
      offset,
      endOffset,
      highWatermark: this.#highWatermark,
      hot: position >= segment.coldEnd && segment === this.#active && position >= segment.size - hotBytes,
      memory
    }
  }

  #segmentOf (offset: Offset): Segment {
    const segments = this.#segments
    if (offset >= this.#active.base) return this.#active
    let low = 0
    let high = segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (segments[middle]!.base <= offset) low = middle
      else high = middle - 1
    }
    return segments[low]!
  }

  /** The newest term in the log; 0 if it was never written. */
  get lastTerm (): Term {
    return this.#epochs.lastTerm
  }

  /** The term of the entry at `offset`, which may also be the one just before `logStartOffset`; undefined outside. */
  termAt (offset: Offset): Term | undefined {
    return offset < this.#logEndOffset ? this.#epochs.termAt(offset) : undefined
  }

  /** See {@link LeaderEpochs.endOf}. */
  epochEndOffset (term: Term): { readonly term: Term, readonly endOffset: Offset } | undefined {
    return this.#epochs.endOf(term, this.#logEndOffset)
  }

  /** What {@link findTimestamp} needs to find the first record at or after `timestamp` (Infinity: the youngest) below `endOffset`. */
  timestampPlan (timestamp: number, endOffset: Offset): TimestampPlan {
    return planTimestampSearch(this.directory, this.#segments, timestamp, this.#logStartOffset, endOffset)
  }

  /** Oldest first; the last one takes the appends. */
  get segments (): readonly Segment[] {
    return this.#segments
  }

  /**
   * Finishes what is under way, syncs, writes indexes and checkpoint, and gives files and memory back. What was appended and
   * not flushed is dropped: nobody was told that it is there. Call it once, after the last `handle`.
   *
   * @param snapshot  the owner's producer states, if they are those of everything that was written
   */
  async close (snapshot?: Uint8Array): Promise<void> {
    let sound = this.#cutWanted === undefined && (this.#refusal === undefined || this.#refusal === 'full')
    this.#refusal = 'closed'
    await this.#group.settled()
    if (this.#busy === 'write') {
      if (this.#group.takeError() === undefined) this.#groupWritten()
      else {
        this.#appender.groupFailed()
        sound = false
      }
    }
    await Promise.all(this.#jobs.values())
    await this.#retiring
    const segment = this.#writing
    if (sound && this.#suspect !== segment.file) await this.#closeCleanly(segment, snapshot)
    this.#appender.clear()
    await segment.file?.close()
    await this.#checkpoints.close()
  }

  async #closeCleanly (segment: Segment, snapshot: Uint8Array | undefined): Promise<void> {
    this.#cutTo(this.#written)
    await cutFile(segment.file!, segment.size, true)
    if (this.#trustWritten) this.#synced = this.#written
    if (segment.index!.count > segment.indexSaved) await saveIndexes(this.#disk, this.directory, segment)
    if (snapshot !== undefined) await this.#snapshots.save(this.#written.offset, snapshot)
    await this.#saveCheckpoint(this.#state(), true)
  }
}
