/** Which segments are too old or too many: whole ones, oldest first, never the newest. */
import type { Offset } from '../base/ids.ts'
import type { EffectSink } from '../base/effect.ts'
import type { Disk } from './disk.ts'
import type { LogConfig } from './log-config.ts'
import type { LogFiles } from './log-files.ts'
import type { LogJobs } from './log-jobs.ts'
import { loadMaxTimestamp } from './segment-files.ts'
import type { Segment } from './segment.ts'

export interface RetentionLimits {
  /** -1: no limit. */
  readonly retentionMs: number
  /** -1: no limit. */
  readonly retentionBytes: number
  /** Nothing at or above it goes: what is not committed, or still needed to know who is in the group. */
  readonly limit: Offset
}

/**
 * Returns how many of the oldest segments may go.
 *
 * A segment goes by time when its youngest record is older than `retentionMs`; one without timestamps counts from when it was
 * last known to change. It goes by size when what is left still holds `retentionBytes`.
 */
export function expiredSegments (segments: readonly Segment[], limits: RetentionLimits, wallMs: number): number {
  let bytes = 0
  for (const segment of segments) bytes += segment.size
  let count = 0
  while (count < segments.length - 1) {
    const segment = segments[count]!
    if (segments[count + 1]!.base > limits.limit) break
    const youngestMs = segment.maxTimestamp === undefined || segment.maxTimestamp < 0 ? segment.firstMs : segment.maxTimestamp
    const tooOld = limits.retentionMs >= 0 && youngestMs < wallMs - limits.retentionMs
    const tooMuch = limits.retentionBytes >= 0 && bytes - segment.size >= limits.retentionBytes
    if (!tooOld && !tooMuch) break
    bytes -= segment.size
    count++
  }
  return count
}

/** Whether the segment that takes writes is to be closed, so that retention can reach it. */
export function isDue (active: Segment, { segmentMs, retentionMs }: LogConfig, wallMs: number): boolean {
  const youngestMs = active.maxTimestamp! >= 0 ? active.maxTimestamp! : active.firstMs
  return active.firstMs < wallMs - segmentMs || (retentionMs >= 0 && youngestMs < wallMs - retentionMs)
}

export interface RetentionMoment {
  readonly wallMs: number
  readonly limit: Offset
}

/** Looks at one log, whose closed segments do not know their timestamps before they are read from their files. */
export class Retention {
  readonly #disk: Disk
  readonly #files: LogFiles
  readonly #jobs: LogJobs

  constructor (disk: Disk, files: LogFiles, jobs: LogJobs) {
    this.#disk = disk
    this.#files = files
    this.#jobs = jobs
  }

  /** Returns the offset below which everything is expired, if anything is; or starts a job whose result is for {@link expired}. */
  look (config: LogConfig, active: Segment, moment: RetentionMoment, out: EffectSink): Offset | undefined {
    const { segments } = this.#files
    if (this.#jobs.has('retention')) return undefined
    if (segments[0]!.maxTimestamp !== undefined) return this.expired(config, moment)
    const unknown = segments.filter(segment => segment.maxTimestamp === undefined)
    this.#jobs.start('retention', out, async () => {
      for (const segment of unknown) {
        await loadMaxTimestamp(this.#disk, this.#files.directory, segment)
        if (expiredSegments([segment, active], { ...config, limit: moment.limit }, moment.wallMs) === 0) break
      }
      return moment
    })
    return undefined
  }

  expired (config: LogConfig, { wallMs, limit }: RetentionMoment): Offset | undefined {
    const { segments, writing } = this.#files
    const count = Math.min(expiredSegments(segments, { ...config, limit }, wallMs), segments.indexOf(writing))
    return count > 0 ? segments[count]!.base : undefined
  }
}
