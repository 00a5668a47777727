/**
 * Preloaded into a broker (`node --import`), in each of its threads: writes and syncs of files below one folder take
 * 50 ms more, as on a disk of that speed. They hold their slot of libuv's pool meanwhile, which is the danger: a timer
 * would not. The slot is held by reading a pipe into which the byte is put after the time.
 *
 * SLOW_FS_CONTROL names a file that holds the folder's name once it is known; until then nothing is slow. A second line may
 * say another number of milliseconds.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

let delayMs = 50
const control = process.env.SLOW_FS_CONTROL
/** One pipe for each operation that may be held at once; more than the pool has slots are never needed. */
const pipesMax = 64
const original = { open: fs.open, openSync: fs.openSync, close: fs.close, read: fs.read, write: fs.write, writev: fs.writev, fdatasync: fs.fdatasync, fsync: fs.fsync }
const paths = new Map<number, string>()
const idle: number[] = []
let pipes = 0
let slowFolder: string | undefined

if (control !== undefined) {
  const known = (fd: number, path: unknown): void => { paths.set(fd, String(path)) }
  const patched = fs as unknown as Record<string, unknown>
  patched.open = (path: string, ...rest: unknown[]) => {
    const done = rest.at(-1) as (error: Error | null, fd: number) => void
    rest[rest.length - 1] = (error: Error | null, fd: number) => { if (error === null) known(fd, path); done(error, fd) }
    ;(original.open as (...all: unknown[]) => void)(path, ...rest)
  }
  patched.openSync = (path: string, ...rest: unknown[]) => {
    const fd = (original.openSync as (...all: unknown[]) => number)(path, ...rest)
    known(fd, path)
    return fd
  }
  patched.close = (fd: number, ...rest: unknown[]) => {
    paths.delete(fd)
    ;(original.close as (...all: unknown[]) => void)(fd, ...rest)
  }
  for (const name of ['write', 'writev', 'fdatasync', 'fsync'] as const) {
    const plain = original[name] as (...all: unknown[]) => void
    patched[name] = (fd: number, ...rest: unknown[]) => isSlow(fd) ? holdSlot(() => plain(fd, ...rest)) : plain(fd, ...rest)
  }
  syncBuiltinESMExports()
  setInterval(() => {
    try {
      const [folder = '', ms = ''] = fs.readFileSync(control, 'utf8').trim().split('\n')
      slowFolder = folder || undefined
      if (Number(ms) > 0) delayMs = Number(ms)
    } catch { /* not there yet */ }
  }, 100).unref()
}

function isSlow (fd: number): boolean {
  return slowFolder !== undefined && (paths.get(fd)?.includes(slowFolder) ?? false)
}

function holdSlot (then: () => void): void {
  const pipe = idle.pop() ?? newPipe()
  const byte = Buffer.alloc(1)
  original.read(pipe, byte, 0, 1, null, () => {
    idle.push(pipe)
    then()
  })
  setTimeout(() => fs.writeSync(pipe, byte), delayMs)
}

/** A named pipe opened for reading and writing, so that neither end ever closes. */
function newPipe (): number {
  if (pipes === pipesMax) throw new Error('more held operations than pipes')
  const path = join(tmpdir(), `slow-fs-${process.pid}-${threadId}-${pipes++}`)
  execFileSync('mkfifo', [path])
  const fd = original.openSync(path, fs.constants.O_RDWR)
  fs.unlinkSync(path)
  return fd
}
