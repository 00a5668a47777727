/**
 * What a partition remembers of its idempotent producers: the last batches of each, so that a batch sent twice is
 * stored once. Derived from the log alone, so leader and followers, and a restarted leader, agree on it.
 */
import { decode, encode } from '../../base/msgpack.ts'

/** Batches per producer that are recognised when they come again: what clients may have in flight at most. */
const batchesKept = 5
const sequenceModulus = 2 ** 31
/** Producers whose sequences one partition remembers, unless told otherwise. */
export const producersMaxDefault = 50_000

interface Producer {
  epoch: number
  /** Oldest first, at most {@link batchesKept}. */
  batches: Batch[]
  /** Timestamp of the newest batch, milliseconds since 1970: decides expiry. */
  lastTimestamp: number
}

interface Batch {
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** What the log's newest state says about a batch that wants in. */
export type SequenceCheck =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate', readonly baseOffset: number, readonly lastOffset: number }
  | { readonly kind: 'out-of-order' }
  | { readonly kind: 'old-epoch' }

const next: SequenceCheck = { kind: 'next' }
const outOfOrder: SequenceCheck = { kind: 'out-of-order' }
const oldEpoch: SequenceCheck = { kind: 'old-epoch' }

/** The last sequence of a batch; sequences wrap from 2^31 - 1 to 0. */
export function lastSequence (baseSequence: number, lastOffsetDelta: number): number {
  return (baseSequence + lastOffsetDelta) % sequenceModulus
}

export class ProducerState {
  readonly #producers = new Map<number, Producer>()
  readonly #producersMax: number

  /** @param producersMax  producers remembered; with one more, the one that appended longest ago is forgotten */
  constructor (producersMax = producersMaxDefault) {
    this.#producersMax = producersMax
  }

  get size (): number { return this.#producers.size }

  /**
   * Says whether a batch is the producer's next, one that is stored already, or neither. Changes nothing.
   *
   * A producer that is not known (new, expired, or forgotten for room) may start at any sequence: the log holds
   * nothing that could contradict it. A raised epoch starts at sequence 0.
   *
   * Source: Kafka's idempotent producer (KIP-98, KIP-360).
   */
  check (producerId: number, epoch: number, baseSequence: number, lastOffsetDelta: number): SequenceCheck {
    const producer = this.#producers.get(producerId)
    if (producer === undefined) return next
    if (epoch < producer.epoch) return oldEpoch
    if (epoch > producer.epoch) return baseSequence === 0 ? next : outOfOrder
    const last = lastSequence(baseSequence, lastOffsetDelta)
    const batches = producer.batches
    const newest = batches[batches.length - 1]!
    if (baseSequence === (newest.lastSequence + 1) % sequenceModulus) return next
    for (let i = batches.length - 1; i >= 0; i--) {
      const batch = batches[i]!
      if (batch.baseSequence === baseSequence && batch.lastSequence === last) {
        return { kind: 'duplicate', baseOffset: batch.baseOffset, lastOffset: batch.lastOffset }
      }
    }
    return outOfOrder
  }

  /** Takes in a batch that stands in the log. Called for each idempotent batch, in the log's order, by leader, follower and replay alike. */
  update (producerId: number, epoch: number, baseSequence: number, baseOffset: number, lastOffsetDelta: number, timestamp: number): void {
    let producer = this.#producers.get(producerId)
    if (producer === undefined) {
      if (this.#producers.size >= this.#producersMax) this.#forgetOldest()
      producer = { epoch, batches: [], lastTimestamp: timestamp }
      this.#producers.set(producerId, producer)
    }
    if (producer.epoch !== epoch) {
      producer.epoch = epoch
      producer.batches.length = 0
    }
    if (producer.batches.length === batchesKept) producer.batches.shift()
    producer.batches.push({ baseSequence, lastSequence: lastSequence(baseSequence, lastOffsetDelta), baseOffset, lastOffset: baseOffset + lastOffsetDelta })
    producer.lastTimestamp = Math.max(producer.lastTimestamp, timestamp)
  }

  /** Forgets batches at or above `endOffset`: the log was cut there. */
  truncate (endOffset: number): void {
    for (const [id, producer] of this.#producers) {
      const kept = producer.batches.filter(batch => batch.baseOffset < endOffset)
      if (kept.length === 0) this.#producers.delete(id)
      else producer.batches = kept
    }
  }

  /** Forgets producers whose newest batch is older than `timestamp` (milliseconds since 1970). */
  expire (timestamp: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastTimestamp < timestamp) this.#producers.delete(id)
    }
  }

  /** The whole state as bytes, for the log's producer snapshot. */
  snapshot (): Uint8Array {
    const rows: unknown[] = []
    for (const [id, { epoch, lastTimestamp, batches }] of this.#producers) {
      rows.push([id, epoch, lastTimestamp, batches.flatMap(b => [b.baseSequence, b.lastSequence, b.baseOffset, b.lastOffset])])
    }
    return encode(rows)
  }

  /** Replaces the state by one that {@link snapshot} gave. @throws on bytes that are none */
  restore (bytes: Uint8Array): void {
    this.#producers.clear()
    for (const [id, epoch, lastTimestamp, numbers] of decode<Array<[number, number, number, number[]]>>(bytes)) {
      const batches: Batch[] = []
      for (let i = 0; i + 3 < numbers.length; i += 4) {
        batches.push({ baseSequence: numbers[i]!, lastSequence: numbers[i + 1]!, baseOffset: numbers[i + 2]!, lastOffset: numbers[i + 3]! })
      }
      this.#producers.set(id, { epoch, lastTimestamp, batches })
    }
  }

  /** Rare: reached only with more live producers than the bound. */
  #forgetOldest (): void {
    let oldest: number | undefined
    let timestamp = Infinity
    for (const [id, producer] of this.#producers) {
      if (producer.lastTimestamp < timestamp) {
        timestamp = producer.lastTimestamp
        oldest = id
      }
    }
    if (oldest !== undefined) this.#producers.delete(oldest)
  }
}
