/**
 * Small files that are replaced as a whole: after any crash either the old or the new content is there, and a damaged one is
 * noticed.
 *
 * ```
 * 0 magic 'RMQf' | 4 format version u32 | 8 length u32 | 12 crc32c of the content u32 | 16 content
 * ```
 */
import { crc32c } from '../base/crc32c.ts'
import { type Disk, type DiskFile, isMissing } from './disk.ts'
import { dirname } from 'node:path'

const magic = 0x524d5166
const headerBytes = 16

/** `DiskFile.read` as a promise: for what is off the hot path. */
export function readAt (file: DiskFile, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    file.read(into, position, (error, bytes) => error === undefined ? resolve(bytes) : reject(error))
  })
}

/** `DiskFile.write` as a promise. */
export function writeAt (file: DiskFile, parts: readonly Uint8Array[], position: number, sync: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(parts, position, sync, error => error === undefined ? resolve() : reject(error))
  })
}

/** `DiskFile.sync` as a promise. */
export function syncFile (file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync(error => error === undefined ? resolve() : reject(error))
  })
}

/** Returns a whole file's bytes; undefined if it is missing. `bytesMin`: how much to ask for where the size says less. */
export async function readWhole (disk: Disk, path: string, bytesMin = 0): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let file
  try {
    file = await disk.open(path, 'read')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(Math.max(bytesMin, (await file.stat()).size))
    return bytes.subarray(0, await readAt(file, bytes, 0))
  } finally {
    await file.close()
  }
}

/** Replaces `path` by a file of these bytes: written and synced beside it, renamed over it, folder synced. */
export async function replaceWhole (disk: Disk, path: string, parts: readonly Uint8Array[]): Promise<void> {
  const fresh = `${path}.new`
  await disk.remove(fresh)
  const file = await disk.open(fresh, 'write')
  try {
    await writeAt(file, parts, 0, true)
  } finally {
    await file.close()
  }
  await disk.rename(fresh, path)
  await disk.syncFolder(dirname(path))
}

/** Replaces a checked file, durably. `version` is that of the content's format. */
export async function writeChecked (disk: Disk, path: string, version: number, content: Uint8Array): Promise<void> {
  const header = new Uint8Array(headerBytes)
  const view = new DataView(header.buffer)
  view.setUint32(0, magic)
  view.setUint32(4, version)
  view.setUint32(8, content.length)
  view.setUint32(12, crc32c(content))
  await replaceWhole(disk, path, content.length === 0 ? [header] : [header, content])
}

/** Returns a checked file's content; undefined if it is missing, damaged, or of a format younger than `versionMax`. */
export async function readChecked (disk: Disk, path: string, versionMax: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = await readWhole(disk, path)
  if (bytes === undefined || bytes.length < headerBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(8)
  if (view.getUint32(0) !== magic || view.getUint32(4) > versionMax || bytes.length < headerBytes + length) return undefined
  const content = bytes.subarray(headerBytes, headerBytes + length)
  return crc32c(content) === view.getUint32(12) ? content : undefined
}
