/** Reads every partition from its start to its end, once nobody writes any more, however often it has to try. */
import { ErrorCode } from '../../../src/base/error-code.ts'
import { fetch } from '../../../src/protocol/apis/fetch.ts'
import { readBatches, type OnBatch } from './fetched.ts'
import type { Ledger } from './ledger.ts'
import type { SimClient } from './sim-client.ts'

const fetchVersion = 12
const bytesMax = 1 << 20

export interface LastReaderOptions {
  readonly client: SimClient
  readonly ledger: Ledger
  readonly keys: readonly number[]
  readonly onBatch: OnBatch
}

export class LastReader {
  readonly #options: LastReaderOptions
  readonly #process: number
  #left: number

  constructor (options: LastReaderOptions) {
    this.#options = options
    const { history } = options.ledger
    this.#process = history.addProcess()
    history.lastReaders.add(this.#process)
    this.#left = options.keys.length
  }

  get done (): boolean {
    return this.#left === 0
  }

  start (): void {
    const { client, ledger, keys } = this.#options
    client.refresh(() => {
      for (const [partition, key] of keys.entries()) {
        ledger.assign({ process: this.#process, key, start: client.world.nowMs, from: 0 })
        this.#read(partition, 0)
      }
    })
  }

  #read (partition: number, from: number): void {
    const { client, ledger, keys, onBatch } = this.#options
    const again = (): void => client.refresh(() => this.#read(partition, from))
    const leader = client.leaderOf(partition)
    if (leader === undefined) return again()
    const start = client.world.nowMs
    client.call(leader, fetch, fetchVersion, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: bytesMax,
      topics: [{ name: client.topic, partitions: [{ index: partition, fetchOffset: from, partitionMaxBytes: bytesMax }] }]
    }, response => {
      const answer = response?.topics[0]?.partitions[0]
      if (answer === undefined || answer.errorCode !== ErrorCode.NONE) return again()
      const { offsets, values, next } = readBatches(client, partition, from, answer, onBatch)
      ledger.poll({ process: this.#process, key: keys[partition]!, start, end: client.world.nowMs, offsets, values })
      if (next >= answer.highWatermark) this.#left--
      else if (next > from) this.#read(partition, next)
      else again()
    })
  }
}
