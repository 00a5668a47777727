/** Writes a log's checkpoints and its list of terms, one after the other and in the order that recovery relies on. */
import type { Offset } from '../base/ids.ts'
import { Checkpoint, type CheckpointState } from './checkpoint.ts'
import { writeChecked } from './checked-file.ts'
import type { Disk } from './disk.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import { epochsFormatVersion, epochsPath } from './recovery.ts'

export class Checkpointer {
  readonly #disk: Disk
  readonly #directory: string
  readonly #checkpoint: Checkpoint
  #epochsSaved = -1
  /** The start never goes back, even when an older state is written late. */
  #logStartOffset = 0 as Offset
  #last: Promise<void> = Promise.resolve()
  /** Set for good by {@link relax}: a log that leaves `always` is called ordered again only after it was opened anew. */
  #relaxed = false
  /** What was written last. */
  saved: CheckpointState | undefined

  constructor (disk: Disk, directory: string, boot: number, sequence: number) {
    this.#disk = disk
    this.#directory = directory
    this.#checkpoint = new Checkpoint(disk, directory, boot, sequence)
  }

  /** The list of terms goes first: recovery reads no terms from what lies below the checkpoint. */
  save (state: CheckpointState, epochs: LeaderEpochs, sync: boolean): Promise<void> {
    this.#logStartOffset = Math.max(this.#logStartOffset, state.logStartOffset) as Offset
    const saved = this.#last.then(async () => {
      if (epochs.version !== this.#epochsSaved) {
        const { version } = epochs
        await writeChecked(this.#disk, epochsPath(this.#directory), epochsFormatVersion, epochs.encode())
        this.#epochsSaved = version
      }
      await this.#checkpoint.write({ ...state, ordered: state.ordered && !this.#relaxed, logStartOffset: this.#logStartOffset }, sync)
      this.saved = state
    })
    this.#last = saved.catch(() => {})
    return saved
  }

  /** Durably notes that writes are ordered no more, whatever older state is still to be written. */
  relax (state: CheckpointState, epochs: LeaderEpochs): Promise<void> {
    this.#relaxed = true
    return this.save({ ...state, ordered: false }, epochs, true)
  }

  async close (): Promise<void> {
    await this.#last
    await this.#checkpoint.close()
  }
}

/** Whether a checkpoint would say nothing new. */
export function sameState (a: CheckpointState, b: CheckpointState | undefined): boolean {
  return b !== undefined && a.durable.offset === b.durable.offset && a.written.offset === b.written.offset &&
    a.highWatermark === b.highWatermark && a.logStartOffset === b.logStartOffset
}
