/**
 * The raw loader, in a process of its own: `node bench/raw-loader.ts '{"load":"produce","port":…,"serverPid":…}'`
 * runs one load and prints its outcome as one JSON line. {@link runLoad} is how benches start it.
 */
import { Client } from './loads/client.ts'
import { runAppends } from './loads/append.ts'
import { runFetches } from './loads/fetch.ts'
import { KafkaAppend, OffsetLedger } from './loads/kafka-append.ts'
import { kafkaLatency, type LatencyLoad, redisLatency } from './loads/latency.ts'
import { NatsAppend, natsRequest } from './loads/nats-append.ts'
import { RedisAppend, redisCall } from './loads/redis-append.ts'
import { Checksum, type Measurement, seed } from './harness.ts'
import { runProgram } from './process-stats.ts'
import { recordBatch } from './wire.ts'

interface Target {
  readonly port: number
  readonly serverPid: number
  /** A topic, or a Redis stream. It is made new, and deleted at the end unless `keepTopic`. */
  readonly topic: string
  readonly topicSettings?: Readonly<Record<string, string>>
  readonly keepTopic?: boolean
  readonly valueBytes: number
}

export interface AppendOptions extends Target {
  readonly load: 'produce' | 'redis-append' | 'nats-append'
  readonly connections: number
  readonly inFlight: number
  readonly partitions?: number
  /** Copies of a NATS stream; default 1. */
  readonly replicas?: number
  readonly recordsPerBatch?: number
  readonly warmupRequests: number
  readonly requests: number
  readonly secondsMax?: number
}

export interface FetchOptions extends Target {
  readonly load: 'fetch'
  readonly partitions: number
  readonly connections: number
  readonly maxBytes: number
  /** What the topic holds; written first, in batches of 15 records, unless it is there already. */
  readonly messages: number
  readonly passes: number
}

export interface LatencyOptions extends Target {
  readonly load: 'latency' | 'redis-latency'
  readonly perSecond: number
  readonly warmupMessages: number
  readonly messages: number
}

export type LoadOptions = AppendOptions | FetchOptions | LatencyOptions

export interface LoadOutcome extends Measurement {
  /** Share of the time that the loader was busy: near 1, it was the bottleneck. */
  readonly loaderBusy?: number
  /** Requests that were to be sent again because their partition was changing its thread. */
  readonly refused?: number
}

/** Runs a load in its own process. @throws when an answer was wrong, or after `withinMs` (default 10 minutes) */
export async function runLoad (options: LoadOptions, withinMs = 600_000): Promise<LoadOutcome> {
  const { stdout } = await runProgram(process.execPath, [import.meta.filename, JSON.stringify(options)], { withinMs })
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as LoadOutcome
}

/** A small generator, so that values are random but the same in every run. */
function randomNumbers (): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}

function randomValue (bytes: number): Buffer {
  const value = Buffer.alloc(bytes)
  const random = randomNumbers()
  for (let at = 0; at + 4 <= bytes; at += 4) value.writeInt32LE(random(), at)
  return value
}

async function produce (options: AppendOptions): Promise<LoadOutcome> {
  const { partitions = 1, recordsPerBatch = 1, connections, inFlight, topic } = options
  const client = await Client.connect(options.port)
  await client.createTopic(topic, partitions, options.topicSettings)
  const ledger = new OffsetLedger(await client.offsets(topic, partitions, -1), options.warmupRequests + options.requests, recordsPerBatch)
  const batch = recordBatch({ count: recordsPerBatch, valueBytes: options.valueBytes, timestamp: Date.now(), random: randomNumbers() })
  const protocols = Array.from({ length: connections }, (_, index) => {
    // Many connections: a partition each. Few: each goes round its share of the partitions.
    const share = connections >= partitions ? [index % partitions] : Array.from({ length: partitions }, (_, partition) => partition).filter(partition => partition % connections === index)
    return new KafkaAppend(ledger, topic, share, batch, inFlight)
  })
  const outcome = await runAppends({ ...options, secondsMax: options.secondsMax ?? 120 }, protocols)
  const records = ledger.verify(await client.offsets(topic, partitions, -1))
  if (options.keepTopic !== true) await client.deleteTopic(topic)
  client.close()
  const messages = outcome.requests * recordsPerBatch
  const refused = protocols.reduce((sum, protocol) => sum + protocol.refused, 0)
  return { ...outcome, messages, bytes: messages * options.valueBytes, checksum: new Checksum().add(records + refused * recordsPerBatch).add(partitions).toString() }
}

async function redisAppend (options: AppendOptions): Promise<LoadOutcome> {
  await redisCall(options.port, 'DEL', options.topic)
  const value = randomValue(options.valueBytes)
  const protocols = Array.from({ length: options.connections }, () => new RedisAppend(options.topic, value, options.inFlight))
  const outcome = await runAppends({ ...options, secondsMax: options.secondsMax ?? 120 }, protocols)
  const length = Number((await redisCall(options.port, 'XLEN', options.topic)).slice(1))
  // A load that was cut short by its time has done all of its warm-up, or it has done nothing.
  if (length < outcome.requests) throw new Error(`the stream holds ${length} entries, ${outcome.requests} were acknowledged`)
  if (options.keepTopic !== true) await redisCall(options.port, 'DEL', options.topic)
  return { ...outcome, messages: outcome.requests, bytes: outcome.requests * options.valueBytes, checksum: new Checksum().add(length).toString() }
}

async function natsAppend (options: AppendOptions): Promise<LoadOutcome> {
  const { port, topic } = options
  const call = async (verb: string, body: unknown): Promise<{ error?: unknown, state?: { messages: number } }> => JSON.parse(await natsRequest(port, `$JS.API.STREAM.${verb}.${topic}`, body === undefined ? '' : JSON.stringify(body)))
  const created = await call('CREATE', { name: topic, subjects: [topic], storage: 'file', num_replicas: options.replicas ?? 1 })
  if (created.error !== undefined) throw new Error(`NATS: ${JSON.stringify(created.error)}`)
  const value = randomValue(options.valueBytes)
  const protocols = Array.from({ length: options.connections }, (_, index) => new NatsAppend(topic, value, options.inFlight, index))
  const outcome = await runAppends({ ...options, secondsMax: options.secondsMax ?? 120 }, protocols)
  const length = (await call('INFO', undefined)).state?.messages ?? 0
  if (length < outcome.requests) throw new Error(`the stream holds ${length} messages, ${outcome.requests} were acknowledged`)
  await call('DELETE', undefined)
  return { ...outcome, messages: outcome.requests, bytes: outcome.requests * options.valueBytes, checksum: new Checksum().add(length).toString() }
}

async function fetch (options: FetchOptions): Promise<LoadOutcome> {
  const { partitions, topic } = options
  const client = await Client.connect(options.port)
  await client.createTopic(topic, partitions, options.topicSettings)
  const held = (await client.offsets(topic, partitions, -1)).reduce((sum, offset) => sum + offset, 0)
  if (held === 0) {
    const requests = Math.ceil(options.messages / 15)
    await produce({ ...options, load: 'produce', connections: 1, inFlight: 5, recordsPerBatch: 15, warmupRequests: 0, requests, keepTopic: true })
  }
  const startOffsets = await client.offsets(topic, partitions, -2)
  const endOffsets = await client.offsets(topic, partitions, -1)
  const { messages, ...outcome } = await runFetches({ ...options, startOffsets, endOffsets, secondsMax: 300 })
  if (options.keepTopic !== true) await client.deleteTopic(topic)
  client.close()
  const checksum = new Checksum().add(messages)
  for (const offset of endOffsets) checksum.add(offset)
  return { ...outcome, messages, bytes: messages * options.valueBytes, checksum: checksum.toString() }
}

async function latency (options: LatencyOptions): Promise<LoadOutcome> {
  const load: LatencyLoad = { ...options, random: randomNumbers() }
  let outcome
  if (options.load === 'latency') {
    const client = await Client.connect(options.port)
    await client.createTopic(options.topic, 1, options.topicSettings)
    outcome = await kafkaLatency(load)
    const [end] = await client.offsets(options.topic, 1, -1)
    if (end !== options.messages + options.warmupMessages) throw new Error(`the partition ends at ${end}`)
    if (options.keepTopic !== true) await client.deleteTopic(options.topic)
    client.close()
  } else {
    await redisCall(options.port, 'DEL', options.topic)
    outcome = await redisLatency(load)
    await redisCall(options.port, 'DEL', options.topic)
  }
  return { ...outcome, bytes: outcome.messages * options.valueBytes, checksum: new Checksum().add(outcome.messages).toString() }
}

if (import.meta.main) {
  const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
  const runs = { produce, 'redis-append': redisAppend, 'nats-append': natsAppend, fetch, latency, 'redis-latency': latency }
  const run = runs[options.load] as ((options: LoadOptions) => Promise<LoadOutcome>) | undefined
  if (run === undefined) throw new Error(`load ${options.load} is none of ${Object.keys(runs).join(', ')}`)
  console.log(JSON.stringify(await run(options)))
  process.exit(0)
}
