/**
 * What a Raft node must never forget: its term and its vote in it. One store per process for all groups, in `data_dir/meta`, with
 * its own writer: what comes while a write is under way goes into the next one, so 1,000 groups that start at once cost two writes.
 *
 * `hard-state` is appended to; big-endian entries:
 * ```
 * 0 length of what follows the checksum u32 | 4 crc32c of it u32 | 8 term u32 | 12 vote i32 | 16 name of the group, UTF-8
 * ```
 * The last entry of a group counts. A torn end is cut. When most of it is out of date the file is written anew and renamed.
 */
import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import type { Term } from '../base/ids.ts'
import { readWhole, replaceWhole, writeAt } from './checked-file.ts'
import type { Disk, DiskFile } from './disk.ts'

export interface HardState {
  readonly term: Term
  /** Permanent int32 id of the node voted for in `term`; -1: none. */
  readonly vote: number
}

export type HardStateSaved = (error: Error | undefined) => void

interface Waiting {
  readonly group: string
  readonly state: HardState
  readonly saved: HardStateSaved
}

const headBytes = 8
const fixedBytes = 8
const compactBytesMin = 65536

function encodeEntry (group: string, state: HardState): Uint8Array {
  const name = new TextEncoder().encode(group)
  const bytes = new Uint8Array(headBytes + fixedBytes + name.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, fixedBytes + name.length)
  view.setUint32(8, state.term)
  view.setInt32(12, state.vote)
  bytes.set(name, 16)
  view.setUint32(4, crc32c(bytes.subarray(headBytes)))
  return bytes
}

/** Reads entries up to the first that is not sound; returns where that is. */
function decodeEntries (bytes: Uint8Array, states: Map<string, HardState>): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at + headBytes + fixedBytes <= bytes.length) {
    const length = view.getUint32(at)
    const end = at + headBytes + length
    if (length < fixedBytes || end > bytes.length) break
    if (crc32c(bytes.subarray(at + headBytes, end)) !== view.getUint32(at + 4)) break
    const group = new TextDecoder().decode(bytes.subarray(at + 16, end))
    states.set(group, { term: view.getUint32(at + 8) as Term, vote: view.getInt32(at + 12) })
    at = end
  }
  return at
}

export class HardStateStore {
  readonly #disk: Disk
  readonly #path: string
  readonly #states: Map<string, HardState>
  #file: DiskFile
  #size: number
  #liveBytes = 0
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  /** After a failed write nothing is known of the file: it is written anew before anything is answered again. */
  #mustRewrite = false
  #closed = false

  private constructor (disk: Disk, path: string, states: Map<string, HardState>, file: DiskFile, size: number) {
    this.#disk = disk
    this.#path = path
    this.#states = states
    this.#file = file
    this.#size = size
    for (const [group, state] of states) this.#liveBytes += encodeEntry(group, state).length
  }

  /** @param folder  `data_dir/meta`; made if it is missing */
  static async open (disk: Disk, folder: string): Promise<HardStateStore> {
    await disk.makeFolder(folder)
    const path = join(folder, 'hard-state')
    const states = new Map<string, HardState>()
    const bytes = await readWhole(disk, path)
    const size = bytes === undefined ? 0 : decodeEntries(bytes, states)
    const file = await disk.open(path, 'write')
    if (bytes === undefined) await disk.syncFolder(folder)
    else if (size < bytes.length) await file.truncate(size)
    return new HardStateStore(disk, path, states, file, size)
  }

  /** What was last saved durably for the group. */
  get (group: string): HardState | undefined {
    return this.#states.get(group)
  }

  /**
   * Saves the state; `saved` is called, never within this call, when it is on disk. Calls of one group are applied in order.
   * At most one call per group is open at a time, so the waiting is bounded by the number of groups.
   */
  save (group: string, state: HardState, saved: HardStateSaved): void {
    assert(!this.#closed, 'the store is open')
    this.#waiting.push({ group, state, saved })
    this.#writing ??= this.#write()
  }

  /** Waits for what is being saved. */
  async close (): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#file.close()
  }

  async #write (): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      let failure: Error | undefined
      try {
        await this.#writeGroup(group)
      } catch (error) {
        failure = error as Error
        this.#mustRewrite = true
      }
      for (const { saved } of group) saved(failure)
    }
    this.#writing = undefined
  }

  async #writeGroup (group: readonly Waiting[]): Promise<void> {
    const entries = group.map(one => encodeEntry(one.group, one.state))
    const bytes = Buffer.concat(entries)
    if (this.#mustRewrite || (this.#size > compactBytesMin && this.#size > 4 * this.#liveBytes)) {
      await this.#rewrite(group)
    } else {
      await writeAt(this.#file, [bytes], this.#size, true)
      this.#size += bytes.length
    }
    group.forEach(({ group: name, state }, index) => {
      if (!this.#states.has(name)) this.#liveBytes += entries[index]!.length
      this.#states.set(name, state)
    })
  }

  /** Writes a fresh file with the newest state of every group. */
  async #rewrite (group: readonly Waiting[]): Promise<void> {
    const states = new Map(this.#states)
    for (const one of group) states.set(one.group, one.state)
    const bytes = Buffer.concat([...states].map(([name, state]) => encodeEntry(name, state)))
    await replaceWhole(this.#disk, this.#path, [bytes])
    const before = this.#file
    this.#file = await this.#disk.open(this.#path, 'write')
    this.#size = bytes.length
    this.#mustRewrite = false
    await before.close()
  }
}
