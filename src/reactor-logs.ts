/** The logs of a reactor thread: where they are, what they share (disk, append memory, scans, boot id), and how one is opened. */
import { join } from 'node:path'
import type { Clock } from './base/clock.ts'
import type { Effect } from './base/effect.ts'
import type { Logger } from './base/logger.ts'
import { type MetricRow, metrics } from './base/metrics.ts'
import { BlockPool } from './log/block-pool.ts'
import type { Disk } from './log/disk.ts'
import { Log, type LogConfig } from './log/log.ts'
import { removeLogFolder } from './log/removal.ts'
import type { Scans } from './scans.ts'

export interface ReactorLogsOptions {
  readonly dataDir: string
  readonly disk: Disk
  readonly clock: Clock
  readonly bootId: string
  /** Of this thread, see {@link BlockPool}. */
  readonly turn: () => number
  /** Memory for the newest bytes of all of them. */
  readonly writeCacheBytes: number
  readonly scans: Scans
  readonly metrics: MetricRow
  readonly logger: Logger
}

export class ReactorLogs {
  readonly topicsDirectory: string
  readonly #options: ReactorLogsOptions
  readonly #pool: BlockPool

  constructor (options: ReactorLogsOptions) {
    this.#options = options
    this.topicsDirectory = join(options.dataDir, 'topics')
    this.#pool = new BlockPool(options.writeCacheBytes, undefined, options.turn)
  }

  async open (topicId: string, partition: number, config: LogConfig, replay?: Parameters<typeof Log.open>[1]): ReturnType<typeof Log.open> {
    const { disk, clock, bootId, scans, metrics: row } = this.#options
    return await Log.open({
      directory: this.directory(topicId, partition),
      disk,
      pool: this.#pool,
      clock,
      config,
      bootId,
      scan: scans.scan,
      onGroup: (bytes, tookMs, synced) => {
        row.observe(metrics.groupCommitBytes, bytes)
        if (synced) row.observe(metrics.syncSeconds, tookMs / 1000)
      }
    }, replay)
  }

  /** A plain string: fetches of cold bytes ask for it, and `join` costs more than the rest of such a request. */
  directory (topicId: string, partition: number): string {
    return `${this.topicsDirectory}/${topicId}-${partition}`
  }

  async exists (topicId: string, partition: number): Promise<boolean> {
    return (await this.#options.disk.list(this.directory(topicId, partition))).some(name => name.endsWith('.log'))
  }

  /** Of a log that was given up once, and has not been made whole again by the other replicas: what to do when it has. */
  async lost (topicId: string, partition: number): Promise<{ readonly recovered: Effect } | undefined> {
    const { disk, logger } = this.#options
    const path = this.#lostPath(topicId, partition)
    if (await disk.stat(path) === undefined) return undefined
    const recovered = async (): Promise<void> => {
      await disk.remove(path)
      await disk.syncFolder(this.topicsDirectory)
    }
    return { recovered: { run: () => { recovered().catch(error => logger.warn({ path, error }, 'the note that a log was lost could not be removed')) } } }
  }

  /** Gives a damaged log up: the next opening finds a new one. That it was lost is noted first, and durably. */
  async giveUp (topicId: string, partition: number): Promise<void> {
    const { disk } = this.#options
    const file = await disk.open(this.#lostPath(topicId, partition), 'write')
    await file.close()
    await disk.syncFolder(this.topicsDirectory)
    await removeLogFolder(disk, this.directory(topicId, partition))
  }

  /** Beside the folder: what is removed with it would be forgotten too soon. */
  #lostPath (topicId: string, partition: number): string {
    return `${this.directory(topicId, partition)}.lost`
  }

  /** Removes the files of a topic's partitions, which must not be open. */
  async remove (topicId: string, partitions: readonly number[]): Promise<void> {
    const { disk } = this.#options
    for (const partition of partitions) {
      await removeLogFolder(disk, this.directory(topicId, partition))
      await disk.remove(this.#lostPath(topicId, partition))
    }
    await disk.syncFolder(this.topicsDirectory)
  }
}
