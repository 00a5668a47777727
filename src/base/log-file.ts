/**
 * Keeps a log file that several threads append to from growing without end. One thread (the `keeper`) sets a full file
 * aside by renaming it; every thread notices that the path leads to another file and opens that one. Lines written in
 * between land in the file set aside, so none is lost; a file is compressed only when all threads had time to notice.
 */
import { closeSync, createReadStream, createWriteStream, mkdirSync, openSync, type Stats } from 'node:fs'
import { readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { systemClock } from './clock.ts'

export interface LogFileOptions {
  readonly path: string
  /** Soft: looked at once a second. */
  readonly maxBytes: number
  readonly maxBackups: number
  /** 0: never too old. */
  readonly maxAgeMs: number
  readonly compress: boolean
}

const checkMs = 1000
const settledMs = 10 * checkMs

/** Makes the folder and the file. @throws when that is not allowed there, so that the user hears of it at start */
export function prepareLogFile (path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  closeSync(openSync(path, 'a'))
}

/** Calls `reopen` whenever the file at the path is no longer the one that was opened last. Returns the function that ends this. */
export function watchLogFile (options: LogFileOptions, keeper: boolean, reopen: () => void): () => Promise<void> {
  let opened: number | undefined
  let working = Promise.resolve()
  let busy = false
  let sweepAtMs = 0
  const check = async (): Promise<void> => {
    let found: Stats | undefined = await stat(options.path).catch(() => undefined)
    if (keeper && found !== undefined && found.size >= options.maxBytes) {
      await setAside(options.path)
      sweepAtMs = systemClock.monotonicMs() + settledMs
      found = undefined
    }
    if (found === undefined || (opened !== undefined && opened !== found.ino)) reopen()
    opened = found?.ino
    if (keeper && systemClock.monotonicMs() >= sweepAtMs) {
      sweepAtMs = Infinity
      await sweepLogFiles(options)
    }
  }
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    // A log folder that cannot be read or written must not stop the broker: the next check tries again.
    working = check().catch(() => {}).finally(() => { busy = false })
  }, checkMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await working
  }
}

async function setAside (path: string): Promise<void> {
  const time = new Date(systemClock.wallMs()).toISOString().replaceAll(':', '-')
  await rename(path, join(dirname(path), `${stem(path)}-${time}.log`))
}

/** Compresses the files set aside that nobody writes to any more, and deletes those that are too many or too old. */
export async function sweepLogFiles (options: LogFileOptions): Promise<void> {
  const { createGzip } = await import('node:zlib') // late: most brokers never compress a log file
  const folder = dirname(options.path)
  const prefix = `${stem(options.path)}-`
  const names = (await readdir(folder)).filter(name => name.startsWith(prefix) && /\d{4}-\d{2}-\d{2}T[\d-]+\.\d+Z\.log(\.gz)?$/.test(name)).sort().reverse()
  const nowMs = systemClock.wallMs()
  for (const [index, name] of names.entries()) {
    const path = join(folder, name)
    const ageMs = nowMs - (await stat(path)).mtimeMs
    if (index >= options.maxBackups || (options.maxAgeMs > 0 && ageMs > options.maxAgeMs)) {
      await unlink(path)
    } else if (options.compress && name.endsWith('.log') && ageMs >= checkMs) {
      await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`))
      await unlink(path)
    }
  }
}

const stem = (path: string): string => basename(path).replace(/\.log$/, '')
