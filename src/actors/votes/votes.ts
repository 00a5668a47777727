/**
 * The keeper of Raft votes: the terms and votes of all this node's groups, in one store with one writer, so that a group
 * keeps its word wherever it runs. Votes of many groups become durable with one write; nobody is answered before that.
 */
import type { Message, Post } from '../../base/effect.ts'
import type { Term } from '../../base/ids.ts'
import { isDiskFull } from '../../log/disk.ts'
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
  readonly #spendReserve: () => Promise<void>
  /** The newest term given to each group of this process: as many as there are groups. */
  readonly #given = new Map<string, Term>()

  /** @param spendReserve  frees disk space that is kept for this */
  constructor (store: HardStateStore, spendReserve: () => Promise<void>) {
    this.#store = store
    this.#spendReserve = spendReserve
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
        this.#save(group, term).then(
          () => post({ kind: 'vote-saved', request, term } as VoteSaved),
          () => post({ kind: 'vote-saved', request, term: 0 as Term } as VoteSaved)
        )
      }
    })
  }

  /** On a full disk the reserve is spent: a partition must be able to elect a leader, if only to serve reads. */
  async #save (group: string, term: Term): Promise<void> {
    const state = { term, vote: self }
    const once = async (): Promise<void> => await new Promise((resolve, reject) => {
      this.#store.save(group, state, error => error === undefined ? resolve() : reject(error))
    })
    try {
      await once()
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await this.#spendReserve()
      await once()
    }
  }
}
