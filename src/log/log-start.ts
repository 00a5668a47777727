/**
 * Where a log starts. The start never goes back: a new one is made durable before anyone sees it, and only then do the files
 * below it go. What fails is tried again when the log is maintained.
 */
import type { EffectSink } from '../base/effect.ts'
import type { Offset } from '../base/ids.ts'
import type { LogFiles } from './log-files.ts'
import type { LogJobs } from './log-jobs.ts'
import type { Segment } from './segment.ts'

export class LogStart {
  readonly #files: LogFiles
  readonly #jobs: LogJobs
  /** Segments that are no longer part of the log, and whose files still exist. */
  readonly #doomed: Segment[] = []
  /** The durable start, which all see. */
  offset: Offset

  constructor (files: LogFiles, jobs: LogJobs, offset: Offset) {
    this.#files = files
    this.#jobs = jobs
    this.offset = offset
    // An earlier run may not have got to it.
    this.#doomed.push(...files.takeBelow(offset))
  }

  /** Something waits for {@link retry}. */
  get isPending (): boolean {
    return this.#files.startOffset > this.offset || this.#doomed.length > 0
  }

  /** Asks for a new start. `canSave`: a checkpoint may be written now. */
  move (offset: Offset, canSave: boolean, out: EffectSink): void {
    if (offset > this.#files.startOffset) this.#files.startOffset = offset
    if (canSave && !this.#jobs.has('move-start')) this.#jobs.start('move-start', out, () => this.#files.saveStart())
  }

  /** The start `offset` is durable. One that got no further waits for what is not written yet, and for {@link retry}. */
  moved (offset: Offset, canSave: boolean, out: EffectSink): void {
    const isFurther = offset > this.offset
    if (isFurther) this.offset = offset
    this.#doomed.push(...this.#files.takeBelow(this.offset))
    if (isFurther) this.retry(canSave, out)
    else this.#remove(out)
  }

  /** Goes on with what is still to be done. */
  retry (canSave: boolean, out: EffectSink): void {
    if (this.#files.startOffset > this.offset) this.move(this.#files.startOffset, canSave, out)
    this.#remove(out)
  }

  #remove (out: EffectSink): void {
    if (this.#doomed.length === 0 || this.#jobs.has('remove')) return
    const doomed = this.#doomed.splice(0)
    this.#jobs.start('remove', out, () => this.#files.remove(doomed), doomed)
  }

  notRemoved (segments: readonly Segment[]): void {
    this.#doomed.unshift(...segments)
  }
}
