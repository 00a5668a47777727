/** Makes the topic that everybody else uses, and tries until that is done. */
import { ErrorCode } from '../../../src/base/error-code.ts'
import { createTopics } from '../../../src/protocol/apis/create-topics.ts'
import type { Ledger } from './ledger.ts'
import type { SimClient } from './sim-client.ts'

const createVersion = 7
const retryMs = 200

export interface TopicWish {
  readonly partitions: number
  readonly replicas: number
  readonly configs: ReadonlyArray<{ readonly name: string, readonly value: string }>
}

export class Admin {
  readonly #client: SimClient
  readonly #ledger: Ledger

  constructor (client: SimClient, ledger: Ledger) {
    this.#client = client
    this.#ledger = ledger
  }

  /** `done` is called when the topic is there. */
  createTopic ({ partitions, replicas, configs }: TopicWish, done: () => void): void {
    const client = this.#client
    const request = { topics: [{ name: client.topic, numPartitions: partitions, replicationFactor: replicas, configs }], timeoutMs: 2000 }
    client.call(client.anyServer(), createTopics, createVersion, request, response => {
      const errorCode = response?.topics[0]?.errorCode
      this.#ledger.count(errorCode === undefined ? 'unknown' : errorCode === ErrorCode.NONE ? 'ok' : 'failed')
      if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) done()
      else client.later(retryMs, () => this.createTopic({ partitions, replicas, configs }, done))
    })
  }
}
