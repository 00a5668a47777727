/**
 * Reads Kafka's primitive types from bytes that came from outside. Every length is checked against what is there before
 * anything is allocated or looked at, so wrong input ends in a {@link ProtocolError} and nothing else.
 *
 * Strings are decoded; byte fields are views of the input, valid as long as the input is.
 */
import { ProtocolError } from './protocol-error.ts'

/**
 * Array elements one frame may hold. An empty topic takes three bytes on the wire and some 150 in memory,
 * so without a bound a large frame of honest counts would still take fifty times its size.
 */
const elementsMax = 500_000

/** The old encoding has an int16 for a string's length; the compact one is held to the same, so that any string read in one can be written in the other. */
export const stringBytesMax = 0x7fff

/** Names come again with every request: short ASCII ones are found in a table instead of decoded. A power of two. */
const internSlots = 1024
const internBytesMax = 64
const strings: (string | undefined)[] = new Array(internSlots).fill(undefined)
const uuids: (string | undefined)[] = new Array(internSlots).fill(undefined)
/** The four words of the UUID in the same slot of `uuids`. */
const uuidWords = new Int32Array(internSlots * 4)

/** Malformed UTF-8 is read as U+FFFD, as other brokers do: no name that passes the checks on names holds it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const noBytes = new Uint8Array(0)

export class Reader {
  bytes: Uint8Array
  /** Index in `bytes` of the next byte to read. */
  position: number
  /** Exclusive: nothing from here on belongs to this frame. */
  end: number
  #elementsLeft = elementsMax

  constructor (bytes: Uint8Array = noBytes, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  /** Starts over at other bytes, so that one reader serves every frame of a thread. */
  reset (bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.position = start
    this.end = end
    this.#elementsLeft = elementsMax
    return this
  }

  get remaining (): number {
    return this.end - this.position
  }

  /** @throws ProtocolError  bytes are left over: sender and reader disagree on the layout */
  expectEnd (): void {
    if (this.position !== this.end) throw new ProtocolError(`${this.end - this.position} bytes follow the message`)
  }

  /** Moves past `count` bytes and returns where they start. */
  #take (count: number): number {
    const start = this.position
    if (count > this.end - start) this.#truncated(count)
    this.position = start + count
    return start
  }

  #truncated (count: number): never {
    throw new ProtocolError(`${count} bytes wanted, ${this.end - this.position} left`)
  }

  int8 (): number {
    const i = this.#take(1)
    return this.bytes[i]! << 24 >> 24
  }

  bool (): boolean {
    const i = this.#take(1)
    return this.bytes[i] !== 0
  }

  int16 (): number {
    const i = this.#take(2)
    const b = this.bytes
    return (b[i]! << 24 | b[i + 1]! << 16) >> 16
  }

  uint16 (): number {
    return this.int16() & 0xffff
  }

  int32 (): number {
    const i = this.#take(4)
    const b = this.bytes
    return b[i]! << 24 | b[i + 1]! << 16 | b[i + 2]! << 8 | b[i + 3]!
  }

  /** @throws ProtocolError  the value is not a safe integer: nothing that counts, and no clock, reaches 2^53 */
  int64 (): number {
    const high = this.int32()
    const low = this.int32() >>> 0
    // Below -2^21 only -2^53 and less; that one number is refused as well.
    if (high >= 0x200000 || high < -0x200000 || (high === -0x200000 && low === 0)) throw new ProtocolError('an int64 is not a safe integer')
    return high * 0x100000000 + low
  }

  /** For values that a user picks freely, such as "the largest timestamp": what is not a safe integer becomes the nearest one. */
  saturatedInt64 (): number {
    const high = this.int32()
    const low = this.int32() >>> 0
    if (high >= 0x200000) return Number.MAX_SAFE_INTEGER
    if (high < -0x200000 || (high === -0x200000 && low === 0)) return Number.MIN_SAFE_INTEGER
    return high * 0x100000000 + low
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  uvarint (): number {
    let i = this.position
    const b = this.bytes
    const first = i < this.end ? b[i]! : this.#truncated(1)
    if (first < 0x80) {
      this.position = i + 1
      return first
    }
    let value = first & 0x7f
    for (let scale = 0x80; scale <= 0x10000000; scale *= 0x80) {
      if (++i >= this.end) this.#truncated(i + 1 - this.position)
      const byte = b[i]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > 0xffffffff) break
        this.position = i + 1
        return value
      }
    }
    throw new ProtocolError('a varint has more than 32 bits')
  }

  /** 16 bytes as 32 lower-case hex digits. */
  uuid (): string {
    const i = this.#take(16)
    const b = this.bytes
    const w0 = b[i]! << 24 | b[i + 1]! << 16 | b[i + 2]! << 8 | b[i + 3]!
    const w1 = b[i + 4]! << 24 | b[i + 5]! << 16 | b[i + 6]! << 8 | b[i + 7]!
    const w2 = b[i + 8]! << 24 | b[i + 9]! << 16 | b[i + 10]! << 8 | b[i + 11]!
    const w3 = b[i + 12]! << 24 | b[i + 13]! << 16 | b[i + 14]! << 8 | b[i + 15]!
    const slot = (w0 ^ w1 ^ w2 ^ w3) & (internSlots - 1)
    const known = uuids[slot]
    if (known !== undefined && uuidWords[slot * 4] === w0 && uuidWords[slot * 4 + 1] === w1 &&
      uuidWords[slot * 4 + 2] === w2 && uuidWords[slot * 4 + 3] === w3) return known
    const text = hexWord(w0) + hexWord(w1) + hexWord(w2) + hexWord(w3)
    uuids[slot] = text
    uuidWords[slot * 4] = w0
    uuidWords[slot * 4 + 1] = w1
    uuidWords[slot * 4 + 2] = w2
    uuidWords[slot * 4 + 3] = w3
    return text
  }

  string (): string {
    return this.#text(lengthOf(this.int16(), 'string'))
  }

  nullableString (): string | null {
    const length = this.int16()
    return length === -1 ? null : this.#text(lengthOf(length, 'string'))
  }

  compactString (): string {
    return this.#text(lengthOf(this.uvarint() - 1, 'string'))
  }

  compactNullableString (): string | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.#text(length)
  }

  byteString (): Uint8Array {
    return this.#view(lengthOf(this.int32(), 'byte string'))
  }

  nullableByteString (): Uint8Array | null {
    const length = this.int32()
    return length === -1 ? null : this.#view(lengthOf(length, 'byte string'))
  }

  compactByteString (): Uint8Array {
    return this.#view(lengthOf(this.uvarint() - 1, 'byte string'))
  }

  compactNullableByteString (): Uint8Array | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.#view(length)
  }

  /** The number of elements of an array, each of which takes `elementBytesMin` bytes or more. */
  count (elementBytesMin: number): number {
    return this.#elements(lengthOf(this.int32(), 'array'), elementBytesMin)
  }

  /** As {@link count}; -1 for null. */
  nullableCount (elementBytesMin: number): number {
    const count = this.int32()
    return count === -1 ? -1 : this.#elements(lengthOf(count, 'array'), elementBytesMin)
  }

  compactCount (elementBytesMin: number): number {
    return this.#elements(lengthOf(this.uvarint() - 1, 'array'), elementBytesMin)
  }

  compactNullableCount (elementBytesMin: number): number {
    const count = this.uvarint() - 1
    return count === -1 ? -1 : this.#elements(count, elementBytesMin)
  }

  /** Passes over a section of tagged fields none of which is known. */
  skipTags (): void {
    let last = -1
    for (let left = this.uvarint(); left > 0; left--) {
      last = this.tag(last)
      this.#take(this.uvarint())
    }
  }

  /** The next tag of a section; tags ascend. */
  tag (last: number): number {
    const tag = this.uvarint()
    if (tag <= last) throw new ProtocolError(`tag ${tag} after tag ${last}`)
    return tag
  }

  /** The exclusive end of a tagged field's value, the length of which comes next. */
  taggedEnd (): number {
    const bytes = this.uvarint()
    if (bytes > this.remaining) this.#truncated(bytes)
    return this.position + bytes
  }

  /** @throws ProtocolError  the value just read does not end at `end` */
  expectTaggedEnd (end: number): void {
    if (this.position !== end) throw new ProtocolError('a tagged field has another length than it says')
  }

  skipTo (end: number): void {
    this.position = end
  }

  #elements (count: number, elementBytesMin: number): number {
    if (count * elementBytesMin > this.end - this.position) throw new ProtocolError(`an array of ${count} elements in ${this.remaining} bytes`)
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) throw new ProtocolError(`more than ${elementsMax} array elements in one frame`)
    return count
  }

  #view (length: number): Uint8Array {
    const start = this.#take(length)
    return this.bytes.subarray(start, start + length)
  }

  #text (length: number): string {
    if (length > stringBytesMax) throw new ProtocolError(`a string of ${length} bytes`)
    const start = this.#take(length)
    if (length === 0) return ''
    const bytes = this.bytes
    if (length > internBytesMax) return decoder.decode(bytes.subarray(start, start + length))
    const slot = (length * 31 + bytes[start]! * 7 + bytes[start + (length >> 1)]! * 13 + bytes[start + length - 1]! * 17) & (internSlots - 1)
    const known = strings[slot]
    if (known !== undefined && known.length === length) {
      let i = 0
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++
      if (i === length) return known
    }
    const text = decoder.decode(bytes.subarray(start, start + length))
    // As many characters as bytes: ASCII, or replacement characters, which equal no byte and so are never found.
    if (text.length === length) strings[slot] = text
    return text
  }
}

function lengthOf (length: number, what: string): number {
  if (length < 0) throw new ProtocolError(`a length of ${length} for a ${what}`)
  return length
}

function hexWord (word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
