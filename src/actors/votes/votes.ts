/**
 * The keeper of Raft votes: the terms and votes of all this node's groups, in one store with one writer, so that a group
 * keeps its word wherever it runs. Votes of many groups become durable with one write; nobody is answered before that.
 */
import type { Message, Post } from '../../base/effect.ts'
import type { Term } from '../../base/ids.ts'
import type { HardStateStore } from '../../log/hard-state-store.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import type { RaiseTerm, VotesRequest } from './messages.ts'

/** This node's own vote. With several voters it is the candidate's id. */
const self = 0

interface VoteSaved extends Message {
  readonly kind: 'vote-saved'
  readonly request: RaiseTerm
  readonly term: Term
}

export class Votes implements Actor<VotesRequest | VoteSaved> {
  readonly #store: HardStateStore
  /** The newest term given to each group of this process: as many as there are groups. */
  readonly #given = new Map<string, Term>()

  constructor (store: HardStateStore) {
    this.#store = store
  }

  receive (message: VotesRequest | VoteSaved, out: Outbox): void {
    switch (message.kind) {
      case 'raise-term': this.#raise(message, out); break
      case 'vote-saved': out.tell(message.request.replyTo, { kind: 'term-raised', correlation: message.request.correlation, term: message.term } as Message); break
    }
  }

  async close (): Promise<void> {
    await this.#store.close()
  }

  /** A term that was given away, durable or not, is never given again: two questions of one group may be open at once. */
  #raise (request: RaiseTerm, out: Outbox): void {
    const { group, floor } = request
    const term = Math.max(this.#store.get(group)?.term ?? 0, this.#given.get(group) ?? 0, floor) + 1 as Term
    this.#given.set(group, term)
    out.effect({
      run: (post: Post) => {
        this.#store.save(group, { term, vote: self }, error => {
          post({ kind: 'vote-saved', request, term: error === undefined ? term : 0 as Term } as VoteSaved)
        })
      }
    })
  }
}
