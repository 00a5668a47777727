/** The one home of piscina: pure CPU work off the reactor threads. The pool has no threads until there is work, and gives them up again. */
import { Piscina } from 'piscina'
import { entryUrl } from './thread.ts'

export interface OffloadOptions {
  readonly threadsMax: number
  /** Jobs that may wait; one more is refused. */
  readonly queueMax: number
  /** How long a thread without work is kept. */
  readonly idleMs?: number
}

/** What the pool's thread is asked to call. */
export interface OffloadJob {
  readonly moduleUrl: string
  readonly exportName: string
  readonly data: unknown
}

export class Offload {
  readonly #pool: Piscina<OffloadJob, unknown>

  constructor ({ threadsMax, queueMax, idleMs = 10_000 }: OffloadOptions) {
    this.#pool = new Piscina({
      filename: entryUrl('offload-entry').href,
      minThreads: 0,
      maxThreads: threadsMax,
      maxQueue: queueMax,
      idleTimeout: idleMs
    })
  }

  /** Jobs that wait for a thread. */
  get waiting (): number {
    return this.#pool.queueSize
  }

  /**
   * Calls an export of a module with `data` on another thread and returns its result, both copied as plain data.
   * @throws what the function throws, or when too many jobs wait
   */
  async run<R> (moduleUrl: string | URL, exportName: string, data: unknown): Promise<R> {
    return await this.#pool.run({ moduleUrl: String(moduleUrl), exportName, data }) as R
  }

  /** Ends the threads; jobs still waiting are refused. */
  async close (): Promise<void> {
    await this.#pool.destroy()
  }
}
