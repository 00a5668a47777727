/** Where the bytes for a fetch are: made by the log, read by whoever answers, on whatever thread. */
import type { Offset } from '../base/ids.ts'
import type { Segment } from './segment.ts'

export interface ReadPlan {
  readonly segmentBase: Offset
  /** {@link FileStat.id} of the segment's file. */
  readonly fileId: number
  /** A batch begins here, at or before the one that holds `offset`. 0 and not `indexed`: the segment's index file knows better. */
  readonly position: number
  readonly indexed: boolean
  /** {@link Segment.version}: which index file that is. */
  readonly version: number
  /** Upper bound of what can be read from `position` on. */
  readonly bytes: number
  readonly offset: Offset
  /** Exclusive: the reader cuts what lies above. */
  readonly endOffset: Offset
  readonly highWatermark: Offset
  /** In the page cache as good as certain: it may be read on the reactor thread. */
  readonly hot: boolean
  /** The exact bytes, when they are in the log's memory: valid only inside `receive`. */
  readonly memory: Uint8Array | undefined
}

/** The newest bytes of a log are in the page cache: they were written a moment ago. */
const hotBytes = 32 << 20

/** Returns where `offset`, which is in the log, is to be read. `memoryPosition`: where what is in `memory` stands in its segment's file. */
export function planRead (
  segments: readonly Segment[], offset: Offset, endOffset: Offset, highWatermark: Offset, memory: Uint8Array | undefined, memoryPosition: number
): ReadPlan {
  const newest = segments.at(-1)!
  const segment = offset >= newest.base ? newest : segmentOf(segments, offset)
  const exact = memory !== undefined
  const position = exact ? memoryPosition : segment.index === undefined ? 0 : segment.index.floorPosition(offset)
  return {
    segmentBase: segment.base,
    fileId: segment.fileId,
    position,
    indexed: exact || segment.index !== undefined,
    version: segment.version,
    bytes: segment.writtenSize - position,
    offset,
    endOffset,
    highWatermark,
    hot: position >= segment.coldEnd && segment === newest && position >= segment.size - hotBytes,
    memory
  }
}

function segmentOf (segments: readonly Segment[], offset: Offset): Segment {
  let low = 0
  let high = segments.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (segments[middle]!.base <= offset) low = middle
    else high = middle - 1
  }
  return segments[low]!
}
