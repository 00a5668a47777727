/**
 * Producer states at an offset, as bytes that only their owner understands: `<20-digit offset>.snapshot`, a checked file. The
 * newest two are kept; one that is damaged, or lies above the end of the log, is passed over and removed.
 */
import { join } from 'node:path'
import type { Offset } from '../base/ids.ts'
import { readChecked, writeChecked } from './checked-file.ts'
import type { Disk } from './disk.ts'
import { offsetName, offsetOfName } from './segment.ts'

const formatVersion = 1
const keptMax = 2

export class ProducerSnapshots {
  readonly #disk: Disk
  readonly #directory: string
  /** Offsets of the files, ascending. */
  #offsets: Offset[]

  private constructor (disk: Disk, directory: string, offsets: Offset[]) {
    this.#disk = disk
    this.#directory = directory
    this.#offsets = offsets
  }

  static async open (disk: Disk, directory: string, logEndOffset: Offset): Promise<ProducerSnapshots> {
    const names = await disk.list(directory)
    const offsets = names.map(name => offsetOfName(name, 'snapshot')).filter(offset => offset !== undefined)
    const snapshots = new ProducerSnapshots(disk, directory, offsets)
    await snapshots.truncate(logEndOffset)
    return snapshots
  }

  get offsets (): readonly Offset[] {
    return this.#offsets
  }

  /** Returns the newest sound snapshot at or below the log's end. */
  async newest (): Promise<{ readonly bytes: Uint8Array, readonly offset: Offset } | undefined> {
    for (const offset of this.#offsets.toReversed()) {
      const bytes = await readChecked(this.#disk, this.#path(offset), formatVersion)
      if (bytes !== undefined) return { bytes, offset }
    }
    return undefined
  }

  /** Writes the state as of `offset`, exclusive, durably; then removes what is older than the newest two. */
  async save (offset: Offset, bytes: Uint8Array): Promise<void> {
    await writeChecked(this.#disk, this.#path(offset), formatVersion, bytes)
    this.#offsets = [...this.#offsets.filter(other => other !== offset), offset].sort((a, b) => a - b)
    while (this.#offsets.length > keptMax) await this.#disk.remove(this.#path(this.#offsets.shift()!))
  }

  /** The log now ends at `end`: snapshots behind it are of a history that is gone. Durable, because the log may grow past them again. */
  async truncate (end: Offset): Promise<void> {
    const gone = this.#offsets.filter(offset => offset > end)
    if (gone.length === 0) return
    for (const offset of gone) await this.#disk.remove(this.#path(offset))
    await this.#disk.syncFolder(this.#directory)
    this.#offsets = this.#offsets.filter(offset => offset <= end)
  }

  #path (offset: Offset): string {
    return join(this.#directory, `${offsetName(offset)}.snapshot`)
  }
}
