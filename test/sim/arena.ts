/** Copies small pieces of bytes into large blocks: a piece of memory of its own for each would cost more than the copy. */
const blockBytes = 64 * 1024
const pieceBytesMax = 4 * 1024

export class Arena {
  #block = new Uint8Array(blockBytes)
  #used = 0

  copy (pieces: readonly Uint8Array[]): Uint8Array {
    let bytes = 0
    for (let i = 0; i < pieces.length; i++) bytes += pieces[i]!.length
    if (bytes > pieceBytesMax) return place(pieces, new Uint8Array(bytes))
    if (this.#used + bytes > blockBytes) {
      // What was given out keeps the old block for as long as it needs it.
      this.#block = new Uint8Array(blockBytes)
      this.#used = 0
    }
    const into = this.#block.subarray(this.#used, this.#used + bytes)
    this.#used += bytes
    return place(pieces, into)
  }
}

function place (pieces: readonly Uint8Array[], into: Uint8Array): Uint8Array {
  let at = 0
  for (let i = 0; i < pieces.length; i++) {
    into.set(pieces[i]!, at)
    at += pieces[i]!.length
  }
  return into
}
