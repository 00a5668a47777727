/**
 * Scans of segments for one reactor thread: recovery's, and the slow round over closed segments that finds damage while
 * there may still be a backup. Large ones run on another thread, whose pool is loaded by the first of them.
 */
import type { Logger } from './base/logger.ts'
import type { Disk } from './log/disk.ts'
import type { Log } from './log/log.ts'
import { scanFile, type Scan } from './log/scan.ts'
import { Scrubber } from './log/scrub.ts'
import type { Offload } from './runtime/offload.ts'

/** Smaller scans are made here: they take less than handing them over. */
const offloadBytesMin = 4 << 20
const offloadLimits = { threadsMax: 1, queueMax: 100_000 }
/** One step of the scrub, 8 MiB, in this time: under a megabyte a second for all partitions of the thread. */
const scrubStepMs = 10_000

interface Scrubbed {
  readonly name: string
  readonly log: Log
  readonly scrubber: Scrubber
}

export class Scans {
  readonly #disk: Disk
  readonly #offloads: boolean
  readonly #logger: Logger
  readonly #onDamage: () => void
  #pool: Promise<Offload> | undefined
  /** First in line is the one to scrub next. */
  readonly #scrubbed: Scrubbed[] = []
  readonly #endRounds: () => void
  #stepping: Promise<void> | undefined

  /**
   * @param offloads  whether another thread sees the same disk
   * @param every     calls back each so many milliseconds, until what it returns is called
   */
  constructor (options: { disk: Disk, offloads: boolean, every: (periodMs: number, callback: () => void) => () => void, logger: Logger, onDamage: () => void }) {
    this.#disk = options.disk
    this.#offloads = options.offloads
    this.#logger = options.logger
    this.#onDamage = options.onDamage
    this.#endRounds = options.every(scrubStepMs, () => { this.#stepping ??= this.#step() })
  }

  readonly scan: Scan = async request => {
    const bytes = Math.min(request.toPosition, request.stopPosition ?? Infinity) - request.fromPosition
    if (!this.#offloads || bytes < offloadBytesMin) return await scanFile(this.#disk, request)
    this.#pool ??= import('./runtime/offload.ts').then(({ Offload }) => new Offload(offloadLimits))
    const pool = await this.#pool
    return await pool.run(new URL(`./scan-job${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url), 'scan', request)
  }

  /** Reads the log's closed segments again, round after round, until {@link remove}. */
  add (name: string, log: Log): void {
    this.#scrubbed.push({ name, log, scrubber: new Scrubber() })
  }

  remove (log: Log): void {
    const at = this.#scrubbed.findIndex(one => one.log === log)
    if (at >= 0) this.#scrubbed.splice(at, 1)
  }

  /** Of all logs. */
  get logBytes (): number {
    return this.#scrubbed.reduce((bytes, { log }) => bytes + log.bytes, 0)
  }

  async close (): Promise<void> {
    this.#endRounds()
    await this.#stepping
    await (await this.#pool)?.close()
  }

  /** Scans one piece of the first log that has one; a log whose round is over goes to the end of the line. */
  async #step (): Promise<void> {
    try {
      for (let left = this.#scrubbed.length; left > 0; left--) {
        const first = this.#scrubbed[0]
        if (first === undefined) return
        const request = first.scrubber.next(first.log)
        if (request === undefined) {
          this.#scrubbed.push(this.#scrubbed.shift()!)
          continue
        }
        const damage = first.scrubber.done(request, await this.scan(request))
        // Retention may have removed the segment meanwhile: then there was nothing to find.
        if (damage === undefined || !first.log.segments.some(segment => segment.base === damage.segmentBase)) return
        this.#onDamage()
        this.#logger.error({ partition: first.name, ...damage }, 'a closed segment is damaged on disk: restore it from a backup before its records are needed')
        return
      }
    } catch (error) {
      this.#logger.warn({ error }, 'a closed segment could not be read again')
    } finally {
      this.#stepping = undefined
    }
  }
}
