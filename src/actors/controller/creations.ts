/**
 * Who created partitions and waits until this broker knows a leader for each: then its clients can be told where to write. The
 * partitions are there already, so a wait that takes too long ends with that word, and undoes nothing.
 */
import type { Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { ActiveRequest, Answer, PlainReply } from './answers.ts'
import type { MetadataState } from './metadata-state.ts'

/** Create requests that may wait at one time. */
const creationsMax = 10_000

interface Creation {
  /** Topics of which some partition has no leader yet. */
  readonly waiting: Set<TopicId>
  /** @param late  topics that were still waited for when the time was up */
  readonly done: (late: ReadonlySet<TopicId>, out: Outbox) => void
}

export class Creations {
  readonly #open = new Map<number, Creation>()
  #next = 1

  get count (): number {
    return this.#open.size
  }

  add (creation: Creation, waitMs: number, out: Outbox): void {
    if (creation.waiting.size === 0 || this.#open.size >= creationsMax) {
      creation.done(creation.waiting, out)
      return
    }
    const number = this.#next++
    this.#open.set(number, creation)
    out.timer(waitMs, { kind: 'create-expired', creation: number } as Message)
  }

  /** All partitions of the topic have leaders, or it is gone again. */
  settled (topicId: TopicId, out: Outbox): void {
    for (const [number, { waiting }] of this.#open) {
      if (waiting.delete(topicId) && waiting.size === 0) this.expire(number, out)
    }
  }

  /** Its time is up; one that is over already is no harm. */
  expire (number: number, out: Outbox): void {
    const creation = this.#open.get(number)
    if (creation === undefined) return
    this.#open.delete(number)
    creation.done(creation.waiting, out)
  }
}

export interface AwaitLeaders {
  readonly creations: Creations
  /** As this broker has replayed it. */
  readonly state: MetadataState
  readonly isLed: (id: TopicId) => boolean
  readonly startedAt: number
  readonly now: () => number
}

/** An answer that waits, where partitions are created, until this broker knows their leaders; any other request's is `answer` itself. */
export function awaitLeaders (request: ActiveRequest, answer: Answer, { creations, state, isLed, startedAt, now }: AwaitLeaders): Answer {
  if ((request.kind !== 'create-topics' && request.kind !== 'create-partitions') || request.validateOnly) return answer
  return (reply, out) => {
    const waiting = new Set(createdBy(reply, state).filter(id => !isLed(id)))
    const waitMs = Math.max(0, startedAt + request.timeoutMs - now())
    creations.add({ waiting, done: (late, out) => answer(late.size === 0 ? reply : lateReply(reply, late), out) }, waitMs, out)
  }
}

function createdBy (reply: PlainReply, state: MetadataState): TopicId[] {
  if (reply.kind === 'topics-created') return reply.results.filter(({ errorCode }) => errorCode === ErrorCode.NONE).map(({ id }) => id)
  if (reply.kind !== 'partitions-created') return []
  return reply.results.filter(({ errorCode }) => errorCode === ErrorCode.NONE).flatMap(({ name }) => state.topicByName(name)?.id ?? [])
}

/** Partitions that were added to a topic are there: its others may have been without a leader all the time. */
function lateReply (reply: PlainReply, late: ReadonlySet<TopicId>): PlainReply {
  if (reply.kind !== 'topics-created') return reply
  return {
    ...reply,
    results: reply.results.map(result => late.has(result.id)
      ? { ...result, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: 'the topic is created; its partitions have no leaders yet' }
      : result)
  }
}
