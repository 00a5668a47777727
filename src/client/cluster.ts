/** What a cluster holds and who leads what, and the connections to its brokers. */
import { type Broker, type Connection, ConnectionPool, createTopicsV7, deleteTopicsV6, describeConfigsV4, initProducerIdV4, listOffsetsV6, metadataV12 } from '@platformatic/kafka'
import { ErrorCode } from '../base/error-code.ts'
import { BrokerError, check } from './broker-error.ts'

export interface PartitionInfo {
  readonly index: number
  /** -1: none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
  /** On brokers that cannot be reached. */
  readonly offline: readonly number[]
}
export interface TopicInfo { readonly name: string, readonly id: string, readonly internal: boolean, readonly partitions: readonly PartitionInfo[] }
export interface OffsetRange { readonly start: number, readonly end: number }
export interface ProducerIdentity { readonly producerId: bigint, readonly epoch: number }

export interface ClusterOptions { readonly brokers: readonly Broker[], readonly timeoutMs: number }

/** Most topics an answer of this client's is asked for at once; a list of all comes in one answer whatever its length. */
const offsetsAtOnce = 1000

export class Cluster {
  readonly timeoutMs: number
  readonly #pool: ConnectionPool
  readonly #bootstrap: Broker[]
  #nodes = new Map<number, Broker>()

  constructor (options: ClusterOptions) {
    this.timeoutMs = options.timeoutMs
    this.#bootstrap = [...options.brokers]
    this.#pool = new ConnectionPool('ringmq', { connectTimeout: options.timeoutMs, requestTimeout: options.timeoutMs, handleBackPressure: true })
  }

  any (): Promise<Connection> {
    return this.#pool.getFirstAvailable([...this.#bootstrap, ...this.#nodes.values()])
  }

  /** The connection to a broker by its node id, as of the last metadata. */
  to (node: number): Promise<Connection> {
    const broker = this.#nodes.get(node)
    return broker === undefined ? Promise.reject(new BrokerError(ErrorCode.LEADER_NOT_AVAILABLE)) : this.#pool.get(broker)
  }

  /** All topics, or those named. @throws BrokerError for one that is not there, unless `create` lets the broker make it */
  async topics (names: readonly string[] | null, create = false): Promise<TopicInfo[]> {
    const answer = await responseOf(metadataV12.api.async(await this.any(), names === null ? null : [...names], create, false))
    this.#nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    return answer.topics.map(topic => {
      check(topic.errorCode)
      const partitions = topic.partitions.map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes, offlineReplicas }) => ({
        index: partitionIndex, leader: leaderId, leaderEpoch, replicas: replicaNodes, inSync: isrNodes, offline: offlineReplicas
      }))
      return { name: topic.name ?? '', id: topic.topicId, internal: topic.isInternal, partitions: partitions.sort((a, b) => a.index - b.index) }
    })
  }

  /** One topic with a leader for each partition; waits, within the timeout, for one that was created just now. */
  async topic (name: string, create = false): Promise<TopicInfo> {
    return retrying(this.timeoutMs, async () => {
      const [topic] = await this.topics([name], create)
      if (topic === undefined) throw new BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      if (topic.partitions.length === 0 || topic.partitions.some(({ leader }) => leader < 0)) throw new BrokerError(ErrorCode.LEADER_NOT_AVAILABLE)
      return topic
    }, error => error instanceof BrokerError && (error.code === 'LEADER_NOT_AVAILABLE' || (create && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')))
  }

  async createTopic (name: string, partitions: number, replicas: number): Promise<void> {
    const answer = await responseOf(createTopicsV7.api.async(await this.any(), [{ name, numPartitions: partitions, replicationFactor: replicas, assignments: [], configs: [] }], this.timeoutMs, false))
    for (const topic of answer.topics) check(topic.errorCode, topic.errorMessage)
  }

  async deleteTopic (name: string): Promise<void> {
    const answer = await responseOf(deleteTopicsV6.api.async(await this.any(), [{ name }], this.timeoutMs))
    for (const topic of answer.responses) check(topic.errorCode, topic.errorMessage)
  }

  /** The settings that were made for this topic alone. */
  async topicSettings (name: string): Promise<Array<{ name: string, value: string }>> {
    const topicResource = 2
    const topicSource = 1
    const answer = await responseOf(describeConfigsV4.api.async(await this.any(), [{ resourceType: topicResource, resourceName: name }], false, false))
    return answer.results.flatMap(result => {
      check(result.errorCode, result.errorMessage)
      return result.configs.filter(({ configSource }) => configSource === topicSource).map(({ name, value }) => ({ name, value: value ?? '' }))
    })
  }

  /** First offset and end (exclusive) of each asked partition. */
  async offsets (topic: TopicInfo, partitions: readonly number[]): Promise<Map<number, OffsetRange>> {
    const [starts, ends] = [await this.#listOffsets(topic, partitions, -2n), await this.#listOffsets(topic, partitions, -1n)]
    return new Map(partitions.map(index => [index, { start: starts.get(index) ?? 0, end: ends.get(index) ?? 0 }]))
  }

  async #listOffsets (topic: TopicInfo, partitions: readonly number[], timestamp: bigint): Promise<Map<number, number>> {
    const found = new Map<number, number>()
    for (const [node, indexes] of Map.groupBy(partitions, index => topic.partitions[index]?.leader ?? -1)) {
      for (let at = 0; at < indexes.length; at += offsetsAtOnce) {
        const asked = indexes.slice(at, at + offsetsAtOnce).map(partitionIndex => ({ partitionIndex, currentLeaderEpoch: -1, timestamp }))
        const answer = await responseOf(listOffsetsV6.api.async(await this.to(node), -1, 0, [{ name: topic.name, partitions: asked }]))
        for (const partition of answer.topics.flatMap(({ partitions }) => partitions)) {
          check(partition.errorCode)
          found.set(partition.partitionIndex, Number(partition.offset))
        }
      }
    }
    return found
  }

  async producerIdentity (): Promise<ProducerIdentity> {
    return retrying(this.timeoutMs, async () => {
      const answer = await responseOf(initProducerIdV4.api.async(await this.any(), null, this.timeoutMs, -1n, -1))
      check(answer.errorCode)
      return { producerId: answer.producerId, epoch: answer.producerEpoch }
    }, error => error instanceof BrokerError && error.canRetry)
  }

  close (): Promise<void> {
    return this.#pool.close()
  }
}

/** The library rejects an answer that holds any error code; here each caller checks its own. */
async function responseOf<T> (answer: Promise<T>): Promise<T> {
  return answer.catch((error: { response?: T }) => {
    if (error.response !== undefined) return error.response
    throw error
  })
}

const retryPauseMs = 100

/** Repeats `attempt` until it succeeds, fails for good, or `timeoutMs` have passed; then its last error is thrown. */
export async function retrying<T> (timeoutMs: number, attempt: () => Promise<T>, canRetry: (error: unknown) => boolean): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs)
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (deadline.aborted || !canRetry(error)) throw error
    }
    await new Promise(resolve => setTimeout(resolve, retryPauseMs))
  }
}
