/** Reads partitions of a topic one fetch after the other, now and then from somewhere else, and writes down what it saw. */
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { ResponseToRead } from '../../../src/protocol/api.ts'
import { fetch } from '../../../src/protocol/apis/fetch.ts'
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts'
import type { Server } from '../client-network.ts'
import { readBatches, type OnBatch } from './fetched.ts'
import type { Ledger } from './ledger.ts'
import type { SimClient } from './sim-client.ts'

export interface ConsumerOptions {
  readonly client: SimClient
  readonly ledger: Ledger
  readonly keys: readonly number[]
  readonly partitions: readonly number[]
  /** Now and then from a follower. */
  readonly followers: boolean
  /** Says which leader it means, so that no other one answers; not all clients do. */
  readonly epochs: boolean
  /** Between two fetches, about. */
  readonly pauseMs: number
  readonly maxWaitMs: number
  readonly bytesMax: number
  readonly onBatch: OnBatch
}

const fetchVersion = 12
const listVersion = 7
const patienceMs = 3000

type PartitionAnswer = ResponseToRead<typeof fetch>['topics'][number]['partitions'][number]

export class Consumer {
  readonly #options: ConsumerOptions
  readonly #client: SimClient
  readonly #process: number
  /** The next offset to read, by partition. */
  readonly #positions: number[]
  #stopped = false

  constructor (options: ConsumerOptions) {
    this.#options = options
    this.#client = options.client
    this.#process = options.ledger.history.addProcess()
    this.#positions = options.keys.map(() => 0)
  }

  start (): void {
    for (const partition of this.#options.partitions) this.#assign(partition, 0)
    this.#client.refresh(() => this.#next())
  }

  stop (): void {
    this.#stopped = true
  }

  #assign (partition: number, from: number): void {
    this.#positions[partition] = from
    this.#options.ledger.assign({ process: this.#process, key: this.#options.keys[partition]!, start: this.#client.world.nowMs, from })
  }

  #next (): void {
    if (this.#stopped) return
    const { partitions, pauseMs } = this.#options
    const client = this.#client
    const partition = partitions[client.below(partitions.length)]!
    const chance = client.chance.next()
    const again = (): void => { client.later(pauseMs * 2 * client.chance.next(), () => this.#next()) }
    if (chance < 0.02) this.#assign(partition, client.below(this.#positions[partition]! + 1))
    const server = this.#serverOf(partition)
    if (server === undefined) return client.refresh(again)
    if (chance > 0.95) this.#askEnd(server, partition, again)
    else this.#fetch(server, partition, again)
  }

  #serverOf (partition: number): Server | undefined {
    const client = this.#client
    const replicas = client.replicasOf(partition)
    if (this.#options.followers && replicas.length > 0 && client.chance.next() < 0.3) return replicas[client.below(replicas.length)]
    return client.leaderOf(partition)
  }

  #epochOf (server: Server, partition: number): number {
    return this.#options.epochs && server === this.#client.leaderOf(partition) ? this.#client.epochOf(partition) : -1
  }

  #fetch (server: Server, partition: number, again: () => void): void {
    const { ledger, maxWaitMs, bytesMax } = this.#options
    const client = this.#client
    const startMs = client.world.nowMs
    const from = this.#positions[partition]!
    client.call(server, fetch, fetchVersion, {
      maxWaitMs,
      minBytes: 1,
      maxBytes: bytesMax,
      topics: [{ name: client.topic, partitions: [{ index: partition, fetchOffset: from, partitionMaxBytes: bytesMax, currentLeaderEpoch: this.#epochOf(server, partition) }] }]
    }, response => {
      const answer = response?.topics[0]?.partitions[0]
      ledger.count(answer === undefined ? 'unknown' : answer.errorCode === 0 ? 'ok' : 'failed')
      if (answer?.errorCode === ErrorCode.NONE) {
        this.#take(partition, from, startMs, answer)
        return again()
      }
      if (answer?.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
        ledger.outOfRange(`${client.name} at ${from} of partition ${partition}`, { topicId: client.topicId, partition, broker: server.number })
      }
      client.refresh(again)
    }, patienceMs + maxWaitMs)
  }

  #take (partition: number, from: number, startMs: number, answer: PartitionAnswer): void {
    const { ledger, keys, onBatch } = this.#options
    const { offsets, values, next } = readBatches(this.#client, partition, from, answer, onBatch)
    if (next === from) return
    this.#positions[partition] = next
    ledger.poll({ process: this.#process, key: keys[partition]!, start: startMs, end: this.#client.world.nowMs, offsets, values })
  }

  #askEnd (server: Server, partition: number, again: () => void): void {
    const { ledger, keys } = this.#options
    const client = this.#client
    const startMs = client.world.nowMs
    client.call(server, listOffsets, listVersion, { topics: [{ name: client.topic, partitions: [{ index: partition, timestamp: -1, currentLeaderEpoch: this.#epochOf(server, partition) }] }] }, response => {
      const answer = response?.topics[0]?.partitions[0]
      ledger.count(answer === undefined ? 'unknown' : answer.errorCode === 0 ? 'ok' : 'failed')
      if (answer?.errorCode !== ErrorCode.NONE) return client.refresh(again)
      ledger.end({ process: this.#process, key: keys[partition]!, start: startMs, end: client.world.nowMs, offset: answer.offset })
      again()
    }, patienceMs)
  }
}
