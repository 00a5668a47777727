/**
 * `npm run bench -- startup`: from exec to the first answered ApiVersions and Metadata (second start, so caches are
 * there), memory when idle, and memory after a load of 64 connections and one of large batches.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { benchOptions, type BenchOptions, figure, median, type Measurement, printResults, type Result, Results } from './harness.ts'
import { Client } from './loads/client.ts'
import { startKafka } from './peers/kafka.ts'
import { runLoad } from './raw-loader.ts'
import { answersKafka, dataFolder, startRingmq, type Subject } from './subjects.ts'

type Starter = (keepData: boolean) => Promise<Subject>

const starters: Record<string, Starter> = {
  ringmq: async keepData => await startRingmq({ flush: 'os', keepData, dataDir: dataFolder('ringmq-startup') }),
  kafka: async () => {
    const { server, port } = await startKafka(dataFolder('kafka-startup'), answersKafka)
    return { name: 'kafka', port, server, stop: async () => await server.stop() }
  }
}

/** Starts once to fill caches and data, once more to be timed. `seconds` is the time to the first answer. */
async function measureStart (start: Starter, idleMs: number): Promise<Measurement> {
  const first = await start(false)
  const client = await Client.connect(first.port)
  await client.createTopic('startup', 1)
  client.close()
  await runLoad({ load: 'produce', port: first.port, serverPid: first.server.pid, topic: 'startup', keepTopic: true, valueBytes: 1024, connections: 1, inFlight: 1, warmupRequests: 0, requests: 100 })
  await first.stop()
  const second = await start(true)
  try {
    await sleep(idleMs)
    // `bytes` is what is resident when nothing happens.
    return { messages: 1, bytes: second.server.memory.rssBytes, seconds: second.server.readyMs / 1000, cpu: second.server.cpu, peakRssBytes: second.server.memory.peakRssBytes, checksum: 'ready' }
  } finally { await second.stop() }
}

/** Both loads that fill buffers, then the most memory that was ever resident. */
async function measurePeak (start: Starter, smoke: boolean): Promise<Measurement> {
  const subject = await start(false)
  const target = { port: subject.port, serverPid: subject.server.pid, valueBytes: 1024 } as const
  try {
    await runLoad({ load: 'produce', ...target, topic: 'peak-requests', connections: 64, inFlight: 5, warmupRequests: 0, requests: smoke ? 320 : 300_000 })
    await runLoad({ load: 'produce', ...target, topic: 'peak-batches', connections: 8, partitions: 8, inFlight: 5, recordsPerBatch: 1000, warmupRequests: 0, requests: smoke ? 8 : 2000 })
    return await runLoad({ load: 'fetch', ...target, topic: 'peak-fetch', connections: 1, partitions: 8, maxBytes: 2 ** 20, messages: smoke ? 300 : 500_000, passes: 2 })
  } finally { await subject.stop() }
}

/** Runs the rounds and returns a markdown table. */
export async function startupTable (results: Results, options: Pick<BenchOptions, 'smoke' | 'rounds'> & { readonly servers: readonly string[] }): Promise<string> {
  const lines = ['| server | ready (second start) | idle RSS | peak RSS under load |', '|---|---|---|---|']
  for (const [name, start] of Object.entries(starters)) {
    if (!options.servers.includes(name)) continue
    const starts: Result[] = []
    for (let round = 0; round < options.rounds; round++) starts.push(await results.measure('startup', { server: name }, async () => await measureStart(start, options.smoke ? 10 : 3000), round))
    const peak = await results.measure('peak-memory', { server: name }, async () => await measurePeak(start, options.smoke))
    lines.push(`| ${name} | ${figure(median(starts.map(line => line.seconds)))} s | ${figure(median(starts.map(line => line.bytes)) / 2 ** 20)} MiB | ${figure((peak.peakRssBytes ?? 0) / 2 ** 20)} MiB |`)
  }
  return lines.join('\n')
}

if (import.meta.main) {
  const options = benchOptions()
  const results = new Results('startup', options)
  console.log(await startupTable(results, { ...options, servers: options.servers.length > 0 ? options.servers : ['ringmq'] }))
  printResults(results.lines.filter(line => line.bench === 'peak-memory'))
  process.exit(0)
}
