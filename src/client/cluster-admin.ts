/** What the `cluster` commands ask a cluster for: how it is, where replicas are, and that they go elsewhere. */
import { ErrorCode } from '../base/error-code.ts'
import type { AnyApi, RequestToWrite, ResponseToRead } from '../protocol/api.ts'
import { alterPartitionReassignments } from '../protocol/apis/alter-partition-reassignments.ts'
import { clusterStatus } from '../protocol/apis/cluster-status.ts'
import { drainBroker } from '../protocol/apis/drain-broker.ts'
import { electLeaders } from '../protocol/apis/elect-leaders.ts'
import { listPartitionReassignments } from '../protocol/apis/list-partition-reassignments.ts'
import { unregisterBroker } from '../protocol/apis/unregister-broker.ts'
import { BrokerError, check } from './broker-error.ts'
import { call } from './call.ts'
import { type Cluster, retrying } from './cluster.ts'

export type ClusterStatus = ResponseToRead<typeof clusterStatus>
export type BrokerStatus = ClusterStatus['brokers'][number]

/** A partition whose replicas change. */
export interface Moving {
  readonly topic: string
  readonly partition: number
  /** As they are to be, the preferred leader first. */
  readonly target: readonly number[]
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

/** A partition and the brokers that hold it. */
export interface Placed {
  readonly topic: string
  readonly partition: number
  /** The preferred leader first; those that only leave are not among them. */
  readonly replicas: readonly number[]
  /** -1: none is known. */
  readonly leader: number
  readonly inSync: readonly number[]
}

interface InTopic { readonly topic: string, readonly partition: number }

/** Of one request: the controller makes all of it durable at once. */
const movesAtOnce = 1000

export class ClusterAdmin {
  readonly #cluster: Cluster

  constructor (cluster: Cluster) {
    this.#cluster = cluster
  }

  async status (): Promise<ClusterStatus> {
    return await this.#ask(clusterStatus, 0, {})
  }

  /** All partitions that are on their way. */
  async moving (): Promise<Moving[]> {
    const { topics } = await this.#ask(listPartitionReassignments, 0, { timeoutMs: this.#cluster.timeoutMs, topics: null })
    return topics.flatMap(({ name, partitions }) => partitions.map(({ index, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: index,
      target: replicas.filter(node => !removingReplicas.includes(node)),
      adding: addingReplicas,
      removing: removingReplicas
    })))
  }

  /** All partitions with the replicas that are meant; with those of `moving`, which are on their way there. */
  async placed (moving: readonly Moving[]): Promise<Placed[]> {
    const targets = new Map(moving.map(({ topic, partition, target }) => [`${topic}/${partition}`, target]))
    return (await this.#cluster.topics(null)).flatMap(({ name, partitions }) => partitions.map(({ index, replicas, leader, inSync }) => ({
      topic: name, partition: index, replicas: targets.get(`${name}/${index}`) ?? replicas, leader, inSync
    })))
  }

  /**
   * Asks for these replicas, or with null for those of before.
   * @param resizes  a partition may get more or fewer replicas than it has; else one that began to move a moment ago is refused
   * @throws BrokerError  for the first partition that is refused; others may be on their way
   */
  async reassign (moves: ReadonlyArray<InTopic & { readonly replicas: readonly number[] | null }>, resizes = false): Promise<void> {
    for (let at = 0; at < moves.length; at += movesAtOnce) {
      const topics = [...Map.groupBy(moves.slice(at, at + movesAtOnce), ({ topic }) => topic)]
        .map(([name, partitions]) => ({ name, partitions: partitions.map(({ partition, replicas }) => ({ index: partition, replicas })) }))
      const answer = await this.#ask(alterPartitionReassignments, 1, { timeoutMs: this.#cluster.timeoutMs, allowReplicationFactorChange: resizes, topics })
      refuse(answer.topics, new Set())
    }
  }

  /** Resolves when the partition is led by the first of its replicas. @throws BrokerError  when that one cannot lead now */
  async electPreferred ({ topic, partition }: InTopic): Promise<void> {
    const answer = await this.#ask(electLeaders, 2, { electionType: 0, topics: [{ name: topic, partitions: [partition] }], timeoutMs: this.#cluster.timeoutMs })
    refuse(answer.topics, new Set([ErrorCode.ELECTION_NOT_NEEDED]))
  }

  /** Begins to empty a broker, or lets it take partitions again. @returns replicas that it still holds */
  async drain (brokerId: number, drain: boolean): Promise<number> {
    return (await this.#ask(drainBroker, 0, { brokerId, drain })).replicasLeft
  }

  async unregister (brokerId: number): Promise<void> {
    await this.#ask(unregisterBroker, 0, { brokerId })
  }

  /** Asks any broker; again while there is no controller. @throws BrokerError  for an error of the whole answer */
  async #ask<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>): Promise<ResponseToRead<A>> {
    return await retrying(this.#cluster.timeoutMs, async () => {
      const answer = await call(await this.#cluster.any(), api, version, request) as ResponseToRead<A> & { errorCode: number, errorMessage?: string | null }
      check(answer.errorCode, answer.errorMessage ?? null)
      return answer
    }, error => error instanceof BrokerError && error.code === 'NOT_CONTROLLER')
  }
}

type Results = ReadonlyArray<{ readonly name: string, readonly partitions: ReadonlyArray<{ readonly index: number, readonly errorCode: number, readonly errorMessage: string | null }> }>

function refuse (topics: Results, allowed: ReadonlySet<number>): void {
  for (const { name, partitions } of topics) {
    for (const { index, errorCode, errorMessage } of partitions) {
      if (errorCode !== ErrorCode.NONE && !allowed.has(errorCode)) throw new BrokerError(errorCode, `${name}/${index}: ${errorMessage ?? 'refused'}`)
    }
  }
}
