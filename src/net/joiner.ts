/**
 * Memory in which the short answers of a turn become one piece: a copy costs less than having the socket gather them. The
 * kernel nearly always takes a piece within the write, so all connections of a thread share one; a piece that it did not
 * take stays with its socket, and the next is made in new memory.
 */
export class Joiner {
  readonly bytesMax: number
  #memory: Buffer

  constructor (bytesMax: number) {
    this.bytesMax = bytesMax
    this.#memory = Buffer.allocUnsafeSlow(bytesMax)
  }

  /**
   * Copies `parts`, at most `bytesMax` together, one behind the other.
   * @returns a view that is valid until the next call, or for good after {@link keep}
   */
  join (parts: readonly Uint8Array[]): Buffer {
    let end = 0
    for (let i = 0; i < parts.length; i++) {
      this.#memory.set(parts[i]!, end)
      end += parts[i]!.length
    }
    return this.#memory.subarray(0, end)
  }

  /** Leaves the memory of the last piece to whoever has it. */
  keep (): void {
    this.#memory = Buffer.allocUnsafeSlow(this.bytesMax)
  }
}
