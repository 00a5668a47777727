/**
 * What recovery may rely on: how far the log is surely on disk, the high watermark, the start. One small file per log with two
 * slots written in turn, so that a torn write leaves the other one. It need not be synced: an older checkpoint only means that more is scanned.
 *
 * A slot of 512 bytes, big-endian:
 * ```
 *  0 magic 'RMQc' u32 | 4 format version u32 | 8 sequence f64
 * 16 durable offset f64 | 24 its segment's base f64 | 32 that segment's size f64
 * 40 written offset f64 | 48 its segment's base f64 | 56 that segment's size f64
 * 64 high watermark f64 | 72 log start offset f64
 * 80 largest timestamp of the written segment f64 | 88 the offset that brought it f64 | 96 its index entries below `written` f64
 * 104 boot id hash u32 | 108 flags u32: 1 = ordered | 112 crc32c of 0..112 u32
 * ```
 * `durable` was synced. `written` was handed to the operating system: as good while that system has not been restarted.
 */
import { join } from 'node:path'
import { crc32c } from '../base/crc32c.ts'
import type { Offset } from '../base/ids.ts'
import type { Disk, DiskFile } from './disk.ts'
import { readWhole, syncFile, writeAt } from './checked-file.ts'

const magic = 0x524d5163
const formatVersion = 1
const slotBytes = 512
const usedBytes = 116

/** A point of the log: everything below `offset` is there; the segment that ends it held `segmentSize` bytes then. */
export interface LogPoint {
  readonly offset: Offset
  readonly segmentBase: Offset
  readonly segmentSize: number
}

export interface CheckpointState {
  readonly durable: LogPoint
  readonly written: LogPoint
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** Each group was synced before the next was written (`always`): one of another order on disk is no torn tail. */
  readonly ordered: boolean
  /** Of the segment that ends `written`: so that it need not be read again to know them. */
  readonly maxTimestamp: number
  readonly maxTimestampOffset: Offset
  readonly indexEntries: number
}

export function checkpointPath (directory: string): string {
  return join(directory, 'checkpoint')
}

/** Tells boots of the machine apart; 0: unknown, never equal to another. */
export function bootHash (bootId: string | undefined): number {
  return bootId === undefined ? 0 : crc32c(new TextEncoder().encode(bootId))
}

export class Checkpoint {
  readonly #disk: Disk
  readonly #directory: string
  readonly #boot: number
  #sequence: number
  #file: DiskFile | undefined

  constructor (disk: Disk, directory: string, boot: number, sequence: number) {
    this.#disk = disk
    this.#directory = directory
    this.#boot = boot
    this.#sequence = sequence
  }

  /** Writes the state into the older slot. One call at a time. */
  async write (state: CheckpointState, sync: boolean): Promise<void> {
    const sequence = this.#sequence + 1
    const bytes = new Uint8Array(usedBytes)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, magic)
    view.setUint32(4, formatVersion)
    const fields = [
      sequence, state.durable.offset, state.durable.segmentBase, state.durable.segmentSize,
      state.written.offset, state.written.segmentBase, state.written.segmentSize, state.highWatermark, state.logStartOffset,
      state.maxTimestamp, state.maxTimestampOffset, state.indexEntries
    ]
    fields.forEach((field, index) => view.setFloat64(8 + index * 8, field))
    view.setUint32(104, this.#boot)
    view.setUint32(108, state.ordered ? 1 : 0)
    view.setUint32(112, crc32c(bytes.subarray(0, 112)))
    let created = false
    if (this.#file === undefined) {
      created = this.#sequence === 0
      this.#file = await this.#disk.open(checkpointPath(this.#directory), 'write')
    }
    await writeAt(this.#file, [bytes], (sequence % 2) * slotBytes, false)
    if (sync) {
      await syncFile(this.#file)
      if (created) await this.#disk.syncFolder(this.#directory)
    }
    this.#sequence = sequence
  }

  async close (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}

function readSlot (bytes: Uint8Array): { sequence: number, boot: number, state: CheckpointState } | undefined {
  if (bytes.length < usedBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0) !== magic || view.getUint32(4) > formatVersion) return undefined
  if (crc32c(bytes.subarray(0, 112)) !== view.getUint32(112)) return undefined
  const offset = (at: number): Offset => view.getFloat64(at) as Offset
  return {
    sequence: view.getFloat64(8),
    boot: view.getUint32(104),
    state: {
      durable: { offset: offset(16), segmentBase: offset(24), segmentSize: view.getFloat64(32) },
      written: { offset: offset(40), segmentBase: offset(48), segmentSize: view.getFloat64(56) },
      highWatermark: offset(64),
      logStartOffset: offset(72),
      ordered: (view.getUint32(108) & 1) === 1,
      maxTimestamp: view.getFloat64(80),
      maxTimestampOffset: offset(88),
      indexEntries: view.getFloat64(96)
    }
  }
}

export interface FoundCheckpoint {
  readonly state: CheckpointState
  readonly sequence: number
  /** How far to trust the log: `written` if the machine has not been restarted since, else `durable`. */
  readonly trusted: LogPoint
  readonly sameBoot: boolean
}

/** Returns the newest sound checkpoint; undefined if there is none. */
export async function readCheckpoint (disk: Disk, directory: string, boot: number): Promise<FoundCheckpoint | undefined> {
  const bytes = await readWhole(disk, checkpointPath(directory))
  if (bytes === undefined) return undefined
  const slots = [readSlot(bytes.subarray(0, slotBytes)), readSlot(bytes.subarray(slotBytes))]
  const newest = slots.reduce((best, slot) => (slot?.sequence ?? 0) > (best?.sequence ?? 0) ? slot : best, undefined)
  if (newest === undefined) return undefined
  const sameBoot = boot !== 0 && newest.boot === boot
  return { state: newest.state, sequence: newest.sequence, trusted: sameBoot ? newest.state.written : newest.state.durable, sameBoot }
}
