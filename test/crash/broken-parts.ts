/**
 * An actor that throws, a thread that hangs, a thread that exhausts its heap, while others are served: what is on the other
 * threads goes on undisturbed, what broke is back within ten seconds of the moment it was noticed, and nothing acknowledged is lost.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RawClient } from '../broker/raw-client.ts'
import { append, batchOf, createTopic, readAll, whenLed } from '../broker/requests.ts'
import { BrokerProcess } from './broker-process.ts'
import { faultFlags, faultWords } from './fault-words.ts'

const topic = 'parts'
const partitions = 6
/** Connections fall on threads by chance; with so many some pairs of connection and partition are surely both elsewhere. */
const writersPerPartition = 4
/** Time to notice a silent thread (5 s), ten to come back, and as much again for a machine that does much else. */
const backMsMax = 30_000

/** Writes to one partition, with a connection that is made anew when it is lost. */
class Writer {
  readonly partition: number
  readonly acknowledged: string[] = []
  failures = 0
  readonly #name: string
  readonly #address: string
  #stopping = false
  #done: Promise<void> = Promise.resolve()

  constructor (address: string, number: number) {
    this.#address = address
    this.#name = `w${number}`
    this.partition = number % partitions
  }

  start (): void {
    this.#done = this.#run()
  }

  async stop (): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  async #run (): Promise<void> {
    let client: RawClient | undefined
    for (let i = 0; !this.#stopping; i++) {
      const value = `${this.#name}:${i}`
      try {
        client ??= await RawClient.connect(this.#address)
        const { errorCode } = await append(client, topic, this.partition, batchOf([value]))
        if (errorCode === 0) this.acknowledged.push(value)
        else this.failures++
      } catch {
        this.failures++
        client?.close()
        client = undefined
      }
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    client?.close()
  }
}

export type Fault = keyof typeof faultWords

/** @throws with what is wrong and the broker's log */
export async function breakParts (faults: readonly Fault[], say: (line: string) => void): Promise<void> {
  for (const fault of faults) {
    const dataDir = await mkdtemp(join(tmpdir(), 'ringmq-parts-'))
    const broker = await BrokerProcess.start({
      dataDir,
      flags: ['--threads', '2', '--log-flush', 'os', '--logging-level', 'warn'],
      nodeFlags: [...faultFlags, ...(fault === 'heap' ? ['--max-old-space-size=200'] : [])]
    })
    try {
      say(`${fault}: ${await breakOne(broker, fault)}`)
    } catch (error) {
      throw new Error(`${fault}: ${(error as Error).message}\n${broker.errors.slice(-4000)}`, { cause: error })
    } finally {
      await broker.kill()
      await rm(dataDir, { recursive: true, force: true })
    }
  }
}

async function breakOne (broker: BrokerProcess, fault: Fault): Promise<string> {
  const client = await RawClient.connect(broker.address)
  await createTopic(client, topic, partitions)
  client.close()
  const writers = Array.from({ length: partitions * writersPerPartition }, (_, i) => new Writer(broker.address, i))
  for (const writer of writers) writer.start()
  const progress = (): number[] => writers.map(writer => writer.acknowledged.length)
  await eventually(() => writers.every(writer => writer.acknowledged.length > 20), 'all partitions are written to')
  const before = progress()
  const poison = await RawClient.connect(broker.address)
  append(poison, topic, 0, batchOf([faultWords[fault]])).catch(() => {})
  await eventually(() => broker.errors.includes('"level":"error"'), 'the fault is noticed')
  const meanwhile = progress()
  const served = meanwhile.filter((count, i) => count > before[i]! + 20).length
  const noticed = performance.now()
  await eventually(() => progress().every((count, i) => count > meanwhile[i]! + 20), 'all partitions are written to again')
  const backMs = performance.now() - noticed
  for (const writer of writers) await writer.stop()
  poison.close()
  const undisturbed = writers.filter(writer => writer.failures === 0).length
  const reader = await RawClient.connect(broker.address)
  await whenLed(reader, topic)
  for (const { partition, acknowledged } of writers) {
    const stored = new Set((await readAll(reader, topic, partition)).map(record => record.value))
    const lost = acknowledged.filter(value => !stored.has(value))
    if (lost.length > 0) throw new Error(`partition ${partition} lost ${lost.length} records, the first of them ${lost[0]}`)
    if (stored.has(faultWords[fault])) throw new Error('what broke it was stored')
  }
  reader.close()
  if (undisturbed === 0) throw new Error('nobody went on undisturbed')
  if (fault !== 'throw' && served === 0) throw new Error('nobody was served meanwhile')
  const exit = await broker.signal('SIGTERM')
  if (exit.code !== 0) throw new Error(`the broker ended with ${exit.code ?? exit.signal}`)
  return `${undisturbed} of ${writers.length} writers undisturbed, all back ${Math.round(backMs)} ms after it was noticed, ${progress().reduce((a, b) => a + b)} records acknowledged`
}

async function eventually (holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + backMsMax
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${backMsMax} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
