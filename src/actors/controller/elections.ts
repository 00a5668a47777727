/**
 * Leaders that were asked to hand over to somebody, and who waits to hear that it has happened. A hand-over may fail without a word
 * (the leader is gone, the other one fell behind), so each wait has an end.
 */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Answer } from './answers.ts'
import type { PartitionResult } from './messages.ts'

/** Requests that may wait at one time. */
const openMax = 1000

export interface Awaited {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  readonly to: MemberId
  /** Of the request's results. */
  readonly index: number
}

interface Election {
  readonly answer: Answer
  readonly results: PartitionResult[]
  awaited: readonly Awaited[]
  readonly deadline: number
}

export class Elections {
  #open: Election[] = []

  get count (): number {
    return this.#open.length
  }

  add (election: Election, out: Outbox): void {
    if (election.awaited.length > 0 && this.#open.length < openMax) this.#open.push(election)
    else finish(election, out)
  }

  /** A partition is led by `leader` now. */
  led (topicId: TopicId, partition: PartitionIndex, leader: MemberId, out: Outbox): void {
    for (const election of this.#open) {
      // A request may name it twice.
      election.awaited = election.awaited.filter(awaited => awaited.topicId !== topicId || awaited.partition !== partition || awaited.to !== leader)
    }
    this.#finishWhere(({ awaited }) => awaited.length === 0, out)
  }

  expire (now: number, out: Outbox): void {
    this.#finishWhere(({ deadline }) => deadline <= now, out)
  }

  /** This controller is not the active one any more. */
  abandon (out: Outbox): void {
    this.#finishWhere(() => true, out)
  }

  #finishWhere (isOver: (election: Election) => boolean, out: Outbox): void {
    if (!this.#open.some(isOver)) return
    const over = this.#open.filter(isOver)
    this.#open = this.#open.filter(election => !over.includes(election))
    for (const election of over) finish(election, out)
  }
}

/** What has not happened by now may still happen. */
function finish ({ answer, results, awaited }: Election, out: Outbox): void {
  for (const { index } of awaited) {
    results[index] = { ...results[index]!, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: 'the partition has not changed hands yet' }
  }
  answer({ kind: 'elections-held', errorCode: ErrorCode.NONE, errorMessage: null, results }, out)
}
