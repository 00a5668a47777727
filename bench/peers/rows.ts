/** The rows of the comparison: what work is done, by which servers, and which figures count. */
import { figure, median, type Measurement, type Result, type Settings, total } from '../harness.ts'
import { Client } from '../loads/client.ts'
import { runLoad } from '../raw-loader.ts'
import type { Subject } from '../subjects.ts'
import { type ClientLoad, franzFetch, franzProduce, javaFetch, javaProduce } from './clients.ts'
import { type Contestant, type ServerName, topicSettings } from './contestants.ts'

/** One figure of a result; smaller or larger is better. */
export interface Metric {
  readonly name: string
  readonly of: (results: readonly Result[]) => string
  /** What ratios are made of. */
  readonly value: (results: readonly Result[]) => number
}

function metric (name: string, value: (result: Result) => number | undefined): Metric {
  const middle = (results: readonly Result[]): number => median(results.map(result => value(result) ?? NaN))
  return { name, value: middle, of: results => figure(middle(results)) }
}

export const metrics = {
  throughput: metric('MB/s', result => result.bytesPerSecond / 1e6),
  requests: metric('requests/s', result => result.messagesPerSecond),
  cpuPerMessage: metric('CPU µs per request', result => total(result.cpuPerMillion)),
  cpuPerMillion: metric('CPU-s per million', result => total(result.cpuPerMillion)),
  cpuPerGB: {
    name: 'CPU-s per GB: total (user + system)',
    value: results => median(results.map(result => total(result.cpuPerGB) ?? NaN)),
    of: results => {
      const part = (which: 'user' | 'system'): string => figure(median(results.map(result => result.cpuPerGB?.[which] ?? NaN)))
      return `${figure(median(results.map(result => total(result.cpuPerGB) ?? NaN)))} (${part('user')} + ${part('system')})`
    }
  },
  p50: metric('p50 ms', result => result.latencyMs?.p50),
  p99: metric('p99 ms', result => result.latencyMs?.p99),
  p999: metric('p99.9 ms', result => result.latencyMs?.p999)
} satisfies Record<string, Metric>

/** One line of work within a row. */
export interface Case {
  readonly row: string
  readonly title: string
  readonly settings: Settings
  readonly contestants: readonly Contestant[]
  readonly metrics: readonly Metric[]
  /** Runs of RingMQ for each round of the others: rows of few connections depend on which thread accepts them. */
  readonly runsOfOurs: number
  /** Bytes that one run writes: as much memory is warmed before it. */
  readonly bytes: number
  /** `share` of the real size, for warm-up. A fresh `topic` name each time. */
  run (subject: Subject, contestant: Contestant, topic: string, share: number): Promise<Measurement>
}

type Runner = (load: ClientLoad) => Promise<Measurement>

const servers = (names: readonly ServerName[], flush: 'os' | 'always'): Contestant[] => names.map(name => ({ name, flush }))
const everyone: readonly ServerName[] = ['kafka', 'redis', 'nats', 'limit', 'ringmq']

async function withoutTopic (subject: Subject, topic: string, work: () => Promise<Measurement>): Promise<Measurement> {
  try { return await work() } finally {
    const client = await Client.connect(subject.port)
    await client.deleteTopic(topic)
    client.close()
  }
}

function produceCase (row: string, title: string, runner: Runner, partitions: number, valueBytes: number, messages: number, contestants: readonly Contestant[]): Case {
  return {
    row,
    title: `${title}, ${partitions} partition${partitions === 1 ? '' : 's'}`,
    settings: { partitions, valueBytes, messages },
    contestants,
    metrics: valueBytes < 1000 ? [metrics.cpuPerMillion, metrics.requests] : [metrics.cpuPerGB, metrics.throughput],
    runsOfOurs: 1,
    bytes: messages * valueBytes,
    run: async (subject, contestant, topic, share) => await withoutTopic(subject, topic, async () =>
      await runner({ subject, topic, partitions, valueBytes, messages: Math.ceil(messages * share), topicSettings: topicSettings(contestant) }))
  }
}

/** The messages are written once a server and stay for all its runs. */
function fetchCase (row: string, title: string, runner: Runner, partitions: number, messages: number, contestants: readonly Contestant[]): Case {
  return {
    row,
    title: `${title}, ${partitions} partition${partitions === 1 ? '' : 's'}`,
    settings: { partitions, valueBytes: 1024, messages },
    contestants,
    metrics: [metrics.cpuPerGB, metrics.throughput],
    runsOfOurs: 1,
    bytes: 0,
    run: async subject => {
      const topic = `${row}-${partitions}`
      const load: ClientLoad = { subject, topic, partitions, valueBytes: 1024, messages }
      const client = await Client.connect(subject.port)
      await client.createTopic(topic, partitions)
      const held = (await client.offsets(topic, partitions, -1)).reduce((sum, offset) => sum + offset, 0)
      client.close()
      if (held === 0) await javaProduce(load)
      return await runner(load)
    }
  }
}

function rawFetchCase (partitions: number, maxBytes: number, messages: number, passes: number): Case {
  return {
    row: 'fetch-raw',
    title: `fetch 1 KiB messages, raw loader, ${maxBytes / 1024} KiB an answer, ${partitions} partition${partitions === 1 ? '' : 's'}`,
    settings: { partitions, maxBytes, messages, passes },
    contestants: servers(['kafka', 'limit', 'ringmq'], 'os'),
    metrics: [metrics.cpuPerGB, metrics.throughput],
    runsOfOurs: 1,
    bytes: 0,
    run: async subject => await runLoad({ load: 'fetch', port: subject.port, serverPid: subject.server.pid, topic: `fetch-raw-${partitions}`, keepTopic: true, valueBytes: 1024, partitions, connections: 1, maxBytes, messages, passes })
  }
}

function oneRecordCase (row: string, flush: 'os' | 'always', connections: number, inFlight: number, requests: number): Case {
  return {
    row,
    title: `one-record produce, ${connections} connection${connections === 1 ? '' : 's'}${inFlight === 1 ? '' : ` × ${inFlight} in flight`}, ${flush === 'os' ? 'no fsync' : 'synced before the answer'}`,
    settings: { connections, inFlight, requests, valueBytes: 1024 },
    contestants: servers(everyone, flush),
    metrics: [metrics.cpuPerMessage, metrics.requests, metrics.p50, metrics.p99, metrics.p999],
    runsOfOurs: connections <= 8 ? 2 : 1,
    bytes: requests * 1200,
    run: async (subject, contestant, topic, share) => await runLoad({
      load: contestant.name === 'redis' ? 'redis-append' : contestant.name === 'nats' ? 'nats-append' : 'produce',
      port: subject.port,
      serverPid: subject.server.pid,
      topic,
      topicSettings: topicSettings(contestant),
      valueBytes: 1024,
      connections,
      inFlight,
      warmupRequests: Math.ceil(requests * share / 5),
      requests: Math.ceil(requests * share),
      secondsMax: 10
    })
  }
}

function latencyCase (messages: number): Case {
  return {
    row: 'latency',
    title: 'produce to consume, 1,000 msg/s of 1 KiB, no fsync',
    settings: { perSecond: 1000, messages, valueBytes: 1024 },
    contestants: servers(['kafka', 'redis', 'limit', 'ringmq'], 'os'),
    metrics: [metrics.p50, metrics.p99, metrics.p999],
    runsOfOurs: 1,
    bytes: messages * 1100,
    run: async (subject, contestant, topic, share) => await runLoad({
      load: contestant.name === 'redis' ? 'redis-latency' : 'latency',
      port: subject.port,
      serverPid: subject.server.pid,
      topic,
      valueBytes: 1024,
      perSecond: 1000,
      warmupMessages: Math.ceil(messages / 10),
      messages: Math.ceil(messages * share)
    })
  }
}

/** All cases, with tiny sizes for a smoke run. */
export function allCases (smoke: boolean): Case[] {
  const size = (messages: number): number => smoke ? Math.max(60, Math.round(messages / 10_000)) : messages
  const kafkaAndOurs = [...servers(['kafka', 'limit', 'ringmq'], 'os'), ...servers(['limit', 'ringmq'], 'always')]
  const plain = servers(['kafka', 'limit', 'ringmq'], 'os')
  const cases: Case[] = []
  for (const partitions of [1, 8]) {
    cases.push(produceCase('produce-1k', 'produce 1 KiB batched, Java client, acks=all', javaProduce, partitions, 1024, size(1_000_000), kafkaAndOurs))
    cases.push(produceCase('produce-100b', 'produce 100 B batched, Java client, acks=all', javaProduce, partitions, 100, size(5_000_000), plain))
    cases.push(fetchCase('fetch-1k', 'fetch 1 KiB messages from the start, Java client', javaFetch, partitions, size(2_000_000), plain))
    cases.push(produceCase('produce-franz', 'produce 1 KiB batched, franz-go, acks=all', franzProduce, partitions, 1024, size(1_000_000), plain))
    cases.push(fetchCase('fetch-franz', 'fetch 1 KiB messages from the start, franz-go', franzFetch, partitions, size(2_000_000), servers(['kafka', 'ringmq'], 'os')))
    for (const maxBytes of [2 ** 20, 2 ** 18, 2 ** 16]) cases.push(rawFetchCase(partitions, maxBytes, size(1_000_000), smoke ? 1 : 4))
  }
  for (const [connections, inFlight, requests, synced] of [[1, 1, 60_000, 10_000], [8, 1, 150_000, 40_000], [64, 1, 250_000, 100_000], [64, 5, 500_000, 200_000]] as const) {
    cases.push(oneRecordCase('one-record', 'os', connections, inFlight, size(requests)))
    cases.push(oneRecordCase('one-record-synced', 'always', connections, inFlight, size(synced)))
  }
  cases.push(latencyCase(size(30_000)))
  const order = ['produce-1k', 'produce-100b', 'fetch-1k', 'fetch-raw', 'one-record', 'one-record-synced', 'latency', 'produce-franz', 'fetch-franz']
  return cases.toSorted((a, b) => order.indexOf(a.row) - order.indexOf(b.row))
}
