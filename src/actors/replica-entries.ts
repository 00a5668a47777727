/** The batches of an `append-entries` message as they come from another broker: whole, and checked, before anything is done with them. */
import type { AppendEntries } from '../raft/messages.ts'
import { baseOffsetOf, batchBytesOf, BatchFault, leaderEpochOf, nextOffsetOf, validateStoredBatch } from '../record/record-batch.ts'

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
