/** From a folder to files that a log can be built on: recovery, what it left to be synced, and the replay. */
import type { Clock } from '../base/clock.ts'
import type { BlockPool } from './block-pool.ts'
import { bootHash } from './checkpoint.ts'
import { Checkpointer } from './checkpointer.ts'
import type { Disk } from './disk.ts'
import type { OnGroup } from './group-writer.ts'
import type { LogConfig } from './log-config.ts'
import { LogFiles } from './log-files.ts'
import { finishRestart } from './log-restart.ts'
import { ProducerSnapshots } from './producer-snapshot.ts'
import { type LogDamage, type RecoveredLog, recoverLog } from './recovery.ts'
import { type LogReplay, replayLog } from './replay.ts'
import { type Scan, scanFile } from './scan.ts'
import { openSegment, syncSegments } from './segment-files.ts'

export interface LogOptions {
  /** The log's own folder; made if it is missing. */
  readonly directory: string
  readonly disk: Disk
  readonly pool: BlockPool
  readonly clock: Clock
  readonly config: LogConfig
  /** Names this boot of the machine; without it, what was not synced is scanned at every start. */
  readonly bootId?: string
  readonly onGroup?: OnGroup
  /** Where scans of whole segments run; by default here, piece by piece. */
  readonly scan?: Scan
}

/** @throws on failing I/O; damage is not an error but an answer */
export async function openFiles (
  options: LogOptions, replay?: LogReplay
): Promise<{ readonly files: LogFiles, readonly recovered: RecoveredLog } | { readonly damage: LogDamage }> {
  const { disk, directory, config } = options
  const boot = bootHash(options.bootId)
  await finishRestart(disk, directory, boot)
  const recovered = await recoverLog({
    disk,
    directory,
    indexIntervalBytes: config.indexIntervalBytes,
    boot,
    scan: options.scan ?? (request => scanFile(disk, request)),
    wallMs: options.clock.wallMs(),
    first: replay?.first
  })
  if ('damage' in recovered) return recovered
  const { checkpoint, segments, logEndOffset } = recovered
  const snapshots = await ProducerSnapshots.open(disk, directory, logEndOffset)
  const checkpoints = new Checkpointer(disk, directory, boot, checkpoint?.sequence ?? 0)
  const files = new LogFiles(directory, disk, options.clock, config.flush, recovered, checkpoints, snapshots)
  await openSegment(disk, directory, files.writing)
  // What was written before this start may not be synced (`os`, or a kill between write and sync): from here on it is.
  await syncSegments(disk, directory, segments, checkpoint?.state.durable, logEndOffset)
  if (checkpoint === undefined || (checkpoint.state.ordered && config.flush !== 'always')) await files.saveState()
  if (replay !== undefined) await replayLog(disk, directory, segments, snapshots, replay)
  return { files, recovered }
}
