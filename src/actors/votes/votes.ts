/**
 * The keeper of Raft votes: the terms and votes of all this node's groups, in one store with one writer, so that a group
 * keeps its word wherever it runs. Votes of many groups become durable with one write; nobody is answered before that.
 */
import { type Message, type Post } from '../../base/effect.ts'
import { type Term } from '../../base/ids.ts'
import { type HardStateStore } from '../../log/hard-state-store.ts'
import { type Actor, type Outbox } from '../../runtime/actor.ts'
import { type RaiseTerm, type VotesRequest } from './messages.ts'

/** This node's own vote. With several voters it is the candidate's id. */
const self = 0

interface VoteSaved extends Message {
  readonly kind: 'vote-saved'
  readonly request: RaiseTerm
  readonly term: Term
}

export class Votes implements Actor<VotesRequest | VoteSaved> {
  readonly #store: HardStateStore

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

  /** The store counts a term as taken from the moment it is asked to save it, so two questions never get the same one. */
  #raise (request: RaiseTerm, out: Outbox): void {
    const store = this.#store
    out.effect({
      run: (post: Post) => {
        const term = Math.max(store.get(request.group)?.term ?? 0, request.floor) + 1 as Term
        store.set(request.group, { term, vote: self }, error => {
          post({ kind: 'vote-saved', request, term: error === undefined ? term : 0 as Term } as VoteSaved)
        })
      }
    })
  }
}
