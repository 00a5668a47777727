/**
 * Sends batches to the partitions of a topic, several under way at a time, and sends what failed again until it is answered or
 * given up. Idempotent as Kafka's clients are: what is sent again keeps its sequence. A producer that has given a batch up begins
 * anew under another identity, as nobody knows what became of the batch.
 */
import { ErrorCode } from '../../../src/base/error-code.ts'
import { initProducerId } from '../../../src/protocol/apis/init-producer-id.ts'
import { produce } from '../../../src/protocol/apis/produce.ts'
import { crcOf } from '../../../src/record/record-batch.ts'
import { buildBatch } from '../../../src/record/records.ts'
import type { ResponseToRead } from '../../../src/protocol/api.ts'
import { textOf } from '../../cluster/history.ts'
import type { Planned } from '../event-queue.ts'
import type { Ledger } from './ledger.ts'
import type { SimClient } from './sim-client.ts'

export interface ProducerOptions {
  readonly client: SimClient
  readonly ledger: Ledger
  /** Index in the history of each partition. */
  readonly keys: readonly number[]
  /** Where it sends to. */
  readonly partitions: readonly number[]
  readonly idempotent: boolean
  /** -1, 1 or 0. */
  readonly acks: number
  /** Of one partition, that are not answered. */
  readonly inFlightMax: number
  /** Between two sends, about. */
  readonly pauseMs: number
  readonly recordsMax: number
  readonly valueBytesMax: number
  readonly batchesMax: number
  /** A batch that is not answered after so long is given up. */
  readonly deliveryMs: number
}

interface Batch {
  /** Of its producer in the history. */
  readonly producer: number
  readonly partition: number
  readonly first: number
  readonly count: number
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly startMs: number
  readonly patience: Planned
  sent: boolean
  done: boolean
}

const produceVersion = 9
const initVersion = 4
const retryMs = 100

type PartitionAnswer = ResponseToRead<typeof produce>['topics'][number]['partitions'][number]

export class Producer {
  readonly #options: ProducerOptions
  readonly #client: SimClient
  #identity: Identity | undefined
  #batchesLeft: number
  #stopped = false
  /** Batches that were. */
  acknowledged = 0

  constructor (options: ProducerOptions) {
    this.#options = options
    this.#client = options.client
    this.#batchesLeft = options.batchesMax
  }

  start (): void {
    this.#client.refresh(() => this.#introduce())
  }

  /** No further batches. */
  stop (): void {
    this.#stopped = true
  }

  /** Batches that are not answered. */
  get underWay (): number {
    return this.#identity?.underWay ?? 0
  }

  /** Becomes somebody, once some broker has given it an id. */
  #introduce (): void {
    if (this.#stopped) return
    const { idempotent } = this.#options
    if (!idempotent) return this.#begin(-1, -1)
    this.#client.call(this.#client.anyServer(), initProducerId, initVersion, { transactionalId: null, transactionTimeoutMs: 60_000 }, response => {
      this.#options.ledger.count(response === undefined ? 'unknown' : response.errorCode === 0 ? 'ok' : 'failed')
      if (response?.errorCode === 0) this.#begin(response.producerId, response.producerEpoch)
      else this.#client.later(retryMs, () => this.#introduce())
    })
  }

  #begin (producerId: number, epoch: number): void {
    this.#identity = new Identity(this.#options, producerId, epoch, this)
    this.#goOn(this.#identity)
  }

  /** Its present identity has given up a batch. */
  beginAnew (): void {
    this.#identity = undefined
    this.#client.later(retryMs, () => this.#introduce())
  }

  #goOn (identity: Identity): void {
    if (this.#stopped || identity !== this.#identity || this.#batchesLeft === 0) return
    if (identity.sendNext()) this.#batchesLeft--
    this.#client.later(this.#options.pauseMs * 2 * this.#client.chance.next(), () => this.#goOn(identity))
  }
}

/** A producer between two of its beginnings. */
class Identity {
  readonly #options: ProducerOptions
  readonly #client: SimClient
  readonly #producerId: number
  readonly #epoch: number
  /** In the history. Without acknowledgements anything may be missing: each batch is then from somebody else. */
  #number: number
  readonly #owner: Producer
  /** By partition: batches that are not answered, in their order. */
  readonly #lanes: Batch[][]
  readonly #sequences: number[]
  readonly #pumping: boolean[]
  #next = 0
  #over = false

  constructor (options: ProducerOptions, producerId: number, epoch: number, owner: Producer) {
    this.#options = options
    this.#client = options.client
    this.#producerId = producerId
    this.#epoch = epoch
    this.#number = options.ledger.history.addProducer({ atomic: true })
    this.#owner = owner
    this.#lanes = options.keys.map(() => [])
    this.#sequences = options.keys.map(() => 0)
    this.#pumping = options.keys.map(() => false)
  }

  get underWay (): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.length, 0)
  }

  /** @returns false: there is no room now */
  sendNext (): boolean {
    if (!this.#options.ledger.trusts(this.#options.acks) && this.#next > 0) {
      this.#number = this.#options.ledger.history.addProducer({ atomic: true })
      this.#next = 0
    }
    const { partitions, recordsMax, valueBytesMax, inFlightMax, deliveryMs } = this.#options
    const client = this.#client
    const partition = partitions[client.below(partitions.length)]!
    const lane = this.#lanes[partition]!
    if (lane.length >= inFlightMax) return false
    const count = 1 + client.below(recordsMax)
    const first = this.#next
    this.#next += count
    const filling = 'x'.repeat(client.below(valueBytesMax))
    const sequence = this.#producerId < 0 ? -1 : this.#sequences[partition]!
    if (sequence >= 0) this.#sequences[partition] = sequence + count
    const bytes = buildBatch({
      records: Array.from({ length: count }, (_, i) => ({ value: textOf(this.#number, first + i, filling) })),
      timestamp: 1_700_000_000_000 + Math.floor(client.world.nowMs),
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      baseSequence: sequence
    })
    const batch: Batch = {
      producer: this.#number, partition, first, count, sequence, bytes, startMs: client.world.nowMs, sent: false, done: false, patience: client.later(deliveryMs, () => this.#giveUp())
    }
    lane.push(batch)
    this.#pump(partition)
    return true
  }

  /** Sends what was not sent, or is to be sent again, in its order. */
  #pump (partition: number): void {
    this.#pumping[partition] = false
    if (this.#over) return
    const leader = this.#client.leaderOf(partition)
    if (leader === undefined) return this.#pumpLater(partition)
    for (const batch of this.#lanes[partition]!) {
      if (batch.sent) continue
      batch.sent = true
      const { acks, deliveryMs } = this.#options
      const request = { acks, timeoutMs: Math.min(deliveryMs, 3000), topics: [{ name: this.#client.topic, partitions: [{ index: partition, records: batch.bytes }] }] }
      if (acks === 0) {
        this.#client.send(leader, produce, produceVersion, request)
        this.#settle(batch, 'info', -1)
      } else {
        this.#client.call(leader, produce, produceVersion, request, response => this.#answered(batch, response?.topics[0]?.partitions[0], leader.number))
      }
    }
  }

  /** After a look at who leads. */
  #pumpLater (partition: number): void {
    if (this.#pumping[partition] === true || this.#over) return
    this.#pumping[partition] = true
    this.#client.refresh(() => this.#pump(partition))
  }

  #answered (batch: Batch, answer: PartitionAnswer | undefined, broker: number): void {
    if (batch.done || this.#over) return
    const idempotent = this.#producerId >= 0
    switch (answer?.errorCode) {
      case ErrorCode.NONE:
        this.#client.world.note('acknowledged', broker, () => `${batch.producer}:${batch.first} and ${batch.count - 1} more at ${answer.baseOffset} of ${this.#client.topic}/${batch.partition}`)
        if (this.#options.acks === -1) this.#options.ledger.acknowledged(this.#client.topicId, batch.partition, { baseOffset: answer.baseOffset, crc: crcOf(batch.bytes, 0) })
        return this.#settle(batch, this.#options.ledger.trusts(this.#options.acks) ? 'ok' : 'info', answer.baseOffset)
      case ErrorCode.DUPLICATE_SEQUENCE_NUMBER: return this.#settle(batch, 'ok', -1)
      case ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
        // One before it is on its way again. The first in line has none before it: what was acknowledged is gone.
        if (this.#lanes[batch.partition]![0] !== batch) break
        this.#options.ledger.sequenceLost(`${this.#client.name} at ${batch.sequence} of partition ${batch.partition}`, {
          topicId: this.#client.topicId, partition: batch.partition, broker
        })
        return this.#giveUp()
      case ErrorCode.MESSAGE_TOO_LARGE:
      case ErrorCode.CORRUPT_MESSAGE:
      case ErrorCode.INVALID_RECORD:
      case ErrorCode.INVALID_PRODUCER_EPOCH:
        this.#client.world.violate('SoundBatchTaken', `${this.#client.name} was told ${answer.errorCode} for a sound batch`)
        return
      default:
        // No answer, or one that leaves open what became of it: without sequences it must not be sent again.
        if (!idempotent) return this.#giveUp()
    }
    batch.sent = false
    this.#pumpLater(batch.partition)
  }

  #settle (batch: Batch, outcome: 'ok' | 'info', offset: number): void {
    batch.done = true
    batch.patience.work = undefined
    const lane = this.#lanes[batch.partition]!
    lane.splice(lane.indexOf(batch), 1)
    if (outcome === 'ok') this.#owner.acknowledged++
    this.#note(batch, outcome, offset)
  }

  #note ({ producer, partition, first, count, startMs }: Batch, outcome: 'ok' | 'info', offset: number): void {
    const { ledger, keys } = this.#options
    ledger.send({ producer, key: keys[partition]!, first, count, start: startMs, end: this.#client.world.nowMs, outcome, offset })
  }

  /** Nobody knows what became of a batch: all that is under way is left to its fate. */
  #giveUp (): void {
    if (this.#over) return
    this.#over = true
    for (const batch of this.#lanes.flat()) {
      batch.patience.work = undefined
      this.#note(batch, 'info', -1)
    }
    this.#owner.beginAnew()
  }
}
