/** What a replica answers about its log to who wants to read: where bytes lie, which offset a moment has, where a term ended. */
import type { Message } from '../../base/effect.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { Offset, Term } from '../../base/ids.ts'
import type { TimestampPlan } from '../../log/timestamp-search.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Replica } from '../replica.ts'
import { offsetQuery, type EpochEnd, type Fetch, type ListOffset } from './messages.ts'

export class Reads {
  readonly #replica: Replica

  constructor (replica: Replica) {
    this.#replica = replica
  }

  /** Why a request that is for the leader cannot be answered here. @param clientEpoch  the leader epoch that the client believes in; -1: none */
  leaderProblem (clientEpoch: number): number {
    return this.#replica.readable ? this.#epochProblem(clientEpoch) : ErrorCode.NOT_LEADER_OR_FOLLOWER
  }

  #epochProblem (clientEpoch: number): number {
    const { term } = this.#replica
    if (clientEpoch === -1 || clientEpoch === term) return ErrorCode.NONE
    return clientEpoch < term ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  /** Why this fetch cannot be answered here: a follower may, if the client takes it, once it knows what its leader has committed. */
  fetchProblem ({ leaderEpoch, lastFetchedEpoch = -1, replicaOk }: Fetch): number {
    const { readable, role, leader, established, term } = this.#replica
    // The client has read what a successor wrote: who leads here has not heard of it yet.
    if (lastFetchedEpoch > term) return ErrorCode.UNKNOWN_LEADER_EPOCH
    if (readable) return this.#epochProblem(leaderEpoch)
    if (replicaOk !== true || role !== 'follower' || leader === 0 || !established) return ErrorCode.NOT_LEADER_OR_FOLLOWER
    return this.#epochProblem(leaderEpoch)
  }

  /** The fetch is for a leader, and beyond the log's end. */
  isBeyond (fetch: Fetch): boolean {
    const { readable, log } = this.#replica
    return fetch.offset > log.logEndOffset && readable && this.fetchProblem(fetch) === ErrorCode.NONE && this.#diverging(fetch) === null
  }

  /** @param confirmed  this leads: nobody else can, or a majority has said so since the fetch came */
  answerFetch (fetch: Fetch, out: Outbox, confirmed = false): void {
    const { log, highWatermark, readable } = this.#replica
    const { replyTo, correlation, offset, bytesMax } = fetch
    let errorCode = this.fetchProblem(fetch)
    const diverging = errorCode === ErrorCode.NONE ? this.#diverging(fetch) : null
    // Clients begin anew somewhere else when they are told this. Who may be behind its reader, a follower or a leader that perhaps has
    // a successor, has nothing for it instead.
    const beyond = readable && offset > log.logEndOffset && confirmed
    const outside = offset < log.logStartOffset || beyond
    // A follower may have removed what others still have. Whether it is gone is the leader's to say: some clients would begin anew at once.
    if (errorCode === ErrorCode.NONE && diverging === null && outside) errorCode = readable ? ErrorCode.OFFSET_OUT_OF_RANGE : ErrorCode.NOT_LEADER_OR_FOLLOWER
    // Above the high watermark nothing is shown, also while a new leader does not know yet how far that is.
    const readsOn = errorCode === ErrorCode.NONE && diverging === null && offset < highWatermark
    const plan = readsOn ? log.read(offset as Offset, bytesMax, highWatermark) ?? null : null
    out.tell(replyTo, { kind: 'fetched', correlation, errorCode, highWatermark, logStartOffset: log.logStartOffset, plan, diverging } as Message)
  }

  /** The client has records that are not in this log: it read them from a leader that lost them before they were committed. */
  #diverging ({ offset, lastFetchedEpoch = -1 }: Fetch): { readonly epoch: number, readonly endOffset: number } | null {
    if (lastFetchedEpoch < 0) return null
    const { log, readable } = this.#replica
    // A follower may be behind its reader: only where a later term has begun is what it lacks of this one no part of the log.
    if (!readable && log.lastTerm <= lastFetchedEpoch) return null
    const end = log.epochEndOffset(lastFetchedEpoch as Term)
    if (end === undefined) return null // older than anything here: retention took it
    return end.term < lastFetchedEpoch || end.endOffset < offset ? { epoch: end.term, endOffset: end.endOffset } : null
  }

  listOffset ({ replyTo, correlation, timestamp, leaderEpoch }: ListOffset, out: Outbox): void {
    const { log, term, highWatermark, established } = this.#replica
    const answer = (errorCode: number, offset: number, plan: TimestampPlan | null = null): void => {
      const epoch = offset >= 0 ? Math.max(0, offset < log.logEndOffset ? log.termAt(offset as Offset) ?? 0 : term) : -1
      out.tell(replyTo, { kind: 'listed-offset', correlation, errorCode, offset, leaderEpoch: epoch, plan } as Message)
    }
    const errorCode = this.leaderProblem(leaderEpoch)
    if (errorCode !== ErrorCode.NONE) return answer(errorCode, -1)
    switch (timestamp) {
      case offsetQuery.earliest:
      case offsetQuery.earliestLocal: return answer(ErrorCode.NONE, log.logStartOffset)
      case offsetQuery.latestTiered: return answer(ErrorCode.NONE, -1)
      default:
    }
    // Until the mark is known to be no older than what an earlier leader told, what lies above it may be what is asked for.
    if (!established) return answer(ErrorCode.OFFSET_NOT_AVAILABLE, -1)
    if (timestamp === offsetQuery.latest) return answer(ErrorCode.NONE, highWatermark)
    answer(ErrorCode.NONE, -1, log.timestampPlan(timestamp === offsetQuery.maxTimestamp ? Infinity : timestamp, highWatermark))
  }

  epochEnd ({ replyTo, correlation, leaderEpoch, currentLeaderEpoch }: EpochEnd, out: Outbox): void {
    const { log, term } = this.#replica
    // As with a fetch: the client has read what a successor wrote.
    const errorCode = leaderEpoch > term ? ErrorCode.UNKNOWN_LEADER_EPOCH : this.leaderProblem(currentLeaderEpoch)
    let end = { term: -1, endOffset: -1 }
    if (errorCode === ErrorCode.NONE && leaderEpoch >= 0) {
      // Of an epoch before all that is left nothing lies behind the log's start: who has read up to there reads on.
      end = leaderEpoch === term ? { term, endOffset: log.logEndOffset } : log.epochEndOffset(leaderEpoch as Term) ?? { term: leaderEpoch, endOffset: log.logStartOffset }
    }
    out.tell(replyTo, { kind: 'epoch-ended', correlation, errorCode, leaderEpoch: end.term, endOffset: end.endOffset } as Message)
  }
}
