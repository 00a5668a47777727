/**
 * Refusals that a client takes for final: a fetch beyond the leader's log, after which it begins anew somewhere else, and a batch whose
 * predecessor is not in that log, after which it gives up. They must be true, and a leader that has a successor which it has not heard of
 * does not know what the log holds. It asks the others first whether it still leads (Raft's read index); what it says after a majority
 * has said yes was true when the request came.
 */
import type { Outbox } from '../../runtime/actor.ts'
import type { Replica } from '../replica.ts'
import type { Append, Fetch } from './messages.ts'

/** A fetch as it came; of a batch only who sent it: its records are borrowed. */
export type Refused = Fetch | Pick<Append, 'kind' | 'replyTo' | 'correlation'>

interface Doubted {
  readonly round: number
  readonly refused: Refused
}

export class DoubtedRefusals {
  readonly #replica: Replica
  readonly #max: number
  /** In the order in which they came. */
  #open: Doubted[] = []

  /** @param max  requests that may wait */
  constructor (replica: Replica, max: number) {
    this.#replica = replica
    this.#max = max
  }

  get count (): number { return this.#open.length }

  /** @returns false: there is no room, or it cannot be found out, as this does not lead or does not know yet what earlier leaders committed */
  add (refused: Refused, out: Outbox): boolean {
    const { role, established } = this.#replica
    if (this.#open.length >= this.#max || role !== 'leader' || !established) return false
    this.#open.push({ round: this.#replica.readIndex(out), refused })
    return true
  }

  remove (replyTo: number, correlation: number): void {
    const at = this.#open.findIndex(({ refused }) => refused.replyTo === replyTo && refused.correlation === correlation)
    if (at >= 0) this.#open.splice(at, 1)
  }

  /** Leader only. Returns those that came before a majority said that it leads, and forgets them. */
  takeConfirmed (): readonly Refused[] {
    if (this.#open.length === 0) return []
    const { confirmedRound } = this.#replica
    const end = this.#open.findIndex(({ round }) => round > confirmedRound)
    return this.#take(end === -1 ? this.#open.length : end)
  }

  /** Returns them all, and forgets them: this is no leader any more. */
  takeAll (): readonly Refused[] {
    return this.#take(this.#open.length)
  }

  #take (count: number): readonly Refused[] {
    return this.#open.splice(0, count).map(({ refused }) => refused)
  }
}
