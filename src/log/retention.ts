/** Which segments are too old or too many: whole ones, oldest first, never the newest. */
import type { Offset } from '../base/ids.ts'
import type { Segment } from './segment.ts'

export interface RetentionLimits {
  /** -1: no limit. */
  readonly retentionMs: number
  /** -1: no limit. */
  readonly retentionBytes: number
  /** Nothing at or above it goes. */
  readonly highWatermark: Offset
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
    if (segments[count + 1]!.base > limits.highWatermark) break
    const youngestMs = segment.maxTimestamp === undefined || segment.maxTimestamp < 0 ? segment.firstMs : segment.maxTimestamp
    const tooOld = limits.retentionMs >= 0 && youngestMs < wallMs - limits.retentionMs
    const tooMuch = limits.retentionBytes >= 0 && bytes - segment.size >= limits.retentionBytes
    if (!tooOld && !tooMuch) break
    bytes -= segment.size
    count++
  }
  return count
}
