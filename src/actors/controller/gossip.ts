/**
 * Tells all other brokers who leads the partitions that this one leads: what is new at the end of each turn, everything when a broker
 * comes up, and a part of it every second, so that a word that was lost on the way is missed for half a minute at most.
 */
import type { Message } from '../../base/effect.ts'
import type { ActorId, MemberId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { LeadersTold } from './between.ts'
import type { LeadersTable, LeaderWord } from './leaders-table.ts'

/** Partitions of one message. */
const chunk = 500
/** Everything is said again in about so many rounds, the more at a time the more there is. */
const rounds = 30
const refreshMin = 20

export interface GossipOptions {
  readonly self: MemberId
  readonly leaders: LeadersTable
  /** The links of this actor's thread; undefined: a broker alone. */
  readonly links: ActorId | undefined
  readonly others: () => readonly MemberId[]
}

export class Gossip {
  readonly #options: GossipOptions
  #news = new Map<string, LeaderWord>()
  /** How many of its partitions were said again in this round. */
  #refreshed = 0

  constructor (options: GossipOptions) {
    this.#options = options
  }

  /** A partition of this broker has a leader, or its group has changed. */
  add (word: LeaderWord, out: Outbox): void {
    if (this.#options.links === undefined) return
    this.#news.set(`${word.topicId}-${word.partition}`, word)
    out.turnEnd()
  }

  flush (out: Outbox): void {
    if (this.#news.size === 0) return
    const news = [...this.#news.values()]
    this.#news = new Map()
    for (const member of this.#options.others()) this.#tell(member, news, out)
  }

  /** A broker has come up: it may know nothing. */
  greet (member: MemberId, out: Outbox): void {
    const { self, leaders } = this.#options
    this.#tell(member, [...leaders.ledBy(self)], out)
  }

  refresh (out: Outbox): void {
    const { self, leaders, others } = this.#options
    const all = [...leaders.ledBy(self)]
    const count = Math.max(refreshMin, Math.ceil(all.length / rounds))
    if (this.#refreshed >= all.length) this.#refreshed = 0
    const words = all.slice(this.#refreshed, this.#refreshed + count)
    this.#refreshed += count
    for (const member of others()) this.#tell(member, words, out)
  }

  #tell (to: MemberId, leaders: readonly LeaderWord[], out: Outbox): void {
    const { links } = this.#options
    if (links === undefined) return
    for (let start = 0; start < leaders.length; start += chunk) {
      const body: LeadersTold = { kind: 'leaders-told', leaders: leaders.slice(start, start + chunk) }
      out.tell(links, { kind: 'controller-out', to, body } as Message)
    }
  }
}
