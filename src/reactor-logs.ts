/** The logs of a reactor thread: where they are, what they share (disk, append memory, scans, boot id), and how one is opened. */
import { join } from 'node:path'
import type { Clock } from './base/clock.ts'
import type { Offset } from './base/ids.ts'
import type { Logger } from './base/logger.ts'
import { type MetricRow, metrics } from './base/metrics.ts'
import { BlockPool } from './log/block-pool.ts'
import type { Disk } from './log/disk.ts'
import { Log, type LogConfig } from './log/log.ts'
import { restartName } from './log/log-restart.ts'
import { LossNotes } from './log/loss-notes.ts'
import { ProducerSnapshots } from './log/producer-snapshot.ts'
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
    // One that is just to begin anew has no segment for a moment, and is there all the same.
    return (await this.#options.disk.list(this.directory(topicId, partition))).some(name => name.endsWith('.log') || name === restartName)
  }

  notes (topicId: string, partition: number): LossNotes {
    const { disk, logger } = this.#options
    return new LossNotes(disk, this.directory(topicId, partition), error => logger.warn({ topicId, partition, error }, 'what a log may have lost could not be noted'))
  }

  /** What the owner of a log, which must not be open, noted of its state last; undefined: nothing that is sound. */
  async newestSnapshot (topicId: string, partition: number): Promise<Uint8Array | undefined> {
    const snapshots = await ProducerSnapshots.open(this.#options.disk, this.directory(topicId, partition), Infinity as Offset)
    return (await snapshots.newest())?.bytes
  }

  /** Gives a damaged log up: the next opening finds a new one. That it was lost is noted first, and durably; the old one is kept until the new one is whole. */
  async giveUp (topicId: string, partition: number): Promise<void> {
    const { disk } = this.#options
    const notes = this.notes(topicId, partition)
    await notes.write('surely')
    // One from before that was not made whole since is kept: what is damaged now came from others, who still have it.
    if ((await disk.list(notes.damagedDirectory)).length > 0) return await removeLogFolder(disk, this.directory(topicId, partition))
    await disk.rename(this.directory(topicId, partition), notes.damagedDirectory)
    await disk.syncFolder(this.topicsDirectory)
  }

  /** Removes the files of a topic's partitions, which must not be open. */
  async remove (topicId: string, partitions: readonly number[]): Promise<void> {
    const { disk } = this.#options
    for (const partition of partitions) {
      await removeLogFolder(disk, this.directory(topicId, partition))
      await this.notes(topicId, partition).remove()
    }
    await disk.syncFolder(this.topicsDirectory)
  }
}
