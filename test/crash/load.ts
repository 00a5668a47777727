/** Producers that go on through crashes of the broker, and write into histories what they were told. */
import { ErrorCode } from '../../src/base/error-code.ts'
import type { Chance } from '../../src/base/prng.ts'
import { initProducerId } from '../../src/protocol/apis/init-producer-id.ts'
import { RawClient } from '../broker/raw-client.ts'
import { append, batchOf } from '../broker/requests.ts'
import type { History } from './history.ts'

/** Batches of one producer in one partition that may be under way: what brokers remember. */
const inFlightMax = 5
const resendMs = 20

/** Errors after which the same batch is to be sent again; anything else in these loads is a fault of the broker. */
const retriable: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR
])

interface Batch {
  readonly bytes: Uint8Array
  readonly first: number
  readonly count: number
}

/** Counts what all producers together were told, and wakes who waits for a number. */
export class Progress {
  #count = 0
  #waiters: Array<{ goal: number, resolve: () => void }> = []
  /** Faults that no producer may meet. */
  readonly faults: string[] = []

  get count (): number { return this.#count }

  add (): void {
    this.#count++
    this.#waiters = this.#waiters.filter(({ goal, resolve }) => {
      if (this.#count < goal) return true
      resolve()
      return false
    })
  }

  /** @throws when the producers do not get there in time, or met a fault */
  async reached (goal: number, withinMs = 60_000): Promise<void> {
    if (this.#count < goal) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([
        new Promise<void>(resolve => this.#waiters.push({ goal, resolve })),
        new Promise<never>((_resolve, reject) => {
          timer = setTimeout(() => reject(new Error(`${this.#count} and not ${goal} batches were acknowledged within ${withinMs} ms ${this.faults.join('; ')}`)), withinMs)
        })
      ]).finally(() => clearTimeout(timer))
    }
    if (this.faults.length > 0) throw new Error(this.faults.join('; '))
  }
}

/** One producer of one partition, with a connection of its own. */
export class LoadProducer {
  readonly name: string
  readonly #topic: string
  readonly #partition: number
  readonly #history: History
  readonly #progress: Progress
  readonly #chance: Chance
  readonly #idempotent: boolean
  #producerId = -1
  #client: RawClient | undefined
  /** Not answered yet, oldest first: sent again, as they were, after a crash. */
  #unanswered: Batch[] = []
  #stopping = false
  #done: Promise<void> = Promise.resolve()

  constructor (options: { name: string, topic: string, partition: number, history: History, progress: Progress, chance: Chance, idempotent: boolean }) {
    this.name = options.name
    this.#topic = options.topic
    this.#partition = options.partition
    this.#history = options.history
    this.#progress = options.progress
    this.#chance = options.chance
    this.#idempotent = options.idempotent
  }

  get producerId (): number { return this.#producerId }

  /** Connects and produces until {@link stop} or until the connection ends. */
  async start (address: string): Promise<void> {
    this.#stopping = false
    const client = this.#client = await RawClient.connect(address)
    if (this.#idempotent && this.#producerId < 0) {
      const answer = await client.call(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
      if (answer.errorCode !== 0) throw new Error(`no producer id: error ${answer.errorCode}`)
      this.#producerId = answer.producerId
    }
    this.#done = this.#produce(client)
  }

  /** Resolves when the connection has ended, with or without our doing. */
  async ended (): Promise<void> {
    await this.#done
    this.#client?.close()
  }

  /** Sends nothing new, waits until everything is answered, and leaves. */
  async stop (): Promise<void> {
    this.#stopping = true
    await this.ended()
  }

  /** Rounds: a window of batches is sent together; those with a retriable error, and all behind them, go into the next round. */
  async #produce (client: RawClient): Promise<void> {
    // A producer without sequences cannot know whether what was cut off is stored; it does not send it again.
    if (!this.#idempotent) this.#unanswered = []
    try {
      while (!this.#stopping || this.#unanswered.length > 0) {
        while (this.#unanswered.length < (this.#idempotent ? inFlightMax : 2) && !this.#stopping) this.#unanswered.push(this.#next())
        const round = this.#unanswered.slice()
        const answers = await Promise.all(round.map(async batch => {
          const answer = await append(client, this.#topic, this.#partition, batch.bytes)
          if (answer.errorCode === 0) this.#told(batch, answer.baseOffset)
          return answer.errorCode
        }))
        if (!this.#idempotent) {
          this.#unanswered = []
        } else {
          // Without an earlier one that failed, one out of order is none of ours.
          const failed = answers.findIndex(code => code !== 0)
          if (failed >= 0) this.#check(answers[failed]!)
        }
        if (answers.some(code => code !== 0)) await new Promise(resolve => setTimeout(resolve, resendMs))
      }
    } catch (error) {
      if (!client.isClosed) this.#progress.faults.push(`${this.name}: ${String(error)}`)
    }
  }

  #check (code: number): void {
    if (retriable.has(code)) return
    this.#progress.faults.push(`${this.name}: error ${code}`)
    throw new Error(`error ${code}`)
  }

  #told (batch: Batch, baseOffset: number): void {
    this.#unanswered = this.#unanswered.filter(other => other !== batch)
    this.#history.isTold(this.name, batch.first, batch.count, baseOffset)
    this.#progress.add()
  }

  #next (): Batch {
    const below = (end: number): number => Math.floor(this.#chance.next() * end)
    const count = 1 + below(8)
    const first = this.#history.sends(this.name, this.#idempotent ? 'exactly-once' : 'at-most-once', count)
    // Mostly small, sometimes large enough for several writes and segments.
    const filling = '.'.repeat(below(12) === 0 ? below(20_000) : below(200))
    const values = Array.from({ length: count }, (_, i) => `${this.name}:${first + i}:${filling}`)
    const bytes = batchOf(values, this.#idempotent ? { producerId: this.#producerId, producerEpoch: 0, baseSequence: first } : {})
    return { bytes, first, count }
  }
}
