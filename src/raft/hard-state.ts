/**
 * What a member must never forget: its term, and its vote in it. Whatever depends on their being on disk waits here until they are.
 */
import type { MemberId, Term } from '../base/ids.ts'
import type { RaftMessage } from './messages.ts'
import type { RaftPort } from './ports.ts'

/** One of each kind to each member is kept; of more than this the oldest are lost. */
const heldMax = 64

export class HardState {
  readonly #port: RaftPort
  term: Term
  vote: MemberId
  #unsaved = false
  #held: RaftMessage[] = []

  /** @param term, vote  as they were last durable */
  constructor (port: RaftPort, term: Term, vote: MemberId) {
    this.#port = port
    this.term = term
    this.vote = vote
  }

  get isUnsaved (): boolean { return this.#unsaved }

  remember (term: Term, vote: MemberId): void {
    this.term = term
    this.vote = vote
    this.#unsaved = true
    // What was to be said in an older term is void.
    this.#held = []
    this.#port.persist(term, vote)
  }

  /** What was given to {@link RaftPort.persist} is on disk. @returns whether that is all there was to save; not if it is an older state, or was known */
  saved (term: Term, vote: MemberId): boolean {
    if (!this.#unsaved || term !== this.term || vote !== this.vote) return false
    this.#unsaved = false
    const held = this.#held
    this.#held = []
    for (const message of held) this.#port.send(message)
    return true
  }

  /** Bytes in a message would not be valid any more when it has waited; what carries some comes from a leader, whose term is durable. */
  send (message: RaftMessage): void {
    if (!this.#unsaved) return this.#port.send(message)
    // The newest of a kind says it all. Questions that are asked again while the disk is slow would crowd out the one answer that counts.
    const before = this.#held.findIndex(({ kind, to }) => kind === message.kind && to === message.to)
    if (before >= 0) this.#held.splice(before, 1)
    if (this.#held.length === heldMax) this.#held.shift()
    this.#held.push(message)
  }
}
