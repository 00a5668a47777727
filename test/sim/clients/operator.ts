/** Somebody who keeps the cluster busy with changes: moves replicas and leaderships, makes and deletes topics, turns settings. */
import { ErrorCode } from '../../../src/base/error-code.ts'
import { alterPartitionReassignments } from '../../../src/protocol/apis/alter-partition-reassignments.ts'
import { createPartitions } from '../../../src/protocol/apis/create-partitions.ts'
import { createTopics } from '../../../src/protocol/apis/create-topics.ts'
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts'
import { electLeaders } from '../../../src/protocol/apis/elect-leaders.ts'
import { incrementalAlterConfigs } from '../../../src/protocol/apis/incremental-alter-configs.ts'
import type { Ledger } from './ledger.ts'
import type { SimClient } from './sim-client.ts'

export interface OperatorOptions {
  readonly client: SimClient
  readonly ledger: Ledger
  readonly partitions: number
  /** With fewer the topic takes no writes; with one broker nothing can be moved. */
  readonly replicasMin: number
  readonly replicasMax: number
  /** Between two changes, about. */
  readonly pauseMs: number
  /** `settings`: turns settings alone, which is no work for anybody but the controllers, and is not counted as an operation. */
  readonly changes: 'all' | 'settings'
}

const timeoutMs = 3000
const resourceTopic = 2
const setConfig = 0
/** Topics that come and go, and nobody writes to. */
const sideTopics = ['side-1', 'side-2']

export class Operator {
  readonly #options: OperatorOptions
  readonly #client: SimClient
  #stopped = false

  constructor (options: OperatorOptions) {
    this.#options = options
    this.#client = options.client
  }

  start (): void {
    this.#client.refresh(() => this.#later())
  }

  stop (): void {
    this.#stopped = true
  }

  #later (): void {
    const { chance } = this.#client
    if (!this.#stopped) this.#client.later(this.#options.pauseMs * 2 * chance.next(), () => this.#next())
  }

  #next (): void {
    if (this.#stopped) return
    if (this.#options.changes === 'settings') return this.#configure()
    const client = this.#client
    const moves = this.#options.replicasMax > 1
    const kind = client.below(moves ? 10 : 3) + (moves ? 0 : 7)
    if (kind < 4) this.#reassign()
    else if (kind < 7) this.#elect()
    else if (kind === 7) this.#create()
    else if (kind === 8) this.#delete()
    else this.#configure()
  }

  /** To the same replicas in another order, or to others. */
  #reassign (): void {
    const { partitions, replicasMin, replicasMax } = this.#options
    const client = this.#client
    const nodes = [...client.nodeIds].map(id => ({ id, at: client.chance.next() })).sort((a, b) => a.at - b.at).map(({ id }) => id)
    const replicas = nodes.slice(0, replicasMin + client.below(replicasMax - replicasMin + 1))
    if (replicas.length === 0) return this.#settled(undefined)
    const request = { timeoutMs, topics: [{ name: client.topic, partitions: [{ index: client.below(partitions), replicas }] }] }
    client.call(client.anyServer(), alterPartitionReassignments, 1, request, response => {
      this.#settled(response === undefined ? undefined : response.errorCode !== 0 ? response.errorCode : response.topics[0]?.partitions[0]?.errorCode ?? ErrorCode.NONE)
    })
  }

  #elect (): void {
    const { partitions } = this.#options
    const client = this.#client
    const request = { electionType: 0, topics: [{ name: client.topic, partitions: [client.below(partitions)] }], timeoutMs }
    client.call(client.anyServer(), electLeaders, 2, request, response => this.#settled(response?.errorCode))
  }

  #create (): void {
    const { replicasMax } = this.#options
    const client = this.#client
    const name = sideTopics[client.below(sideTopics.length)]!
    if (client.chance.next() < 0.3) {
      const request = { topics: [{ name, count: 1 + client.below(4), assignments: null }], timeoutMs, validateOnly: false }
      return client.call(client.anyServer(), createPartitions, 3, request, response => this.#settled(response?.results[0]?.errorCode))
    }
    const request = { topics: [{ name, numPartitions: 1 + client.below(2), replicationFactor: 1 + client.below(replicasMax) }], timeoutMs }
    client.call(client.anyServer(), createTopics, 7, request, response => this.#settled(response?.topics[0]?.errorCode))
  }

  #delete (): void {
    const client = this.#client
    const request = { topics: [{ name: sideTopics[client.below(sideTopics.length)]! }], timeoutMs }
    client.call(client.anyServer(), deleteTopics, 6, request, response => this.#settled(response?.topics[0]?.errorCode))
  }

  #configure (): void {
    const client = this.#client
    const value = String(65536 * (1 + client.below(4)))
    const resources = [{ resourceType: resourceTopic, resourceName: client.topic, configs: [{ name: 'segment.bytes', configOperation: setConfig, value }] }]
    client.call(client.anyServer(), incrementalAlterConfigs, 1, { resources, validateOnly: false }, response => this.#settled(response?.resources[0]?.errorCode))
  }

  #settled (errorCode: number | undefined): void {
    const { ledger, changes } = this.#options
    if (changes === 'all') ledger.count(errorCode === undefined ? 'unknown' : errorCode === ErrorCode.NONE ? 'ok' : 'failed')
    // Node ids and leaders are looked up anew, for the next change.
    this.#client.refresh(() => this.#later())
  }
}
