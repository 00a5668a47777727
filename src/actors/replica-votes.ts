/** What a replica asks of the votes: what was durable when it started, and then to save each new term and vote. It asks until there is an answer. */
import type { Message } from '../base/effect.ts'
import type { ActorId, GroupKey, MemberId, Term } from '../base/ids.ts'
import type { Outbox } from '../runtime/actor.ts'
import type { VoteSaved } from './votes/messages.ts'

const deadlineMs = 10_000
const retryMs = 500
/** The owner of the replica must not use these correlations. */
const readCorrelation = 0
const saveCorrelationsMax = 1 << 20

export interface VotesAgain extends Message { readonly kind: 'votes-again' }
const votesAgain: VotesAgain = { kind: 'votes-again' }

interface HardState { readonly term: Term, readonly vote: MemberId }

export class ReplicaVotes {
  readonly #votes: ActorId
  readonly #group: GroupKey
  #isRead = false
  #correlation = readCorrelation
  /** A timer is set after which it is asked again. */
  #asksAgain = false
  /** What is to be durable next, while it is not. */
  #unsaved: HardState | undefined

  constructor (votes: ActorId, group: GroupKey) {
    this.#votes = votes
    this.#group = group
  }

  read (out: Outbox): void {
    out.ask(this.#votes, { kind: 'read-vote', replyTo: out.self, correlation: readCorrelation, group: this.#group } as never, deadlineMs)
  }

  /** The answer has come. @returns whether it is the first one */
  wasRead (): boolean {
    const isFirst = !this.#isRead
    this.#isRead = true
    return isFirst
  }

  save (state: HardState, out: Outbox): void {
    this.#unsaved = state
    this.#correlation = this.#correlation % saveCorrelationsMax + 1
    out.ask(this.#votes, { kind: 'save-vote', replyTo: out.self, correlation: this.#correlation, group: this.#group, ...state } as never, deadlineMs)
  }

  /** @returns whether what was to be saved is durable now */
  wasSaved ({ correlation, term, vote, saved }: VoteSaved, out: Outbox): boolean {
    // Another than what is wanted now: it was asked for before that, or by an earlier life of this actor.
    if (saved && this.#unsaved?.term === term && this.#unsaved.vote === vote) {
      this.#unsaved = undefined
      return true
    }
    this.failed(correlation, out)
    return false
  }

  /** Only the newest question is asked again, and by one timer: so that there is one at a time however long it takes. */
  failed (correlation: number, out: Outbox): void {
    if (correlation !== this.#correlation || this.#asksAgain || (this.#isRead && this.#unsaved === undefined)) return
    this.#asksAgain = true
    out.timer(retryMs, votesAgain)
  }

  again (out: Outbox): void {
    this.#asksAgain = false
    if (!this.#isRead) this.read(out)
    else if (this.#unsaved !== undefined) this.save(this.#unsaved, out)
  }
}
