/**
 * `npm run bench -- slow-disk`: while one partition's disk takes 50 ms a sync, what do others notice? Measures synced
 * one-record produces and fetches from the start on healthy topics, with and without load on the slow one.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchOptions, figure, type Result, Results, summary } from './harness.ts'
import { Client } from './loads/client.ts'
import { runLoad } from './raw-loader.ts'
import { dataFolder, startRingmq } from './subjects.ts'

const options = benchOptions()
const results = new Results('slow-disk', options)
const dataDir = dataFolder('ringmq-slow')
const control = `${dataDir}.control`
const requests = options.smoke ? 100 : 20_000
const messages = options.smoke ? 300 : 300_000
const lines = new Map<string, Result[]>()

for (let round = 0; round < options.rounds; round++) {
  for (const slow of [false, true]) {
    rmSync(control, { force: true })
    const subject = await startRingmq({ flush: 'always', dataDir, env: { SLOW_FS_CONTROL: control, NODE_OPTIONS: `--import=${join(import.meta.dirname, 'slow-fs.ts')}` } })
    const target = { port: subject.port, serverPid: subject.server.pid, valueBytes: 1024 }
    try {
      const topics = join(dataDir, 'topics')
      const client = await Client.connect(subject.port)
      await client.createTopic('healthy', 4)
      const before = new Set(readdirSync(topics))
      await client.createTopic('slow', 1)
      const folder = readdirSync(topics).find(name => !before.has(name))
      client.close()
      if (folder === undefined) throw new Error('the slow topic has no folder')
      if (slow) writeFileSync(control, folder)
      await new Promise(resolve => setTimeout(resolve, 300))
      // A load that outlasts what is measured; its end is not waited for by time but by its count of requests.
      const background = slow ? runLoad({ load: 'produce', ...target, topic: 'slow', keepTopic: true, connections: 16, inFlight: 1, warmupRequests: 0, requests: 1_000_000, secondsMax: options.smoke ? 2 : 40 }) : undefined
      const measure = async (bench: string, run: () => ReturnType<typeof runLoad>): Promise<void> => {
        const line = await results.measure(bench, { slow, requests, messages }, run, round)
        const key = `${bench} ${slow}`
        lines.set(key, [...lines.get(key) ?? [], line])
      }
      await measure('synced-produce', async () => await runLoad({ load: 'produce', ...target, topic: 'healthy', keepTopic: true, partitions: 4, connections: 8, inFlight: 1, warmupRequests: requests / 10, requests, secondsMax: 15 }))
      await measure('fetch', async () => await runLoad({ load: 'fetch', ...target, topic: 'read', partitions: 1, connections: 1, maxBytes: 2 ** 18, messages, passes: 1 }))
      const held = await background
      if (held !== undefined) console.error(`the slow partition took ${figure(held.messages / held.seconds)} requests/s, p50 ${figure(held.latencyMs?.p50)} ms`)
    } finally {
      await subject.stop()
      rmSync(control, { force: true })
    }
  }
}

const table = ['| another partition | its disks | requests/s or MB/s | p50 ms | p99 ms | p99.9 ms |', '|---|---|---|---|---|---|']
for (const [key, rounds] of lines) {
  const line = summary(rounds)
  table.push(`| ${line.bench} | ${key.endsWith('true') ? 'one at 50 ms a sync' : 'all healthy'} | ${figure(line.bench === 'fetch' ? line.bytesPerSecond / 1e6 : line.messagesPerSecond)} | ${figure(line.latencyMs?.p50)} | ${figure(line.latencyMs?.p99)} | ${figure(line.latencyMs?.p999)} |`)
}
console.log(table.join('\n'))
process.exit(0)
