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
import type { Effect, EffectSink, Post } from '../base/effect.ts'
import type { Offset, Term } from '../base/ids.ts'
import { assert } from '../base/assert.ts'
import { Appender } from './appender.ts'
import type { LogPoint } from './checkpoint.ts'
import { isDiskFull } from './disk.ts'
import { GroupWriter } from './group-writer.ts'
import type { LogConfig } from './log-config.ts'
import type { LogFiles, ProducerStates } from './log-files.ts'
import { LogJobs, type Work } from './log-jobs.ts'
import { exclusiveJobs, type JobName, type LogEvent, type LogJobDone, type LogMessage, type LogRefusal } from './log-message.ts'
import { type LogOptions, openFiles } from './log-opening.ts'
import type { LogRestart } from './log-restart.ts'
import { LogStart } from './log-start.ts'
import { segmentSpanMax } from './offset-index.ts'
import { planRead, type ReadPlan } from './read-plan.ts'
import type { LogDamage } from './recovery.ts'
import type { LogReplay } from './replay.ts'
import { isDue, Retention, type RetentionMoment } from './retention.ts'
import { Segment } from './segment.ts'
import { planTimestampSearch, type TimestampPlan } from './timestamp-search.ts'

export { defaultLogConfig, type FlushMode, type LogConfig } from './log-config.ts'
export type { LogEvent, LogMessage, LogRefusal } from './log-message.ts'
export type { LogOptions } from './log-opening.ts'
export type { ReadPlan } from './read-plan.ts'
export type { LogReplay } from './replay.ts'

export type OpenedLog =
  | { readonly state: 'ready', readonly log: Log, readonly scannedBytes: number, readonly cutBytes: number }
  /** Must not be served: see {@link LogDamage}. */
  | { readonly state: 'damaged', readonly damage: LogDamage }

/** With less room than this a full disk counts as still full. */
const spaceBytesMin = 4 << 20

export class Log implements Effect {
  readonly directory: string
  readonly #appender: Appender
  readonly #group: GroupWriter
  readonly #files: LogFiles
  readonly #jobs = new LogJobs()
  readonly #start: LogStart
  readonly #retention: Retention
  #config: LogConfig
  /** Where appends go: the last segment. Its file may not exist yet. */
  #active: Segment
  #logEndOffset: Offset
  #pendingBytes = 0
  #refusal: LogRefusal | undefined
  /** What has the newest file for itself. */
  #busy: 'no' | 'write' | 'job' = 'no'
  /** A sync failed while something else had the file: the cut comes when that is over. */
  #cutWanted: LogRefusal | undefined
  #truncateWanted: Offset | undefined
  #restartWanted: LogRestart | undefined
  #lastSyncMs = 0

  private constructor (options: LogOptions, files: LogFiles, logStartOffset: Offset) {
    this.directory = options.directory
    this.#config = options.config
    this.#files = files
    this.#appender = new Appender(options.pool)
    this.#group = new GroupWriter(this.#appender, options.clock, files.written, options.onGroup ?? (() => {}))
    this.#active = files.writing
    this.#start = new LogStart(files, this.#jobs, logStartOffset)
    this.#retention = new Retention(options.disk, files, this.#jobs)
    this.#logEndOffset = files.written.offset
  }

  /**
   * Recovers the log in `options.directory`, or makes a new one.
   *
   * @throws on failing I/O; damage is not an error but an answer
   */
  static async open (options: LogOptions, replay?: LogReplay): Promise<OpenedLog> {
    const opened = await openFiles(options, replay)
    if ('damage' in opened) return { state: 'damaged', damage: opened.damage }
    const { files, recovered } = opened
    const log = new Log(options, files, recovered.logStartOffset)
    return { state: 'ready', log, scannedBytes: recovered.scannedBytes, cutBytes: recovered.cutBytes }
  }

  get logStartOffset (): Offset { return this.#start.offset }

  /** Where its files begin, between batches: at or below {@link logStartOffset}. What stands between them is given to other replicas, and to nobody else. */
  get firstOffset (): Offset { return this.segments[0]!.base }

  /** The next offset; includes what is not yet written. */
  get logEndOffset (): Offset { return this.#logEndOffset }

  /** Exclusive end of what is as durable as `flush` promised when it was written. */
  get durableEndOffset (): Offset { return this.#files.written.offset }

  /** As last told by {@link advanceHighWatermark}, or by the checkpoint this log was opened from. */
  get highWatermark (): Offset { return this.#files.highWatermark }

  /** Bytes appended and not yet durable. */
  get pendingBytes (): number { return this.#pendingBytes }

  /** Ask before every append. */
  get refusal (): LogRefusal | undefined { return this.#refusal }

  /** Something waits that only {@link maintain} goes on with. */
  get needsUpkeep (): boolean { return this.#refusal !== undefined || this.#start.isPending }

  /** The last failure of the disk, for a log line. */
  get failure (): unknown { return this.#files.failure }

  get config (): LogConfig { return this.#config }

  /** Oldest first; the last one takes the appends. */
  get segments (): readonly Segment[] { return this.#files.segments }

  /** Size of all segments. */
  get bytes (): number {
    let bytes = 0
    for (const segment of this.segments) bytes += segment.size
    return bytes
  }

  get segmentCount (): number { return this.segments.length }

  /** The newest term in the log; 0 if it was never written. */
  get lastTerm (): Term { return this.#files.epochs.lastTerm }

  /** The term of the entry at `offset`, which may also be the one just before `firstOffset`; undefined outside. */
  termAt (offset: Offset): Term | undefined {
    return offset < this.#logEndOffset ? this.#files.epochs.termAt(offset) : undefined
  }

  /** Up to here the owner's states are on disk for good: what the log tells of them below may go. 0: none are. */
  get snapshotOffset (): Offset { return this.#files.snapshotOffset }

  /** The oldest that is kept: a newer one that is damaged must not be the only one. */
  get oldestSnapshotOffset (): Offset { return this.#files.oldestSnapshotOffset }

  /** See {@link LeaderEpochs.endOf}. */
  epochEndOffset (term: Term): { readonly term: Term, readonly endOffset: Offset } | undefined {
    return this.#files.epochs.endOf(term, this.#logEndOffset)
  }

  /** What {@link findTimestamp} needs to find the first record at or after `timestamp` (Infinity: the youngest) below `endOffset`. */
  timestampPlan (timestamp: number, endOffset: Offset): TimestampPlan {
    return planTimestampSearch(this.directory, this.segments, timestamp, this.logStartOffset, endOffset)
  }

  /** Takes effect at once; only leaving `always` waits for the next {@link maintain}, which first notes that durably. */
  configure (config: LogConfig): void {
    this.#config = config
    this.#files.changeFlush(config.flush)
  }

  advanceHighWatermark (offset: Offset): void {
    assert(offset <= this.#logEndOffset, 'the high watermark is in the log')
    if (offset > this.#files.highWatermark) this.#files.highWatermark = offset
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
    const { segmentBytesMax, indexIntervalBytes } = this.#config
    const { epochs } = this.#files
    const base = this.#logEndOffset
    const bytes = batch.length
    const end = base + lastOffsetDelta + 1 as Offset
    const { size } = this.#active
    if (size > 0 && (size + bytes > segmentBytesMax || end - this.#active.base > segmentSpanMax)) this.#addSegment()
    const segment = this.#active
    if (term !== epochs.lastTerm) epochs.assign(term, base)
    this.#appender.append(batch, segment.base, segment.size, base, term, end)
    segment.add(base, bytes, maxTimestamp, indexIntervalBytes)
    this.#logEndOffset = end
    this.#pendingBytes += bytes
    return base
  }

  /** From here on appends go to a new segment; its file is made when the first group for it is written. */
  #addSegment (): void {
    this.#active = new Segment(this.#logEndOffset, 0)
    this.#files.segments.push(this.#active)
  }

  /** Starts writing what was appended, unless a write is under way (its completion starts the next). */
  flush (out: EffectSink): void {
    if (this.#busy !== 'no' || !this.#appender.hasPending || this.#refusal !== undefined) return
    this.#busy = 'write'
    out.effect(this)
  }

  /** The effect: writes everything pending of one segment as one group, or first does what must come before. */
  run (post: Post): void {
    const files = this.#files
    const sync = files.flush === 'always'
    if (this.#appender.pendingSegmentBase !== files.writing.base) this.#runJob('roll', post, () => files.roll())
    // `flush` was changed to `always`: what was written under the old promise is synced first.
    else if (sync && !files.isSynced) this.#runJob('sync-first', post, () => files.sync())
    else this.#group.write(files.writing, sync, this.#config, this.#logEndOffset, post)
  }

  /** Takes a completion that this log's effects posted. It may start the next group. */
  handle (message: LogMessage, out: EffectSink): LogEvent {
    if (message.kind === 'log-written') return this.#handleWritten(this.#group.takeError(), out)
    const { job, error, value } = message as LogJobDone
    this.#jobs.ended(job)
    if (exclusiveJobs.has(job)) this.#busy = 'no'
    if (error !== undefined) this.#files.failure = error
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
      this.#files.failure = error
      return this.#cut(isDiskFull(error) ? 'full' : 'sync-failed', out)
    }
    this.#groupWritten()
    if (this.#cutWanted !== undefined) return this.#cut(this.#cutWanted, out)
    this.#next(out)
    return 'durable'
  }

  #groupWritten (): void {
    const { end, bytes, synced } = this.#group
    this.#appender.groupDone()
    this.#files.written = end
    this.#files.writing.writtenSize = end.segmentSize
    if (synced) this.#files.synced = end
    this.#pendingBytes -= bytes
  }

  #handleJob (job: JobName, error: unknown, value: unknown, out: EffectSink): LogEvent {
    switch (job) {
      case 'roll':
        if (error !== undefined) return this.#cut(isDiskFull(error) ? 'full' : 'sync-failed', out)
        this.#group.rolled()
        return 'rolled'
      case 'sync-first':
        return error === undefined ? 'durable' : this.#cut('sync-failed', out)
      case 'sync':
        return error === undefined ? 'none' : this.#cut('sync-failed', out)
      case 'clear':
      case 'repair':
        if (error !== undefined) return this.#break()
        return this.#refusal === 'full' ? 'none' : this.#accept()
      case 'probe-space':
        return error === undefined && (value as number) >= spaceBytesMin && this.#refusal === 'full' ? this.#accept() : 'none'
      case 'restart':
        if (error !== undefined) return this.#break()
        this.#start.offset = this.#files.startOffset
        this.#wasCut()
        // The file whose sync failed meanwhile is gone.
        this.#refusal = this.#cutWanted = undefined
        return 'truncated'
      case 'truncate':
        if (error !== undefined) return this.#break()
        this.#files.truncated(value as LogPoint)
        this.#wasCut()
        this.#refusal = undefined
        return 'truncated'
      case 'relax':
        if (error === undefined) this.#files.leftAlways(this.#config.flush)
        return 'none'
      case 'retention':
        if (error === undefined) this.#removeExpired(this.#retention.expired(this.#config, value as RetentionMoment), out)
        return 'none'
      case 'move-start':
        if (error !== undefined) return 'none'
        this.#start.moved(value as Offset, this.#canSave, out)
        return 'start-moved'
      case 'remove':
        if (error !== undefined) this.#start.notRemoved(value as Segment[])
        return 'none'
      case 'checkpoint':
        return 'none'
    }
  }

  /** The file is free: what comes next? */
  #next (out: EffectSink): void {
    const truncation = this.#truncateWanted
    const restart = this.#restartWanted
    if (restart !== undefined) {
      this.#restartWanted = undefined
      this.#appender.clear()
      this.#startJob('restart', out, async () => {
        await this.#jobs.settled('others')
        await this.#files.restart(restart)
      })
    } else if (truncation !== undefined && truncation <= this.#files.written.offset) {
      this.#truncateWanted = undefined
      this.#appender.clear()
      this.#startJob('truncate', out, async () => {
        await this.#jobs.settled('others')
        return this.#files.truncate(truncation)
      })
    } else if (this.#appender.hasPending && (this.#refusal === undefined || truncation !== undefined)) {
      this.#busy = 'write'
      out.effect(this)
    }
  }

  /** Gives up what is not durable, and makes the file good for more. */
  #cut (reason: LogRefusal, out: EffectSink): LogEvent {
    if (this.#refusal === 'broken') return 'none'
    const files = this.#files
    this.#refusal = reason
    if (this.#busy !== 'no') {
      this.#cutWanted = reason
      return 'none'
    }
    this.#cutWanted = this.#truncateWanted = this.#restartWanted = undefined
    const copies = reason === 'sync-failed' && files.flush !== 'os'
    const end = copies ? files.synced : files.written
    assert(end.offset <= files.written.offset, 'a cut brings nothing back')
    if (end.segmentBase !== files.writing.base) return this.#break()
    this.#appender.clear()
    files.cutTo(end)
    this.#wasCut()
    if (!copies) this.#startJob('clear', out, () => files.clear())
    else {
      this.#startJob('repair', out, async () => {
        await this.#jobs.settled('others')
        await files.repair()
      })
    }
    return 'cut'
  }

  #wasCut (): void {
    this.#active = this.#files.writing
    this.#logEndOffset = this.#files.written.offset
    this.#pendingBytes = 0
  }

  #accept (): LogEvent {
    this.#refusal = undefined
    return 'ready'
  }

  #break (): LogEvent {
    this.#refusal = 'broken'
    this.#busy = 'job'
    return 'broken'
  }

  /**
   * Removes everything at and after `offset`, for a follower whose leader has another history. Appends are refused until the
   * event 'truncated'; when the disk fails meanwhile there is a 'cut' instead, after which it must be asked for again.
   *
   * @param offset  at or above the high watermark; between batches
   */
  truncate (offset: Offset, out: EffectSink): void {
    assert(offset >= this.highWatermark && offset <= this.#logEndOffset, 'only what is not committed is truncated')
    assert(this.#refusal === undefined, 'nothing else is going on')
    this.#refusal = 'truncating'
    this.#truncateWanted = offset
    if (this.#busy === 'no') this.#next(out)
  }

  /**
   * Gives up everything and begins anew, empty, at `restart.offset`: for a follower whose leader no longer has what it lacks.
   * Appends are refused until the event 'truncated'; when the disk fails before it has begun there is a 'cut' instead.
   */
  restart (restart: LogRestart, out: EffectSink): void {
    assert(this.#refusal === undefined && restart.offset > this.logStartOffset, 'nothing else is going on, and the start never goes back')
    this.#refusal = 'truncating'
    this.#restartWanted = restart
    if (this.#busy === 'no') this.#next(out)
  }

  /**
   * Runs what depends on time: the sync of `interval`, the look whether a full disk has room again, and what could not be done
   * before. Call it every 100 ms or so.
   */
  maintain (nowMs: number, out: EffectSink): void {
    if (this.#refusal === 'broken') return
    const files = this.#files
    this.#start.retry(this.#canSave, out)
    if (files.leavingAlways && this.#canSave && !this.#jobs.has('relax')) this.#startJob('relax', out, () => files.relax())
    if (this.#refusal === 'full') {
      if (this.#busy === 'no' && !this.#jobs.has('probe-space')) this.#startJob('probe-space', out, () => files.freeBytes())
    } else if (files.flush === 'interval' && this.#canSave && !files.isSynced && nowMs - this.#lastSyncMs >= this.#config.flushIntervalMs && !this.#jobs.has('sync')) {
      this.#lastSyncMs = nowMs
      this.#startJob('sync', out, () => files.sync())
    }
  }

  /** A checkpoint may be written: no work is under way that moves what it would claim. */
  get #canSave (): boolean {
    return this.#refusal !== 'broken' && !this.#jobs.has('repair') && !this.#jobs.has('truncate') && !this.#jobs.has('restart')
  }

  /**
   * Writes down how far the log may be trusted, if that has changed. Call it at most every second.
   *
   * @param states  the owner's producer states
   */
  checkpoint (out: EffectSink, states?: ProducerStates): void {
    if (!this.#canSave || this.#jobs.has('checkpoint') || (states === undefined && !this.#files.hasNews)) return
    this.#startJob('checkpoint', out, () => this.#files.checkpoint(states))
  }

  /** Gives up everything below `offset` (at most the high watermark); whole segments below it are removed. Event 'start-moved'. */
  deleteBefore (offset: Offset, out: EffectSink): void {
    assert(offset <= this.highWatermark, 'only what is committed is deleted')
    this.#start.move(offset, this.#canSave, out)
  }

  /** Closes a segment that is too old, and removes the segments that retention gives up, below `limit`. */
  applyRetention (wallMs: number, out: EffectSink, limit = Infinity): void {
    const idle = this.#busy === 'no' && this.#refusal === undefined && !this.#appender.hasPending
    if (idle && this.#active.size > 0 && isDue(this.#active, this.#config, wallMs)) {
      this.#addSegment()
      this.#startJob('roll', out, () => this.#files.roll())
    }
    this.#removeExpired(this.#retention.look(this.#config, this.#active, { wallMs, limit: Math.min(limit, this.highWatermark) as Offset }, out), out)
  }

  #removeExpired (below: Offset | undefined, out: EffectSink): void { if (below !== undefined) this.deleteBefore(below, out) }

  #startJob (job: JobName, out: EffectSink, work: Work, onError?: unknown): void {
    if (exclusiveJobs.has(job)) this.#busy = 'job'
    this.#jobs.start(job, out, work, onError)
  }

  #runJob (job: JobName, post: Post, work: Work): void {
    this.#busy = 'job'
    this.#jobs.run(job, post, work)
  }

  /**
   * Says where to read from `offset` on; undefined if there is nothing below `endOffset`.
   *
   * @param maxBytes   how much the reader wants; bounds only what memory returns, by whole batches but at least one
   * @param endOffset  exclusive; high watermark, last stable offset or log end: the end of a batch
   */
  read (offset: Offset, maxBytes: number, endOffset: Offset): ReadPlan | undefined {
    return offset < this.logStartOffset ? undefined : this.readStored(offset, maxBytes, endOffset)
  }

  /** As {@link read}, from {@link firstOffset} on: for other replicas. */
  readStored (offset: Offset, maxBytes: number, endOffset: Offset): ReadPlan | undefined {
    if (offset < this.firstOffset || offset >= endOffset) return undefined
    const unwritten = offset >= this.durableEndOffset
    const memory = this.#appender.read(offset, endOffset, maxBytes, unwritten)
    if (unwritten && memory === undefined) return undefined
    return planRead(this.segments, offset, endOffset, this.highWatermark, memory, this.#appender.readPosition)
  }

  /** Whole batches from the one at `offset` on, out of memory, for followers: see {@link Appender.gather}. */
  gather (offset: Offset, endOffset: Offset, bytesMax: number, into: Uint8Array[]): { readonly bytes: number, readonly endOffset: Offset } | undefined {
    return this.#appender.gather(offset, endOffset, bytesMax, into)
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
    if (this.#appender.groupTaken) {
      if (this.#group.takeError() === undefined) this.#groupWritten()
      else {
        this.#appender.groupFailed()
        sound = false
      }
    }
    await this.#jobs.settled('all')
    this.#appender.clear()
    await this.#files.close(sound, snapshot)
  }
}
