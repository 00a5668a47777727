/**
 * Reads of the metadata as it is at this moment, for what must not go by an old state of it. What a broker has replayed may be old, and
 * an active controller may have a successor that it has not heard of: so it answers once a majority has said, after it was asked, that
 * it still leads (Raft's read index). By then it has replayed all that was committed before, and its answer says how far that is.
 */
import { ErrorCode } from '../../base/error-code.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Answer } from './answers.ts'
import type { MetadataReplica } from './metadata-replica.ts'

/** From a controller to the active one. Answered with {@link MetadataRead}. */
export interface ReadMetadata {
  readonly kind: 'read-metadata'
  /** Asked again when that is over: the question or the answer was lost. */
  readonly timeoutMs: number
}

export interface MetadataRead {
  readonly kind: 'metadata-read'
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Each broker asks for one removal at a time, about. */
const openMax = 10_000

interface Open {
  readonly round: number
  readonly answer: Answer
}

export class MetadataReads {
  readonly #replica: MetadataReplica
  /** In the order in which they were asked. */
  #open: Open[] = []

  constructor (replica: MetadataReplica) {
    this.#replica = replica
  }

  add (answer: Answer, out: Outbox): void {
    if (this.#open.length >= openMax) {
      return answer({ kind: 'metadata-read', errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: 'too many reads of the metadata are waiting' }, out)
    }
    this.#open.push({ round: this.#replica.readIndex(out), answer })
  }

  /** Answers what is confirmed. After the replay. */
  confirm (out: Outbox): void {
    if (this.#open.length === 0) return
    const { confirmedRound } = this.#replica
    while (this.#open.length > 0 && this.#open[0]!.round <= confirmedRound) {
      this.#open.shift()!.answer({ kind: 'metadata-read', errorCode: ErrorCode.NONE, errorMessage: null }, out)
    }
  }

  /** This is the active controller no more. */
  abandon (out: Outbox): void {
    for (const { answer } of this.#open.splice(0)) answer({ kind: 'metadata-read', errorCode: ErrorCode.NOT_CONTROLLER, errorMessage: 'the controller has moved' }, out)
  }
}
