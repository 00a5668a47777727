/**
 * Cuts what is read from another broker into frames. All connections of a thread read into one shared buffer, and frames are
 * handled in place; one that does not end within a read moves to memory of its own, into which the socket then reads directly.
 *
 * ```
 *  --read--> [ shared read buffer | frame | frame | begin of a fr ]
 *                                                    | copied once
 *                                                    v
 *  --read-------------------------------> [ begin of a frame ........ ]  from the pool
 * ```
 * That memory is as large as the frame says it is: only peers that were welcomed may send large ones. When the pool has none to
 * lend, the connection waits with a copy of what it has, at most one read, and holds nothing of the pool meanwhile: those who
 * wait do not wait for each other.
 */
import type { FramePool, FrameWaiter } from '../frame-pool.ts'
import { headerBytes, lengthBytes } from './frames.ts'

export interface CutterOwner {
  /** A whole frame, `bytes[start..end)` without its length; borrowed. @returns false: nothing more is wanted */
  frame (bytes: Uint8Array, start: number, end: number): boolean
  /** What came are no frames, or there is no room for them. Called at most once; nothing follows it. */
  broken (reason: string): void
  /** After {@link FrameCutter.take} returned false for want of memory: read on. */
  resume (): void
}

export class FrameCutter implements FrameWaiter {
  /** Largest frame, without its length. */
  frameBytesMax: number
  readonly #shared: Uint8Array
  readonly #pool: FramePool
  readonly #owner: CutterOwner
  /** The frame being put together, its length included; undefined while reads go to the shared buffer. */
  #assembly: Uint8Array | undefined
  #filled = 0
  /** Of the whole frame with its length; 0 while that itself is incomplete. */
  #frameBytes = 0
  /** The begin of a frame for which there is no memory. */
  #apart: Uint8Array | undefined
  #closed = false

  constructor (options: { shared: Uint8Array, pool: FramePool, owner: CutterOwner, frameBytesMax: number }) {
    this.#shared = options.shared
    this.#pool = options.pool
    this.#owner = options.owner
    this.frameBytesMax = options.frameBytesMax
  }

  /** Where the next read goes. */
  get buffer (): Uint8Array {
    const assembly = this.#assembly
    if (assembly === undefined) return this.#shared
    return assembly.subarray(this.#filled, this.#frameBytes === 0 ? assembly.length : Math.min(this.#frameBytes, assembly.length))
  }

  /**
   * Takes note of a read.
   * @param buffer  as {@link buffer} gave it, before a wait for memory perhaps
   * @returns false: read nothing more, until told to
   */
  take (count: number, buffer: Uint8Array): boolean {
    if (this.#closed) return false
    const assembly = this.#assembly
    if (assembly === undefined) {
      this.#cut(buffer, 0, count, false)
    } else {
      this.#assembly = undefined
      if (buffer.buffer === assembly.buffer) {
        this.#cut(assembly, 0, this.#filled + count, true)
        if (this.#assembly !== assembly) this.#pool.release(assembly)
      } else {
        // The first read after a wait: its buffer was chosen when there was no memory. Joined by a copy.
        const joined = new Uint8Array(this.#filled + count)
        joined.set(assembly.subarray(0, this.#filled))
        joined.set(buffer.subarray(0, count), this.#filled)
        this.#pool.release(assembly)
        this.#cut(joined, 0, joined.length, false)
      }
    }
    return !this.#closed && this.#apart === undefined
  }

  /** Gives all memory up: nothing more comes. */
  close (): void {
    this.#closed = true
    this.#pool.leave(this)
    this.#apart = undefined
    const assembly = this.#assembly
    this.#assembly = undefined
    if (assembly !== undefined) this.#pool.release(assembly)
  }

  memoryFree (): void {
    const apart = this.#apart!
    this.#apart = undefined
    this.#keep(apart, 0, apart.length, false)
    if (!this.#closed && this.#apart === undefined) this.#owner.resume()
  }

  /** Hands on the whole frames in `bytes[start..end)`, and keeps the rest; in place, where `pooled` bytes suffice. */
  #cut (bytes: Uint8Array, start: number, end: number, pooled: boolean): void {
    this.#frameBytes = 0
    while (end - start >= lengthBytes) {
      const size = bytes[start]! << 24 | bytes[start + 1]! << 16 | bytes[start + 2]! << 8 | bytes[start + 3]!
      if (size < headerBytes || size > this.frameBytesMax) {
        this.#break(`a frame of ${size} bytes (at most ${this.frameBytesMax})`)
        return
      }
      this.#frameBytes = lengthBytes + size
      if (end - start < this.#frameBytes) break
      if (!this.#owner.frame(bytes, start + lengthBytes, start + this.#frameBytes)) this.#closed = true
      if (this.#closed) return
      start += this.#frameBytes
      this.#frameBytes = 0
    }
    if (start < end) this.#keep(bytes, start, end, pooled)
  }

  #keep (bytes: Uint8Array, start: number, end: number, pooled: boolean): void {
    const kept = end - start
    const wanted = Math.max(kept + 1, this.#frameBytes)
    this.#filled = kept
    if (pooled && start === 0 && bytes.length >= wanted) {
      this.#assembly = bytes
      return
    }
    const assembly = this.#pool.acquire(wanted)
    if (assembly !== undefined) {
      assembly.set(bytes.subarray(start, end))
      this.#assembly = assembly
    } else if (this.#pool.wait(this, wanted, kept)) {
      this.#apart = bytes.slice(start, end)
    } else {
      this.#break('no memory left for its frames')
    }
  }

  #break (reason: string): void {
    this.#closed = true
    this.#owner.broken(reason)
  }
}
