/**
 * One replica of a Raft group: joins what raft decides (who leads, what is committed) and what the log remembers.
 * Partition and controller each own one. A group of one voter elects itself; the log's offsets are its Raft indexes.
 *
 * ```
 *  follower --(term raised and durable)--> leader --(log was cut)--> follower --(log is ready again)--> new term
 * ```
 */
import type { Message } from '../base/effect.ts'
import type { ActorId, Offset, Term } from '../base/ids.ts'
import type { Log, LogEvent, LogMessage } from '../log/log.ts'
import { highWatermark } from '../raft/quorum.ts'
import { lastOffsetDeltaOf, maxTimestampOf } from '../record/record-batch.ts'
import type { Outbox, TurnEnd, Undeliverable } from '../runtime/actor.ts'
import type { TermRaised } from './votes/messages.ts'

/** Correlation of the one question a replica asks by itself; its owner must not use it. */
const campaignCorrelation = 0
const campaignDeadlineMs = 10_000
const campaignRetryMs = 500

interface CampaignAgain extends Message {
  readonly kind: 'campaign'
}
const campaignAgain: CampaignAgain = { kind: 'campaign' }

/** Messages that are the replica's own: its owner hands everything it does not know itself to {@link Replica.receive}. */
export type ReplicaMessage = LogMessage | TermRaised | TurnEnd | CampaignAgain | Undeliverable

export class Replica {
  readonly log: Log
  readonly group: string
  readonly #votes: ActorId
  readonly #durableEnds: Offset[]

  role: 'follower' | 'leader' = 'follower'
  term = 0 as Term
  /** Exclusive: the first offset that may not be read. */
  highWatermark: Offset
  #termStart = 0 as Offset
  /** The question for a term is not answered yet. */
  #campaigning = false

  constructor (options: { log: Log, group: string, votes: ActorId }) {
    this.log = options.log
    this.group = options.group
    this.#votes = options.votes
    // A single voter: what its log holds after recovery is committed.
    this.highWatermark = options.log.durableEndOffset
    this.#durableEnds = [options.log.durableEndOffset]
  }

  /**
   * Whether what is committed may be read here. A single voter that has led once may go on answering reads when its disk
   * takes no writes: nobody else can have committed anything.
   */
  get readable (): boolean {
    return this.term > 0
  }

  /** Every start comes back as follower: leadership always takes a new term, made durable first. */
  campaign (out: Outbox): void {
    this.role = 'follower'
    if (this.#campaigning) return
    this.#campaigning = true
    const question = { kind: 'raise-term', replyTo: out.self, correlation: campaignCorrelation, group: this.group, floor: this.log.lastTerm }
    out.ask(this.#votes, question, campaignDeadlineMs)
  }

  /**
   * Appends a batch under the leader's term; it becomes durable with the group that this turn's end writes.
   * @returns the end offset, exclusive: committed once the high watermark reaches it
   */
  append (batch: Uint8Array, out: Outbox): Offset {
    this.log.append(batch, this.term, lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
    out.turnEnd()
    return this.log.logEndOffset
  }

  /**
   * Takes a message that concerns raft or the log. The high watermark, role and term may have moved when it returns.
   * @returns what happened to the log, 'none' otherwise
   * @throws the disk's error when the log cannot go on: the actor is restarted and recovers from its files
   */
  receive (message: ReplicaMessage, out: Outbox): LogEvent {
    switch (message.kind) {
      case 'turn-end':
        this.log.flush(out)
        return 'none'
      case 'campaign':
        if (this.role === 'follower') this.campaign(out)
        return 'none'
      case 'term-raised':
        this.#termRaised(message as TermRaised, out)
        return 'none'
      case 'undeliverable':
        if ((message as Undeliverable).correlation !== campaignCorrelation) return 'none'
        this.#campaigning = false
        out.timer(campaignRetryMs, campaignAgain)
        return 'none'
      default:
        return this.#logMoved(message as LogMessage, out)
    }
  }

  /** @param snapshot  the owner's state as of the log's end, see {@link Log.close} */
  async close (snapshot?: Uint8Array): Promise<void> {
    await this.log.close(snapshot)
  }

  #termRaised ({ term }: TermRaised, out: Outbox): void {
    this.#campaigning = false
    if (this.log.refusal !== undefined) return // 'ready' campaigns again
    if (term <= this.term) { // 0 for 'could not be made durable', or the answer to an earlier try
      if (this.role === 'follower') out.timer(campaignRetryMs, campaignAgain)
      return
    }
    this.term = term
    this.#termStart = this.log.logEndOffset
    this.role = 'leader'
    this.#advance()
  }

  #logMoved (message: LogMessage, out: Outbox): LogEvent {
    const event = this.log.handle(message, out)
    switch (event) {
      case 'durable': this.#advance(); break
      // What was appended after the last good sync is gone: a leader may not go on in the same term, or two different
      // batches could stand at one (offset, term). With `interval` that may have been committed: it goes as that promises.
      case 'cut':
        this.role = 'follower'
        this.highWatermark = Math.min(this.highWatermark, this.log.durableEndOffset) as Offset
        break
      case 'ready': this.campaign(out); break
      case 'broken': throw this.log.failure ?? new Error('the log is broken')
    }
    return event
  }

  #advance (): void {
    this.#durableEnds[0] = this.log.durableEndOffset
    this.highWatermark = highWatermark(this.#durableEnds, this.#termStart, this.highWatermark)
    this.log.advanceHighWatermark(this.highWatermark)
  }
}
