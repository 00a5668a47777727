/** The one home of CRC-32C (Castagnoli), the checksum of record batches and of our own small files. */
import { crc32c as nativeCrc32c } from '@node-rs/crc32'

/**
 * Returns the CRC-32C of `bytes` as a uint32.
 *
 * @param previous  checksum of what came before, to go on piece by piece
 */
export function crc32c (bytes: Uint8Array, previous = 0): number {
  return nativeCrc32c(bytes, previous)
}
