/**
 * Writes messages to a topic in large batches, in order within each partition. Each partition has a lane: one batch fills
 * while the one before is on its way, so batches grow by themselves as the broker gets busy and memory stays at two a lane.
 */
import { murmur2 } from '@platformatic/kafka'
import type { Codec } from '../record/compression.ts'
import { BatchBuilder } from './batch-builder.ts'
import { BrokerError } from './broker-error.ts'
import { type Cluster, type ProducerIdentity, retrying, type TopicInfo } from './cluster.ts'
import { produceBatch } from './wire.ts'

export interface TopicWriterOptions {
  readonly topic: string
  /** Undefined: by the key's hash, or for messages without a key one batch here, the next there. */
  readonly partition: number | undefined
  /** -1 waits for all in-sync replicas, 1 for the leader, 0 for nobody. With -1 a batch sent again is stored once. */
  readonly acks: -1 | 0 | 1
  readonly codec: Codec
}

interface Lane {
  readonly partition: number
  filling: BatchBuilder
  /** Undefined while its batch is on the way. */
  spare: BatchBuilder | undefined
  sequence: number
}

/** Below the broker's default limit for a batch (1048588) with some room, as compression may make a batch longer. */
const batchBytes = 1_000_000
const unacknowledged = { errorCode: 0, errorMessage: null, baseOffset: -1 }

export class TopicWriter {
  readonly #cluster: Cluster
  readonly #options: TopicWriterOptions
  readonly #producer: ProducerIdentity | undefined
  readonly #lanes = new Map<number, Lane>()
  #topic: TopicInfo
  #sticky = 0
  #failure: unknown
  #inFlight = 0
  #wake: () => void = () => {}
  #acknowledged = 0
  readonly #lastOffsets = new Map<number, number>()

  private constructor (cluster: Cluster, options: TopicWriterOptions, topic: TopicInfo, producer: ProducerIdentity | undefined) {
    this.#cluster = cluster
    this.#options = options
    this.#topic = topic
    this.#producer = producer
  }

  /** Finds the topic, or lets the broker create it if it is set to. @throws BrokerError when it is not there or lacks the partition */
  static async open (cluster: Cluster, options: TopicWriterOptions): Promise<TopicWriter> {
    const topic = await cluster.topic(options.topic, true)
    if (options.partition !== undefined && options.partition >= topic.partitions.length) {
      throw new RangeError(`topic ${topic.name} has partitions 0 to ${topic.partitions.length - 1}, not ${options.partition}`)
    }
    return new TopicWriter(cluster, options, topic, options.acks === -1 ? await cluster.producerIdentity() : undefined)
  }

  /** Messages that the broker has answered for (with acks 0: sent). */
  get acknowledged (): number {
    return this.#acknowledged
  }

  /** The last acknowledged offset of each partition written to. */
  get lastOffsets (): ReadonlyMap<number, number> {
    return this.#lastOffsets
  }

  /** Takes a message, or returns false when there is no room: then await {@link room} and offer it again. @throws what made an earlier batch fail */
  offer (key: Uint8Array | null, value: Uint8Array, nowMs: number): boolean {
    if (this.#failure !== undefined) throw this.#failure
    const lane = this.#lane(this.#partitionOf(key))
    if (lane.filling.append(key, value, nowMs)) return true
    if (lane.spare === undefined) return false
    this.#send(lane)
    if (key === null) this.#sticky++
    return this.offer(key, value, nowMs)
  }

  /** Resolves when some batch has been answered. */
  room (): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise(resolve => { this.#wake = resolve })
  }

  /** Sends every batch that is not empty and whose lane is free; the others follow as soon as theirs is. */
  push (): void {
    for (const lane of this.#lanes.values()) this.#send(lane)
  }

  /** Sends everything and waits for all answers. @throws what made a batch fail */
  async flush (): Promise<void> {
    while (this.#failure === undefined) {
      this.push()
      if (this.#inFlight === 0) break
      await this.room()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  #partitionOf (key: Uint8Array | null): number {
    if (this.#options.partition !== undefined) return this.#options.partition
    const count = this.#topic.partitions.length
    return key === null ? this.#sticky % count : (murmur2(Buffer.from(key)) & 0x7fffffff) % count
  }

  #lane (partition: number): Lane {
    let lane = this.#lanes.get(partition)
    if (lane === undefined) {
      lane = { partition, filling: new BatchBuilder(batchBytes), spare: new BatchBuilder(batchBytes), sequence: 0 }
      this.#lanes.set(partition, lane)
    }
    return lane
  }

  #send (lane: Lane): void {
    if (lane.spare === undefined || lane.filling.count === 0) return
    const builder = lane.filling
    lane.filling = lane.spare
    lane.spare = undefined
    this.#inFlight++
    const { count } = builder
    const batch = builder.finish(this.#options.codec, this.#producer, lane.sequence)
    lane.sequence = (lane.sequence + count) % 2 ** 31
    this.#deliver(lane.partition, batch).then(baseOffset => {
      this.#acknowledged += count
      if (baseOffset >= 0) this.#lastOffsets.set(lane.partition, baseOffset + count - 1)
    }, error => { this.#failure ??= error }).finally(() => {
      builder.reset()
      lane.spare = builder
      this.#inFlight--
      this.#wake()
    })
  }

  /** Returns the batch's first offset. Only a batch with a sequence number may be sent again after a broken connection: it might be there already. */
  #deliver (partition: number, batch: Buffer): Promise<number> {
    let attempts = 0
    return retrying(this.#cluster.timeoutMs, async () => {
      if (attempts++ > 0) this.#topic = await this.#cluster.topic(this.#topic.name)
      const connection = await this.#cluster.to(this.#topic.partitions[partition]!.leader)
      const answer = await produceBatch.async(connection, this.#options.acks, this.#cluster.timeoutMs, this.#topic.name, partition, batch)
      // Without an answer the library gives back whether the socket took it all.
      const { errorCode, errorMessage, baseOffset } = this.#options.acks === 0 || answer === undefined ? unacknowledged : answer
      if (errorCode !== 0) throw new BrokerError(errorCode, errorMessage)
      return baseOffset
    }, error => error instanceof BrokerError ? error.canRetry : this.#producer !== undefined)
  }
}
