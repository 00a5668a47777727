/**
 * Writes one group of a log at a time: everything pending of one segment, on this thread or in the pool.
 *
 * Its completion is one message object, used again and again: a group costs no closure.
 */
import type { Clock } from '../base/clock.ts'
import type { Post } from '../base/effect.ts'
import type { Offset } from '../base/ids.ts'
import type { Appender } from './appender.ts'
import type { LogPoint } from './checkpoint.ts'
import type { LogConfig } from './log-config.ts'
import type { LogWritten } from './log-message.ts'
import type { Segment } from './segment.ts'

/** Groups up to this size get zeros written ahead of them. */
const smallGroupBytes = 65536
const preallocateBytesMin = 65536
const zeros = new Uint8Array(1 << 20)
/**
 * Inline writes that took longer than this are slow (or their thread was not given the processor); when they add up to so much
 * within a second, the disk is slow: writes leave the thread for a second.
 */
const slowWriteMs = 5
const slowTotalMsMax = 50
const slowWindowMs = 1000

/** Told of each group that was written: its bytes, how long that took, and whether it is on disk now. For metrics. */
export type OnGroup = (bytes: number, tookMs: number, synced: boolean) => void

export class GroupWriter {
  readonly #appender: Appender
  readonly #clock: Clock
  readonly #onGroup: OnGroup
  #startMs = 0
  readonly #message: LogWritten = { kind: 'log-written', error: undefined }
  #post: Post | undefined
  #preallocateBytes = preallocateBytesMin
  #slowUntilMs = 0
  #slowSinceMs = -Infinity
  #slowTotalMs = 0
  #inFlight = false
  /** Set by who waits for the write in flight. */
  #settled: (() => void) | undefined
  /** The point that the log reaches when the group is written. */
  end: LogPoint
  bytes = 0
  /** The group is on disk when it completes, and so is all before it. */
  synced = false

  constructor (appender: Appender, clock: Clock, end: LogPoint, onGroup: OnGroup) {
    this.#appender = appender
    this.#clock = clock
    this.#onGroup = onGroup
    this.end = end
  }

  /** Takes what is pending of `segment` and writes it; posts one 'log-written'. `sync`: when it is on disk. */
  write (segment: Segment, sync: boolean, config: LogConfig, logEndOffset: Offset, post: Post): void {
    this.#post = post
    const position = this.#appender.pendingPosition
    const parts = this.#appender.takeGroup()
    const { groupEndOffset, groupEndPosition } = this.#appender
    this.end = {
      offset: groupEndOffset < 0 ? logEndOffset : groupEndOffset as Offset, segmentBase: segment.base, segmentSize: groupEndPosition
    }
    this.bytes = groupEndPosition - position
    this.synced = sync
    const startMs = this.#startMs = this.#clock.monotonicMs()
    if (sync) {
      const isLast = groupEndPosition === segment.size
      if (isLast && this.bytes <= smallGroupBytes && groupEndPosition > segment.preallocatedEnd) this.#addZeros(segment, parts, config)
      this.#inFlight = true
      segment.file!.write(parts, position, true, this.#onWritten)
      return
    }
    if (startMs < this.#slowUntilMs) {
      this.#inFlight = true
      segment.file!.write(parts, position, false, this.#onWritten)
      return
    }
    try {
      segment.file!.writeNow(parts, position)
    } catch (error) {
      this.#message.error = error
    }
    const endMs = this.#clock.monotonicMs()
    this.#onGroup(this.bytes, endMs - startMs, false)
    if (endMs - startMs > slowWriteMs) this.#noteSlow(endMs, endMs - startMs)
    post(this.#message)
  }

  /** Returns how the group ended, once: undefined is success. */
  takeError (): unknown {
    const { error } = this.#message
    this.#message.error = undefined
    return error
  }

  /** Resolves when no write is in flight. */
  async settled (): Promise<void> {
    if (this.#inFlight) await new Promise<void>(resolve => { this.#settled = resolve })
  }

  /** A new segment takes the writes: its zeros begin small again. */
  rolled (): void {
    this.#preallocateBytes = preallocateBytesMin
  }

  readonly #onWritten = (error: Error | undefined): void => {
    this.#inFlight = false
    this.#onGroup(this.bytes, this.#clock.monotonicMs() - this.#startMs, this.synced)
    this.#message.error = error
    this.#post!(this.#message)
    this.#settled?.()
  }

  #noteSlow (nowMs: number, tookMs: number): void {
    if (nowMs - this.#slowSinceMs > slowWindowMs) {
      this.#slowSinceMs = nowMs
      this.#slowTotalMs = 0
    }
    this.#slowTotalMs += tookMs
    if (this.#slowTotalMs > slowTotalMsMax) this.#slowUntilMs = nowMs + slowWindowMs
  }

  /**
   * A small group that goes beyond what is preallocated takes zeros along: the following ones then change no metadata of the
   * file, which halves their sync. Each step is twice as long as the one before, up to 1 MiB.
   */
  #addZeros (segment: Segment, parts: Uint8Array[], config: LogConfig): void {
    const bytes = Math.min(this.#preallocateBytes, config.segmentBytesMax - segment.size)
    if (bytes <= 0) return
    parts.push(zeros.subarray(0, bytes))
    segment.preallocatedEnd = segment.size + bytes
    this.#preallocateBytes = Math.min(this.#preallocateBytes * 2, zeros.length)
  }
}
