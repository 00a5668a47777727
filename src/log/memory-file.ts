/** Bytes of a file held in memory, in chunks that exist only where something was written; and what a crash would leave of them. */
import type { Chance } from '../base/prng.ts'

const chunkBytes = 4096
const sectorBytes = 512

/** A sparse array of bytes. */
export class SparseBytes {
  #chunks: (Uint8Array | undefined)[] = []
  size = 0

  write (bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length;) {
      const index = Math.floor((position + at) / chunkBytes)
      const from = (position + at) % chunkBytes
      const piece = Math.min(bytes.length - at, chunkBytes - from)
      const chunk = this.#chunks[index] ??= new Uint8Array(chunkBytes)
      chunk.set(bytes.subarray(at, at + piece), from)
      at += piece
    }
    this.size = Math.max(this.size, position + bytes.length)
  }

  /** Returns how many bytes were there. */
  read (into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.size - position))
    for (let at = 0; at < count;) {
      const chunk = this.#chunks[Math.floor((position + at) / chunkBytes)]
      const from = (position + at) % chunkBytes
      const piece = Math.min(count - at, chunkBytes - from)
      if (chunk === undefined) into.fill(0, at, at + piece)
      else into.set(chunk.subarray(from, from + piece), at)
      at += piece
    }
    return count
  }

  truncate (size: number): void {
    if (size < this.size) {
      const last = Math.floor(size / chunkBytes)
      this.#chunks.length = Math.min(this.#chunks.length, last + 1)
      this.#chunks[last]?.fill(0, size % chunkBytes)
    }
    this.size = size
  }

  clone (): SparseBytes {
    const copy = new SparseBytes()
    copy.#chunks = this.#chunks.map(chunk => chunk === undefined ? undefined : new Uint8Array(chunk))
    copy.size = this.size
    return copy
  }
}

/** A change that is not synced yet. */
type Change = { readonly bytes: Uint8Array, readonly position: number } | { readonly size: number }

function apply (to: SparseBytes, change: Change): void {
  if ('size' in change) to.truncate(change.size)
  else to.write(change.bytes, change.position)
}

export class MemoryFile {
  readonly id: number
  modifiedMs = 0
  /** What reads see: the page cache. */
  current = new SparseBytes()
  /** What is on the disk, and what was changed since: kept only on a disk that can crash. */
  readonly #durable: SparseBytes | undefined
  #changes: Change[] = []
  /** How many changes there were before the first of `#changes`. */
  #settled = 0

  constructor (id: number, canCrash: boolean) {
    this.id = id
    this.#durable = canCrash ? new SparseBytes() : undefined
  }

  /** Number of the last change so far: what a sync that starts now covers. */
  get lastChange (): number {
    return this.#settled + this.#changes.length
  }

  write (bytes: Uint8Array, position: number): void {
    this.current.write(bytes, position)
    if (this.#durable !== undefined) this.#changes.push({ bytes: new Uint8Array(bytes), position })
  }

  truncate (size: number): void {
    this.current.truncate(size)
    if (this.#durable !== undefined) this.#changes.push({ size })
  }

  /** The changes up to `last` are on the disk now. */
  synced (last: number): void {
    for (const change of this.#take(last)) apply(this.#durable!, change)
  }

  /** A sync failed: the pages are marked clean, so no later sync writes them either. Some got through. */
  syncFailed (last: number, chance: Chance): void {
    for (const change of this.#take(last)) if (chance.next() < 0.5) apply(this.#durable!, change)
  }

  #take (last: number): Change[] {
    const taken = this.#changes.splice(0, Math.max(0, last - this.#settled))
    this.#settled += taken.length
    return taken
  }

  /** Power is lost: of what was not synced, each change is there, missing, or there in some sectors only. */
  crash (chance: Chance): void {
    for (const change of this.#changes) {
      const fate = chance.next()
      if (fate < 0.4) continue
      if (fate < 0.7 || 'size' in change) apply(this.#durable!, change)
      else {
        for (let at = 0; at < change.bytes.length; at += sectorBytes) {
          if (chance.next() < 0.5) this.#durable!.write(change.bytes.subarray(at, at + sectorBytes), change.position + at)
        }
      }
    }
    this.#take(this.lastChange)
    this.current = this.#durable!.clone()
  }
}
