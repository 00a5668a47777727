/**
 * Builds one record batch at a time straight into a buffer that is used again: no object per record.
 *
 * ```
 *  0 … 60 header, written by finish | record | record | …       record: varint length, then
 *  attributes 0 | varint timestamp delta | varint offset delta | varint key length, key | varint value length, value | varint 0 headers
 * ```
 */
import { crc32c } from '../base/crc32c.ts'
import { compress, type Codec } from '../record/compression.ts'
import { batchHeaderBytes, batchMagic, batchPrefixBytes } from '../record/record-batch.ts'
import type { ProducerIdentity } from './cluster.ts'

const varintBytesMax = 5
/** A record's own fields at their longest, key and value apart. */
const recordOverheadMax = 1 + 5 * varintBytesMax + 1
/** The timestamp delta must stay a short varint; a batch is closed long before. */
const timestampDeltaMax = 2 ** 30

export class BatchBuilder {
  readonly #target: number
  #bytes: Buffer
  #at = batchHeaderBytes
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  /** @param targetBytes  a batch is full there; a single record may be larger */
  constructor (targetBytes: number) {
    this.#target = targetBytes
    this.#bytes = Buffer.allocUnsafeSlow(targetBytes)
  }

  get count (): number {
    return this.#count
  }

  /** Adds a record, unless the batch is too full for it: then it returns false and the caller begins another. A first record always fits. */
  append (key: Uint8Array | null, value: Uint8Array, nowMs: number): boolean {
    const needed = recordOverheadMax + (key?.length ?? 0) + value.length
    if (this.#count === 0) {
      this.#baseTimestamp = nowMs
      this.#maxTimestamp = nowMs
      if (batchHeaderBytes + needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(batchHeaderBytes + needed)
    } else if (this.#at + needed > this.#target || Math.abs(nowMs - this.#baseTimestamp) > timestampDeltaMax) {
      return false
    }
    if (nowMs > this.#maxTimestamp) this.#maxTimestamp = nowMs
    const timestampDelta = nowMs - this.#baseTimestamp
    const keyLength = key === null ? -1 : key.length
    this.#varint(1 + varintLength(timestampDelta) + varintLength(this.#count) + varintLength(keyLength) + (key?.length ?? 0) + varintLength(value.length) + value.length + 1)
    this.#bytes[this.#at++] = 0
    this.#varint(timestampDelta)
    this.#varint(this.#count)
    this.#varint(keyLength)
    if (key !== null) this.#put(key)
    this.#varint(value.length)
    this.#put(value)
    this.#bytes[this.#at++] = 0
    this.#count++
    return true
  }

  /** Returns the whole batch: a view that is valid until {@link reset}, or a copy where it was compressed. */
  finish (codec: Codec, producer: ProducerIdentity | undefined, baseSequence: number): Buffer {
    let batch = this.#bytes.subarray(0, this.#at)
    if (codec !== 0) {
      const packed = compress(codec, this.#bytes.subarray(batchHeaderBytes, this.#at))
      batch = Buffer.allocUnsafeSlow(batchHeaderBytes + packed.length)
      batch.set(packed, batchHeaderBytes)
    }
    batch.writeBigInt64BE(0n, 0)
    batch.writeInt32BE(batch.length - batchPrefixBytes, 8)
    batch.writeInt32BE(-1, 12)
    batch.writeInt8(batchMagic, 16)
    batch.writeInt16BE(codec, 21)
    batch.writeInt32BE(this.#count - 1, 23)
    batch.writeBigInt64BE(BigInt(this.#baseTimestamp), 27)
    batch.writeBigInt64BE(BigInt(this.#maxTimestamp), 35)
    batch.writeBigInt64BE(producer?.producerId ?? -1n, 43)
    batch.writeInt16BE(producer?.epoch ?? -1, 51)
    batch.writeInt32BE(producer === undefined ? -1 : baseSequence, 53)
    batch.writeInt32BE(this.#count, 57)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    return batch
  }

  reset (): void {
    this.#at = batchHeaderBytes
    this.#count = 0
    if (this.#bytes.length > this.#target) this.#bytes = Buffer.allocUnsafeSlow(this.#target)
  }

  #put (bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Zigzag, for numbers of less than 31 bits. */
  #varint (value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
  }
}

function varintLength (value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x200000 ? 3 : zigzag < 0x10000000 ? 4 : 5
}
