/** All clients of one round together: raw producers and readers for each partition, users' libraries, and a last reading of everything. */
import { seededChance } from '../../src/base/prng.ts'
import { check, type Report } from './checker.ts'
import { ClusterClient } from './cluster-client.ts'
import { History } from './history.ts'
import { RawConsumer, readEverything } from './raw-consumer.ts'
import { RawProducer } from './raw-producer.ts'
import { GroupReader, RealProducer, realClientNames } from './real-clients.ts'

export interface LoadOptions {
  readonly addresses: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly seed: number
  /** Also kafkajs and @platformatic/kafka. */
  readonly libraries: boolean
  /** Also a consumer group. */
  readonly groups: boolean
  /** Readers ask followers too. */
  readonly followerReads: boolean
  /** How long a producer tries one batch. */
  readonly giveUpMs: number
}

/** Pauses between batches: some are in a hurry, so that much is under way when something breaks. */
const pacesMs = [40, 15, 5]
const windows = [1, 5, 2]
const answerMs = 400
const stopMs = 90_000

export class Load {
  readonly history = new History()
  readonly producers: RawProducer[] = []
  readonly libraries: RealProducer[] = []
  readonly #options: LoadOptions
  readonly #consumers: RawConsumer[] = []
  readonly #groups: GroupReader[] = []
  readonly #clients: ClusterClient[] = []
  readonly #keys: number[]

  constructor (options: LoadOptions) {
    this.#options = options
    const { topic, partitions, seed, libraries, groups, followerReads, giveUpMs } = options
    const { history } = this
    this.#keys = Array.from({ length: partitions }, (_, partition) => history.addKey(`${topic}/${partition}`))
    for (const [partition, key] of this.#keys.entries()) {
      const common = { history, topic, partition, key }
      const chance = (n: number): ReturnType<typeof seededChance> => seededChance(seed * 1000 + partition * 10 + n)
      this.producers.push(new RawProducer({ ...common, client: this.#client(), chance: chance(0), window: windows[partition % windows.length]!, paceMs: pacesMs[partition % pacesMs.length]!, tempts: true, giveUpMs }))
      this.#consumers.push(new RawConsumer({ ...common, client: this.#client(), chance: chance(1), asksAnyone: false, wanders: partition % 2 === 1, namesEpoch: partition % 3 !== 0 }))
      if (followerReads) this.#consumers.push(new RawConsumer({ ...common, client: this.#client(), chance: chance(2), asksAnyone: true, wanders: false, namesEpoch: true }))
    }
    const real = { addresses: options.addresses, topic, keys: this.#keys, history, chance: seededChance(seed * 1000 + 999), paceMs: 20 }
    if (libraries) for (const name of realClientNames) this.libraries.push(new RealProducer(name, real))
    if (groups) for (let i = 0; i < 2; i++) this.#groups.push(new GroupReader(real, `${topic}-group`))
  }

  #client (): ClusterClient {
    const client = new ClusterClient({ addresses: this.#options.addresses, answerMs })
    this.#clients.push(client)
    return client
  }

  async start (): Promise<void> {
    for (const producer of [...this.producers, ...this.libraries]) producer.start()
    for (const consumer of this.#consumers) consumer.start()
    for (const group of this.#groups) await group.start()
  }

  /** Batches acknowledged so far. */
  get acknowledged (): number { return [...this.producers, ...this.libraries].reduce((sum, { pulse }) => sum + pulse.count, 0) }

  /** Resolves when each raw producer got `count` more batches acknowledged. @throws when one does not within `withinMs` */
  async goesOn (count: number, withinMs: number): Promise<void> {
    const goals = this.producers.map(({ pulse }) => pulse.count + count)
    const end = performance.now() + withinMs
    for (;;) {
      const late = this.producers.findIndex(({ pulse }, i) => pulse.count < goals[i]!)
      if (late === -1) return
      this.throwFaults()
      if (performance.now() > end) {
        throw new Error(`partition ${late} took ${count - (goals[late]! - this.producers[late]!.pulse.count)} of ${count} batches within ${withinMs} ms; errors so far: ${this.errors}`)
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  throwFaults (): void {
    const faults = [...this.producers, ...this.#consumers].flatMap(({ faults }) => faults)
    if (faults.length > 0) throw new Error(faults.slice(0, 10).join('\n'))
  }

  /** Error answers and silences that were met and survived. */
  get errors (): string { return textOfCounts([...this.producers, ...this.#consumers]) }

  /** What users of the libraries would have seen. */
  get userErrors (): string { return textOfCounts([...this.libraries, ...this.#groups]) }

  /**
   * Ends all clients, reads everything once more, and checks the history.
   * @param broken  the cluster was made to forget: what clients met then is no surprise
   */
  async finish (broken = false): Promise<Report> {
    await within(stopMs, Promise.all([...this.producers, ...this.libraries].map(async producer => await producer.stop())), 'producers do not end')
    await within(stopMs, Promise.all([...this.#consumers, ...this.#groups].map(async reader => await reader.stop())), 'readers do not end')
    const client = this.#client()
    for (const [partition, key] of this.#keys.entries()) {
      await readEverything({ client, history: this.history, topic: this.#options.topic, partition, key })
    }
    await this.close()
    if (!broken) this.throwFaults()
    return check(this.history, { finished: true })
  }

  async close (): Promise<void> {
    for (const client of this.#clients) await client.close()
  }
}

function textOfCounts (counters: ReadonlyArray<{ readonly errors: ReadonlyMap<string, number> }>): string {
  const sums = new Map<string, number>()
  for (const { errors } of counters) for (const [error, count] of errors) sums.set(error, (sums.get(error) ?? 0) + count)
  return [...sums].toSorted((a, b) => b[1] - a[1]).map(([error, count]) => `${error} ${count}`).join(', ') || 'none'
}

async function within<T> (ms: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  return await Promise.race([work, new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms)
  })]).finally(() => clearTimeout(timer))
}
