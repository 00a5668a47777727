/**
 * Append memory of one thread: blocks of one size that are used again and again, because a page that was touched a moment
 * ago costs a fraction of a fresh one.
 *
 * ```
 *   free ──take──> pinned (holds bytes not yet written) ──retire──> retired (written; still serves reads of the tail)
 *    ^                 ^                                               │      │
 *    └──── give ───────┼───────────── give ────────────────────────────┘      │
 *                      └── pin (more is appended) / take by another log ──────┘
 * ```
 * A retired block is taken from its log when another one needs memory, oldest first, so an idle log costs nothing. When all
 * blocks are pinned, `take` makes an extra one rather than fail: admission keeps the pinned bytes bounded, not this pool.
 */
import { assert } from '../base/assert.ts'

export interface BlockHolder {
  /** The pool takes the holder's oldest block away: it must forget it. */
  blockLost (block: Block): void
}

export class Block {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Bytes filled from the start. */
  used = 0
  /** Where the first batch that begins in this block begins, and its offset; -1: none does. */
  firstAt = -1
  firstOffset = -1
  /** End of the last batch that lies wholly in this block, and the offset after it; -1: none does. */
  wholeEnd = -1
  wholeEndOffset = -1
  /** Position of `bytes[0]` in the segment's file. */
  position = 0
  /** Base offset of the segment that the bytes belong to. */
  segmentBase = -1
  holder: BlockHolder | undefined
  /** The next younger block of the same log. */
  next: Block | undefined
  /** Neighbours in the pool's list of retired blocks. */
  older: Block | undefined
  younger: Block | undefined
  retired = false
  /** The turn in which views of it were lent last. */
  lentIn = -1

  constructor (bytes: number) {
    this.bytes = new Uint8Array(bytes)
  }

  get endPosition (): number {
    return this.position + this.used
  }
}

export class BlockPool {
  readonly blockBytes: number
  readonly #blocksMax: number
  readonly #turn: () => number
  readonly #free: Block[] = []
  #oldest: Block | undefined
  #youngest: Block | undefined
  #blocks = 0
  #retired = 0

  /**
   * @param bytesMax  memory for the newest bytes of all logs of the thread: `performance.write_cache_size`
   * @param turn      counts the thread's turns: what was lent in one is used up at its end, and must not change before
   */
  constructor (bytesMax: number, blockBytes = 65536, turn: () => number = () => -1) {
    this.blockBytes = blockBytes
    this.#turn = turn
    this.#blocksMax = Math.max(2, Math.floor(bytesMax / blockBytes))
  }

  /** Bytes of blocks that hold what is not yet written. */
  get pinnedBytes (): number {
    return (this.#blocks - this.#free.length - this.#retired) * this.blockBytes
  }

  /** All memory that the pool has, free blocks included. */
  get bytes (): number {
    return this.#blocks * this.blockBytes
  }

  /** Returns an empty, pinned block. Never fails. */
  take (holder: BlockHolder): Block {
    let block = this.#free.pop() ?? this.#takeOldest()
    if (block === undefined) {
      this.#blocks++
      block = new Block(this.blockBytes)
    }
    // One made when all were pinned or lent is not kept once they are not.
    if (this.#blocks > this.#blocksMax && this.#takeOldest() !== undefined) this.#blocks--
    block.used = 0
    block.firstAt = block.firstOffset = block.wholeEnd = block.wholeEndOffset = -1
    block.next = undefined
    block.lentIn = -1
    block.holder = holder
    return block
  }

  /** Takes the oldest retired block from its log, when there are as many blocks as there may be. */
  #takeOldest (): Block | undefined {
    const block = this.#oldest
    if (block === undefined || this.#blocks < this.#blocksMax || this.#isLent(block)) return undefined
    this.#unlink(block)
    block.holder!.blockLost(block)
    return block
  }

  /** All bytes of the block are written: from now on it may be taken away. */
  retire (block: Block): void {
    assert(!block.retired, 'a block is retired once')
    block.retired = true
    block.older = this.#youngest
    block.younger = undefined
    if (this.#youngest === undefined) this.#oldest = block
    else this.#youngest.younger = block
    this.#youngest = block
    this.#retired++
  }

  /** More bytes come into a retired block: it may no longer be taken away. */
  pin (block: Block): void {
    this.#unlink(block)
  }

  /** The holder needs the block no more. */
  give (block: Block): void {
    if (block.retired) this.#unlink(block)
    block.holder = undefined
    block.next = undefined
    // One that is lent is left to whoever reads it, and another made when it is needed.
    if (this.#blocks > this.#blocksMax || this.#isLent(block)) this.#blocks--
    else this.#free.push(block)
  }

  /** Notes that views of the block are in somebody's hands until this turn ends. */
  lend (block: Block): void {
    block.lentIn = this.#turn()
  }

  #isLent (block: Block): boolean {
    return block.lentIn >= 0 && block.lentIn === this.#turn()
  }

  #unlink (block: Block): void {
    assert(block.retired, 'only retired blocks are in the list')
    block.retired = false
    if (block.older === undefined) this.#oldest = block.younger
    else block.older.younger = block.younger
    if (block.younger === undefined) this.#youngest = block.older
    else block.younger.older = block.older
    block.older = undefined
    block.younger = undefined
    this.#retired--
  }
}
