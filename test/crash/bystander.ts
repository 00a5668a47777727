/** A producer and a consumer who know nothing of what goes on around them, and check every record that comes back. */
import { RawClient } from '../broker/raw-client.ts'
import { append, batchOf, createTopic, fetchFrom, partitionsOf, recordsIn, whenLed } from '../broker/requests.ts'

export class Bystander {
  readonly #topic: string
  readonly #partition: number
  readonly #producer: RawClient
  readonly #consumer: RawClient
  #count = 0
  #stopping = false
  #failed: Error | undefined
  #done: Promise<void> = Promise.resolve()

  private constructor (topic: string, partition: number, producer: RawClient, consumer: RawClient) {
    this.#topic = topic
    this.#partition = partition
    this.#producer = producer
    this.#consumer = consumer
  }

  static async start (address: string, topic = 'bystander', partition = 0): Promise<Bystander> {
    const producer = await RawClient.connect(address)
    const consumer = await RawClient.connect(address)
    await createTopic(producer, topic, partition + 1).catch(() => {}) // it may be there
    await whenLed(producer, topic)
    const bystander = new Bystander(topic, partition, producer, consumer)
    bystander.#done = bystander.#run().catch((error: Error) => { bystander.#failed ??= error })
    return bystander
  }

  /** Records that went in and came out again. */
  get count (): number { return this.#count }

  /** Resolves when `more` records have gone through from now on. @throws what went wrong meanwhile, or when nothing moves for a minute */
  async goesOn (more = 20): Promise<void> {
    const goal = this.#count + more
    for (let tries = 0; this.#count < goal; tries++) {
      if (this.#failed !== undefined) throw this.#failed
      if (tries === 6000) throw new Error(`a client that did nothing wrong got ${this.#count} of ${goal} records through in a minute`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  /** @throws what went wrong, if anything */
  async stop (): Promise<void> {
    this.#stopping = true
    await this.#done
    this.#producer.close()
    this.#consumer.close()
    if (this.#failed !== undefined) throw this.#failed
  }

  async #run (): Promise<void> {
    const topic = this.#topic
    const partition = this.#partition
    for (; !this.#stopping; this.#count++) {
      const value = `${this.#count}:`.padEnd(10 + this.#count % 500, '.')
      const { errorCode, baseOffset } = await append(this.#producer, topic, partition, batchOf([value]))
      if (errorCode !== 0) throw new Error(`produce: error ${errorCode}`)
      const fetched = partitionsOf(await fetchFrom(this.#consumer, [{ topic, partition, offset: baseOffset }], { maxWaitMs: 10_000 })).get(`${topic}/${partition}`)!
      const read = recordsIn(fetched.records)
      if (fetched.errorCode !== 0 || read.length !== 1 || read[0]!.value !== value || read[0]!.offset !== baseOffset) {
        throw new Error(`record ${this.#count} came back as ${fetched.errorCode} ${JSON.stringify(read).slice(0, 200)}`)
      }
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
}
