/**
 * The disk port: everything the log does to files goes through {@link Disk}; {@link RealDisk} is the one home of node:fs.
 *
 * Work on the calling thread is named `…Now`; all else is done by libuv's pool and completes later, never inside the call.
 * Syncs, cold reads and the rest have separate quotas, because the pool is shared by all threads of the process: one slow
 * disk or many readers must not take every slot. What finds no slot waits in order; each log has at most one group write,
 * one sync and a few small jobs under way, so the waiting is bounded by the number of logs and of admitted reads.
 */
import fs from 'node:fs'
import { assert } from '../base/assert.ts'
import { IoQuota, type IoJob } from './io-quota.ts'

/** `bytes`: how many were read or written. Errors carry Node's `code`, see {@link isDiskFull}. */
export type DiskDone = (error: Error | undefined, bytes: number) => void

export interface FileStat {
  readonly size: number
  /** Tells two files that had the same path apart, while either is open. */
  readonly id: number
  /** When it was last written, milliseconds since 1970. */
  readonly modifiedMs: number
}

export interface DiskFile {
  readonly path: string
  /** Writes all parts to the page cache, on this thread. @throws on any failure; some bytes may have been written */
  writeNow (parts: readonly Uint8Array[], position: number): void
  /**
   * Writes all parts; with `sync` they are on the disk when it completes. One write of a file at a time. The parts' bytes
   * must not change until then; the array itself may. After an error some bytes may have been written.
   */
  write (parts: readonly Uint8Array[], position: number, sync: boolean, done: DiskDone): void
  /** Reads up to `into.length` bytes; fewer only at the end of the file. `into` must not be used until it completes. */
  read (into: Uint8Array, position: number, done: DiskDone): void
  /** As `read`, on this thread: for bytes known to be in the page cache, and small. @throws on failure */
  readNow (into: Uint8Array, position: number): number
  /** Puts everything written so far onto the disk. After an error nothing is known of what was not synced before. */
  sync (done: DiskDone): void
  stat (): Promise<FileStat>
  /** Cuts or extends (by zeros) to `size`, not synced. */
  truncate (size: number): Promise<void>
  /** Waits for what is under way, then gives the file back. Call it once, also if it fails. */
  close (): Promise<void>
}

export interface Disk {
  /** 'write' creates the file if it is missing and allows reads too. @throws ENOENT for 'read' of a missing file */
  open (path: string, mode: 'read' | 'write'): Promise<DiskFile>
  /** Makes the folder and those above it. */
  makeFolder (path: string): Promise<void>
  /** Makes creations, renames and removals in this folder durable. */
  syncFolder (path: string): Promise<void>
  /** Names in the folder, sorted; none if it is missing. */
  list (path: string): Promise<string[]>
  /** undefined: there is no such file. */
  stat (path: string): Promise<FileStat | undefined>
  /** Of a file, or of a folder with all in it: in one step. @throws ENOENT */
  rename (from: string, to: string): Promise<void>
  /** Removes a file; a missing one is no error. */
  remove (path: string): Promise<void>
  /** Removes a folder and all in it; a missing one is no error. */
  removeFolder (path: string): Promise<void>
  /** Bytes that this process may still write. */
  freeBytes (path: string): Promise<number>
}

export function errorCode (error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

/** Whether the failure is want of space (or quota), which passes when space returns. */
export function isDiskFull (error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

export function isMissing (error: unknown): boolean {
  return errorCode(error) === 'ENOENT'
}

function stuckWrite (path: string): Error {
  return Object.assign(new Error(`no progress writing ${path}`), { code: 'EIO' })
}

/** The parts without their first `written` bytes: what a partial write left over. */
function restOf (parts: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  for (const part of parts) {
    if (written >= part.length) written -= part.length
    else {
      rest.push(part.subarray(written))
      written = 0
    }
  }
  return rest
}

function lengthOf (parts: readonly Uint8Array[]): number {
  let bytes = 0
  for (let i = 0; i < parts.length; i++) bytes += parts[i]!.length
  return bytes
}

function statOf (stats: fs.Stats): FileStat {
  return { size: stats.size, id: stats.ino, modifiedMs: stats.mtimeMs }
}

/** How many operations of each class one thread may have in libuv's pool. */
export interface DiskQuotas {
  readonly syncsMax: number
  readonly readsMax: number
  readonly restMax: number
}

/** Shares a pool of `poolSize` slots between `threads`: half for syncs, three in eight for reads, the rest for the rest. */
export function diskQuotas (poolSize: number, threads: number): DiskQuotas {
  return {
    syncsMax: Math.max(1, Math.floor(poolSize / 2 / threads)),
    readsMax: Math.max(1, Math.floor(poolSize * 3 / 8 / threads)),
    restMax: Math.max(1, Math.floor(poolSize / 8 / threads))
  }
}

interface Quotas {
  readonly syncs: IoQuota
  readonly reads: IoQuota
  readonly rest: IoQuota
}

type NodeDone<T> = (error: NodeJS.ErrnoException | null, value: T) => void

/** Runs one callback-style operation of node:fs under the quota. */
function underQuota<T> (quota: IoQuota, start: (done: NodeDone<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    quota.run({
      start: () => {
        start((error, value) => {
          quota.release()
          if (error === null || error === undefined) resolve(value)
          else reject(error)
        })
      }
    })
  })
}

class ReadJob implements IoJob {
  readonly #file: RealFile
  readonly #into: Uint8Array
  readonly #position: number
  readonly #done: DiskDone
  #bytes = 0

  constructor (file: RealFile, into: Uint8Array, position: number, done: DiskDone) {
    this.#file = file
    this.#into = into
    this.#position = position
    this.#done = done
  }

  start (): void {
    fs.read(this.#file.fd, this.#into, this.#bytes, this.#into.length - this.#bytes, this.#position + this.#bytes, this.#onRead)
  }

  readonly #onRead = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    if (error === null) {
      this.#bytes += bytes
      if (bytes > 0 && this.#bytes < this.#into.length) return this.start()
    }
    this.#file.endOf(this.#file.quotas.reads)
    this.#done(error ?? undefined, this.#bytes)
  }
}

class RealFile implements DiskFile, IoJob {
  readonly path: string
  readonly fd: number
  readonly quotas: Quotas
  /** A second descriptor with O_DSYNC: a synced write is then one trip to the pool, not two. */
  #syncFd = -1
  #underWay = 0
  #whenIdle: (() => void) | undefined
  #parts: readonly Uint8Array[] = []
  #position = 0
  #written = 0
  #left = 0
  #sync = false
  #done: DiskDone | undefined
  #closed: Promise<void> | undefined

  constructor (path: string, fd: number, quotas: Quotas) {
    this.path = path
    this.fd = fd
    this.quotas = quotas
  }

  writeNow (parts: readonly Uint8Array[], position: number): void {
    let rest = parts
    for (let left = lengthOf(parts); left > 0;) {
      const written = rest.length === 1
        ? fs.writeSync(this.fd, rest[0]!, 0, rest[0]!.length, position)
        : fs.writevSync(this.fd, rest, position)
      if (written === 0) throw stuckWrite(this.path)
      left -= written
      position += written
      if (left > 0) rest = restOf(rest, written)
    }
  }

  write (parts: readonly Uint8Array[], position: number, sync: boolean, done: DiskDone): void {
    assert(this.#done === undefined, 'one write of a file at a time')
    this.#parts = parts
    this.#position = position
    this.#written = 0
    this.#left = lengthOf(parts)
    this.#sync = sync
    this.#done = done
    this.#underWay++
    this.quotas.syncs.run(this)
  }

  /** Starts or goes on with the write; called with a slot of the sync quota held. */
  start (): void {
    if (this.#sync && this.#syncFd < 0) {
      fs.open(this.path, fs.constants.O_WRONLY | fs.constants.O_DSYNC, this.#onSyncFd)
      return
    }
    const fd = this.#sync ? this.#syncFd : this.fd
    const parts = this.#parts
    if (parts.length === 1) fs.write(fd, parts[0]!, 0, parts[0]!.length, this.#position, this.#onWritten)
    else fs.writev(fd, parts, this.#position, this.#onWritten)
  }

  readonly #onSyncFd = (error: NodeJS.ErrnoException | null, fd: number): void => {
    if (error !== null) return this.#finish(error)
    this.#syncFd = fd
    this.start()
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, written: number): void => {
    if (error !== null) return this.#finish(error)
    this.#written += written
    this.#left -= written
    if (this.#left === 0) return this.#finish(undefined)
    if (written === 0) return this.#finish(stuckWrite(this.path))
    this.#position += written
    this.#parts = restOf(this.#parts, written)
    this.start()
  }

  #finish (error: Error | undefined): void {
    const done = this.#done!
    this.#done = undefined
    this.#parts = []
    this.endOf(this.quotas.syncs)
    done(error, this.#written)
  }

  read (into: Uint8Array, position: number, done: DiskDone): void {
    this.#underWay++
    this.quotas.reads.run(new ReadJob(this, into, position, done))
  }

  readNow (into: Uint8Array, position: number): number {
    let read = 0
    while (read < into.length) {
      const bytes = fs.readSync(this.fd, into, read, into.length - read, position + read)
      if (bytes === 0) break
      read += bytes
    }
    return read
  }

  sync (done: DiskDone): void {
    this.#underWay++
    this.quotas.syncs.run({
      start: () => {
        fs.fdatasync(this.fd, error => {
          this.endOf(this.quotas.syncs)
          done(error ?? undefined, 0)
        })
      }
    })
  }

  async stat (): Promise<FileStat> {
    return statOf(await underQuota<fs.Stats>(this.quotas.rest, done => fs.fstat(this.fd, done)))
  }

  async truncate (size: number): Promise<void> {
    await underQuota<void>(this.quotas.rest, done => fs.ftruncate(this.fd, size, error => done(error, undefined)))
  }

  /** One operation is over: its slot goes to the next, and a close that waits for the last one goes on. */
  endOf (quota: IoQuota): void {
    quota.release()
    if (--this.#underWay === 0) this.#whenIdle?.()
  }

  /** Once, whoever asks again: by then the descriptors' numbers may be other files'. */
  close (): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close (): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>(resolve => { this.#whenIdle = resolve })
    for (const fd of [this.fd, this.#syncFd]) {
      if (fd >= 0) await underQuota<void>(this.quotas.rest, done => fs.close(fd, error => done(error ?? null, undefined)))
    }
  }
}

export class RealDisk implements Disk {
  readonly #quotas: Quotas

  constructor (quotas: DiskQuotas = diskQuotas(4, 1)) {
    this.#quotas = { syncs: new IoQuota(quotas.syncsMax), reads: new IoQuota(quotas.readsMax), rest: new IoQuota(quotas.restMax) }
  }

  async open (path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    const flags = mode === 'read' ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT
    const fd = await this.#rest<number>(done => fs.open(path, flags, 0o644, done))
    return new RealFile(path, fd, this.#quotas)
  }

  async makeFolder (path: string): Promise<void> {
    await this.#rest<void>(done => fs.mkdir(path, { recursive: true }, error => done(error, undefined)))
  }

  async syncFolder (path: string): Promise<void> {
    const fd = await this.#rest<number>(done => fs.open(path, fs.constants.O_RDONLY, done))
    try {
      await underQuota<void>(this.#quotas.syncs, done => fs.fsync(fd, error => done(error, undefined)))
    } finally {
      await this.#rest<void>(done => fs.close(fd, error => done(error ?? null, undefined)))
    }
  }

  async list (path: string): Promise<string[]> {
    try {
      return (await this.#rest<string[]>(done => fs.readdir(path, done))).sort()
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  async stat (path: string): Promise<FileStat | undefined> {
    try {
      return statOf(await this.#rest<fs.Stats>(done => fs.stat(path, done)))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async rename (from: string, to: string): Promise<void> {
    await this.#rest<void>(done => fs.rename(from, to, error => done(error, undefined)))
  }

  async remove (path: string): Promise<void> {
    await this.#rest<void>(done => fs.rm(path, { force: true }, error => done(error, undefined)))
  }

  async removeFolder (path: string): Promise<void> {
    await this.#rest<void>(done => fs.rm(path, { force: true, recursive: true }, error => done(error, undefined)))
  }

  async freeBytes (path: string): Promise<number> {
    const space = await this.#rest<fs.StatsFs>(done => fs.statfs(path, done))
    return space.bavail * space.bsize
  }

  #rest<T> (start: (done: NodeDone<T>) => void): Promise<T> {
    return underQuota(this.#quotas.rest, start)
  }
}
