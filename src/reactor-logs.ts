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

/** What is noted of a log: that it lost something, `surely` or `maybe`; and what to do once the other replicas have made it whole. */
export interface LostNote {
  readonly how: 'surely' | 'maybe'
  readonly recovered: Effect
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

  /** Of a log that has lost something, or may have, and was not made whole again by the other replicas yet. */
  async lost (topicId: string, partition: number): Promise<LostNote | undefined> {
    const { disk, logger } = this.#options
    const [lost, unsure] = [this.#notePath(topicId, partition, 'lost'), this.#notePath(topicId, partition, 'unsure')]
    const how = await disk.stat(lost) !== undefined ? 'surely' : await disk.stat(unsure) !== undefined ? 'maybe' : undefined
    if (how === undefined) return undefined
    const recovered = async (): Promise<void> => {
      await this.#removeNotes(topicId, partition)
      await disk.syncFolder(this.topicsDirectory)
    }
    return { how, recovered: { run: () => { recovered().catch(error => logger.warn({ topicId, partition, error }, 'the note that a log lost something could not be removed')) } } }
  }

  /** Notes durably that a log lacks what its replica is to know; before that log is made. */
  async noteLost (topicId: string, partition: number): Promise<void> {
    await this.#note(topicId, partition, 'lost')
  }

  /** Notes durably that a log may have lost something: the next start of the broker would not know it by itself. */
  async noteUnsure (topicId: string, partition: number): Promise<void> {
    await this.#note(topicId, partition, 'unsure')
  }

  /** Gives a damaged log up: the next opening finds a new one. That it was lost is noted first, and durably. */
  async giveUp (topicId: string, partition: number): Promise<void> {
    await this.#note(topicId, partition, 'lost')
    await removeLogFolder(this.#options.disk, this.directory(topicId, partition))
  }

  /** Beside the folder: what is removed with it would be forgotten too soon. */
  #notePath (topicId: string, partition: number, note: 'lost' | 'unsure'): string {
    return `${this.directory(topicId, partition)}.${note}`
  }

  async #note (topicId: string, partition: number, note: 'lost' | 'unsure'): Promise<void> {
    const { disk } = this.#options
    const file = await disk.open(this.#notePath(topicId, partition, note), 'write')
    await file.close()
    await disk.syncFolder(this.topicsDirectory)
  }

  async #removeNotes (topicId: string, partition: number): Promise<void> {
    await this.#options.disk.remove(this.#notePath(topicId, partition, 'lost'))
    await this.#options.disk.remove(this.#notePath(topicId, partition, 'unsure'))
  }

  /** Removes the files of a topic's partitions, which must not be open. */
  async remove (topicId: string, partitions: readonly number[]): Promise<void> {
    const { disk } = this.#options
    for (const partition of partitions) {
      await removeLogFolder(disk, this.directory(topicId, partition))
      await this.#removeNotes(topicId, partition)
    }
    await disk.syncFolder(this.topicsDirectory)
  }
}
