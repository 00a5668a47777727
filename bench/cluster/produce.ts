/** Throughput and what it costs over all three servers: 1 KiB records in batches, three copies, two of them in sync before the answer. */
import { deleteTopics } from '../../src/protocol/apis/delete-topics.ts'
import { ClusterClient } from '../../test/cluster/cluster-client.ts'
import { settleDisk, warmMemory } from '../harness.ts'
import { runKafkaTool } from '../peers/kafka.ts'
import { runLoad } from '../raw-loader.ts'
import type { Values } from './figures.ts'
import { topicWithThree } from './topics.ts'
import { type ClusterSubject, costSince, cpuOf, memoryOf } from './subject.ts'

export interface ProduceSettings {
  readonly partitions: number
  readonly valueBytes: number
  readonly messages: number
}

const withinMs = 600_000
const natsConnections = 64
const natsInFlight = 8
let topics = 0

/** One run on a fresh topic; `messages` fewer for a warm-up. */
export async function produceOnce (subject: ClusterSubject, settings: ProduceSettings, warm: boolean): Promise<Values> {
  const { messages, valueBytes } = settings
  if (warm) {
    settleDisk()
    warmMemory(messages * valueBytes * 3 * 1.3)
  }
  return subject.name === 'nats' ? await publish(subject, settings) : await produceKafka(subject, settings)
}

async function produceKafka (subject: ClusterSubject, { partitions, valueBytes, messages }: ProduceSettings): Promise<Values> {
  const client = new ClusterClient({ addresses: subject.addresses, answerMs: 10_000 })
  const topic = `produce-${process.pid}-${topics++}`
  try {
    await topicWithThree(client, subject.addresses, topic, partitions)
    const before = cpuOf(subject)
    const { stdout } = await runKafkaTool('producerPerformance', ['--topic', topic, '--num-records', String(messages), '--record-size', String(valueBytes), '--throughput', '-1', '--bootstrap-server', subject.addresses.join(), '--command-property', 'acks=all'], { withinMs })
    // Followers may still have some of it to do.
    await new Promise(resolve => setTimeout(resolve, 1000))
    const values = costs(subject, before, messages * valueBytes)
    const last = /(\d+) records sent, ([\d.]+) records\/sec.* (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th/.exec(stdout)
    if (last === null || Number(last[1]) !== messages) throw new Error(`ProducerPerformance: ${stdout.slice(-1000)}`)
    let held = 0
    for (let partition = 0; partition < partitions; partition++) held += await client.endOf(topic, partition)
    // Control batches take offsets too.
    if (held < messages) throw new Error(`${topic} holds ${held} records, not ${messages}`)
    return { 'MB/s': Number(last[2]) * valueBytes / 1e6, ...values, 'p50 ms': Number(last[3]), 'p99 ms': Number(last[4]) }
  } finally {
    await client.ask(deleteTopics, 6, { topics: [{ name: topic }], timeoutMs: 10_000 }, () => true).catch(() => {})
    await client.close()
  }
}

/** NATS has no batches: as many publishes under way as make it busy. */
async function publish (subject: ClusterSubject, { valueBytes, messages }: ProduceSettings): Promise<Values> {
  const before = cpuOf(subject)
  const port = Number(subject.addresses[0]!.split(':')[1])
  const outcome = await runLoad({ load: 'nats-append', port, serverPid: subject.pidOf(0)!, topic: `produce${topics++}`, replicas: 3, valueBytes, connections: natsConnections, inFlight: natsInFlight, warmupRequests: 0, requests: messages, secondsMax: 60 })
  return { 'MB/s': outcome.bytes / outcome.seconds / 1e6, ...costs(subject, before, outcome.bytes), 'p50 ms': outcome.latencyMs?.p50 ?? NaN, 'p99 ms': outcome.latencyMs?.p99 ?? NaN }
}

function costs (subject: ClusterSubject, before: ReturnType<typeof cpuOf>, bytes: number): Values {
  const { user, system, byServer } = costSince(before, cpuOf(subject))
  const gigabytes = bytes / 1e9
  const { mebibytes, peakMebibytes } = memoryOf(subject)
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  return {
    'CPU-s per GB': (user + system) / gigabytes,
    'user CPU-s per GB': user / gigabytes,
    'system CPU-s per GB': system / gigabytes,
    'most of one server, CPU-s per GB': Math.max(...byServer) / gigabytes,
    'RSS MiB of the three': sum(mebibytes),
    'peak RSS MiB of the three': sum(peakMebibytes)
  }
}
