/** Shows a log's owner, when it opens, what its state is made of: the newest snapshot and every batch behind it. */
import type { Offset } from '../base/ids.ts'
import { batchBytesOf } from '../record/record-batch.ts'
import type { Disk } from './disk.ts'
import type { ProducerSnapshots } from './producer-snapshot.ts'
import { walkBatches } from './scan.ts'
import { findBatch } from './segment-files.ts'
import { segmentPath, type Segment } from './segment.ts'

/** Told, while a log is opened, what its owner's producer states are made of. Bytes are valid only during the call. */
export interface LogReplay {
  /** Asked when the log is made: the state before any batch, kept durably from then on. What the owner would say later may be another. */
  readonly first?: () => Uint8Array
  /** The newest producer snapshot: state up to `offset`, exclusive. Called at most once, first. */
  snapshot (bytes: Uint8Array, offset: Offset): void
  /** Each batch behind it, in order. */
  batch (bytes: Uint8Array, position: number): void
}

export async function replayLog (
  disk: Disk, directory: string, segments: readonly Segment[], snapshots: ProducerSnapshots, replay: LogReplay
): Promise<void> {
  const snapshot = await snapshots.newest()
  if (snapshot !== undefined) replay.snapshot(snapshot.bytes, snapshot.offset)
  // From where the files begin, which may be below the log's start: what stands there may tell of the group, though nobody reads it any more.
  const from = Math.max(snapshot?.offset ?? 0, segments[0]!.base) as Offset
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (next !== undefined && next.base <= from) continue
    const start = (await findBatch(disk, directory, segment, from)).position
    await walkBatches(disk, segmentPath(directory, segment.base, 'log'), start, segment.size, (bytes, at, position) => {
      replay.batch(bytes.subarray(at, at + batchBytesOf(bytes, at)), position)
      return true
    })
  }
}
