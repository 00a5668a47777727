/**
 * How messages become frames. Hot kinds have a codec of their own, a fixed binary header followed by raw bytes;
 * every other message travels as MessagePack under code 0.
 */
import { assert } from '../base/assert.ts'
import type { Message } from '../base/effect.ts'
import { decode, encode } from '../base/msgpack.ts'
import type { Memory } from './ring.ts'

export const messagePackCode = 0
/** Codes above belong to the runtime itself. */
export const codeMax = 119

/** Payloads of at least this size are written into memory that is used again: as garbage it would make V8 collect the whole heap for each few of them. */
const reusedBytesMin = 256 * 1024
const reusedBytesMax = 2 * 1024 * 1024
const reusedMax = 4

export interface MessageCodec<M extends Message = Message> {
  readonly kind: M['kind']
  /** 1 to {@link codeMax}, the same on every thread. */
  readonly code: number
  /** Exact bytes that {@link write} will write. */
  size (message: M): number
  /** Writes straight into the ring. Offsets are multiples of 8. */
  write (message: M, memory: Memory, offset: number): void
  /** Makes the message again. Byte fields may be subarrays of `memory`: they are valid only inside the receiver's `receive`. */
  read (memory: Memory, offset: number, length: number): M
}

export class Codecs {
  readonly #byKind = new Map<string, MessageCodec>()
  readonly #byCode: (MessageCodec | undefined)[] = new Array(codeMax + 1).fill(undefined)
  /** Memory of large payloads that were given back. */
  readonly #reused: Uint8Array[] = []

  constructor (codecs: readonly MessageCodec[] = []) {
    for (const codec of codecs) {
      assert(codec.code > 0 && codec.code <= codeMax, 'codec code out of range')
      assert(this.#byCode[codec.code] === undefined && !this.#byKind.has(codec.kind), 'codec registered twice')
      this.#byKind.set(codec.kind, codec)
      this.#byCode[codec.code] = codec
    }
  }

  /** The hand-written codec of a kind, if there is one. */
  of (kind: string): MessageCodec | undefined {
    return this.#byKind.get(kind)
  }

  /** Returns the message's payload as bytes of its own: a copy, for messages that must wait. Whoever is done with it may {@link giveBack} it. */
  encode (message: Message): Uint8Array {
    const codec = this.#byKind.get(message.kind)
    if (codec === undefined) return encode(message)
    const size = codec.size(message)
    const bytes = this.#memory(size)
    codec.write(message, { bytes, view: new DataView(bytes.buffer) }, 0)
    return bytes.length === size ? bytes : bytes.subarray(0, size)
  }

  /** The bytes that {@link encode} returned are not used any more. */
  giveBack (bytes: Uint8Array): void {
    const size = bytes.buffer.byteLength
    if (size >= reusedBytesMin && size <= reusedBytesMax && this.#reused.length < reusedMax) this.#reused.push(new Uint8Array(bytes.buffer))
  }

  /** Memory from its buffer's begin on, of `size` bytes or, if it may be used again, a few more. */
  #memory (size: number): Uint8Array {
    if (size < reusedBytesMin || size > reusedBytesMax) return Buffer.allocUnsafeSlow(size)
    const fits = this.#reused.findIndex(bytes => bytes.length >= size)
    return fits >= 0 ? this.#reused.splice(fits, 1)[0]! : Buffer.allocUnsafeSlow(Math.ceil(size / reusedBytesMin) * reusedBytesMin)
  }

  codeOf (kind: string): number {
    return this.#byKind.get(kind)?.code ?? messagePackCode
  }

  decode (code: number, memory: Memory, offset: number, length: number): Message {
    if (code === messagePackCode) return decode<Message>(memory.bytes.subarray(offset, offset + length))
    const codec = this.#byCode[code]
    assert(codec !== undefined, 'frame with an unknown code')
    return codec.read(memory, offset, length)
  }
}
