/**
 * Fetches beyond the end of the leader's log. Clients that are told so begin anew somewhere else, so it must be true, and a leader that
 * has a successor which it has not heard of does not know how far the log goes. It asks the others first whether it still leads (Raft's
 * read index); what it says after a majority has said yes was true when the fetch came.
 */
import type { Outbox } from '../../runtime/actor.ts'
import type { Replica } from '../replica.ts'
import type { Fetch } from './messages.ts'

interface Doubted {
  readonly round: number
  readonly fetch: Fetch
}

export class DoubtedFetches {
  readonly #replica: Replica
  readonly #max: number
  /** In the order in which they came. */
  #open: Doubted[] = []

  /** @param max  fetches that may wait */
  constructor (replica: Replica, max: number) {
    this.#replica = replica
    this.#max = max
  }

  /** Leader only, established. @returns whether there was room */
  add (fetch: Fetch, out: Outbox): boolean {
    if (this.#open.length >= this.#max) return false
    this.#open.push({ round: this.#replica.readIndex(out), fetch })
    return true
  }

  remove (replyTo: number, correlation: number): void {
    const at = this.#open.findIndex(({ fetch }) => fetch.replyTo === replyTo && fetch.correlation === correlation)
    if (at >= 0) this.#open.splice(at, 1)
  }

  /** Leader only. Returns those that came before a majority said that it leads, and forgets them. */
  takeConfirmed (): readonly Fetch[] {
    if (this.#open.length === 0) return []
    const { confirmedRound } = this.#replica
    const end = this.#open.findIndex(({ round }) => round > confirmedRound)
    return this.#open.splice(0, end === -1 ? this.#open.length : end).map(({ fetch }) => fetch)
  }

  /** Returns them all, and forgets them: this is no leader any more. */
  takeAll (): readonly Fetch[] {
    return this.#open.splice(0).map(({ fetch }) => fetch)
  }
}
