/**
 * The keeper of Raft votes: the terms and votes of all this node's groups, in one store with one writer, so that a group
 * keeps its word wherever it runs. Votes of many groups become durable with one write; nobody is answered before that.
 */
import type { Message, Post } from '../../base/effect.ts'
import type { GroupKey, MemberId, Term } from '../../base/ids.ts'
import { isDiskFull } from '../../log/disk.ts'
import type { HardStateStore } from '../../log/hard-state-store.ts'
import { nobody } from '../../raft/configuration.ts'
import type { Actor, Outbox } from '../../runtime/actor.ts'
import type { SaveVote, VotesRequest } from './messages.ts'

interface VoteWritten extends Message {
  readonly kind: 'vote-written'
  readonly request: SaveVote
  readonly saved: boolean
}

export class Votes implements Actor<VotesRequest | VoteWritten> {
  readonly #store: HardStateStore
  readonly #spendReserve: () => Promise<void>
  /** Groups with something on its way to the disk: the newest of it, and how much that is. */
  readonly #open = new Map<GroupKey, { newest: SaveVote, count: number }>()

  /** @param spendReserve  frees disk space that is kept for this */
  constructor (store: HardStateStore, spendReserve: () => Promise<void>) {
    this.#store = store
    this.#spendReserve = spendReserve
  }

  receive (message: VotesRequest | VoteWritten, out: Outbox): void {
    switch (message.kind) {
      case 'read-vote': {
        const { replyTo, correlation, group } = message
        const { term, vote } = this.#store.get(group) ?? { term: 0 as Term, vote: nobody }
        out.tell(replyTo, { kind: 'vote-read', correlation, term, vote: vote as MemberId } as Message)
        break
      }
      case 'save-vote':
        this.#began(message)
        out.effect({
          run: (post: Post) => {
            this.#save(message).then(
              () => post({ kind: 'vote-written', request: message, saved: true } as VoteWritten),
              () => post({ kind: 'vote-written', request: message, saved: false } as VoteWritten)
            )
          }
        })
        break
      case 'vote-written': {
        const { replyTo, correlation, group, term, vote } = message.request
        this.#ended(group)
        out.tell(replyTo, { kind: 'vote-saved', correlation, term, vote, saved: message.saved } as Message)
      }
    }
  }

  async close (): Promise<void> {
    await this.#store.close()
  }

  #began (request: SaveVote): void {
    const open = this.#open.get(request.group)
    if (open === undefined) this.#open.set(request.group, { newest: request, count: 1 })
    else {
      open.newest = request
      open.count++
    }
  }

  #ended (group: GroupKey): void {
    const open = this.#open.get(group)!
    if (--open.count === 0) this.#open.delete(group)
  }

  /** On a full disk the reserve is spent: a partition must be able to elect a leader, if only to serve reads. */
  async #save (request: SaveVote): Promise<void> {
    const { group, term, vote } = request
    const once = async (): Promise<void> => await new Promise((resolve, reject) => {
      this.#store.save(group, { term, vote }, error => error === undefined ? resolve() : reject(error))
    })
    try {
      await once()
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await this.#spendReserve()
      // Behind a newer one, which may be on the disk by now, it would undo that.
      if (this.#open.get(group)?.newest !== request) throw error
      await once()
    }
  }
}
