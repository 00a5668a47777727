/**
 * The few Kafka messages that the loaders send and `limit.ts` answers, written by hand and apart from src/protocol:
 * a load must not share a mistake, or a cost, with the broker it measures. Versions are the last before the flexible
 * encoding: ApiVersions 0, Metadata 4, CreateTopics 2, DeleteTopics 1, Produce 7, Fetch 4, ListOffsets 1.
 */
import { crc32c } from '@node-rs/crc32'

export const apiKey = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
  createTopics: 19,
  deleteTopics: 20,
  initProducerId: 22
} as const

/** Big-endian fields into a buffer that grows. */
export class Writer {
  bytes: Buffer<ArrayBuffer>
  end = 0

  constructor (capacity = 1024) { this.bytes = Buffer.allocUnsafeSlow(capacity) }

  #room (bytes: number): number {
    const at = this.end
    this.end += bytes
    if (this.end > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.end, this.bytes.length * 2))
      larger.set(this.bytes.subarray(0, at))
      this.bytes = larger
    }
    return at
  }

  int8 (value: number): this { const at = this.#room(1); this.bytes.writeInt8(value, at); return this }
  int16 (value: number): this { const at = this.#room(2); this.bytes.writeInt16BE(value, at); return this }
  int32 (value: number): this { const at = this.#room(4); this.bytes.writeInt32BE(value, at); return this }

  int64 (value: number): this {
    const at = this.#room(8)
    this.bytes.writeInt32BE(Math.floor(value / 2 ** 32), at)
    this.bytes.writeUInt32BE(value >>> 0, at + 4)
    return this
  }

  raw (bytes: Uint8Array): this { const at = this.#room(bytes.length); this.bytes.set(bytes, at); return this }
  data (bytes: Uint8Array): this { return this.int32(bytes.length).raw(bytes) }

  string (text: string | null): this {
    if (text === null) return this.int16(-1)
    const bytes = Buffer.from(text)
    return this.int16(bytes.length).raw(bytes)
  }

  list<T> (items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  varint (value: number): this {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0
    while (rest > 0x7f) {
      this.int8(((rest & 0x7f) | 0x80) << 24 >> 24)
      rest >>>= 7
    }
    return this.int8(rest)
  }

  /** The bytes so far; a view. */
  view (): Buffer<ArrayBuffer> { return this.bytes.subarray(0, this.end) }
}

/** Big-endian fields out of a buffer; throws a RangeError past its end. */
export class Reader {
  readonly bytes: Buffer
  at: number

  constructor (bytes: Buffer, at = 0) { this.bytes = bytes; this.at = at }

  int8 (): number { return this.bytes.readInt8(this.at++) }
  int16 (): number { const value = this.bytes.readInt16BE(this.at); this.at += 2; return value }
  int32 (): number { const value = this.bytes.readInt32BE(this.at); this.at += 4; return value }
  int64 (): number { const value = this.bytes.readInt32BE(this.at) * 2 ** 32 + this.bytes.readUInt32BE(this.at + 4); this.at += 8; return value }

  string (): string | null {
    const length = this.int16()
    if (length < 0) return null
    this.at += length
    return this.bytes.toString('utf8', this.at - length, this.at)
  }

  data (): Buffer {
    const length = Math.max(0, this.int32())
    if (this.at + length > this.bytes.length) throw new RangeError('data past the end')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  list<T> (read: () => T): T[] {
    const items: T[] = []
    for (let left = this.int32(); left > 0; left--) items.push(read())
    return items
  }
}

/** A whole request frame: its size, header version 1, then what `body` writes. */
export function request (key: number, version: number, body: (writer: Writer) => void, correlation = 0): Buffer<ArrayBuffer> {
  const writer = new Writer()
  writer.int32(0).int16(key).int16(version).int32(correlation).string('bench')
  body(writer)
  const frame = writer.view()
  frame.writeInt32BE(frame.length - 4, 0)
  return frame
}

/** Offset of the correlation id in a request frame. */
export const correlationAt = 8

/** Positions in a RecordBatch v2. */
export const batchField = { length: 8, leaderEpoch: 12, magic: 16, crc: 17, attributes: 21, lastOffsetDelta: 23, count: 57, records: 61 } as const

/** A RecordBatch of `count` records of `valueBytes` random bytes each, with a right CRC; random so that nothing can profit from repetition. */
export function recordBatch ({ count, valueBytes, timestamp, random }: { count: number, valueBytes: number, timestamp: number, random: () => number }): Buffer<ArrayBuffer> {
  const writer = new Writer(batchField.records + count * (valueBytes + 16))
  writer.int64(0).int32(0).int32(0).int8(2).int32(0).int16(0).int32(count - 1).int64(timestamp).int64(timestamp).int64(-1).int16(-1).int32(-1).int32(count)
  const value = Buffer.alloc(valueBytes)
  for (let index = 0; index < count; index++) {
    for (let at = 0; at + 4 <= valueBytes; at += 4) value.writeUInt32LE(random() >>> 0, at)
    const head = new Writer(32).int8(0).varint(0).varint(index).varint(-1).varint(valueBytes)
    writer.varint(head.end + valueBytes + 1).raw(head.view()).raw(value).varint(0)
  }
  const batch = writer.view()
  sealBatch(batch)
  return batch
}

/** Writes the batch's length and CRC. */
export function sealBatch (batch: Buffer): void {
  batch.writeInt32BE(batch.length - 12, batchField.length)
  batch.writeUInt32BE(crc32c(batch.subarray(batchField.attributes)), batchField.crc)
}

/** Whether the CRC in a whole batch is that of its bytes. */
export function crcFits (batch: Buffer): boolean {
  return crc32c(batch.subarray(batchField.attributes)) === batch.readUInt32BE(batchField.crc)
}

export interface ProducePart {
  readonly partition: number
  readonly batch: Uint8Array
}

/** Produce 7, acks from all. One topic. */
export function produceRequest (topic: string, parts: readonly ProducePart[]): Buffer<ArrayBuffer> {
  return request(apiKey.produce, 7, writer => {
    writer.string(null).int16(-1).int32(30_000).int32(1).string(topic)
      .list(parts, part => writer.int32(part.partition).data(part.batch))
  })
}

export interface FetchPart {
  readonly partition: number
  readonly offset: number
}

/** Fetch 4: at most `maxBytes` of each partition, answered when 1 byte is there or after `maxWaitMs`. */
export function fetchRequest (topic: string, parts: readonly FetchPart[], maxBytes: number, maxWaitMs: number): Buffer<ArrayBuffer> {
  return request(apiKey.fetch, 4, writer => {
    writer.int32(-1).int32(maxWaitMs).int32(1).int32(0x7fffffff).int8(0).int32(1).string(topic)
      .list(parts, part => writer.int32(part.partition).int64(part.offset).int32(maxBytes))
  })
}

/** CreateTopics 2 of one topic with one replica and topic settings. */
export function createTopicRequest (topic: string, partitions: number, settings: Readonly<Record<string, string>> = {}): Buffer<ArrayBuffer> {
  return request(apiKey.createTopics, 2, writer => {
    writer.int32(1).string(topic).int32(partitions).int16(1).int32(0)
      .list(Object.entries(settings), ([name, value]) => writer.string(name).string(value))
      .int32(30_000).int8(0)
  })
}

export function deleteTopicRequest (topic: string): Buffer<ArrayBuffer> {
  return request(apiKey.deleteTopics, 1, writer => writer.int32(1).string(topic).int32(30_000))
}

export function apiVersionsRequest (): Buffer<ArrayBuffer> {
  return request(apiKey.apiVersions, 0, () => {})
}

/** Metadata 4 of the named topics, none of them created by asking. */
export function metadataRequest (topics: readonly string[]): Buffer<ArrayBuffer> {
  return request(apiKey.metadata, 4, writer => writer.list(topics, topic => writer.string(topic)).int8(0))
}

/** ListOffsets 1: `timestamp` -1 asks for the end, -2 for the start. */
export function listOffsetsRequest (topic: string, partitions: readonly number[], timestamp: number): Buffer<ArrayBuffer> {
  return request(apiKey.listOffsets, 1, writer => {
    writer.int32(-1).int32(1).string(topic).list(partitions, partition => writer.int32(partition).int64(timestamp))
  })
}
