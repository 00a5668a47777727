/**
 * Notes that a log lost something that was acknowledged (`surely`), or may have (`maybe`), and was not made whole again by the other
 * replicas yet; or that it is to be given up (`astray`). They are empty files beside the log's folder: what is removed with it would be
 * forgotten too soon. Beside them stands the folder of a damaged log that was given up: until the log is whole again it may be the last
 * copy of something.
 */
import { dirname } from 'node:path'
import type { Effect, Message } from '../base/effect.ts'
import type { Disk } from './disk.ts'

export type Loss = 'surely' | 'maybe'

const endings = { surely: 'lost', maybe: 'unsure' } as const

/** What {@link LossNotes.begun} came to. */
export interface LossBegun extends Message {
  readonly kind: 'loss-begun'
  /** False: the disk did not take it. */
  readonly noted: boolean
}

/** What {@link LossNotes.astray} came to. */
export interface LogAstray extends Message {
  readonly kind: 'log-astray'
  readonly noted: boolean
}

/** What {@link LossNotes.over} came to. */
export interface LossOver extends Message {
  readonly kind: 'loss-over'
  /** False: the disk did not take it, and the note still stands. */
  readonly noted: boolean
}

export class LossNotes {
  readonly #disk: Disk
  readonly #directory: string
  readonly #onError: (error: unknown) => void
  /** One change after the other: a note that is taken back must not come after that. */
  #last: Promise<void> = Promise.resolve()

  /**
   * @param directory  the log's
   * @param onError    a change that nobody waits for failed
   */
  constructor (disk: Disk, directory: string, onError: (error: unknown) => void) {
    this.#disk = disk
    this.#directory = directory
    this.#onError = onError
  }

  async read (): Promise<Loss | undefined> {
    for (const loss of ['surely', 'maybe'] as const) if (await this.#disk.stat(this.#path(loss)) !== undefined) return loss
    return undefined
  }

  /** Durable when this returns. */
  async write (loss: Loss): Promise<void> {
    await this.#create(this.#path(loss))
  }

  async #create (path: string): Promise<void> {
    const file = await this.#disk.open(path, 'write')
    await file.close()
    await this.#disk.syncFolder(dirname(this.#directory))
  }

  /** Durable with the next sync of the folder. */
  async remove (): Promise<void> {
    // The note goes last: while there is a damaged log from before, the one in its place counts as not whole.
    await this.#disk.removeFolder(this.damagedDirectory)
    await this.#disk.remove(this.#path('surely'))
    await this.#disk.remove(this.#path('maybe'))
    await this.#disk.remove(this.#astrayPath)
  }

  /** Where a damaged log that was given up waits. */
  get damagedDirectory (): string { return `${this.#directory}.damaged` }

  /** Something may be lost from now on. */
  readonly begun: Effect = { run: post => this.#next(async () => await this.write('maybe'), noted => post({ kind: 'loss-begun', noted } as LossBegun)) }

  /** The log contradicts what its group has, and is to be given up. Posts `log-astray` once that is durable. */
  readonly astray: Effect = {
    run: post => this.#next(async () => await this.#create(this.#astrayPath), noted => post({ kind: 'log-astray', noted } as LogAstray))
  }

  async isAstray (): Promise<boolean> {
    return await this.#disk.stat(this.#astrayPath) !== undefined
  }

  /** The log was given up. Durable with the next sync of the folder: given up twice it is gone no less. */
  async removeAstray (): Promise<void> {
    await this.#disk.remove(this.#astrayPath)
  }

  /** The log is whole again. Posts {@link LossOver}. */
  readonly over: Effect = {
    run: post => this.#next(async () => {
      await this.remove()
      await this.#disk.syncFolder(dirname(this.#directory))
    }, noted => post({ kind: 'loss-over', noted } as LossOver))
  }

  /** Resolves when no change is under way. */
  async settled (): Promise<void> {
    await this.#last
  }

  #next (change: () => Promise<void>, done: (noted: boolean) => void): void {
    this.#last = this.#last.then(change).then(() => done(true), (error: unknown) => {
      this.#onError(error)
      done(false)
    })
  }

  get #astrayPath (): string { return `${this.#directory}.astray` }

  #path (loss: Loss): string {
    return `${this.#directory}.${endings[loss]}`
  }
}
