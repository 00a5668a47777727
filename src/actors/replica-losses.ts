/**
 * What a replica's log has lost, or may have, and what is noted of that on disk: the next start would not know it by itself. Notes that
 * the disk does not take are written again, as long as they are true.
 */
import type { Effect, Message } from '../base/effect.ts'
import type { Offset } from '../base/ids.ts'
import type { LogAstray, LossBegun, LossOver } from '../log/loss-notes.ts'
import type { Outbox } from '../runtime/actor.ts'

interface NoteAgain extends Message { readonly kind: 'note-again' }
const noteAgain: NoteAgain = { kind: 'note-again' }
const noteRetryMs = 1000

export type LossMessage = LossBegun | LossOver | NoteAgain | LogAstray

export interface LossEffects {
  readonly begun: Effect
  readonly over: Effect
  readonly astray: Effect
}

export class ReplicaLosses {
  readonly #notes: LossEffects | undefined
  /** It has lost, or may have, what it once acknowledged, and does not hold it again yet. */
  forgetful: boolean
  /** A note on disk says so, or did a moment ago. */
  noted: boolean
  #astrayAt: Offset | undefined

  /** @param notes  undefined: nothing is noted anywhere */
  constructor (notes: LossEffects | undefined, forgetful: boolean, noted: boolean) {
    this.#notes = notes
    this.forgetful = forgetful
    this.noted = noted
  }

  begin (out: Outbox): void {
    this.forgetful = true
    this.noted = this.#notes !== undefined
    if (this.#notes !== undefined) out.effect(this.#notes.begun)
  }

  /** It holds again what the others do. */
  end (out: Outbox): void {
    this.forgetful = false
    if (this.noted) out.effect(this.#notes!.over)
  }

  /**
   * From `offset` on the leader has something else than what was committed here. Where not every write is synced, a majority may have
   * lost that at once. What goes on is theirs: this log is given up, and comes again from them.
   * @throws when there are no notes by which the next start would know
   */
  stray (offset: Offset, out: Outbox): void {
    if (this.#notes === undefined) throw new Error(`what is committed is never cut: the leader has something else at offset ${offset}`)
    if (this.#astrayAt === undefined) out.effect(this.#notes.astray)
    this.#astrayAt = offset
  }

  /** @throws when the log is to be given up: the actor is restarted, and begins anew */
  handle (message: LossMessage, out: Outbox): void {
    switch (message.kind) {
      case 'loss-begun':
        if (!message.noted && this.forgetful) out.timer(noteRetryMs, noteAgain)
        break
      case 'loss-over':
        // It may have forgotten again meanwhile.
        if (this.forgetful) break
        if (message.noted) this.noted = false
        else out.timer(noteRetryMs, noteAgain)
        break
      case 'note-again':
        out.effect(this.forgetful ? this.#notes!.begun : this.#notes!.over)
        break
      case 'log-astray':
        if (!message.noted) {
          this.#astrayAt = undefined
          break
        }
        throw new Error(`the leader has something else at offset ${this.#astrayAt}, which was committed here: others have lost it, and this log is given up`)
    }
  }
}
