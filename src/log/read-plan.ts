/** Where the bytes for a fetch are: made by the log, read by whoever answers, on whatever thread. */
import type { Offset } from '../base/ids.ts'

export interface ReadPlan {
  readonly segmentBase: Offset
  /** {@link FileStat.id} of the segment's file. */
  readonly fileId: number
  /** A batch begins here, at or before the one that holds `offset`. 0 and not `indexed`: the segment's index file knows better. */
  readonly position: number
  readonly indexed: boolean
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
