/**
 * A disk in memory. Plain, it is what a broker with `dataDir: 'memory'` writes to. Given a source of chance it can crash, tear
 * writes, fail syncs, be full and be slow, always the same way for the same seed.
 *
 * Like a real one it knows three places: the process's call, the page cache (what reads see), and the disk (what survives
 * {@link FaultyDisk.crash}). Names too are durable only after their folder was synced.
 */
import { dirname } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Chance } from '../base/prng.ts'
import type { Disk, DiskDone, DiskFile, FileStat } from './disk.ts'
import { MemoryFile } from './memory-file.ts'

export type DiskOperation = 'open' | 'write' | 'read' | 'sync' | 'truncate' | 'rename' | 'remove' | 'sync-folder' | 'look'

export interface FaultyDiskOptions {
  /** Allows {@link FaultyDisk.crash} and {@link FaultyDisk.kill}; without it nothing beyond the files is kept. */
  readonly chance?: Chance
  /** Runs `work` after `delayMs`, never at once. Default: a microtask or a timer. */
  readonly schedule?: (delayMs: number, work: () => void) => void
  /** How long an operation takes; default 0. */
  readonly delayMs?: (operation: DiskOperation, path: string) => number
  readonly wallMs?: () => number
}

interface InFlightWrite {
  readonly file: MemoryFile
  readonly parts: readonly Uint8Array[]
  readonly position: number
}

/** `path` is what the change happens to: its folder's sync makes it durable. */
type NameChange =
  /** A file; undefined: the name goes. */
  | { readonly kind: 'name', readonly path: string, readonly file: MemoryFile | undefined }
  | { readonly kind: 'folder-moved', readonly path: string, readonly from: string }
  | { readonly kind: 'folder-gone', readonly path: string }

function failure (code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

function defaultSchedule (delayMs: number, work: () => void): void {
  if (delayMs > 0) setTimeout(work, delayMs)
  else queueMicrotask(work)
}

export class FaultyDisk implements Disk {
  /** Set by tests: an error to fail the operation with, before it does anything. */
  fault: ((operation: DiskOperation, path: string) => string | undefined) | undefined
  /** Bytes that all files together may hold. */
  capacity = Infinity
  delayMs: (operation: DiskOperation, path: string) => number
  /** How often each operation was asked for. */
  readonly counts = new Map<DiskOperation, number>()
  readonly #chance: Chance | undefined
  readonly #schedule: (delayMs: number, work: () => void) => void
  readonly #wallMs: () => number
  readonly #options: FaultyDiskOptions
  readonly #names: Map<string, MemoryFile>
  readonly #folders: Set<string>
  /** The names that survive a crash, and the changes that do not surely. */
  readonly #durableNames: Map<string, MemoryFile>
  #nameChanges: NameChange[] = []
  readonly #inFlight = new Set<InFlightWrite>()
  #nextId = 1
  /** The process that used this disk is gone: nothing completes any more. */
  dead = false

  constructor (options: FaultyDiskOptions = {}, before?: FaultyDisk) {
    this.#options = options
    this.#names = before === undefined ? new Map() : before.#names
    this.#folders = before === undefined ? new Set() : before.#folders
    this.#durableNames = before === undefined ? new Map() : before.#durableNames
    if (before !== undefined) {
      this.#nameChanges = before.#nameChanges
      this.#nextId = before.#nextId
      this.capacity = before.capacity
    }
    this.#chance = options.chance
    this.#schedule = options.schedule ?? defaultSchedule
    this.delayMs = options.delayMs ?? (() => 0)
    this.#wallMs = options.wallMs ?? (() => 0)
  }

  get canCrash (): boolean {
    return this.#chance !== undefined
  }

  get usedBytes (): number {
    let bytes = 0
    for (const file of this.#names.values()) bytes += file.current.size
    return bytes
  }

  /**
   * The process dies: what it handed over stays, writes under way get somewhere. This object is dead then, as are its files;
   * returns the disk as the next process finds it.
   */
  kill (): FaultyDisk {
    this.dead = true
    for (const { file, parts, position } of this.#inFlight) {
      let at = position
      for (const part of parts) {
        const kept = this.#chance!.next() < 0.5 ? part.length : Math.floor(this.#chance!.next() * part.length)
        file.write(part.subarray(0, kept), at)
        at += kept
        if (kept < part.length) break
      }
    }
    this.#inFlight.clear()
    return new FaultyDisk(this.#options, this)
  }

  /** The machine loses power: as {@link kill}, but of what was not synced, anything may be missing. */
  crash (): FaultyDisk {
    assert(this.#chance !== undefined, 'only a disk with chance can crash')
    this.kill()
    const kept = Math.floor(this.#chance.next() * (this.#nameChanges.length + 1))
    for (const change of this.#nameChanges.slice(0, kept)) applyName(this.#durableNames, change)
    this.#nameChanges = []
    const files = new Set(this.#durableNames.values())
    for (const file of files) file.crash(this.#chance)
    this.#names.clear()
    for (const [path, file] of this.#durableNames) this.#names.set(path, file)
    return new FaultyDisk(this.#options, this)
  }

  async open (path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    await this.#turn('open', path)
    let file = this.#names.get(path)
    if (file === undefined) {
      if (mode === 'read') throw failure('ENOENT', path)
      file = new MemoryFile(this.#nextId++, this.canCrash)
      this.#setName({ kind: 'name', path, file })
    }
    return new OpenMemoryFile(this, path, file)
  }

  async makeFolder (path: string): Promise<void> {
    await this.#turn('look', path)
    this.#folders.add(path)
  }

  async syncFolder (path: string): Promise<void> {
    await this.#turn('sync-folder', path)
    const pending: NameChange[] = []
    for (const change of this.#nameChanges) {
      if (dirname(change.path) !== path) {
        pending.push(change)
        continue
      }
      applyName(this.#durableNames, change)
      // What happened inside a folder before it was moved or removed goes with it.
      if (change.kind === 'folder-moved') pending.splice(0, pending.length, ...pending.map(inside => ({ ...inside, path: movedPath(inside.path, change.from, change.path) })))
      if (change.kind === 'folder-gone') pending.splice(0, pending.length, ...pending.filter(inside => !isIn(inside.path, change.path)))
    }
    this.#nameChanges = pending
  }

  async list (path: string): Promise<string[]> {
    await this.#turn('look', path)
    const names = new Set<string>()
    for (const name of [...this.#names.keys(), ...this.#folders]) {
      if (name.startsWith(`${path}/`)) names.add(name.slice(path.length + 1).split('/')[0]!)
    }
    return [...names].sort()
  }

  async stat (path: string): Promise<FileStat | undefined> {
    await this.#turn('look', path)
    const file = this.#names.get(path)
    return file === undefined ? undefined : statOf(file)
  }

  async rename (from: string, to: string): Promise<void> {
    await this.#turn('rename', to)
    const file = this.#names.get(from)
    if (file !== undefined) {
      this.#setName({ kind: 'name', path: to, file })
      this.#setName({ kind: 'name', path: from, file: undefined })
      return
    }
    if (!this.#hasFolder(from)) throw failure('ENOENT', from)
    this.#setName({ kind: 'folder-moved', path: to, from })
    for (const name of [...this.#folders]) {
      const moved = movedPath(name, from, to)
      if (moved === name) continue
      this.#folders.delete(name)
      this.#folders.add(moved)
    }
  }

  async remove (path: string): Promise<void> {
    await this.#turn('remove', path)
    if (this.#names.has(path)) this.#setName({ kind: 'name', path, file: undefined })
  }

  async removeFolder (path: string): Promise<void> {
    await this.#turn('remove', path)
    if (!this.#hasFolder(path)) return
    // File after file: a crash may find some of them.
    for (const name of [...this.#names.keys()]) if (isIn(name, path)) this.#setName({ kind: 'name', path: name, file: undefined })
    this.#setName({ kind: 'folder-gone', path })
    for (const name of [...this.#folders]) if (name === path || isIn(name, path)) this.#folders.delete(name)
  }

  async freeBytes (path: string): Promise<number> {
    await this.#turn('look', path)
    return Math.max(0, this.capacity - this.usedBytes)
  }

  /** Bytes of a file as reads see them; for tests that damage it by {@link poke}. */
  peek (path: string): Uint8Array {
    const file = this.#names.get(path)
    if (file === undefined) throw failure('ENOENT', path)
    const bytes = new Uint8Array(file.current.size)
    file.current.read(bytes, 0)
    return bytes
  }

  /** Puts a file there as if it had always been. */
  poke (path: string, bytes: Uint8Array): void {
    const file = new MemoryFile(this.#nextId++, this.canCrash)
    file.write(bytes, 0)
    if (this.canCrash) file.synced(file.lastChange)
    this.#names.set(path, file)
    this.#durableNames.set(path, file)
  }

  /** Lets `operation` take its time; then it fails as the fault says, or succeeds. Never completes if the process died meanwhile. */
  later (operation: DiskOperation, path: string, complete: (error: Error | undefined) => void): void {
    this.count(operation)
    this.#schedule(this.delayMs(operation, path), () => {
      if (this.dead) return
      const code = this.fault?.(operation, path)
      complete(code === undefined ? undefined : failure(code, path))
    })
  }

  count (operation: DiskOperation): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
  }

  /** Notes a write under way, which a kill may tear; returns how to take the note back. */
  inFlight (write: InFlightWrite): () => void {
    this.#inFlight.add(write)
    return () => this.#inFlight.delete(write)
  }

  /** Writes as much as there is room for. @throws ENOSPC if that was not all */
  put (file: MemoryFile, path: string, parts: readonly Uint8Array[], position: number): void {
    for (const part of parts) {
      const growth = Math.max(0, position + part.length - file.current.size)
      const room = growth === 0 ? 0 : this.capacity === Infinity ? Infinity : this.capacity - this.usedBytes
      const kept = growth <= room || growth === 0 ? part.length : Math.max(0, part.length - growth + Math.max(0, room))
      file.write(part.subarray(0, kept), position)
      file.modifiedMs = this.#wallMs()
      if (kept < part.length) throw failure('ENOSPC', path)
      position += kept
    }
  }

  syncFailed (file: MemoryFile, last: number): void {
    if (this.#chance !== undefined) file.syncFailed(last, this.#chance)
  }

  #turn (operation: DiskOperation, path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.later(operation, path, error => error === undefined ? resolve() : reject(error))
    })
  }

  /** After a crash there may be files again whose folder was gone. */
  #hasFolder (path: string): boolean {
    if (this.#folders.has(path)) return true
    for (const name of this.#names.keys()) if (isIn(name, path)) return true
    return false
  }

  #setName (change: NameChange): void {
    applyName(this.#names, change)
    if (this.canCrash) this.#nameChanges.push(change)
  }
}

function applyName (names: Map<string, MemoryFile>, change: NameChange): void {
  const { kind, path } = change
  if (kind === 'name') {
    if (change.file === undefined) names.delete(path)
    else names.set(path, change.file)
    return
  }
  const folder = kind === 'folder-moved' ? change.from : path
  for (const [name, file] of [...names]) {
    if (!isIn(name, folder)) continue
    names.delete(name)
    if (kind === 'folder-moved') names.set(movedPath(name, folder, path), file)
  }
}

function isIn (path: string, folder: string): boolean {
  return path.startsWith(folder) && path[folder.length] === '/'
}

/** A path with a folder in it, or at its end, that was moved. */
function movedPath (path: string, from: string, to: string): string {
  return path === from || isIn(path, from) ? to + path.slice(from.length) : path
}

function statOf (file: MemoryFile): FileStat {
  return { size: file.current.size, id: file.id, modifiedMs: file.modifiedMs }
}

class OpenMemoryFile implements DiskFile {
  readonly path: string
  readonly #disk: FaultyDisk
  readonly #file: MemoryFile
  #writing = false
  #closed = false

  constructor (disk: FaultyDisk, path: string, file: MemoryFile) {
    this.#disk = disk
    this.path = path
    this.#file = file
  }

  writeNow (parts: readonly Uint8Array[], position: number): void {
    this.#disk.count('write')
    if (this.#disk.dead) return
    const code = this.#disk.fault?.('write', this.path)
    if (code !== undefined) throw failure(code, this.path)
    this.#disk.put(this.#file, this.path, parts, position)
  }

  write (parts: readonly Uint8Array[], position: number, sync: boolean, done: DiskDone): void {
    assert(!this.#writing, 'one write of a file at a time')
    if (this.#disk.dead) return
    this.#writing = true
    const copy = [...parts]
    const landed = this.#disk.inFlight({ file: this.#file, parts: copy, position })
    this.#disk.later('write', this.path, error => {
      landed()
      let problem = error
      try {
        if (problem === undefined) this.#disk.put(this.#file, this.path, copy, position)
      } catch (full) {
        problem = full as Error
      }
      const finish = (result: Error | undefined): void => {
        this.#writing = false
        done(result, result === undefined ? copy.reduce((sum, part) => sum + part.length, 0) : 0)
      }
      if (problem !== undefined || !sync) finish(problem)
      else this.#syncThen(finish)
    })
  }

  read (into: Uint8Array, position: number, done: DiskDone): void {
    this.#disk.later('read', this.path, error => {
      done(error, error === undefined ? this.#file.current.read(into, position) : 0)
    })
  }

  readNow (into: Uint8Array, position: number): number {
    this.#disk.count('read')
    const code = this.#disk.fault?.('read', this.path)
    if (code !== undefined) throw failure(code, this.path)
    return this.#file.current.read(into, position)
  }

  sync (done: DiskDone): void {
    this.#syncThen(error => done(error, 0))
  }

  #syncThen (finish: (error: Error | undefined) => void): void {
    const last = this.#file.lastChange
    this.#disk.later('sync', this.path, error => {
      if (error !== undefined) this.#disk.syncFailed(this.#file, last)
      else if (this.#disk.canCrash) this.#file.synced(last)
      finish(error)
    })
  }

  async stat (): Promise<FileStat> {
    await this.#turn('look')
    return statOf(this.#file)
  }

  async truncate (size: number): Promise<void> {
    await this.#turn('truncate')
    this.#file.truncate(size)
  }

  async close (): Promise<void> {
    assert(!this.#closed, 'a file is closed once')
    this.#closed = true
    await this.#turn('look')
  }

  #turn (operation: DiskOperation): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#disk.later(operation, this.path, error => error === undefined ? resolve() : reject(error))
    })
  }
}
