/**
 * Requests that came to this controller and are answered by the active one, on another broker. Each has a deadline, so a lost message
 * costs its asker a retriable error and nothing else. An answer waits until this broker has replayed what it tells of: who
 * created a topic through it finds that topic here.
 */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, Offset } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { refusal, type ActiveRequest, type Answer, type PlainReply } from './answers.ts'
import type { Forward, ForwardAnswered } from './between.ts'

/** Requests under way to the active controller. */
const openMax = 10_000
/** How long a request without a time limit of its own may take. */
const defaultMs = 10_000
/** The active controller keeps a request's own time limit; its answer takes a while to come back. */
const graceMs = 2500
const longestMs = 120_000

interface Open {
  readonly request: ActiveRequest
  readonly answer: Answer
  readonly to: MemberId
  readonly deadline: number
  /** The answer, while this broker has not replayed what it tells of. */
  reply: { readonly reply: PlainReply, readonly endOffset: Offset } | undefined
}

export class Forwards {
  readonly #open = new Map<number, Open>()
  readonly #life: number
  #next = 1

  /** @param life  another one for each life of the controller */
  constructor (life: number) {
    this.#life = life
  }

  get count (): number {
    return this.#open.size
  }

  /** @returns what to send to `to`; undefined when there are too many, which the asker has been told */
  add (request: ActiveRequest, answer: Answer, to: MemberId, out: Outbox, now: number): Forward | undefined {
    if (this.#open.size >= openMax) {
      answer(refusal(request, ErrorCode.NOT_CONTROLLER, 'too many requests wait for the controller'), out)
      return undefined
    }
    const limitMs = 'timeoutMs' in request ? Math.min(Math.max(0, request.timeoutMs) + graceMs, longestMs) : defaultMs
    const number = this.#next++
    this.#open.set(number, { request, answer, to, deadline: now + limitMs, reply: undefined })
    return { kind: 'forward', life: this.#life, number, request }
  }

  /** One to an earlier life, or to a request that was given up, is dropped. */
  answered ({ life, number, reply, endOffset }: ForwardAnswered, replayedEnd: Offset, out: Outbox): void {
    const open = life === this.#life ? this.#open.get(number) : undefined
    if (open === undefined) return
    const answer = reply as PlainReply
    open.reply = { reply: answer.kind === 'not-known' ? refusal(open.request, answer.errorCode, answer.errorMessage) : answer, endOffset }
    if (endOffset <= replayedEnd) this.#finish(number, open, open.reply.reply, out)
  }

  /** This broker has replayed more: answers that waited for it go out. */
  replayed (replayedEnd: Offset, out: Outbox): void {
    for (const [number, open] of this.#open) {
      if (open.reply !== undefined && open.reply.endOffset <= replayedEnd) this.#finish(number, open, open.reply.reply, out)
    }
  }

  /** The links have lost a broker: what was asked of it may be done or not. */
  lost (member: MemberId, out: Outbox): void {
    for (const [number, open] of this.#open) {
      if (open.to !== member || open.reply !== undefined) continue
      this.#finish(number, open, refusal(open.request, ErrorCode.NOT_CONTROLLER, 'the controller was lost before it answered; it may have done what was asked'), out)
    }
  }

  expire (now: number, out: Outbox): void {
    for (const [number, open] of this.#open) {
      if (open.deadline > now) continue
      // An answer that waits for this broker alone is true all the same; but that of a read says that this broker has replayed so far.
      const reply = open.request.kind === 'read-metadata' ? undefined : open.reply?.reply
      this.#finish(number, open, reply ?? refusal(open.request, ErrorCode.REQUEST_TIMED_OUT, 'the controller did not answer in time; it may have done what was asked'), out)
    }
  }

  #finish (number: number, { answer }: Open, reply: PlainReply, out: Outbox): void {
    this.#open.delete(number)
    answer(reply, out)
  }
}
