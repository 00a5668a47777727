/**
 * Clients as users have them, kafkajs and @platformatic/kafka, with their own retries: idempotent producers with acks=all, each
 * sending to all partitions in turn, and a consumer group. What they report as an error, their users see.
 */
import { Producer as PlatformaticProducer } from '@platformatic/kafka'
import kafkajs, { type Consumer, type Producer } from 'kafkajs'
import type { Chance } from '../../src/base/prng.ts'
import { sleep } from './cluster-client.ts'
import { type History, textOf, valueIn } from './history.ts'
import { Pulse } from './pulse.ts'

/** Records to one partition; resolves with the offset of the first. */
type SendBatch = (partition: number, texts: readonly string[]) => Promise<number>

interface Sender {
  readonly send: SendBatch
  close (): Promise<void>
}

export interface RealClientOptions {
  readonly addresses: readonly string[]
  readonly topic: string
  /** By partition. */
  readonly keys: readonly number[]
  readonly history: History
  readonly chance: Chance
  readonly paceMs: number
}

/** Also what a client is given to close; those that hang are left behind. */
const answerMsMax = 3000
/** One that takes longer is taken for hanging: the library has lost it. */
const sendMsMax = 30_000
const clientId = 'faults'
const batchRecordsMax = 4

const openers = {
  kafkajs: async ({ addresses, topic }: RealClientOptions): Promise<Sender> => {
    const producer: Producer = newKafka(addresses).producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    return {
      send: async (partition, texts) => {
        const [told] = await producer.send({ topic, acks: -1, messages: texts.map(value => ({ partition, value })) })
        return Number(told?.baseOffset ?? -1)
      },
      close: async () => await producer.disconnect()
    }
  },
  platformatic: async ({ addresses, topic }: RealClientOptions): Promise<Sender> => {
    const producer = new PlatformaticProducer({ clientId, bootstrapBrokers: [...addresses], idempotent: true, autocreateTopics: false, requestTimeout: answerMsMax, connectTimeout: answerMsMax })
    producer.on('error', () => {})
    return {
      send: async (partition, texts) => {
        const { offsets } = await producer.send({ acks: -1, messages: texts.map(text => ({ topic, partition, value: Buffer.from(text) })) })
        return Number(offsets?.[0]?.offset ?? -1)
      },
      close: async () => await producer.close(true)
    }
  }
}

export type RealClientName = keyof typeof openers
export const realClientNames = Object.keys(openers) as readonly RealClientName[]

function newKafka (addresses: readonly string[]): kafkajs.Kafka {
  return new kafkajs.Kafka({ clientId, brokers: [...addresses], logLevel: kafkajs.logLevel.NOTHING, requestTimeout: answerMsMax, connectionTimeout: answerMsMax })
}

/** A producer of one of the libraries. After an error it begins anew, as another producer: what became of the batch is not known. */
export class RealProducer {
  readonly pulse = new Pulse()
  /** What the library told its user, by text. */
  readonly errors = new Map<string, number>()
  readonly name: RealClientName
  readonly #options: RealClientOptions
  #stopping = false
  #done: Promise<void> = Promise.resolve()

  constructor (name: RealClientName, options: RealClientOptions) {
    this.name = name
    this.#options = options
  }

  start (): void { this.#done = this.#run() }

  async stop (): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  async #run (): Promise<void> {
    const { history, paceMs } = this.#options
    while (!this.#stopping) {
      let sender: Sender | undefined
      try {
        sender = await within(sendMsMax, openers[this.name](this.#options))
        const producer = history.addProducer({ atomic: true })
        for (let number = 0; !this.#stopping;) {
          number += await this.#send(sender, producer, number)
          await sleep(paceMs)
        }
      } catch (error) {
        const text = `${this.name}: ${(error as Error).message.split('\n')[0]!.slice(0, 100)}`
        this.errors.set(text, (this.errors.get(text) ?? 0) + 1)
        await sleep(100)
      }
      if (sender !== undefined) await within(answerMsMax, sender.close()).catch(() => {})
    }
  }

  /** @returns how many records; @throws the library's error, when the history has it */
  async #send (sender: Sender, producer: number, first: number): Promise<number> {
    const { history, keys, chance } = this.#options
    const partition = Math.floor(chance.next() * keys.length)
    const count = 1 + Math.floor(chance.next() * batchRecordsMax)
    const start = performance.now()
    const send = { producer, key: keys[partition]!, first, count, start }
    try {
      const offset = await within(sendMsMax, sender.send(partition, Array.from({ length: count }, (_, i) => textOf(producer, first + i))))
      history.sends.push({ ...send, end: performance.now(), outcome: 'ok', offset })
      this.pulse.beat()
      return count
    } catch (error) {
      history.sends.push({ ...send, end: Infinity, outcome: 'info', offset: -1 })
      throw error
    }
  }
}

/** A member of a kafkajs group. Each assignment begins its reading anew, wherever the group has come to. */
export class GroupReader {
  readonly errors = new Map<string, number>()
  readonly #options: RealClientOptions
  readonly #consumer: Consumer
  readonly #process: number

  constructor (options: RealClientOptions, groupId: string) {
    this.#options = options
    this.#process = options.history.addProcess()
    this.#consumer = newKafka(options.addresses).consumer({ groupId, sessionTimeout: 10_000, heartbeatInterval: 500, rebalanceTimeout: 10_000, maxWaitTimeInMs: 200 })
  }

  async start (): Promise<void> {
    const { history, keys, topic } = this.#options
    const process = this.#process
    this.#consumer.on('consumer.group_join', () => {
      for (const key of keys) history.reads.push({ process, key, start: performance.now(), from: -1 })
    })
    this.#consumer.on('consumer.crash', ({ payload }) => {
      const text = `kafkajs group: ${payload.error.message.slice(0, 100)}`
      this.errors.set(text, (this.errors.get(text) ?? 0) + 1)
    })
    await within(sendMsMax, this.#consumer.connect())
    await within(sendMsMax, this.#consumer.subscribe({ topic, fromBeginning: true }))
    await within(sendMsMax, this.#consumer.run({
      eachBatch: async ({ batch: { partition, messages } }) => {
        const now = performance.now()
        history.reads.push({ process, key: keys[partition]!, start: now, end: now, offsets: messages.map(({ offset }) => Number(offset)), values: messages.map(({ value }) => valueIn(value?.toString('latin1') ?? '')) })
      }
    }))
  }

  async stop (): Promise<void> { await within(answerMsMax, this.#consumer.disconnect()).catch(() => {}) }
}

/** @throws after `ms`; what was begun goes on by itself and is not waited for */
async function within<T> (ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  work.catch(() => {})
  return await Promise.race([work, new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms)
  })]).finally(() => clearTimeout(timer))
}
