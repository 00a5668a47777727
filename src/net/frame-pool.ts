/**
 * Memory for requests that do not fit into one read: buffers in powers of two, reused so that the same pages are
 * touched again and again. Bounded: with `bytesMax` lent out, further connections wait until a buffer comes back.
 */
import { assert } from '../base/assert.ts'

const classBytesMin = 4 * 1024
/** Idle buffers kept for reuse; more than that goes back to the system. */
const idleBytesMax = 6 * 1024 * 1024

export class FramePool {
  readonly #bytesMax: number
  readonly #idle = new Map<number, Uint8Array[]>()
  readonly #waiters: Array<{ readonly bytes: number, readonly retry: () => void }> = []
  #idleBytes = 0
  #lentBytes = 0
  #serving = false
  #again = false

  constructor (bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get lentBytes (): number { return this.#lentBytes }

  /**
   * Lends a buffer of at least `bytes`, or undefined while the bound is reached. A buffer larger than the whole bound
   * is lent when nothing else is, so that a large request is late rather than impossible.
   */
  acquire (bytes: number): Uint8Array | undefined {
    if (!this.#hasRoom(bytes)) return undefined
    const size = classBytes(bytes)
    this.#lentBytes += size
    const buffer = this.#idle.get(size)?.pop()
    if (buffer === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
    this.#idleBytes -= size
    return buffer
  }

  /** Takes back a buffer from {@link acquire}. Its holder must not touch it again. */
  release (buffer: Uint8Array): void {
    const size = buffer.length
    this.#lentBytes -= size
    assert(this.#lentBytes >= 0, 'a frame buffer came back twice')
    if (this.#idleBytes + size <= idleBytesMax) {
      let stack = this.#idle.get(size)
      if (stack === undefined) this.#idle.set(size, stack = [])
      stack.push(buffer)
      this.#idleBytes += size
    }
    this.#serve()
  }

  /** Calls everyone for whom there is room, in turn; a large request that must wait on does not hold up the small ones behind it. */
  #serve (): void {
    // What is called may give a buffer back: then all are looked at once more.
    this.#again = true
    if (this.#serving) return
    this.#serving = true
    while (this.#again) {
      this.#again = false
      for (let i = 0; i < this.#waiters.length && this.#hasRoom(classBytesMin);) {
        if (this.#hasRoom(this.#waiters[i]!.bytes)) this.#waiters.splice(i, 1)[0]!.retry()
        else i++
      }
    }
    this.#serving = false
  }

  /** Calls `retry` once, when so much can be acquired. At most one call per connection is outstanding, so the list is bounded by connections. */
  wait (bytes: number, retry: () => void): void {
    this.#waiters.push({ bytes, retry })
  }

  #hasRoom (bytes: number): boolean {
    return this.#lentBytes === 0 || this.#lentBytes + classBytes(bytes) <= this.#bytesMax
  }
}

function classBytes (bytes: number): number {
  let size = classBytesMin
  while (size < bytes) size *= 2
  return size
}
