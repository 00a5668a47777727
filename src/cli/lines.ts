/** Cuts a stream of bytes into lines at each \n. Bytes stay as they are, \r included; nothing is decoded. */
export class LineSplitter {
  readonly #lineBytesMax: number
  /** The beginning of a line whose end has not come yet, in the pieces it came in. */
  #begun: Buffer[] = []
  #begunBytes = 0

  constructor (lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** Yields the lines that end in `chunk`, without their \n, as views that are valid as long as `chunk` is. @throws RangeError for a line that is too long */
  * lines (chunk: Buffer): Generator<Buffer> {
    let at = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, at)) {
      yield this.#begunBytes === 0 ? chunk.subarray(at, end) : this.#complete(chunk.subarray(at, end))
      at = end + 1
    }
    if (at === chunk.length) return
    this.#begun.push(chunk.subarray(at))
    this.#begunBytes += chunk.length - at
    if (this.#begunBytes > this.#lineBytesMax) throw new RangeError(`a line is longer than ${this.#lineBytesMax} bytes`)
  }

  /** Returns what came after the last \n, or undefined when there is nothing: the input ended with its line. */
  last (): Buffer | undefined {
    return this.#begunBytes === 0 ? undefined : this.#complete(Buffer.alloc(0))
  }

  #complete (end: Buffer): Buffer {
    const line = Buffer.concat([...this.#begun, end])
    this.#begun = []
    this.#begunBytes = 0
    return line
  }
}
