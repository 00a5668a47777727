/**
 * A client of a whole cluster with short patience: one connection to each broker, every answer within a given time, else the
 * connection is dropped and the next broker asked. What it knows of leaders it takes from any broker and from the hints in
 * answers; the newest leader epoch wins.
 */
import { ErrorCode, errorName } from '../../src/base/error-code.ts'
import type { AnyApi, RequestToWrite, ResponseToRead } from '../../src/protocol/api.ts'
import { createTopics } from '../../src/protocol/apis/create-topics.ts'
import { listOffsets } from '../../src/protocol/apis/list-offsets.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { RawClient } from '../broker/raw-client.ts'

export type Metadata = ResponseToRead<typeof metadata>
export type PartitionState = Metadata['topics'][number]['partitions'][number]

export interface Leader {
  readonly nodeId: number
  readonly epoch: number
  readonly address: string
}

export interface ClusterClientOptions {
  /** HOST:PORT of all brokers. */
  readonly addresses: readonly string[]
  /** Longest wait for an answer, where a call says nothing else. */
  readonly answerMs: number
}

/** A broker that did not answer is asked again after this time, unless no other is left. */
const restMs = 300
const pauseMs = 10

export class ClusterClient {
  readonly answerMs: number
  readonly #addresses: readonly string[]
  readonly #connections = new Map<string, Promise<RawClient>>()
  readonly #nodes = new Map<number, string>()
  readonly #leaders = new Map<string, Leader>()
  readonly #epochs = new Map<string, number>()
  /** When each broker last failed to answer. */
  readonly #failedAt = new Map<string, number>()
  #turn = 0
  #isClosed = false

  constructor ({ addresses, answerMs }: ClusterClientOptions) {
    this.#addresses = addresses
    this.answerMs = answerMs
    this.#turn = Math.floor(Math.random() * addresses.length)
  }

  /** @throws when there is no answer in time: then nobody knows whether the request was obeyed */
  async call<A extends AnyApi> (address: string, api: A, version: number, request: RequestToWrite<A>, withinMs = this.answerMs): Promise<ResponseToRead<A>> {
    if (this.#isClosed) throw new Error('the client is closed')
    let connecting = this.#connections.get(address)
    if (connecting === undefined) {
      connecting = RawClient.connect(address, withinMs)
      this.#connections.set(address, connecting)
    }
    let client: RawClient | undefined
    try {
      client = await connecting
      return await client.call(api, version, request, withinMs)
    } catch (error) {
      this.#failedAt.set(address, performance.now())
      if (this.#connections.get(address) === connecting) this.#connections.delete(address)
      // Its answer would come later and be taken for another's.
      client?.close()
      throw error
    }
  }

  /** The next broker in turn, those that failed just now last. */
  nextAddress (): string {
    for (let i = 0; i < this.#addresses.length; i++) {
      const address = this.#addresses[this.#turn++ % this.#addresses.length]!
      if (performance.now() - (this.#failedAt.get(address) ?? -Infinity) > restMs) return address
    }
    return this.#addresses[this.#turn++ % this.#addresses.length]!
  }

  /** Asks brokers in turn until `accept` returns something. @throws after `withinMs`, with the last failure */
  async ask<A extends AnyApi, T> (api: A, version: number, request: RequestToWrite<A>, accept: (response: ResponseToRead<A>) => T | undefined, withinMs = 30_000): Promise<T> {
    const end = performance.now() + withinMs
    let last = 'no broker answered'
    while (!this.#isClosed) {
      try {
        const accepted = accept(await this.call(this.nextAddress(), api, version, request))
        if (accepted !== undefined) return accepted
        last = 'the answer was refused'
      } catch (error) {
        last = (error as Error).message
      }
      if (performance.now() > end) break
      await sleep(pauseMs)
    }
    throw new Error(`${api.name}: not within ${withinMs} ms: ${last}`)
  }

  /** What one broker, the next in turn, says of these topics; `null`: of all. @throws when it does not answer */
  async metadata (topics: readonly string[] | null): Promise<Metadata> {
    return await this.metadataFrom(this.nextAddress(), topics)
  }

  async metadataFrom (address: string, topics: readonly string[] | null, withinMs = this.answerMs): Promise<Metadata> {
    const response = await this.call(address, metadata, 12, { topics: topics === null ? null : topics.map(name => ({ name })), allowAutoTopicCreation: false }, withinMs)
    for (const { nodeId, host, port } of response.brokers) this.#nodes.set(nodeId, `${host}:${port}`)
    for (const { name, partitions } of response.topics) {
      for (const { index, leaderId, leaderEpoch } of partitions) if (name !== null) this.learn(name, index, leaderId, leaderEpoch)
    }
    return response
  }

  /** A leader was named, by whomever. An older epoch, or a node without an address, is passed over. */
  learn (topic: string, partition: number, nodeId: number, epoch: number): void {
    const key = `${topic}/${partition}`
    const address = this.#nodes.get(nodeId)
    if (address === undefined || epoch < (this.#leaders.get(key)?.epoch ?? -1)) return
    this.#leaders.set(key, { nodeId, epoch, address })
    if (epoch > this.epochOf(topic, partition)) this.#epochs.set(key, epoch)
  }

  /** Where a node is, as an answer said. */
  learnNode (nodeId: number, host: string, port: number): void { this.#nodes.set(nodeId, `${host}:${port}`) }

  /** The leader was asked in vain. */
  forget (topic: string, partition: number, address: string): void {
    const key = `${topic}/${partition}`
    if (this.#leaders.get(key)?.address === address) this.#leaders.delete(key)
  }

  /** The newest leader epoch that anybody named; -1: none. It stays when the leader is forgotten. */
  epochOf (topic: string, partition: number): number {
    return this.#epochs.get(`${topic}/${partition}`) ?? -1
  }

  /** The leader as it is known, or as the next broker in turn says; undefined: that one does not know either. */
  async leaderOf (topic: string, partition: number): Promise<string | undefined> {
    const key = `${topic}/${partition}`
    const known = this.#leaders.get(key)
    if (known !== undefined) return known.address
    await this.metadata([topic]).catch(() => {})
    return this.#leaders.get(key)?.address
  }

  /** Creates a topic; one that is there already is left as it is. */
  async createTopic (name: string, partitions: number, replicas: number, config: Readonly<Record<string, string>> = {}, withinMs = 60_000): Promise<void> {
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
    let last = ''
    await this.ask(createTopics, 7, { topics: [{ name, numPartitions: partitions, replicationFactor: replicas, configs }], timeoutMs: 10_000 }, ({ topics }) => {
      const { errorCode, errorMessage } = topics[0]!
      last = `${errorName(errorCode)} ${errorMessage ?? ''}`
      return errorCode === 0 || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS ? true : undefined
    }, withinMs).catch((error: Error) => { throw new Error(`topic ${name}: ${error.message} ${last}`) })
  }

  /** The offset behind the last readable record, from the leader. @throws when it has not answered */
  async endOf (topic: string, partition: number): Promise<number> {
    const address = await this.leaderOf(topic, partition)
    if (address === undefined) throw new Error('no leader')
    try {
      const response = await this.call(address, listOffsets, 7, { topics: [{ name: topic, partitions: [{ index: partition, timestamp: -1 }] }] })
      const { errorCode, offset } = response.topics[0]!.partitions[0]!
      if (errorCode !== 0) throw new Error(errorName(errorCode))
      return offset
    } catch (error) {
      this.forget(topic, partition, address)
      throw error
    }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    for (const connecting of this.#connections.values()) (await connecting.catch(() => undefined))?.close()
  }
}

export async function sleep (ms: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, ms))
}
