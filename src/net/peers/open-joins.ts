/** Who wants to become a member of the cluster and waits for the controller's word, over connections of one thread. */
import type { Join } from '../../actors/controller/messages.ts'
import type { ActorId } from '../../base/ids.ts'
import type { Outbox, Reply, Undeliverable } from '../../runtime/actor.ts'
import { Refusal } from './frames.ts'
import type { Incoming } from './reception.ts'

/** A leader must be found, and write. */
const joinMs = 30_000
const joinsMax = 64

interface OpenJoin { readonly from: Incoming, readonly correlation: number }

export class OpenJoins {
  readonly #open = new Map<number, OpenJoin>()
  #next: number

  /** @param first  a random number: answers to what an earlier life asked are not for this one */
  constructor (first: number) {
    this.#next = first % 0x7fffffff
  }

  /** Asks the controller. Each question is answered once, or refused. */
  ask (from: Incoming, correlation: number, body: object, controller: ActorId, out: Outbox): void {
    if (this.#open.size >= joinsMax) return from.refuse(correlation, Refusal.full, `${joinsMax} others are joining`)
    const own = this.#next = this.#next % 0x7fffffff + 1
    this.#open.set(own, { from, correlation })
    out.ask(controller, { kind: 'join', replyTo: out.self, correlation: own, body } as Join, joinMs)
  }

  /** The controller's answer, whatever it is, goes back as it is but for the correlation, which was ours. */
  answer (reply: Reply): void {
    const join = this.#open.get(reply.correlation)
    if (join === undefined) return
    this.#open.delete(reply.correlation)
    if (reply.kind === 'undeliverable') {
      join.from.refuse(join.correlation, Refusal.unavailable, `the controller does not answer (${(reply as Undeliverable).reason})`)
      return
    }
    const { correlation, ...body } = reply
    join.from.joined(join.correlation, body)
  }
}
