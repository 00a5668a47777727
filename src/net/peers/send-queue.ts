/**
 * What waits to leave over one connection: frames written one behind the other into memory that is used again, given to the
 * connection at the end of a turn. Bounded: above, a frame is dropped, which Raft repairs.
 *
 * ```
 *  being filled      | frame | frame | frame ...      |     one chunk; a frame that does not fit closes it and begins the next
 *  closed            | frame | large frame      |           go with the next flush
 *  leaving           | frame | frame |                      the kernel has not taken them yet; oldest first
 * ```
 * While something is leaving, the chunk that is being filled is not given away before it is full or that has left: a slow peer
 * would otherwise hold many chunks with a few bytes in each. Large frames and small ones are counted apart, so that a backlog of
 * batches leaves room for heartbeats and votes behind them. Their order is kept: a heartbeat says what was sent before it.
 */
import { assert } from '../../base/assert.ts'
import type { FramePool } from '../frame-pool.ts'
import type { FrameConnection } from './transport.ts'

/** Frames up to this size count as small. */
const smallFrameBytesMax = 4 * 1024

export interface SendLimits {
  /** Large frames that have not left; a single larger one goes when there is no other. */
  readonly unsentBytesMax: number
  /** Small frames that have not left. */
  readonly reserveBytes: number
}

/** A piece of memory with frames in it. */
export interface Chunk {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Exclusive end of what is written. */
  filled: number
  /** Of it, what counts as small frames. */
  smallBytes: number
  frames: number
}

export class SendQueue {
  readonly #pool: FramePool
  readonly #limits: SendLimits
  readonly #chunkBytes: number
  #filling: Chunk | undefined
  #full: Chunk[] = []
  /** What each write took that has not left. */
  readonly #leaving: Chunk[][] = []
  #smallBytes = 0
  #largeBytes = 0
  #frames = 0

  /** @param chunkBytes  memory of a chunk, a power of two of at least 4 KiB */
  constructor (pool: FramePool, limits: SendLimits, chunkBytes: number) {
    this.#pool = pool
    this.#limits = limits
    this.#chunkBytes = chunkBytes
  }

  get unsentBytes (): number { return this.#smallBytes + this.#largeBytes }
  get unsentFrames (): number { return this.#frames }

  /**
   * Makes room for one frame of exactly `bytes`, which the caller writes at the end of what it returns: from `filled - bytes` on.
   * @returns undefined: the bound is reached, the frame is to be dropped
   */
  add (bytes: number): Chunk | undefined {
    const small = bytes <= smallFrameBytesMax
    if (small ? this.#smallBytes + bytes > this.#limits.reserveBytes : this.#largeBytes > 0 && this.#largeBytes + bytes > this.#limits.unsentBytesMax) return undefined
    const chunk = this.#chunkFor(bytes)
    if (chunk === undefined) return undefined
    chunk.filled += bytes
    chunk.frames++
    this.#frames++
    if (small) {
      chunk.smallBytes += bytes
      this.#smallBytes += bytes
    } else {
      this.#largeBytes += bytes
    }
    return chunk
  }

  /** Gives what waits to the connection. @returns how many bytes that were */
  flush (connection: FrameConnection): number {
    const filling = this.#filling
    if (filling !== undefined && filling.filled > 0 && this.#leaving.length === 0) {
      this.#full.push(filling)
      this.#filling = undefined
    }
    const chunks = this.#full
    if (chunks.length === 0) return 0
    this.#full = []
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.filled
    if (connection.write(chunks.map(({ bytes, filled }) => bytes.subarray(0, filled)))) this.#free(chunks)
    else this.#leaving.push(chunks)
    return bytes
  }

  /** The oldest write has left. */
  taken (): void {
    const chunks = this.#leaving.shift()
    assert(chunks !== undefined, 'what has left was written')
    this.#free(chunks)
  }

  /** Gives all memory back; nothing of it may be with the connection any more. */
  close (): void {
    for (const chunks of this.#leaving) this.#free(chunks)
    this.#leaving.length = 0
    this.#free(this.#full)
    this.#full = []
    if (this.#filling !== undefined) this.#pool.release(this.#filling.bytes)
    this.#filling = undefined
    this.#smallBytes = this.#largeBytes = this.#frames = 0
  }

  #chunkFor (bytes: number): Chunk | undefined {
    const filling = this.#filling
    if (filling !== undefined && filling.bytes.length - filling.filled >= bytes) return filling
    const memory = this.#pool.acquire(Math.max(bytes, this.#chunkBytes))
    if (memory === undefined) return undefined
    if (filling !== undefined) {
      if (filling.filled > 0) this.#full.push(filling)
      else this.#pool.release(filling.bytes)
    }
    this.#filling = { bytes: memory, view: new DataView(memory.buffer, memory.byteOffset, memory.byteLength), filled: 0, smallBytes: 0, frames: 0 }
    return this.#filling
  }

  /** The memory of one chunk stays here for what comes next. */
  #free (chunks: readonly Chunk[]): void {
    for (const chunk of chunks) {
      this.#smallBytes -= chunk.smallBytes
      this.#largeBytes -= chunk.filled - chunk.smallBytes
      this.#frames -= chunk.frames
      if (this.#filling === undefined && chunk.bytes.length === this.#chunkBytes) {
        chunk.filled = chunk.smallBytes = chunk.frames = 0
        this.#filling = chunk
      } else {
        this.#pool.release(chunk.bytes)
      }
    }
  }
}
