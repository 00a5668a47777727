/**
 * A broker that is about to stop hands over what it leads, so that its clients lose milliseconds and no election. Some at a time, again
 * and again until nothing is left that somebody else could lead, or the time is up: it stops then all the same.
 */
import type { Message } from '../../base/effect.ts'
import type { MemberId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { LeadersTable, LeaderWord } from './leaders-table.ts'
import { noActor, type BrokerLeaving } from './messages.ts'
import type { LocalReplicas } from './local-replicas.ts'
import type { MetadataReplica } from './metadata-replica.ts'

const stepMs = 100
/** Partitions that change hands in one step. */
const stepPartitionsMax = 200
/** Who was asked to hand over is asked again after this long: asking again at once would only keep it from writing. */
const askAgainMs = 1500
/** Stands for the metadata group among the partitions. */
const metadataKey = ''

export interface DepartureStep extends Message {
  readonly kind: 'departure-step'
}
const departureStep: DepartureStep = { kind: 'departure-step' }

export interface DepartureParts {
  readonly self: MemberId
  readonly replica: MetadataReplica
  readonly leaders: LeadersTable
  readonly replicas: LocalReplicas
  /** Another broker that is there, and not about to stop. */
  readonly mayLead: (member: MemberId) => boolean
}

export class Departure {
  readonly #parts: DepartureParts
  readonly #asked: BrokerLeaving[] = []
  #deadline = 0
  #begun = false
  #over = false
  #ledAtFirst = 0
  /** When each partition was last asked to hand over. */
  readonly #askedAt = new Map<string, number>()

  constructor (parts: DepartureParts) {
    this.#parts = parts
  }

  /** The broker is about to stop; that is never taken back. */
  get begun (): boolean {
    return this.#begun
  }

  ask (request: BrokerLeaving, out: Outbox, now: number): void {
    this.#asked.push(request)
    this.#deadline = Math.max(this.#deadline, now + request.timeoutMs)
    if (this.#begun && !this.#over) return
    if (!this.#begun) this.#ledAtFirst = this.#led
    this.#begun = true
    this.#over = false
    this.step(out, now)
  }

  step (out: Outbox, now: number): void {
    if (this.#over) return
    const left = this.#handOver(out, now)
    const leads = this.#handOverMetadata(out, now)
    if ((left === 0 && !leads) || now >= this.#deadline) {
      this.#over = true
      const partitionsGiven = Math.max(0, this.#ledAtFirst - this.#led)
      for (const { replyTo, correlation } of this.#asked.splice(0)) out.tell(replyTo, { kind: 'broker-left', correlation, partitionsLeft: left, partitionsGiven } as Message)
      return
    }
    out.timer(stepMs, departureStep)
  }

  get #led (): number {
    const { self, leaders } = this.#parts
    return [...leaders.ledBy(self)].length
  }

  /** @returns how many partitions are led here that somebody else could lead */
  #handOver (out: Outbox, now: number): number {
    const { self, leaders, replicas } = this.#parts
    const given = new Map<MemberId, number>()
    let left = 0
    let asked = 0
    for (const word of leaders.ledBy(self)) {
      const to = this.#successor(word, given)
      const actor = replicas.actorOf(word.topicId, word.partition)
      if (to === undefined || actor === noActor) continue
      left++
      if (asked >= stepPartitionsMax || !this.#mayAsk(`${word.topicId}-${word.partition}`, now)) continue
      asked++
      given.set(to, (given.get(to) ?? 0) + 1)
      out.tell(actor, { kind: 'transfer-leader', to } as Message)
    }
    return left
  }

  #successor ({ inSync, voters }: LeaderWord, given: ReadonlyMap<MemberId, number>): MemberId | undefined {
    const { self, mayLead } = this.#parts
    let best: MemberId | undefined
    for (const member of inSync) {
      if (member === self || !voters.includes(member) || !mayLead(member)) continue
      if (best === undefined || (given.get(member) ?? 0) < (given.get(best) ?? 0)) best = member
    }
    return best
  }

  /** @returns whether the metadata group is led here, and somebody else could lead it */
  #handOverMetadata (out: Outbox, now: number): boolean {
    const { self, replica, mayLead } = this.#parts
    if (replica.role !== 'leader') return false
    const { voters } = replica.configuration
    const others = replica.progress().filter(({ member, inSync }) => member !== self && inSync && voters.includes(member) && mayLead(member))
    if (others.length === 0) return false
    const furthest = others.reduce((best, other) => other.endOffset > best.endOffset ? other : best)
    if (this.#mayAsk(metadataKey, now)) replica.transfer(furthest.member, out)
    return true
  }

  #mayAsk (key: string, now: number): boolean {
    if (now - (this.#askedAt.get(key) ?? -Infinity) < askAgainMs) return false
    this.#askedAt.set(key, now)
    return true
  }
}
