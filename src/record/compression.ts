/**
 * The codecs of record batches, by the number in the batch's attributes. The one home of lz4-napi, snappy and node:zlib.
 *
 * Decompression never gives more than it is told to: where a library has no such bound, the size is found before it is called.
 * Everything is synchronous and costs as much as the data is long: a batch is opened off the reactor's hot path.
 */
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressSync as snappyCompressSync, uncompressSync as snappyUncompressSync } from 'snappy'

export const Codec = {
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4
} as const
export type Codec = typeof Codec[keyof typeof Codec]

/** Bytes that are not what their codec says, or that hold more than is allowed: the fault of whoever compressed them. */
export class CompressionError extends Error {
  override name = 'CompressionError'
}

/** Returns the compressed bytes: gzip, a raw snappy block, an LZ4 frame with independent blocks, a zstd frame; the input itself for `none`. */
export function compress (codec: Codec, bytes: Uint8Array): Uint8Array {
  switch (codec) {
    case Codec.none: return bytes
    case Codec.gzip: return gzipSync(bytes)
    case Codec.snappy: return snappyCompressSync(bytes)
    case Codec.lz4: return compressFrameSync(asBuffer(bytes))
    case Codec.zstd: return zstdCompressSync(bytes)
  }
}

/**
 * Returns what was compressed; the input itself for `none`.
 *
 * @param codec     the number in the batch's attributes; any number
 * @param bytesMax  the most bytes that may come out
 * @throws CompressionError  an unknown codec, malformed input, or more than `bytesMax` bytes
 */
export function decompress (codec: number, bytes: Uint8Array, bytesMax: number): Uint8Array {
  // zlib's own bound is at least 1.
  const maxOutputLength = Math.max(1, bytesMax)
  let content: Uint8Array | undefined
  try {
    switch (codec) {
      case Codec.none: content = bytes; break
      case Codec.gzip: content = gunzipSync(bytes, { maxOutputLength }); break
      case Codec.snappy: content = unsnap(bytes, bytesMax); break
      case Codec.lz4: content = unlz4(bytes, bytesMax); break
      case Codec.zstd: content = zstdDecompressSync(bytes, { maxOutputLength }); break
    }
  } catch (error) {
    if (error instanceof CompressionError) throw error
    throw new CompressionError(`codec ${codec}: ${(error as Error).message}`)
  }
  if (content === undefined) throw new CompressionError(`codec ${codec} is unknown`)
  expectAtMost(bytesMax, content.length)
  return content
}

/** snappy-java's stream begins with this; two int32 versions follow, then blocks, each behind its int32 length. */
const xerialMagic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0)
const xerialHeaderBytes = 16

function unsnap (bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (!xerialMagic.every((byte, i) => bytes[i] === byte)) return unsnapBlock(bytes, bytesMax)
  const view = viewOf(bytes)
  const parts: Uint8Array[] = []
  let left = bytesMax
  for (let at = xerialHeaderBytes; at < bytes.length;) {
    const end = at + 4 + view.getInt32(at)
    if (end < at + 4 || end > bytes.length) throw new CompressionError('a snappy block is longer than its stream')
    const part = unsnapBlock(bytes.subarray(at + 4, end), left)
    parts.push(part)
    left -= part.length
    at = end
  }
  return Buffer.concat(parts)
}

/** A raw block starts with the size of what is in it, as a varint; the library holds the block to that. */
function unsnapBlock (block: Uint8Array, bytesMax: number): Uint8Array {
  let size = 0
  for (let i = 0, scale = 1; i < 5; i++, scale *= 0x80) {
    const byte = block[i] ?? 0
    size += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  expectAtMost(bytesMax, size)
  return snappyUncompressSync(block, { asBuffer: true }) as Buffer
}

const lz4Magic = 0x184d2204

function unlz4 (frame: Uint8Array, bytesMax: number): Uint8Array {
  expectAtMost(bytesMax, lz4ContentBytes(frame, bytesMax))
  return decompressFrameSync(asBuffer(frame))
}

/**
 * The size of what an LZ4 frame holds, or more than `bytesMax` as soon as that is passed.
 *
 * ```
 *  magic | flags, block size | content size? | dictionary id? | header checksum | (size, block, checksum?) ... | 0 | checksum?
 *  block: (token: literals << 4 | matches, more literals?, literals, distance, more matches?) ... the last one stops after its literals
 * ```
 * A match may turn three bytes into hundreds, and the library takes no bound, so the lengths are added up first.
 */
function lz4ContentBytes (frame: Uint8Array, bytesMax: number): number {
  const view = viewOf(frame)
  if (view.getUint32(0, true) !== lz4Magic) throw new CompressionError('not an LZ4 frame')
  const flags = view.getUint8(4)
  const hasBlockChecksum = (flags & 0x10) !== 0
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0)
  let total = 0
  while (total <= bytesMax) {
    const word = view.getUint32(at, true)
    if (word === 0) break
    const end = at + 4 + (word & 0x7fffffff)
    if (end > frame.length) throw new CompressionError('an LZ4 block is longer than its frame')
    total += (word & 0x80000000) !== 0 ? end - at - 4 : lz4BlockBytes(frame, at + 4, end, bytesMax)
    at = end + (hasBlockChecksum ? 4 : 0)
  }
  return total
}

function lz4BlockBytes (frame: Uint8Array, start: number, end: number, bytesMax: number): number {
  let total = 0
  let at = start
  while (at < end && total <= bytesMax) {
    const token = frame[at++]!
    let literals = token >> 4
    if (literals === 15) {
      while (at < end && frame[at] === 255) {
        literals += 255
        at++
      }
      literals += frame[at++] ?? 0
    }
    at += literals
    total += literals
    if (at >= end) break
    at += 2
    let matches = (token & 15) + 4
    if ((token & 15) === 15) {
      while (at < end && frame[at] === 255) {
        matches += 255
        at++
      }
      matches += frame[at++] ?? 0
    }
    total += matches
  }
  return total
}

function expectAtMost (bytesMax: number, bytes: number): void {
  if (bytes > bytesMax) throw new CompressionError(`more than ${bytesMax} bytes come out`)
}

function viewOf (bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A Buffer on the same memory, as one library's types want. */
function asBuffer (bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
