/**
 * Memory for requests that do not fit into one read: buffers in powers of two, reused so that the same pages are
 * touched again and again. Bounded: with `bytesMax` lent out, further connections wait until a buffer comes back. What has
 * come already of their requests they keep meanwhile, in all at most as much again.
 */
import { assert } from '../base/assert.ts'

const classBytesMin = 4 * 1024
/** Room for requests of 8 MiB: as garbage they make V8 collect the whole heap each time. */
const idleBytesMaxDefault = 16 * 1024 * 1024
/** So many buffers may be lent past the first in line; then nobody gets one before it, or a large request would wait for ever. */
const passesMax = 1000

export interface FrameWaiter {
  /** As much as was waited for can be acquired. */
  memoryFree (): void
}

interface Wait {
  readonly wantedBytes: number
  readonly keptBytes: number
}

export class FramePool {
  readonly #bytesMax: number
  readonly #idleBytesMax: number
  readonly #idle = new Map<number, Uint8Array[]>()
  /** In the order in which they came. */
  readonly #waits = new Map<FrameWaiter, Wait>()
  #idleBytes = 0
  #lentBytes = 0
  #keptBytes = 0
  /** Buffers lent since the first in line became that. */
  #passes = 0
  #serving = false
  #again = false

  /** @param idleBytesMax  idle buffers kept for reuse; more than that goes back to the system */
  constructor (bytesMax: number, idleBytesMax = idleBytesMaxDefault) {
    this.#bytesMax = bytesMax
    this.#idleBytesMax = idleBytesMax
  }

  get lentBytes (): number { return this.#lentBytes }

  /**
   * Lends a buffer of at least `bytes`, or undefined while the bound is reached. A buffer larger than the whole bound
   * is lent when nothing else is, so that a large request is late rather than impossible.
   */
  acquire (bytes: number): Uint8Array | undefined {
    if (!this.#hasRoom(bytes) || this.#isOverdue) return undefined
    if (this.#waits.size > 0) this.#passes++
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
    if (this.#idleBytes + size <= this.#idleBytesMax) {
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
      for (const [waiter, { wantedBytes }] of this.#waits) {
        if (!this.#hasRoom(classBytesMin)) break
        // Who is called in vain waits again, at the end of those that are looked at here.
        if (this.#isOverdue && waiter !== this.#first) break
        if (!this.#hasRoom(wantedBytes)) continue
        this.#remove(waiter)
        waiter.memoryFree()
      }
    }
    this.#serving = false
  }

  /**
   * Tells `waiter`, who waits for nothing else here, once when so much can be acquired, unless it leaves before.
   *
   * @param keptBytes  what it keeps of its request meanwhile
   * @returns false: those who wait keep too much already, it must give its request up
   */
  wait (waiter: FrameWaiter, wantedBytes: number, keptBytes: number): boolean {
    if (this.#keptBytes + keptBytes > this.#bytesMax) return false
    assert(!this.#waits.has(waiter), 'a connection waits for one request at a time')
    this.#keptBytes += keptBytes
    this.#waits.set(waiter, { wantedBytes, keptBytes })
    return true
  }

  /** `waiter` does not wait any more, if it did. Those behind it need not either, if it held them up. */
  leave (waiter: FrameWaiter): void {
    const heldUp = this.#isOverdue
    this.#remove(waiter)
    if (heldUp && !this.#isOverdue) this.#serve()
  }

  #remove (waiter: FrameWaiter): void {
    if (this.#first === waiter) this.#passes = 0
    this.#keptBytes -= this.#waits.get(waiter)?.keptBytes ?? 0
    this.#waits.delete(waiter)
  }

  get #first (): FrameWaiter | undefined {
    return this.#waits.size === 0 ? undefined : this.#waits.keys().next().value
  }

  get #isOverdue (): boolean {
    return this.#passes >= passesMax
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
