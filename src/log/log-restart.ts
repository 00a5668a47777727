/**
 * The note by which a log begins anew at another offset. It is written first, durably, and taken away last; whoever opens a log
 * and finds it does all of it again. So a crash leaves the old log or the new one, never less: a replica that forgot part of what
 * it had acknowledged, or who is in its group, could help to elect a leader that must not be one.
 *
 * `restart`, a checked file: offset f64 | term of the entry before it u32 | the owner's states …
 */
import { join } from 'node:path'
import type { Offset, Term } from '../base/ids.ts'
import { readChecked, writeChecked } from './checked-file.ts'
import { type CheckpointState, readCheckpoint } from './checkpoint.ts'
import { Checkpointer } from './checkpointer.ts'
import type { Disk } from './disk.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { ProducerSnapshots } from './producer-snapshot.ts'
import { openSegment } from './segment-files.ts'
import { offsetOfName, Segment } from './segment.ts'

const formatVersion = 1
const fixedBytes = 12

export interface LogRestart {
  /** Where the log begins. Everything below is committed elsewhere. */
  readonly offset: Offset
  /** Of the entry before `offset`. */
  readonly previousTerm: Term
  /** The owner's, as of `offset`. */
  readonly states: Uint8Array
}

/** Of the note's file. */
export const restartName = 'restart'

function restartPath (directory: string): string {
  return join(directory, restartName)
}

export async function noteRestart (disk: Disk, directory: string, { offset, previousTerm, states }: LogRestart): Promise<void> {
  const bytes = new Uint8Array(fixedBytes + states.length)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, offset)
  view.setUint32(8, previousTerm)
  bytes.set(states, fixedBytes)
  await writeChecked(disk, restartPath(directory), formatVersion, bytes)
}

/** What an earlier run began; undefined: nothing. */
async function notedRestart (disk: Disk, directory: string): Promise<LogRestart | undefined> {
  const bytes = await readChecked(disk, restartPath(directory), formatVersion)
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { offset: view.getFloat64(0) as Offset, previousTerm: view.getUint32(8) as Term, states: bytes.subarray(fixedBytes) }
}

/** The log stands as it was noted: from here on it may take batches. */
export async function restartDone (disk: Disk, directory: string): Promise<void> {
  await disk.remove(restartPath(directory))
  await disk.syncFolder(directory)
}

/** Removes the files of all segments, those that a failed roll left too. */
export async function removeAllSegments (disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (['log', 'index', 'timeindex'].some(ending => offsetOfName(name, ending) !== undefined)) await disk.remove(join(directory, name))
  }
  await disk.syncFolder(directory)
}

/** Ends what an earlier run began, before anything of the log is looked at. */
export async function finishRestart (disk: Disk, directory: string, boot: number): Promise<void> {
  const restart = await notedRestart(disk, directory)
  if (restart === undefined) return
  const { offset, previousTerm, states } = restart
  await removeAllSegments(disk, directory)
  const snapshots = await ProducerSnapshots.open(disk, directory, -1 as Offset)
  await snapshots.save(offset, states)
  const segment = new Segment(offset, 0)
  await openSegment(disk, directory, segment)
  await segment.file!.close()
  const epochs = new LeaderEpochs()
  epochs.restart(previousTerm, offset)
  const end = { offset, segmentBase: offset, segmentSize: 0 }
  const state: CheckpointState = {
    durable: end, written: end, highWatermark: offset, logStartOffset: offset, ordered: true, maxTimestamp: -1, maxTimestampOffset: offset, indexEntries: 0
  }
  const checkpoints = new Checkpointer(disk, directory, boot, (await readCheckpoint(disk, directory, boot))?.sequence ?? 0)
  await checkpoints.save(state, epochs, true)
  await checkpoints.close()
  await restartDone(disk, directory)
}
