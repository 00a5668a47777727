/**
 * Kafka's RecordBatch, version 2: the unit of the log. It keeps the same bytes from socket to disk and back; the leader
 * only stamps `baseOffset` and `partitionLeaderEpoch`, which the checksum leaves out.
 *
 * ```
 *  0 baseOffset i64 | 8 batchLength i32 | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32 | 21 attributes i16
 * 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16
 * 53 baseSequence i32 | 57 recordCount i32 | 61 records …           batchLength counts from byte 12 on, the crc covers 21 on
 * ```
 * Everything here works on (bytes, position) and allocates nothing, except {@link validateBatch}, which needs one view for the
 * checksum. An int64 outside the safe integers reads as NaN, which no comparison lets pass.
 */
import { crc32c } from '../base/crc32c.ts'

export const batchHeaderBytes = 61
/** Bytes before the part that `batchLength` counts. */
export const batchPrefixBytes = 12
export const batchMagic = 2

/** Why a batch is refused; 0 is a good one. Small numbers, as one is returned per produced batch. */
export const BatchFault = {
  none: 0,
  /** Fewer bytes than a header. */
  short: 1,
  /** `batchLength` is not that of exactly one batch in the given bytes. */
  length: 2,
  magic: 3,
  /** The record count is below 1 or not `lastOffsetDelta + 1`. */
  count: 4,
  /** A timestamp below -1 or outside the safe integers. */
  timestamp: 5,
  crc: 6
} as const
export type BatchFault = typeof BatchFault[keyof typeof BatchFault]

function int16At (bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 >> 16) | bytes[at + 1]!
}

function int32At (bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

const twoTo32 = 4294967296
const highMax = 2 ** 21

function int64At (bytes: Uint8Array, at: number): number {
  const high = int32At(bytes, at)
  return high >= -highMax && high < highMax ? high * twoTo32 + (int32At(bytes, at + 4) >>> 0) : NaN
}

function setInt32 (bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export const baseOffsetOf = (bytes: Uint8Array, at: number): number => int64At(bytes, at)
/** The batch's whole size on disk and wire, its first 12 bytes included. May be anything when the bytes are not a batch. */
export const batchBytesOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 8) + batchPrefixBytes
export const leaderEpochOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 12)
export const magicOf = (bytes: Uint8Array, at: number): number => bytes[at + 16]!
export const crcOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 17) >>> 0
export const attributesOf = (bytes: Uint8Array, at: number): number => int16At(bytes, at + 21)
export const lastOffsetDeltaOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 23)
export const baseTimestampOf = (bytes: Uint8Array, at: number): number => int64At(bytes, at + 27)
/** Milliseconds since 1970; -1: none. With the log-append-time bit it is the time of every record. */
export const maxTimestampOf = (bytes: Uint8Array, at: number): number => int64At(bytes, at + 35)
/** -1: not idempotent. */
export const producerIdOf = (bytes: Uint8Array, at: number): number => int64At(bytes, at + 43)
export const producerEpochOf = (bytes: Uint8Array, at: number): number => int16At(bytes, at + 51)
export const baseSequenceOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 53)
export const recordCountOf = (bytes: Uint8Array, at: number): number => int32At(bytes, at + 57)
/** The first offset after the batch. */
export const nextOffsetOf = (bytes: Uint8Array, at: number): number => int64At(bytes, at) + int32At(bytes, at + 23) + 1

/** Attribute bits 0-2: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export const codecOf = (bytes: Uint8Array, at: number): number => bytes[at + 22]! & 0x07
export const isLogAppendTime = (bytes: Uint8Array, at: number): boolean => (bytes[at + 22]! & 0x08) !== 0
export const isTransactional = (bytes: Uint8Array, at: number): boolean => (bytes[at + 22]! & 0x10) !== 0
export const isControl = (bytes: Uint8Array, at: number): boolean => (bytes[at + 22]! & 0x20) !== 0

/** Writes the two fields that the leader owns; the checksum stays right. */
export function stamp (bytes: Uint8Array, at: number, baseOffset: number, term: number): void {
  setInt32(bytes, at, Math.floor(baseOffset / twoTo32))
  setInt32(bytes, at + 4, baseOffset | 0)
  setInt32(bytes, at + 12, term)
}

/** Whether a whole, plausible header stands at `at`: all of {@link validateBatch} but the checksum and the exact end. */
function headerFault (bytes: Uint8Array, at: number, end: number): BatchFault {
  if (end - at < batchHeaderBytes) return BatchFault.short
  if (magicOf(bytes, at) !== batchMagic) return BatchFault.magic
  const size = batchBytesOf(bytes, at)
  if (size < batchHeaderBytes) return BatchFault.length
  const count = recordCountOf(bytes, at)
  if (count < 1 || count !== lastOffsetDeltaOf(bytes, at) + 1) return BatchFault.count
  if (!(baseTimestampOf(bytes, at) >= -1 && maxTimestampOf(bytes, at) >= -1)) return BatchFault.timestamp
  return BatchFault.none
}

/**
 * Says whether `bytes[at, end)` is exactly one sound batch, without opening its records.
 *
 * Cost: one view and the checksum, about 0.2 ns a byte.
 */
export function validateBatch (bytes: Uint8Array, at: number, end: number): BatchFault {
  const fault = headerFault(bytes, at, end)
  if (fault !== BatchFault.none) return fault
  if (batchBytesOf(bytes, at) !== end - at) return BatchFault.length
  return crc32c(bytes.subarray(at + 21, end)) === crcOf(bytes, at) ? BatchFault.none : BatchFault.crc
}

/**
 * As {@link validateBatch} for a batch in a log: it may be followed by others, and must begin at an offset that is expected.
 * A batch that compaction thinned out may count fewer records than offsets, so the counts are not compared.
 */
export function validateStoredBatch (bytes: Uint8Array, at: number, end: number): BatchFault {
  if (end - at < batchHeaderBytes) return BatchFault.short
  if (magicOf(bytes, at) !== batchMagic) return BatchFault.magic
  const size = batchBytesOf(bytes, at)
  if (size < batchHeaderBytes || size > end - at) return BatchFault.length
  if (lastOffsetDeltaOf(bytes, at) < 0 || !(baseOffsetOf(bytes, at) >= 0)) return BatchFault.count
  return crc32c(bytes.subarray(at + 21, at + size)) === crcOf(bytes, at) ? BatchFault.none : BatchFault.crc
}
