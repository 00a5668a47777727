/**
 * Produce and Fetch with record batches as opaque bytes. The client library's own two calls make an object of every record;
 * a file of a million lines wants neither that nor the time it takes. Both name topics, so no topic ids are needed.
 */
import { createAPI, type Reader, Writer } from '@platformatic/kafka'

export interface ProduceResult { readonly errorCode: number, readonly errorMessage: string | null, readonly baseOffset: number }

export const noOffset = -1

/** Produce, version 9: one batch for one partition. With acks 0 there is no answer and the result is undefined. */
export const produceBatch = createAPI<[acks: number, timeoutMs: number, topic: string, partition: number, batch: Buffer], ProduceResult | undefined>(
  0, 9,
  (acks: number, timeoutMs: number, topic: string, partition: number, batch: Buffer) => {
    const writer = Writer.create().appendString(null).appendInt16(acks).appendInt32(timeoutMs)
      .appendArray([topic], (w, name) => {
        w.appendString(name).appendArray([batch], (w, bytes) => w.appendInt32(partition).appendUnsignedVarInt(bytes.length + 1).append(bytes))
      }).appendTaggedFields()
    writer.context.noResponse = acks === 0
    return writer
  },
  (_correlation: number, _key: number, _version: number, reader: Reader) => {
    const topics = reader.readArray(r => {
      r.readString()
      return r.readArray(r => {
        r.readInt32()
        const errorCode = r.readInt16()
        const baseOffset = Number(r.readInt64())
        r.readInt64()
        r.readInt64()
        r.readArray(r => [r.readInt32(), r.readNullableString()])
        return { errorCode, baseOffset, errorMessage: r.readNullableString() }
      })
    })
    return topics[0]?.[0]
  }
)

export interface FetchPosition { readonly partition: number, readonly offset: number }

export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  /** Exclusive. */
  readonly highWatermark: number
  readonly logStartOffset: number
  /** Whole batches, the first of which may begin below the asked offset; the last may be cut short. */
  readonly records: Uint8Array
}

export interface FetchLimits { readonly maxWaitMs: number, readonly maxBytes: number, readonly partitionMaxBytes: number }

const none = new Uint8Array(0)

/** Fetch, version 12, without a session: partitions of one topic. */
export const fetchBatches = createAPI<[topic: string, positions: readonly FetchPosition[], limits: FetchLimits], { errorCode: number, partitions: FetchedPartition[] }>(
  1, 12,
  (topic: string, positions: readonly FetchPosition[], limits: FetchLimits) => Writer.create()
    .appendInt32(-1).appendInt32(limits.maxWaitMs).appendInt32(1).appendInt32(limits.maxBytes).appendInt8(0).appendInt32(0).appendInt32(-1)
    .appendArray([topic], (w, name) => {
      w.appendString(name).appendArray([...positions], (w, { partition, offset }) => {
        w.appendInt32(partition).appendInt32(-1).appendInt64(BigInt(offset)).appendInt32(-1).appendInt64(-1n).appendInt32(limits.partitionMaxBytes)
      })
    })
    .appendArray([], () => {}).appendString('').appendTaggedFields(),
  (_correlation: number, _key: number, _version: number, reader: Reader) => {
    reader.readInt32()
    const errorCode = reader.readInt16()
    reader.readInt32()
    const topics = reader.readArray(r => {
      r.readString()
      return r.readArray((r): FetchedPartition => {
        const partition = r.readInt32()
        const errorCode = r.readInt16()
        const highWatermark = Number(r.readInt64())
        r.readInt64()
        const logStartOffset = Number(r.readInt64())
        r.readNullableArray(r => [r.readInt64(), r.readInt64()])
        r.readInt32()
        return { partition, errorCode, highWatermark, logStartOffset, records: r.readNullableBytes() ?? none }
      })
    })
    return { errorCode, partitions: topics.flat() }
  }
)
