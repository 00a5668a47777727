/**
 * The records inside an (uncompressed) batch: for tests, control batches and the few places that must open a batch. Off the
 * hot path: values are views, but every record is an object.
 */
import { crc32c } from '../base/crc32c.ts'
import { batchHeaderBytes, batchPrefixBytes, batchMagic } from './record-batch.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface Record {
  readonly offsetDelta: number
  readonly timestampDelta: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** The records of a batch are cut short or lie about their lengths: the fault of whoever produced them. */
export class RecordError extends Error {
  override name = 'RecordError'
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder()

class RecordReader {
  readonly #bytes: Uint8Array
  at: number

  constructor (bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  get left (): number {
    return this.#bytes.length - this.at
  }

  /** A zigzag varint of up to 10 bytes; beyond the safe integers it is refused. */
  varint (): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) throw new RecordError('record cut short in a varint')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new RecordError('varint outside the safe integers')
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      }
      scale *= 128
    }
    throw new RecordError('varint longer than 10 bytes')
  }

  bytes (): Uint8Array | null {
    const length = this.varint()
    if (length < 0) return null
    if (length > this.left) throw new RecordError('record field longer than its batch')
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  skip (count: number): void {
    if (count > this.left) throw new RecordError('record cut short')
    this.at += count
  }
}

/**
 * Yields the records of one batch in order.
 *
 * @param payload  the bytes after the batch header, decompressed
 * @param count    the header's record count
 * @throws RecordError  the payload does not hold `count` sound records
 */
export function * readRecords (payload: Uint8Array, count: number): Generator<Record> {
  const reader = new RecordReader(payload, 0)
  for (let i = 0; i < count; i++) {
    const length = reader.varint()
    if (length < 0 || length > reader.left) throw new RecordError('record longer than its batch')
    const end = reader.at + length
    reader.skip(1)
    const timestampDelta = reader.varint()
    const offsetDelta = reader.varint()
    const key = reader.bytes()
    const value = reader.bytes()
    const headerCount = reader.varint()
    if (headerCount < 0 || headerCount > end - reader.at) throw new RecordError('more headers than bytes')
    const headers: RecordHeader[] = []
    for (let h = 0; h < headerCount; h++) {
      const name = reader.bytes()
      if (name === null) throw new RecordError('header without a key')
      headers.push({ key: utf8Decoder.decode(name), value: reader.bytes() })
    }
    if (reader.at !== end) throw new RecordError('record length does not match its fields')
    yield { offsetDelta, timestampDelta, key, value, headers }
  }
}

export interface RecordInput {
  readonly key?: Uint8Array | string | null
  readonly value?: Uint8Array | string | null
  readonly headers?: readonly { readonly key: string, readonly value: Uint8Array | string | null }[]
  /** Milliseconds after the batch's timestamp; default 0. */
  readonly timestampDelta?: number
}

export interface BatchInput {
  readonly records: readonly RecordInput[]
  readonly baseOffset?: number
  readonly term?: number
  /** Bits of the attributes field; the codec bits must stay 0 here. */
  readonly attributes?: number
  /** Milliseconds since 1970 of the first record; default -1, none. */
  readonly timestamp?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/** Appends to a growing array of small pieces: plain and slow on purpose. */
class RecordWriter {
  readonly pieces: Uint8Array[] = []
  size = 0

  raw (bytes: Uint8Array): void {
    this.pieces.push(bytes)
    this.size += bytes.length
  }

  varint (value: number): void {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1
    const bytes: number[] = []
    while (rest >= 128) {
      bytes.push((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
    this.raw(Uint8Array.from(bytes))
  }

  field (value: Uint8Array | string | null | undefined): void {
    if (value === null || value === undefined) return this.varint(-1)
    const bytes = typeof value === 'string' ? utf8Encoder.encode(value) : value
    this.varint(bytes.length)
    this.raw(bytes)
  }
}

/** Returns the records as they stand after a batch header, uncompressed. */
export function encodeRecords (records: readonly RecordInput[]): Uint8Array<ArrayBuffer> {
  const all = new RecordWriter()
  records.forEach((record, offsetDelta) => {
    const one = new RecordWriter()
    one.raw(Uint8Array.of(0))
    one.varint(record.timestampDelta ?? 0)
    one.varint(offsetDelta)
    one.field(record.key)
    one.field(record.value)
    one.varint(record.headers?.length ?? 0)
    for (const header of record.headers ?? []) {
      one.field(header.key)
      one.field(header.value)
    }
    all.varint(one.size)
    for (const piece of one.pieces) all.raw(piece)
  })
  const bytes = new Uint8Array(all.size)
  let at = 0
  for (const piece of all.pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** Returns one whole batch around `payload`: encoded records, compressed if `input.attributes` says so. */
export function frameBatch (input: BatchInput, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(batchHeaderBytes + payload.length)
  const view = new DataView(bytes.buffer)
  const timestamp = input.timestamp ?? -1
  const maxTimestamp = input.records.reduce((max, record) => Math.max(max, timestamp + (record.timestampDelta ?? 0)), timestamp)
  view.setBigInt64(0, BigInt(input.baseOffset ?? 0))
  view.setInt32(8, bytes.length - batchPrefixBytes)
  view.setInt32(12, input.term ?? -1)
  view.setInt8(16, batchMagic)
  view.setInt16(21, input.attributes ?? 0)
  view.setInt32(23, input.records.length - 1)
  view.setBigInt64(27, BigInt(timestamp))
  view.setBigInt64(35, BigInt(maxTimestamp))
  view.setBigInt64(43, BigInt(input.producerId ?? -1))
  view.setInt16(51, input.producerEpoch ?? -1)
  view.setInt32(53, input.baseSequence ?? -1)
  view.setInt32(57, input.records.length)
  bytes.set(payload, batchHeaderBytes)
  view.setUint32(17, crc32c(bytes.subarray(21)))
  return bytes
}

/**
 * Returns one whole uncompressed batch with its checksum.
 *
 * @example
 * buildBatch({ records: [{ value: 'hello' }], timestamp: 1700000000000 }).length // 61 + 12
 */
export function buildBatch (input: BatchInput): Uint8Array<ArrayBuffer> {
  return frameBatch(input, encodeRecords(input.records))
}
