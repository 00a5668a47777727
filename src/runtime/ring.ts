/**
 * A single-producer, single-consumer ring of frames in a SharedArrayBuffer: the only way from one reactor thread to another.
 *
 * ```
 *  byte 0        128       192       256                                             256 + capacity
 *   | head ......| tail ...| wanted .| frame | frame | (free) ...          | frame | wrap |
 *     consumer     producer   both     ^ tail & mask                         ^ head & mask
 *
 *  frame:  int32 length | int32 tag | payload, padded to 8 bytes        wrap:  int32 -1, the rest of the ring is unused
 * ```
 *
 * Head and tail are 32-bit byte sequences that run through 2^32; they are compared with `(a - b) | 0`, never with `<`.
 * Each has its own cache line and one writer. The producer publishes its tail and the consumer its head once per batch.
 */
import { assert } from '../base/assert.ts'

/** Bytes with both ways to get at them: byte copies and typed fields. Offsets count from the start of `bytes`. */
export interface Memory {
  /** No Buffer, whose `slice` copies nothing: who keeps a part of these bytes relies on it. */
  readonly bytes: Uint8Array
  readonly view: DataView
}

const headWord = 0
const tailWord = 32
const spaceWantedWord = 48
const headerBytes = 256
const frameHeaderBytes = 8
const wrapMark = -1

export const ringBytesMin = 1 << 10
export const ringBytesMax = 1 << 30

/**
 * Makes the shared memory of one ring.
 * @param capacity       bytes for frames, a power of two
 * @param firstSequence  where head and tail start; tests start just below 2^31 and 2^32
 */
export function createRing (capacity: number, firstSequence = 0): SharedArrayBuffer {
  assert(capacity >= ringBytesMin && capacity <= ringBytesMax, 'ring capacity out of range')
  assert((capacity & (capacity - 1)) === 0, 'ring capacity must be a power of two')
  assert(firstSequence % 8 === 0, 'a ring starts at an aligned sequence')
  const shared = new SharedArrayBuffer(headerBytes + capacity)
  const words = new Int32Array(shared)
  words[headWord] = firstSequence | 0
  words[tailWord] = firstSequence | 0
  return shared
}

/** Views on any buffer, as codecs want them. */
export function memoryOf (buffer: ArrayBufferLike, byteOffset = 0, byteLength = buffer.byteLength - byteOffset): Memory {
  return { bytes: new Uint8Array(buffer, byteOffset, byteLength), view: new DataView(buffer, byteOffset, byteLength) }
}

/** The producer's end. Used by one thread only. */
export class RingWriter {
  readonly memory: Memory
  readonly capacity: number
  /** Largest payload that is certain to fit into an empty ring, wherever its tail stands. */
  readonly payloadBytesMax: number
  readonly #words: Int32Array
  readonly #mask: number
  #tail: number
  #published: number
  #head: number
  #reservedIndex = -1
  #reservedBytes = 0

  constructor (shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared)
    this.memory = memoryOf(shared)
    this.capacity = shared.byteLength - headerBytes
    this.payloadBytesMax = this.capacity / 2 - frameHeaderBytes
    this.#mask = this.capacity - 1
    this.#tail = Atomics.load(this.#words, tailWord)
    this.#published = this.#tail
    this.#head = Atomics.load(this.#words, headWord)
  }

  /** Bytes written and not yet visible to the consumer. */
  get unpublishedBytes (): number {
    return (this.#tail - this.#published) | 0
  }

  /**
   * Finds room for one payload and returns its offset in {@link memory}, or -1 when the ring is too full.
   * Write exactly `bytes` bytes there, then {@link commit}. A reservation that is not committed is simply forgotten.
   */
  reserve (bytes: number): number {
    assert(bytes <= this.payloadBytesMax, 'payload larger than half the ring')
    const frameBytes = (frameHeaderBytes + bytes + 7) & ~7
    let index = this.#tail & this.#mask
    const untilEnd = this.capacity - index
    const needed = frameBytes <= untilEnd ? frameBytes : untilEnd + frameBytes
    if (!this.#hasFree(needed)) return -1
    if (frameBytes > untilEnd) {
      this.#words[(headerBytes + index) >> 2] = wrapMark
      this.#tail = (this.#tail + untilEnd) | 0
      index = 0
    }
    this.#reservedIndex = index
    this.#reservedBytes = bytes
    return headerBytes + index + frameHeaderBytes
  }

  /** Ends the frame that was reserved last. The consumer sees it after {@link publish}. */
  commit (tag: number): void {
    const index = this.#reservedIndex
    assert(index >= 0, 'commit without reserve')
    const word = (headerBytes + index) >> 2
    this.#words[word] = this.#reservedBytes
    this.#words[word + 1] = tag
    this.#tail = (this.#tail + ((frameHeaderBytes + this.#reservedBytes + 7) & ~7)) | 0
    this.#reservedIndex = -1
  }

  /** Makes all committed frames visible. Returns false when there was nothing new. */
  publish (): boolean {
    if (this.#tail === this.#published) return false
    Atomics.store(this.#words, tailWord, this.#tail)
    this.#published = this.#tail
    return true
  }

  /** Whether a payload of `bytes` would fit now. */
  hasRoom (bytes: number): boolean {
    const frameBytes = (frameHeaderBytes + bytes + 7) & ~7
    const untilEnd = this.capacity - (this.#tail & this.#mask)
    return this.#hasFree(frameBytes <= untilEnd ? frameBytes : untilEnd + frameBytes)
  }

  /** Asks the consumer to ring this producer's doorbell when it next gives space back. Look at {@link hasRoom} once more afterwards. */
  wantSpace (): void {
    Atomics.store(this.#words, spaceWantedWord, 1)
  }

  #hasFree (bytes: number): boolean {
    if (this.capacity - ((this.#tail - this.#head) | 0) >= bytes) return true
    this.#head = Atomics.load(this.#words, headWord)
    return this.capacity - ((this.#tail - this.#head) | 0) >= bytes
  }
}

/** The consumer's end. Used by one thread only. After {@link next}, `offset`, `length` and `tag` describe the frame. */
export class RingReader {
  readonly memory: Memory
  readonly capacity: number
  /** Where the payload starts in {@link memory}. */
  offset = 0
  /** Bytes of the payload. */
  length = 0
  tag = 0
  readonly #words: Int32Array
  readonly #mask: number
  #head: number
  #released: number
  #tail: number

  constructor (shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared)
    this.memory = memoryOf(shared)
    this.capacity = shared.byteLength - headerBytes
    this.#mask = this.capacity - 1
    this.#head = Atomics.load(this.#words, headWord)
    this.#released = this.#head
    this.#tail = this.#head
  }

  /** Steps to the next published frame. Its bytes stay in place until {@link release}. */
  next (): boolean {
    if (this.#head === this.#tail) {
      this.#tail = Atomics.load(this.#words, tailWord)
      if (this.#head === this.#tail) return false
    }
    let index = this.#head & this.#mask
    let length = this.#words[(headerBytes + index) >> 2]!
    if (length === wrapMark) {
      this.#head = (this.#head + this.capacity - index) | 0
      // A reservation that wrapped and was then given up leaves a mark with nothing behind it.
      if (this.#head === this.#tail) return false
      index = 0
      length = this.#words[headerBytes >> 2]!
    }
    assert(length >= 0 && index + frameHeaderBytes + length <= this.capacity, 'frame leaves the ring')
    this.tag = this.#words[(headerBytes + index + 4) >> 2]!
    this.offset = headerBytes + index + frameHeaderBytes
    this.length = length
    this.#head = (this.#head + ((frameHeaderBytes + length + 7) & ~7)) | 0
    assert(((this.#tail - this.#head) | 0) >= 0, 'frame longer than what was published')
    return true
  }

  /** Whether a frame is waiting that {@link next} has not stepped to. */
  hasNext (): boolean {
    return this.#head !== this.#tail || this.#head !== Atomics.load(this.#words, tailWord)
  }

  /** Bytes stepped over and not yet given back. */
  get unreleasedBytes (): number {
    return (this.#head - this.#released) | 0
  }

  /**
   * Gives the bytes of all frames stepped over back to the producer: no view on them may be used afterwards.
   * @returns whether the producer asked to be told
   */
  release (): boolean {
    if (this.#head === this.#released) return false
    Atomics.store(this.#words, headWord, this.#head)
    this.#released = this.#head
    return Atomics.load(this.#words, spaceWantedWord) === 1 && Atomics.exchange(this.#words, spaceWantedWord, 0) === 1
  }
}
