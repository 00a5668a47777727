/**
 * Deletions of records, from the request to its answer. The new start of the log is a control batch in the log itself, so all
 * replicas come to it; each moves its own start when that batch is committed, and an answer waits until the leader's has moved durably.
 */
import type { Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { Offset } from '../../base/ids.ts'
import { logStartBatch } from '../../record/control-record.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Replica } from '../replica.ts'
import type { LogStarts } from './log-starts.ts'
import type { DeleteRecords } from './messages.ts'

/** Deletions that may wait for their commit or for the disk. */
const deletionsMax = 1000

export class Deletions {
  readonly #replica: Replica
  readonly #starts: LogStarts
  #waiting: Array<{ readonly target: number, readonly request: DeleteRecords }> = []
  /** Where the log is to start as far as this replica has decided it alone. */
  #own = 0 as Offset
  /** What the log was told last. */
  #told = 0 as Offset

  constructor (replica: Replica, starts: LogStarts) {
    this.#replica = replica
    this.#starts = starts
  }

  get isWaiting (): boolean { return this.#waiting.length > 0 }

  /** Takes in a request that a leader got. */
  request (request: DeleteRecords, errorCode: number, out: Outbox): void {
    const { log, highWatermark, established } = this.#replica
    const target = (request.offset === -1 ? highWatermark : request.offset) as Offset
    let problem = errorCode
    // A new leader may not know yet how far its predecessor committed.
    if (problem === ErrorCode.NONE && target > highWatermark && !established) problem = ErrorCode.OFFSET_NOT_AVAILABLE
    if (problem === ErrorCode.NONE && (target < 0 || target > highWatermark)) problem = ErrorCode.OFFSET_OUT_OF_RANGE
    if (problem === ErrorCode.NONE && this.#waiting.length >= deletionsMax) problem = ErrorCode.NOT_ENOUGH_REPLICAS
    if (problem !== ErrorCode.NONE) return this.#answer(request, problem, out)
    this.#waiting.push({ target, request })
    if (target > Math.max(log.logStartOffset, this.#own, this.#starts.last)) {
      // Who is alone has nobody to tell.
      if (this.#replica.isAlone) this.#own = target
      else this.#append(target, out)
    }
    this.move(out)
  }

  /** Goes on with what can be done now; called after anything that may have moved the high watermark, the log's start or the group. */
  move (out: Outbox): void {
    const { log, highWatermark, state } = this.#replica
    this.#starts.commit(highWatermark)
    const start = Math.max(this.#own, this.#starts.committed) as Offset
    // What the log was told it does not forget. What alone says who is in the group must not go before a snapshot says it too.
    const isDue = start > log.logStartOffset && start > this.#told && start <= log.highWatermark
    if (isDue && start <= state.neededFrom(log.snapshotOffset)) {
      this.#told = start
      log.deleteBefore(start, out)
    }
    if (this.#waiting.length > 0) this.#answerDone(out)
  }

  /** Leader of several: who came when records had been deleted here alone learns of it. A start between files needs no word, as retention is everybody's own. */
  share (out: Outbox): void {
    const { log, isAlone, canAppend } = this.#replica
    const { logStartOffset } = log
    if (logStartOffset > log.firstOffset && logStartOffset > this.#starts.last && canAppend && !isAlone) this.#append(logStartOffset, out)
  }

  /** This is no leader any more: what waits has an unknown outcome. */
  fail (out: Outbox): void {
    for (const { request } of this.#waiting.splice(0)) this.#answer(request, ErrorCode.NOT_LEADER_OR_FOLLOWER, out)
  }

  #append (start: Offset, out: Outbox): void {
    this.#starts.stands(this.#replica.append(logStartBatch(start), out) - 1, start)
  }

  #answerDone (out: Outbox): void {
    const { logStartOffset } = this.#replica.log
    const done = this.#waiting.filter(({ target }) => target <= logStartOffset)
    if (done.length === 0) return
    this.#waiting = this.#waiting.filter(({ target }) => target > logStartOffset)
    for (const { request } of done) this.#answer(request, ErrorCode.NONE, out)
  }

  #answer ({ replyTo, correlation }: DeleteRecords, errorCode: number, out: Outbox): void {
    const logStartOffset = errorCode === ErrorCode.NONE ? this.#replica.log.logStartOffset : -1
    out.tell(replyTo, { kind: 'records-deleted', correlation, errorCode, logStartOffset } as Message)
  }
}
