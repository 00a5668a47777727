/** Disks that a test can fill or slow down: a small tmpfs for a broker's data, and its file operations delayed in its own process. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A data folder on a file system of its own. */
export class SmallDisk {
  readonly folder: string
  readonly #filler: string

  private constructor (folder: string) {
    this.folder = folder
    this.#filler = join(folder, 'filler')
  }

  /** @returns in words why none can be had, where mounting is not permitted */
  static mount (folder: string, bytes: number): SmallDisk | string {
    mkdirSync(folder, { recursive: true })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'pipe' })
      return new SmallDisk(folder)
    } catch (error) {
      return String((error as { stderr?: Buffer }).stderr ?? error).trim()
    }
  }

  get freeBytes (): number {
    const { bavail, bsize } = statfsSync(this.folder)
    return bavail * bsize
  }

  /** Leaves nothing free but `bytes`. */
  fill (bytes = 0): void {
    const free = this.freeBytes - bytes
    try {
      if (free > 0) writeFileSync(this.#filler, Buffer.alloc(free), { flag: 'a' })
    } catch (error) {
      // The broker took some of it meanwhile: full is what was asked for.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  empty (): void { rmSync(this.#filler, { force: true }) }

  unmount (): void { execFileSync('umount', ['--lazy', this.folder]) }
}

/** Delays a broker's writes and syncs, by the preloaded module of `bench/slow-fs.ts`. */
export class SlowDisk {
  readonly #control: string
  readonly #dataDir: string

  constructor (control: string, dataDir: string) {
    this.#control = control
    this.#dataDir = dataDir
    this.heal()
  }

  /** What a broker must be started with. */
  get env (): Readonly<Record<string, string>> {
    return { SLOW_FS_CONTROL: this.#control, NODE_OPTIONS: `--import=${join(import.meta.dirname, '../../bench/slow-fs.ts')}` }
  }

  /** From about a tenth of a second later on each write and sync takes so much longer. */
  slow (delayMs: number): void { writeFileSync(this.#control, `${this.#dataDir}\n${delayMs}`) }

  heal (): void { writeFileSync(this.#control, '') }
}
