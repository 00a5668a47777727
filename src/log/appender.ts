/**
 * The newest bytes of one log, in blocks of the thread's pool: what is appended is copied here once, written from here in
 * groups, and then read from here until the block is needed elsewhere.
 *
 * ```
 *   first                 pending                      last
 *   [ written, readable ] [ written | not yet written ][ not yet … ]
 *                                   ^pendingAt
 *     a group = everything not yet written that belongs to one segment, as far as a group goes
 * ```
 * A small batch lies in one block, so that it can be read as one piece; a larger one is spread over as many as it needs, its
 * header whole in the first. A block belongs to one segment.
 */
import type { Offset, Term } from '../base/ids.ts'
import { assert } from '../base/assert.ts'
import { baseOffsetOf, batchBytesOf, batchHeaderBytes, nextOffsetOf, stamp } from '../record/record-batch.ts'
import type { Block, BlockHolder, BlockPool } from './block-pool.ts'

/** Written blocks that one log keeps for reads, while nobody else needs them. */
const tailBlocksMax = 16
/** All batches of a group begin within so many bytes from its start; the last one may end behind. */
export const groupBytesMax = 4 << 20

export class Appender implements BlockHolder {
  readonly #pool: BlockPool
  #first: Block | undefined
  #last: Block | undefined
  #blocks = 0
  /** The first block with bytes not yet written, and where they begin in it. */
  #pending: Block | undefined
  #pendingAt = 0
  /** The last block of the group being written, and how much of it belongs to the group. */
  #groupLast: Block | undefined
  #groupUsed = 0
  /** Where the last read ended: the next one most likely begins there. */
  #hintBlock: Block | undefined
  #hintAt = 0
  #hintOffset = -1
  /** The same for what is gathered for followers, who nearly always want the same bytes one after the other. */
  #gatherBlock: Block | undefined
  #gatherAt = 0
  #gatherOffset = -1
  /** Where what the last read returned stands in its segment's file. */
  readPosition = 0
  readonly #parts: Uint8Array[] = []
  /** Where the group that was taken ends in its file, and the offset after it; -1: it takes everything there is. */
  groupEndPosition = 0
  groupEndOffset = -1

  constructor (pool: BlockPool) {
    this.#pool = pool
  }

  get hasPending (): boolean {
    return this.#pending !== undefined
  }

  /** A group was taken, and it is not said yet how that ended. */
  get groupTaken (): boolean {
    return this.#groupLast !== undefined
  }

  /** Base of the segment that the next group belongs to. */
  get pendingSegmentBase (): number {
    return this.#pending!.segmentBase
  }

  /** Where the next group begins in its segment's file. */
  get pendingPosition (): number {
    return this.#pending!.position + this.#pendingAt
  }

  /** Copies the batch to the end, stamped with its offset and term. `position` is where it will stand in the segment's file. */
  append (batch: Uint8Array, segmentBase: Offset, position: number, baseOffset: Offset, term: Term, endOffset: Offset): void {
    let block = this.#last
    const bytes = batch.length
    let room = block === undefined || block.segmentBase !== segmentBase ? 0 : block.bytes.length - block.used
    if (room < bytes && (room < batchHeaderBytes || bytes <= this.#pool.blockBytes >> 2)) {
      block = this.#addBlock(segmentBase, position)
      room = block.bytes.length
    } else if (block!.retired) this.#pool.pin(block!)
    const at = block!.used
    if (this.#pending === undefined) {
      this.#pending = block
      this.#pendingAt = at
    }
    if (block!.firstAt < 0) {
      block!.firstAt = at
      block!.firstOffset = baseOffset
    }
    if (bytes <= room) {
      block!.bytes.set(batch, at)
      block!.used = at + bytes
    } else this.#appendSpread(block!, batch, segmentBase)
    stamp(block!.bytes, at, baseOffset, term)
    const last = this.#last!
    if (last === block) {
      last.wholeEnd = last.used
      last.wholeEndOffset = endOffset
    }
  }

  /**
   * Returns the views to write as the next group; valid until the next call. No batch begins {@link groupBytesMax} or more behind
   * the group's start: so a sound one that far behind a torn one is of a later group, and the torn one was acknowledged. A group
   * ends inside a block where a batch does that is spread over several.
   */
  takeGroup (): Uint8Array[] {
    assert(this.#pending !== undefined && this.#groupLast === undefined, 'one group at a time, never an empty one')
    const parts = this.#parts
    parts.length = 0
    let block: Block | undefined = this.#pending
    const segmentBase = block.segmentBase
    let bytes = 0
    for (let from = this.#pendingAt; block !== undefined && block.segmentBase === segmentBase; from = 0) {
      const isFull = bytes >= groupBytesMax - this.#pool.blockBytes && block.firstAt >= 0
      const end = isFull ? block.firstAt : block.used
      if (end > from) {
        parts.push(from === 0 && end === block.bytes.length ? block.bytes : block.bytes.subarray(from, end))
        bytes += end - from
        this.#groupLast = block
        this.#groupUsed = end
      }
      if (isFull) break
      block = block.next
    }
    this.groupEndPosition = this.#groupLast!.position + this.#groupUsed
    this.groupEndOffset = block === undefined ? -1 : block.firstOffset
    return parts
  }

  /** The group is written: its full blocks may now be taken away, the rest begins the next group. */
  groupDone (): void {
    const last = this.#groupLast!
    this.#groupLast = undefined
    let block = this.#pending!
    while (block !== last) {
      this.#pool.retire(block)
      block = block.next!
    }
    if (last.used > this.#groupUsed) {
      this.#pending = last
      this.#pendingAt = this.#groupUsed
    } else {
      this.#pool.retire(last)
      this.#pending = last.next
      this.#pendingAt = 0
    }
    while (this.#blocks > tailBlocksMax && this.#first!.retired && this.#first !== this.#last) {
      const oldest = this.#first!
      this.#forgetFirst(oldest)
      this.#pool.give(oldest)
    }
  }

  /** The group could not be written; it stays pending. */
  groupFailed (): void {
    this.#groupLast = undefined
  }

  /** Forgets everything, written or not. */
  clear (): void {
    assert(this.#groupLast === undefined, 'no group is being written')
    for (let block = this.#first; block !== undefined;) {
      const next: Block | undefined = block.next
      this.#pool.give(block)
      block = next
    }
    this.#first = this.#last = this.#pending = this.#hintBlock = this.#gatherBlock = undefined
    this.#blocks = 0
  }

  /**
   * Returns whole batches from the one that holds `offset` up to `endOffset`, as a view that is valid until the caller's turn
   * ends; undefined when they are not here as one piece.
   *
   * @param endOffset  exclusive; the end of a batch, above `offset`
   * @param maxBytes   at most so many, but always one whole batch
   * @param always     also when it is less than a read of the file would give
   */
  read (offset: Offset, endOffset: Offset, maxBytes: number, always: boolean): Uint8Array | undefined {
    let block: Block | undefined
    let at: number
    if (offset === this.#hintOffset && this.#hintBlock !== undefined && this.#hintAt < this.#hintBlock.wholeEnd) {
      block = this.#hintBlock
      at = this.#hintAt
    } else {
      block = this.#first
      while (block !== undefined && block.wholeEndOffset <= offset) block = block.next
      if (block === undefined || block.firstOffset > offset) return undefined
      at = block.firstAt
      while (nextOffsetOf(block.bytes, at) <= offset) at += batchBytesOf(block.bytes, at)
    }
    const { bytes, wholeEnd, wholeEndOffset } = block
    let end = wholeEnd
    let nextOffset = wholeEndOffset
    if (wholeEndOffset > endOffset || wholeEnd - at > maxBytes) {
      end = at
      do {
        nextOffset = nextOffsetOf(bytes, end)
        end += batchBytesOf(bytes, end)
      } while (nextOffset < endOffset && end < wholeEnd && end + batchBytesOf(bytes, end) - at <= maxBytes)
    } else if (nextOffset < endOffset && !always) return undefined
    this.#pool.lend(block)
    this.#hintBlock = block
    this.#hintAt = end
    this.#hintOffset = nextOffset
    this.readPosition = block.position + at
    return bytes.subarray(at, end)
  }

  /**
   * Puts views of whole batches into `into`, from the one that begins at `offset` on, over as many blocks as it takes; valid
   * until the caller's turn ends. Returns undefined when the first of them is not here.
   *
   * @param endOffset  exclusive; the end of a batch, above `offset`
   * @param bytesMax   at most so many, but always one whole batch
   */
  gather (offset: Offset, endOffset: Offset, bytesMax: number, into: Uint8Array[]): { readonly bytes: number, readonly endOffset: Offset } | undefined {
    let block: Block | undefined
    let at = 0
    if (offset === this.#gatherOffset && this.#gatherBlock !== undefined) {
      block = this.#gatherBlock
      at = this.#gatherAt
    } else {
      for (let next = this.#first; next !== undefined && next.firstOffset <= offset; next = next.next) if (next.firstOffset >= 0) block = next
      if (block === undefined) return undefined
      at = block.firstAt
      while (at < block.used && nextOffsetOf(block.bytes, at) <= offset) at += batchBytesOf(block.bytes, at)
      if (at >= block.used || baseOffsetOf(block.bytes, at) !== offset) return undefined
    }
    this.#pool.lend(block)
    let from = at
    let bytes = 0
    let end = offset
    do {
      // A batch that did not fit behind the last one begins in the next block.
      if (at >= block!.used) {
        if (at > from) into.push(block!.bytes.subarray(from, at))
        block = block!.next!
        this.#pool.lend(block)
        from = at = 0
      }
      const size = batchBytesOf(block!.bytes, at)
      if (bytes > 0 && bytes + size > bytesMax) break
      end = nextOffsetOf(block!.bytes, at) as Offset
      bytes += size
      let left = size
      while (left > block!.used - at) {
        left -= block!.used - at
        into.push(block!.bytes.subarray(from, block!.used))
        block = block!.next!
        this.#pool.lend(block)
        from = at = 0
      }
      at += left
    } while (end < endOffset)
    if (at > from) into.push(block!.bytes.subarray(from, at))
    this.#gatherBlock = block
    this.#gatherAt = at
    this.#gatherOffset = end
    return { bytes, endOffset: end }
  }

  blockLost (block: Block): void {
    assert(block === this.#first, 'blocks are taken oldest first')
    this.#forgetFirst(block)
  }

  #forgetFirst (block: Block): void {
    this.#first = block.next
    if (this.#last === block) this.#last = undefined
    if (this.#hintBlock === block) this.#hintBlock = undefined
    if (this.#gatherBlock === block) this.#gatherBlock = undefined
    this.#blocks--
  }

  #addBlock (segmentBase: Offset, position: number): Block {
    const block = this.#pool.take(this)
    block.segmentBase = segmentBase
    block.position = position
    if (this.#last === undefined) this.#first = block
    else this.#last.next = block
    this.#last = block
    this.#blocks++
    return block
  }

  #appendSpread (first: Block, batch: Uint8Array, segmentBase: Offset): void {
    let block = first
    for (let at = 0; ;) {
      const piece = Math.min(batch.length - at, block.bytes.length - block.used)
      block.bytes.set(batch.subarray(at, at + piece), block.used)
      block.used += piece
      at += piece
      if (at === batch.length) return
      block = this.#addBlock(segmentBase, block.endPosition)
    }
  }
}
