/** The batches of `append-entries` messages: read for one that lags; and as they come from another broker, whole, and checked before anything is done with them. */
import type { ReadPlan } from '../log/log.ts'
import type { ReadThrottle, ThrottledRead } from '../log/read-throttle.ts'
import type { SegmentReader } from '../log/segment-reader.ts'
import type { AppendEntries } from '../raft/messages.ts'
import { baseOffsetOf, batchBytesOf, BatchFault, leaderEpochOf, nextOffsetOf, validateStoredBatch } from '../record/record-batch.ts'

/**
 * Reads batches for a follower, on whatever is there for that; `done` is called once, with bytes of their own.
 * @param lags  it has long been behind: others do not wait for it, and neither may they wait because of it
 */
export type ReadEntries = (plan: ReadPlan, bytesMax: number, lags: boolean, done: (batches: Uint8Array | undefined) => void) => void

/** @param throttle  for those that lag; undefined: they are not slowed */
export function entriesReader (directory: string, reader: SegmentReader, throttle: ReadThrottle | undefined): ReadEntries {
  return (plan, bytesMax, lags, done) => {
    const read: ThrottledRead = over => reader.read(directory, plan, bytesMax, true, (_error, lease) => {
      // A copy: the actor that gets it may be gone by then, and a lease must be given back.
      const batches = lease === undefined ? undefined : new Uint8Array(lease.bytes)
      lease?.release()
      over(batches?.length ?? 0)
      done(batches)
    })
    if (!lags || throttle === undefined) read(() => {})
    else if (!throttle.run(bytesMax, read)) done(undefined)
  }
}

/** Whether the batches are what the message says of them, one behind the other without a gap, and whole. */
export function isSound (batches: Uint8Array, { offset, endOffset, entryTerm }: AppendEntries): boolean {
  let next: number = offset
  for (let at = 0; at < batches.length; at += batchBytesOf(batches, at)) {
    if (validateStoredBatch(batches, at, batches.length) !== BatchFault.none) return false
    if (baseOffsetOf(batches, at) !== next || leaderEpochOf(batches, at) !== entryTerm) return false
    next = nextOffsetOf(batches, at)
  }
  return next === endOffset
}

/** The pieces as one: a batch may begin in one and end in the next. Off the wire they stand one behind the other, and nothing is copied. */
export function joined (pieces: readonly Uint8Array[]): Uint8Array {
  const first = pieces[0]
  if (first === undefined) return new Uint8Array(0)
  let end = first.byteOffset
  for (const piece of pieces) {
    if (piece.buffer !== first.buffer || piece.byteOffset !== end) return Buffer.concat(pieces)
    end += piece.length
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset)
}
