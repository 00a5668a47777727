/**
 * Writes Kafka's primitive types into blocks of memory, many frames in a row, and takes large byte fields by reference.
 *
 * ```
 *   block 1                                  by reference       block 1 goes on
 *  | length | header | fields ... | count | -> record bytes -> | tags | length | header | ...
 *  ^ patched at endFrame
 * ```
 * Bytes that {@link Writer.finish} has given out are not written again, unless they are taken back: the next frames go behind
 * them, and a full block is left to its readers. A socket may therefore hold on to the parts for as long as it likes.
 */
import { assert } from '../base/assert.ts'
import { stringBytesMax } from './reader.ts'

/** Below this many bytes a copy costs less than one more part for the socket to gather. */
const spliceBytesMin = 1024
/** One answer that a slow client has not taken keeps its whole block in memory, so blocks are small. */
const blockBytes = 16 * 1024

/** The UUID written last: answers name the same topic again and again. */
let lastUuid = ''
const lastUuidBytes = new Uint8Array(16)
/** The value of each hex digit by its character code; above 0x0f for what is none. */
const hexDigits = Uint8Array.from({ length: 128 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()))

export class Writer {
  readonly #blockBytes: number
  #block: Buffer
  /** Where the part that is being written starts in the block. */
  #start = 0
  #position = 0
  #parts: Uint8Array[] = []
  /** Bytes in `#parts`. */
  #partsBytes = 0
  /** The open frame's length prefix: its block, its index there, and the bytes written before it. */
  #frameBlock: Buffer
  #framePosition = -1
  #frameStart = 0
  /** Where what was written since the last {@link finish} begins in the block, and where what that one gave out did. */
  #runStart = 0
  #givenStart = 0
  #given: Uint8Array[] | undefined

  /** @param bytes  size of a block; one value larger than that gets a block of its own */
  constructor (bytes: number = blockBytes) {
    this.#blockBytes = bytes
    this.#block = Buffer.allocUnsafeSlow(bytes)
    this.#frameBlock = this.#block
  }

  /** Bytes written since the last {@link finish}. */
  get bytes (): number {
    return this.#partsBytes + this.#position - this.#start
  }

  /** Leaves room for a frame's length. Frames do not nest. */
  beginFrame (): this {
    assert(this.#framePosition === -1, 'a frame is open')
    this.#reserve(4)
    this.#frameBlock = this.#block
    this.#framePosition = this.#position
    this.#position += 4
    this.#frameStart = this.bytes
    return this
  }

  /** Fills in the length of what was written since {@link beginFrame}. */
  endFrame (): this {
    assert(this.#framePosition !== -1, 'no frame is open')
    this.#frameBlock.writeInt32BE(this.bytes - this.#frameStart, this.#framePosition)
    this.#framePosition = -1
    return this
  }

  /** Returns what was written since the last call, in order, as parts for one gathered write, and starts anew behind it. */
  finish (): Uint8Array[] {
    assert(this.#framePosition === -1, 'a frame is open')
    this.#closePart()
    const parts = this.#parts
    this.#parts = []
    this.#partsBytes = 0
    this.#givenStart = this.#runStart
    this.#runStart = this.#position
    this.#given = parts
    return parts
  }

  /** These parts have been used: if {@link finish} gave out nothing since, the same memory takes what comes next. */
  takeBack (parts: Uint8Array[]): void {
    if (parts !== this.#given) return
    assert(this.bytes === 0, 'nothing is being written')
    this.#position = this.#start = this.#runStart = this.#givenStart
  }

  int8 (value: number): void {
    this.#reserve(1)
    this.#block[this.#position++] = value
  }

  bool (value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int16 (value: number): void {
    this.#reserve(2)
    const block = this.#block
    const i = this.#position
    block[i] = value >> 8
    block[i + 1] = value
    this.#position = i + 2
  }

  uint16 (value: number): void {
    this.int16(value)
  }

  int32 (value: number): void {
    this.#reserve(4)
    const block = this.#block
    const i = this.#position
    block[i] = value >> 24
    block[i + 1] = value >> 16
    block[i + 2] = value >> 8
    block[i + 3] = value
    this.#position = i + 4
  }

  /** @param value  a safe integer */
  int64 (value: number): void {
    const low = value >>> 0
    this.int32((value - low) / 0x100000000)
    this.int32(low)
  }

  /** As {@link int64}, but the largest and the smallest safe integer stand for the largest and smallest int64. */
  saturatedInt64 (value: number): void {
    if (value >= Number.MAX_SAFE_INTEGER) {
      this.int32(0x7fffffff)
      this.int32(-1)
    } else if (value <= Number.MIN_SAFE_INTEGER) {
      this.int32(-0x80000000)
      this.int32(0)
    } else {
      this.int64(value)
    }
  }

  /** @param value  0 to 2^32 - 1 */
  uvarint (value: number): void {
    this.#reserve(5)
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.#block[this.#position++] = rest | 0x80
      rest >>>= 7
    }
    this.#block[this.#position++] = rest
  }

  /** @param value  32 hex digits */
  uuid (value: string): void {
    if (value !== lastUuid) parseUuid(value)
    this.#reserve(16)
    this.#block.set(lastUuidBytes, this.#position)
    this.#position += 16
  }

  /** A text longer than the protocol's 32767 bytes, such as an error message that quotes a name, is cut at a character. */
  string (value: string): void {
    const length = textBytes(value)
    if (length > stringBytesMax) return this.string(cutText(value))
    this.int16(length)
    this.#text(value, length)
  }

  nullableString (value: string | null): void {
    if (value === null) this.int16(-1)
    else this.string(value)
  }

  /** Cut like {@link string}. */
  compactString (value: string): void {
    const length = textBytes(value)
    if (length > stringBytesMax) return this.compactString(cutText(value))
    this.uvarint(length + 1)
    this.#text(value, length)
  }

  compactNullableString (value: string | null): void {
    if (value === null) this.uvarint(0)
    else this.compactString(value)
  }

  byteString (value: Uint8Array): void {
    this.int32(value.length)
    this.splice(value)
  }

  nullableByteString (value: Uint8Array | null): void {
    if (value === null) this.int32(-1)
    else this.byteString(value)
  }

  compactByteString (value: Uint8Array): void {
    this.uvarint(value.length + 1)
    this.splice(value)
  }

  compactNullableByteString (value: Uint8Array | null): void {
    if (value === null) this.uvarint(0)
    else this.compactByteString(value)
  }

  /** The number of elements of an array; -1 for null. */
  count (value: number): void {
    this.int32(value)
  }

  compactCount (value: number): void {
    this.uvarint(value + 1)
  }

  /** One tagged field. Rare, so its length is found by writing it to a side. */
  tagged <T>(tag: number, value: T, write: (writer: Writer, value: T) => void): void {
    const side = new Writer(256)
    write(side, value)
    this.uvarint(tag)
    this.uvarint(side.bytes)
    for (const part of side.finish()) this.splice(part)
  }

  /** Adds bytes: small ones are copied, large ones are taken by reference and must not change until the parts have been sent. */
  splice (bytes: Uint8Array): void {
    if (bytes.length < spliceBytesMin) {
      this.#reserve(bytes.length)
      this.#block.set(bytes, this.#position)
      this.#position += bytes.length
      return
    }
    this.#closePart()
    this.#parts.push(bytes)
    this.#partsBytes += bytes.length
  }

  /** Makes room for `bytes` in a row; what is in the old block stays there as a part. */
  #reserve (bytes: number): void {
    if (this.#position + bytes > this.#block.length) this.#nextBlock(bytes)
  }

  #nextBlock (bytes: number): void {
    this.#closePart()
    this.#block = Buffer.allocUnsafeSlow(Math.max(this.#blockBytes, bytes))
    this.#start = this.#position = this.#runStart = 0
  }

  #closePart (): void {
    if (this.#position === this.#start) return
    this.#parts.push(this.#block.subarray(this.#start, this.#position))
    this.#partsBytes += this.#position - this.#start
    this.#start = this.#position
  }

  #text (value: string, length: number): void {
    this.#reserve(length)
    const block = this.#block
    const start = this.#position
    if (length === value.length && length <= 64) {
      for (let i = 0; i < length; i++) block[start + i] = value.charCodeAt(i)
    } else {
      // Not TextEncoder.encodeInto: in Node 26 it drops the last character of some texts when the room is exact.
      block.write(value, start, length)
    }
    this.#position = start + length
  }
}

/** Bytes of the text in UTF-8. */
function textBytes (value: string): number {
  const length = value.length
  if (length > 64) return Buffer.byteLength(value)
  for (let i = 0; i < length; i++) {
    if (value.charCodeAt(i) > 0x7f) return Buffer.byteLength(value)
  }
  return length
}

function cutText (value: string): string {
  // As a stream: the character that the cut went through is left out.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(value).subarray(0, stringBytesMax), { stream: true })
}

function parseUuid (value: string): void {
  let seen = value.length === 32 ? 0 : 0xff
  for (let i = 0; i < 16; i++) {
    const high = hexDigits[value.charCodeAt(2 * i)] ?? 0xff
    const low = hexDigits[value.charCodeAt(2 * i + 1)] ?? 0xff
    seen |= high | low
    lastUuidBytes[i] = high << 4 | low
  }
  assert(seen < 0x10, 'a UUID has 32 hex digits')
  lastUuid = value
}
