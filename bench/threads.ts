/**
 * `npm run bench -- threads`: the same work with 1, 2 and 4 reactor threads, 8 partitions and many connections. A
 * thread more is worth a core more only when the CPU that a request or a GB costs stays the same.
 */
import { benchOptions, figure, type Result, Results, settleDisk, summary, total, wants, warmMemory } from './harness.ts'
import { type AppendOptions, type FetchOptions, type LoadOptions, runLoad } from './raw-loader.ts'
import { dataFolder, startRingmq } from './subjects.ts'

const options = benchOptions()
const partitions = 8
const size = (count: number): number => options.smoke ? Math.max(64, Math.round(count / 10_000)) : count

type Work<Options> = Omit<Options, 'port' | 'serverPid' | 'topic'>

const threadCounts = options.smoke ? [1, 2] : [1, 2, 4]

const works: Record<string, Work<AppendOptions> | Work<FetchOptions>> = {
  'one-record': { load: 'produce', partitions, valueBytes: 1024, connections: 64, inFlight: 1, warmupRequests: size(60_000), requests: size(250_000), secondsMax: 15 },
  'one-record-5': { load: 'produce', partitions, valueBytes: 1024, connections: 64, inFlight: 5, warmupRequests: size(100_000), requests: size(500_000), secondsMax: 15 },
  batches: { load: 'produce', partitions, valueBytes: 1024, recordsPerBatch: 15, connections: 64, inFlight: 2, warmupRequests: size(8000), requests: size(66_000) },
  fetch: { load: 'fetch', partitions, valueBytes: 1024, connections: 8, maxBytes: 2 ** 20, messages: size(1_000_000), passes: options.smoke ? 1 : 4 }
}

const results = new Results('threads', options)
const table: string[] = ['| work | threads | messages/s | MB/s | CPU µs per message | CPU-s per GB | CPU ÷ one thread\'s |', '|---|---|---|---|---|---|---|']
const lines = new Map<string, Result[]>()

for (let round = 0; round < options.rounds; round++) {
  for (const threads of threadCounts) {
    const settingsOf = (work: string): Record<string, string | number> => ({ work, threads, partitions, connections: works[work]!.connections })
    const wanted = Object.keys(works).filter(work => wants(options.rows, work))
    const known = wanted.every(work => results.has('threads', settingsOf(work), round))
    const subject = known ? undefined : await startRingmq({ flush: 'os', threads, dataDir: dataFolder('ringmq-threads') })
    try {
      for (const work of wanted) {
        const line = await results.measure('threads', settingsOf(work), async () => {
          if (!options.smoke) {
            settleDisk()
            warmMemory(1.3e9)
          }
          return await runLoad({ ...works[work]!, port: subject!.port, serverPid: subject!.server.pid, topic: `threads-${work}` } as LoadOptions)
        }, round)
        const key = `${work} ${threads}`
        lines.set(key, [...lines.get(key) ?? [], line])
      }
    } finally {
      await subject?.stop()
    }
  }
}

for (const work of Object.keys(works)) {
  for (const threads of threadCounts) {
    const rounds = lines.get(`${work} ${threads}`)
    if (rounds === undefined) continue
    const line = summary(rounds)
    const one = summary(lines.get(`${work} 1`)!)
    table.push(`| ${work} | ${threads} | ${figure(line.messagesPerSecond)} | ${figure(line.bytesPerSecond / 1e6)} | ${figure(total(line.cpuPerMillion))} | ${figure(total(line.cpuPerGB))} | ${figure(total(line.cpuPerGB)! / total(one.cpuPerGB)!)} |`)
  }
}
console.log(table.join('\n'))
process.exit(0)
