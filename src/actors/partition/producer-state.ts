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
  /** The last sequence before `batches`, if that is known: what counts when the log is cut below all of them. */
  floor: Floor | undefined
}

interface Floor { readonly epoch: number, readonly lastSequence: number, readonly lastOffset: number }

interface Batch {
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** What is known of a producer without its batches at and above `end`; undefined: nothing. */
function producerBefore (producer: Producer, end: number): Producer | undefined {
  const { batches, floor } = producer
  if (batches.length > 0 && batches.at(-1)!.baseOffset < end) return producer
  const left = batches.filter(batch => batch.baseOffset < end)
  if (left.length > 0) return { ...producer, batches: left }
  return floor === undefined || floor.lastOffset >= end ? undefined : { ...producer, epoch: floor.epoch, batches: left }
}

/** Whether everything that the producer ever wrote is among what is known of it. */
function isWhole ({ batches, floor }: Producer): boolean {
  return floor === undefined && batches[0]?.baseSequence === 0
}

const floorAt = (epoch: number, { lastSequence, lastOffset }: Batch): Floor => ({ epoch, lastSequence, lastOffset })

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
  /** No producer with a higher id was ever forgotten. Ids are given out in ascending blocks, so new producers soon have higher ones. */
  #forgottenMax = -1

  /** @param producersMax  producers remembered; with one more, the one that appended longest ago is forgotten */
  constructor (producersMax = producersMaxDefault) {
    this.#producersMax = producersMax
  }

  get size (): number { return this.#producers.size }

  /**
   * Says whether a batch is the producer's next, one that is stored already, or neither. Changes nothing.
   *
   * A new producer, and a raised epoch, start at sequence 0: another batch than the first may come first, as clients have several under
   * way, when the first one was refused because there was no leader a moment ago. Whoever may have been forgotten (expired, or for room)
   * goes on with any sequence: the log holds nothing that could contradict it.
   *
   * Source: Kafka's idempotent producer (KIP-98, KIP-360), which takes any sequence of a new one too.
   */
  check (producerId: number, epoch: number, baseSequence: number, lastOffsetDelta: number): SequenceCheck {
    const producer = this.#producers.get(producerId)
    if (producer === undefined) return baseSequence === 0 || producerId <= this.#forgottenMax ? next : outOfOrder
    if (epoch < producer.epoch) return oldEpoch
    if (epoch > producer.epoch) return baseSequence === 0 ? next : outOfOrder
    const last = lastSequence(baseSequence, lastOffsetDelta)
    const batches = producer.batches
    const newest = batches.at(-1) ?? producer.floor!
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
      producer = { epoch, batches: [], lastTimestamp: timestamp, floor: undefined }
      this.#producers.set(producerId, producer)
    }
    const newest = producer.batches.at(-1)
    if (producer.epoch !== epoch) {
      if (newest !== undefined) producer.floor = floorAt(producer.epoch, newest)
      producer.epoch = epoch
      producer.batches.length = 0
    }
    if (producer.batches.length === batchesKept) producer.floor = floorAt(epoch, producer.batches.shift()!)
    producer.batches.push({ baseSequence, lastSequence: lastSequence(baseSequence, lastOffsetDelta), baseOffset, lastOffset: baseOffset + lastOffsetDelta })
    producer.lastTimestamp = Math.max(producer.lastTimestamp, timestamp)
  }

  /** Forgets batches at or above `endOffset`: the log was cut there. */
  truncate (endOffset: number): void {
    for (const [id, producer] of this.#producers) {
      const before = producerBefore(producer, endOffset)
      if (before !== undefined) this.#producers.set(id, before)
      else if (isWhole(producer)) this.#producers.delete(id)
      else this.#forget(id)
    }
  }

  /** Forgets producers whose newest batch is older than `timestamp` (milliseconds since 1970). */
  expire (timestamp: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastTimestamp < timestamp) this.#forget(id)
    }
  }

  #forget (id: number): void {
    this.#producers.delete(id)
    if (id > this.#forgottenMax) this.#forgottenMax = id
  }

  /** The state as bytes, for the log's producer snapshot; without what stands at or above `below`. */
  snapshot (below = Infinity): Uint8Array {
    const rows: unknown[] = []
    let forgottenMax = this.#forgottenMax
    for (const [id, producer] of this.#producers) {
      const before = producerBefore(producer, below)
      if (before === undefined) {
        if (!isWhole(producer)) forgottenMax = Math.max(forgottenMax, id)
        continue
      }
      const { epoch, lastTimestamp, batches, floor } = before
      const last = floor === undefined ? [] : [floor.epoch, floor.lastSequence, floor.lastOffset]
      rows.push([id, epoch, lastTimestamp, batches.flatMap(b => [b.baseSequence, b.lastSequence, b.baseOffset, b.lastOffset]), last])
    }
    return encode([forgottenMax, ...rows])
  }

  /** Replaces the state by one that {@link snapshot} gave. @throws on bytes that are none */
  restore (bytes: Uint8Array): void {
    this.#producers.clear()
    const rows = decode<Array<number | [number, number, number, number[], number[]?]>>(bytes)
    // What is older does not say whom it had forgotten.
    this.#forgottenMax = typeof rows[0] === 'number' ? rows.shift() as number : Infinity
    // The fifth field came later.
    for (const [id, epoch, lastTimestamp, numbers, last = []] of rows as Array<[number, number, number, number[], number[]?]>) {
      const batches: Batch[] = []
      for (let i = 0; i + 3 < numbers.length; i += 4) {
        batches.push({ baseSequence: numbers[i]!, lastSequence: numbers[i + 1]!, baseOffset: numbers[i + 2]!, lastOffset: numbers[i + 3]! })
      }
      const floor = last.length === 3 ? { epoch: last[0]!, lastSequence: last[1]!, lastOffset: last[2]! } : undefined
      this.#producers.set(id, { epoch, lastTimestamp, batches, floor })
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
    if (oldest !== undefined) this.#forget(oldest)
  }
}
