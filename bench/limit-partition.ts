/** The files of `limit.ts`: group writes, one call each, and reads of whole batches. */
import { closeSync, constants, fdatasync, openSync, readSync, rmSync, write, writev, writevSync } from 'node:fs'
import { batchField, crcFits } from './wire.ts'

/** How a group gets to the disk before it is answered: not at all, by the write itself (O_DSYNC), or by fdatasync after it. */
export type SyncKind = 'none' | 'dsync' | 'fdatasync'

const preallocateBytes = 4 * 2 ** 20
/** Groups above this extend the file themselves: zeros ahead would double what is written. */
const preallocateGroupBytes = 64 * 1024
const zeros = Buffer.alloc(preallocateBytes)

/** Memory for bytes that outlive a socket's callback, used again and again so that it stays warm. */
class Pool {
  readonly #free: Buffer<ArrayBuffer>[] = []
  take (bytes: number): Buffer<ArrayBuffer> {
    const index = this.#free.findLastIndex(buffer => buffer.length >= bytes)
    if (index >= 0) return this.#free.splice(index, 1)[0]!
    return Buffer.allocUnsafeSlow(Math.max(bytes, 2 ** 20 + 4096))
  }

  give (buffer: Buffer<ArrayBuffer>): void { if (this.#free.length < 64) this.#free.push(buffer) }
}
export const pool = new Pool()

/** One partition: a file, and in memory where each batch lies. */
export class Partition {
  readonly #path: string
  readonly #sync: SyncKind
  readonly #fd: number
  readonly #readFd: number
  /** Offsets and file positions of the batches. */
  #offsets = new Float64Array(1024)
  #positions = new Float64Array(1024)
  #batches = 0
  /** The next offset, and what readers may see: below the last write that ended. */
  end = 0
  visible = 0
  #position = 0
  #visiblePosition = 0
  #allocated = 0
  #arena = pool.take(0)
  #arenaEnd = 0
  #parts: Buffer[] = []
  #groupBytes = 0

  constructor (path: string, sync: SyncKind) {
    this.#path = path
    this.#sync = sync
    this.#fd = openSync(this.#path, constants.O_CREAT | constants.O_RDWR | constants.O_TRUNC | (sync === 'dsync' ? constants.O_DSYNC : 0))
    this.#readFd = openSync(this.#path, 'r')
  }

  /** Checks and stamps a batch and takes it into the open group: by copy, or by reference when its memory is kept until the write ends. Returns its base offset, or -1. */
  append (batch: Buffer<ArrayBuffer>, keeps: boolean, lent: Buffer<ArrayBuffer>[]): number {
    if (!crcFits(batch)) return -1
    const baseOffset = this.end
    this.#groupBytes += batch.length
    let kept = batch
    if (!keeps) {
      if (this.#arenaEnd + batch.length > this.#arena.length) {
        lent.push(this.#arena)
        this.#arena = pool.take(batch.length)
        this.#arenaEnd = 0
      }
      kept = this.#arena.subarray(this.#arenaEnd, this.#arenaEnd + batch.length)
      const previous = this.#parts.at(-1)
      kept.set(batch)
      // Neighbours in the arena are one piece to write.
      if (this.#arenaEnd > 0 && previous?.buffer === this.#arena.buffer) this.#parts[this.#parts.length - 1] = this.#arena.subarray(previous.byteOffset - this.#arena.byteOffset, this.#arenaEnd + batch.length)
      else this.#parts.push(kept)
      this.#arenaEnd += batch.length
    } else this.#parts.push(kept)
    kept.writeInt32BE(Math.floor(baseOffset / 2 ** 32), 0)
    kept.writeUInt32BE(baseOffset >>> 0, 4)
    kept.writeInt32BE(1, batchField.leaderEpoch)
    if (this.#batches === this.#offsets.length) {
      this.#offsets = widened(this.#offsets)
      this.#positions = widened(this.#positions)
    }
    this.#offsets[this.#batches] = baseOffset
    this.#positions[this.#batches++] = this.#position
    this.#position += batch.length
    this.end += batch.readInt32BE(batchField.lastOffsetDelta) + 1
    return baseOffset
  }

  /** Writes the open group with one call; `done` is called when readers may see it, at once unless each group is synced. Memory in `lent` is free after the last partition's. */
  flush (lent: Buffer<ArrayBuffer>[], done: () => void): void {
    const [parts, bytes, end, position] = [this.#parts, this.#groupBytes, this.end, this.#position]
    const start = position - bytes
    this.#parts = []
    this.#groupBytes = 0
    const finish = (error: Error | null): void => {
      if (error !== null) throw error
      this.visible = end
      this.#visiblePosition = position
      done()
    }
    if (this.#sync === 'none') {
      if (writevSync(this.#fd, parts, start) !== bytes) throw new Error('short write')
      this.#arenaEnd = 0
      return finish(null)
    }
    // The arena is being written: the next group fills another.
    lent.push(this.#arena)
    this.#arena = pool.take(0)
    this.#arenaEnd = 0
    const synced = this.#sync === 'dsync' ? finish : (error: Error | null) => error !== null ? finish(error) : fdatasync(this.#fd, finish)
    const store = (): void => {
      const [only] = parts
      if (parts.length === 1) write(this.#fd, only!, 0, only!.length, start, synced)
      else writev(this.#fd, parts, start, synced)
    }
    if (position <= this.#allocated || bytes > preallocateGroupBytes) return store()
    const from = Math.max(start, this.#allocated)
    this.#allocated = from + zeros.length
    write(this.#fd, zeros, 0, zeros.length, from, error => { if (error !== null) throw error; store() })
  }

  /** Reads from the batch that holds `offset` on into `target` at `at`; returns the bytes read. A batch larger than the room is cut. */
  read (offset: number, target: Buffer, at: number, bytes: number): number {
    let [low, high] = [0, this.#batches - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#offsets[middle]! <= offset) low = middle
      else high = middle - 1
    }
    const position = this.#positions[low]!
    return readSync(this.#readFd, target, at, Math.min(bytes, this.#visiblePosition - position), position)
  }

  close (): void {
    closeSync(this.#fd)
    closeSync(this.#readFd)
    rmSync(this.#path, { force: true })
  }
}

function widened (array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
