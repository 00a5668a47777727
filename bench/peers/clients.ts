/** The clients that users have, as loads: Kafka's perf tools and franz-go. Each measures the server's CPU around its run. */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Checksum, type Measurement, peersRoot } from '../harness.ts'
import { Client } from '../loads/client.ts'
import { cpuSince, runProgram } from '../process-stats.ts'
import type { Subject } from '../subjects.ts'
import { runKafkaTool } from './kafka.ts'

export interface ClientLoad {
  readonly subject: Subject
  readonly topic: string
  readonly partitions: number
  readonly messages: number
  readonly valueBytes: number
  readonly topicSettings?: Readonly<Record<string, string>>
}

const withinMs = 300_000

/** Makes the topic, runs `work`, and checks how many records the topic holds afterwards. */
async function around (load: ClientLoad, work: () => Promise<Omit<Measurement, 'checksum' | 'cpu' | 'peakRssBytes'>>): Promise<Measurement> {
  const client = await Client.connect(load.subject.port)
  try {
    await client.createTopic(load.topic, load.partitions, load.topicSettings)
    const before = load.subject.server.cpu
    const measured = await work()
    const cpu = cpuSince(before, load.subject.server.cpu)
    const held = (await client.offsets(load.topic, load.partitions, -1)).reduce((sum, offset) => sum + offset, 0)
    if (held !== load.messages) throw new Error(`${load.topic} holds ${held} messages, not ${load.messages}`)
    return { ...measured, cpu, peakRssBytes: load.subject.server.memory.peakRssBytes, checksum: new Checksum().add(held).add(load.valueBytes).toString() }
  } finally {
    client.close()
  }
}

const address = (load: ClientLoad): string => `127.0.0.1:${load.subject.port}`

/** Kafka's ProducerPerformance as fast as it can, with its default batching and acks=all. */
export async function javaProduce (load: ClientLoad): Promise<Measurement> {
  return await around(load, async () => {
    const { stdout } = await runKafkaTool('producerPerformance', ['--topic', load.topic, '--num-records', String(load.messages), '--record-size', String(load.valueBytes), '--throughput', '-1', '--bootstrap-server', address(load), '--command-property', 'acks=all'], { withinMs })
    // "N records sent, R records/sec (X MB/sec), … ms avg latency, … ms max latency, A ms 50th, B ms 95th, C ms 99th, D ms 99.9th."
    const last = /(\d+) records sent, ([\d.]+) records\/sec.* (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th/.exec(stdout)
    if (last === null || Number(last[1]) !== load.messages) throw new Error(`ProducerPerformance: ${stdout.slice(-1000)}`)
    return { messages: load.messages, bytes: load.messages * load.valueBytes, seconds: load.messages / Number(last[2]), latencyMs: { p50: Number(last[3]), p99: Number(last[4]), p999: Number(last[5]) } }
  })
}

/** Kafka's ConsumerPerformance from the start to the end of a topic that holds the messages. */
export async function javaFetch (load: ClientLoad): Promise<Measurement> {
  return await around(load, async () => {
    const { stdout } = await runKafkaTool('consumerPerformance', ['--topic', load.topic, '--num-records', String(load.messages), '--bootstrap-server', address(load), '--hide-header', '--timeout', '30000'], { withinMs })
    // start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, fetch MB/s, fetch messages/s
    const fields = stdout.trim().split('\n').at(-1)!.split(',').map(field => field.trim())
    if (fields.length < 10 || Number(fields[4]) < load.messages) throw new Error(`ConsumerPerformance: ${stdout.slice(-1000)}`)
    return { messages: load.messages, bytes: load.messages * load.valueBytes, seconds: Number(fields[7]) / 1000 }
  })
}

/** Builds the franz-go load unless it is there and newer than its source. */
async function franz (): Promise<string> {
  const source = join(import.meta.dirname, 'franz')
  const program = join(peersRoot, 'bin', 'franz')
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(join(source, 'main.go')).mtimeMs) {
    mkdirSync(join(peersRoot, 'bin'), { recursive: true })
    await runProgram('go', ['build', '-o', program, '.'], { withinMs: 600_000, cwd: source })
  }
  return program
}

async function runFranz (verb: 'produce' | 'consume', load: ClientLoad): Promise<Measurement> {
  const program = await franz()
  return await around(load, async () => {
    const { stdout } = await runProgram(program, [verb, '--broker', address(load), '--topic', load.topic, '--records', String(load.messages), '--value-bytes', String(load.valueBytes)], { withinMs })
    const { messages, bytes, seconds } = JSON.parse(stdout) as { messages: number, bytes: number, seconds: number }
    if (messages !== load.messages) throw new Error(`franz-go: ${messages} of ${load.messages} messages`)
    return { messages, bytes, seconds }
  })
}

export async function franzProduce (load: ClientLoad): Promise<Measurement> { return await runFranz('produce', load) }
export async function franzFetch (load: ClientLoad): Promise<Measurement> { return await runFranz('consume', load) }
