/** What all clients of a run write down: the history that is checked at the end, and how many operations there were. */
import { History, type Assign, type End, type Poll, type Send } from '../../cluster/history.ts'
import type { Acknowledged } from '../invariant.ts'
import type { World } from '../world.ts'

/** A replica, as a client names it. */
export interface Place {
  readonly topicId: string
  readonly partition: number
  readonly broker: number
}

/** Told of each batch that was acknowledged as committed. */
export type OnAcknowledged = (topicId: string, partition: number, batch: Acknowledged) => void

export interface LedgerOptions {
  readonly onAcknowledged: OnAcknowledged
  /** Whether an acknowledgement of such a request means that the batch stays. */
  readonly trusts: (acks: number) => boolean
  /** Whether the replica believes to lead, while another one leads in a newer term. */
  readonly isDeposed: (place: Place) => boolean
}

export type Outcome = 'ok' | 'failed' | 'unknown'

export class Ledger {
  readonly history = new History()
  readonly counts: { [outcome in Outcome]: number } = { ok: 0, failed: 0, unknown: 0 }
  readonly #world: World
  readonly #options: LedgerOptions
  /** Answers of leaders that were deposed and did not know it: no broken promise, as nothing was acknowledged. */
  staleAnswers = 0

  constructor (world: World, options: LedgerOptions) {
    this.#world = world
    this.#options = options
  }

  get operations (): number {
    const { ok, failed, unknown } = this.counts
    return ok + failed + unknown
  }

  trusts (acks: number): boolean {
    return this.#options.trusts(acks)
  }

  acknowledged (topicId: string, partition: number, batch: Acknowledged): void {
    this.#options.onAcknowledged(topicId, partition, batch)
  }

  count (outcome: Outcome): void {
    this.counts[outcome]++
  }

  send (send: Send): void {
    this.history.sends.push(send)
    this.count(send.outcome === 'info' ? 'unknown' : 'ok')
  }

  poll (poll: Poll): void {
    if (poll.offsets.length > 0) this.history.reads.push(poll)
  }

  assign (assign: Assign): void {
    this.history.reads.push(assign)
  }

  end (end: End): void {
    this.history.ends.push(end)
  }

  /** A producer's next batch was refused as if one before it were missing. */
  sequenceLost (who: string, where: Place): void {
    this.#broken('SequencesKept', `${who}: everything before it was acknowledged, and broker ${where.broker} does not know it`, where)
  }

  /** A reader's place, behind what it has read, is said not to be in the log. */
  outOfRange (who: string, where: Place): void {
    this.#broken('ReadsStay', `${who}: out of range at broker ${where.broker}, though everything before was read`, where)
  }

  #broken (invariant: string, message: string, where: Place): void {
    if (this.#options.isDeposed(where)) this.staleAnswers++
    else this.#world.violate(invariant, message)
  }
}
