/**
 * Looks through MessagePack from outside before it is decoded: a decoder makes an array as large as its header says, so a few
 * bytes that lie would cost any amount of memory; and what is nested without end breaks whoever walks through it by recursion.
 */

const depthMax = 32
/** Of the formats from 0xc4 on: bytes of a length that follows, bytes behind that, and what the length counts. */
const formats: ReadonlyArray<readonly [lengthBytes: number, moreBytes: number, counts: 'bytes' | 'elements' | 'pairs']> = [
  [1, 0, 'bytes'], [2, 0, 'bytes'], [4, 0, 'bytes'], // binary
  [1, 1, 'bytes'], [2, 1, 'bytes'], [4, 1, 'bytes'], // extensions
  [0, 4, 'bytes'], [0, 8, 'bytes'], // floats
  [0, 1, 'bytes'], [0, 2, 'bytes'], [0, 4, 'bytes'], [0, 8, 'bytes'], // unsigned
  [0, 1, 'bytes'], [0, 2, 'bytes'], [0, 4, 'bytes'], [0, 8, 'bytes'], // signed
  [0, 2, 'bytes'], [0, 3, 'bytes'], [0, 5, 'bytes'], [0, 9, 'bytes'], [0, 17, 'bytes'], // extensions of fixed size
  [1, 0, 'bytes'], [2, 0, 'bytes'], [4, 0, 'bytes'], // strings
  [2, 0, 'elements'], [4, 0, 'elements'], [2, 0, 'pairs'], [4, 0, 'pairs']
]

/**
 * Returns whether the bytes are exactly one value that holds no more elements than there are bytes for, nested at most 32 deep.
 *
 * Cost: one step for each element.
 */
export function isWholeMessagePack (bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** Elements still to come, by depth; and all of them together, which take a byte or more each. */
  const open = [1]
  let wanted = 1
  let at = 0
  while (open.length > 0) {
    if (open.at(-1) === 0) {
      open.pop()
      continue
    }
    if (wanted > bytes.length - at) return false
    open[open.length - 1]!--
    wanted--
    const byte = bytes[at++]!
    let elements = 0
    if (byte >= 0x80 && byte < 0x90) {
      elements = 2 * (byte & 0x0f)
    } else if (byte >= 0x90 && byte < 0xa0) {
      elements = byte & 0x0f
    } else if (byte >= 0xa0 && byte < 0xc0) {
      at += byte & 0x1f
    } else if (byte === 0xc1) {
      return false
    } else if (byte >= 0xc4 && byte < 0xe0) {
      const [lengthBytes, moreBytes, counts] = formats[byte - 0xc4]!
      if (lengthBytes > bytes.length - at) return false
      const length = lengthBytes === 0 ? 0 : lengthBytes === 1 ? bytes[at]! : lengthBytes === 2 ? view.getUint16(at) : view.getUint32(at)
      at += lengthBytes + moreBytes
      if (counts === 'bytes') at += length
      else elements = counts === 'pairs' ? 2 * length : length
    }
    if (at > bytes.length) return false
    if (elements > 0) {
      if (open.length > depthMax) return false
      open.push(elements)
      wanted += elements
    }
  }
  return at === bytes.length
}
