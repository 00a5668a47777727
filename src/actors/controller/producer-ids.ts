/**
 * Producer ids, given out from blocks that are made durable before the first of them: most need no disk. An active controller begins
 * behind everything that any before it may have given out; the rest of their last blocks is never used.
 */
import { ErrorCode } from '../../base/error-code.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Answer } from './answers.ts'
import type { MetadataState } from './metadata-state.ts'

const blockSize = 1000
/** Askers that may wait for a block. */
export const waitersMax = 10_000

/** Makes ids below `end` durable; `done` is told whether that worked. */
export type ReserveIds = (end: number, done: (reserved: boolean, out: Outbox) => void, out: Outbox) => void

export class ProducerIds {
  readonly #reserve: ReserveIds
  readonly #state: MetadataState
  #next = 0
  #end = 0
  #waiting: Answer[] = []

  constructor (state: MetadataState, reserve: ReserveIds) {
    this.#state = state
    this.#reserve = reserve
  }

  allocate (answer: Answer, out: Outbox): void {
    if (this.#waiting.length >= waitersMax) {
      refuse(answer, out)
      return
    }
    this.#waiting.push(answer)
    // With others waiting a block is on its way already.
    if (this.#waiting.length === 1) this.#give(out)
  }

  #give (out: Outbox): void {
    const count = Math.min(this.#waiting.length, this.#end - this.#next)
    for (const answer of this.#waiting.splice(0, count)) answer({ kind: 'producer-id-allocated', errorCode: ErrorCode.NONE, producerId: this.#next++ }, out)
    if (this.#waiting.length === 0) return
    const start = this.#state.producerIdEnd
    const end = start + blockSize
    this.#reserve(end, (reserved, out) => {
      if (reserved) {
        this.#next = start
        this.#end = end
        this.#give(out)
      } else {
        for (const answer of this.#waiting.splice(0)) refuse(answer, out)
      }
    }, out)
  }
}

function refuse (answer: Answer, out: Outbox): void {
  answer({ kind: 'producer-id-allocated', errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, producerId: -1 }, out)
}
