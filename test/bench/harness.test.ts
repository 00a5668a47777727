import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { benchOptions, Checksum, type Measurement, median, percentiles, Results, summary } from '../../bench/harness.ts'
import { cpuOfProcess, cpuOfThreads, memoryOfProcess, runProgram, Server } from '../../bench/process-stats.ts'

t.test('percentiles are exact', async t => {
  const samples = Float64Array.from({ length: 1000 }, (_, index) => 999 - index)
  t.same(percentiles(samples), { p50: 500, p99: 990, p999: 999 })
  t.same(percentiles(new Float64Array(0)), { p50: 0, p99: 0, p999: 0 })
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

t.test('options', async t => {
  t.match(benchOptions(['produce', '--smoke', '--rows', 'a,b', '--rounds=3']), { smoke: true, again: false, rounds: 3, rows: ['a', 'b'], names: ['produce'], out: undefined })
  t.throws(() => benchOptions(['--rounds', '0']), /--rounds 0/)
  t.throws(() => benchOptions(['--nonsense']))
})

t.test('a checksum depends on values and order', async t => {
  const sum = (...values: number[]): string => values.reduce((checksum, value) => checksum.add(value), new Checksum()).toString()
  t.equal(sum(1, 2), sum(1, 2))
  t.not(sum(1, 2), sum(2, 1))
  t.not(sum(1), sum(1 + 2 ** 32))
})

t.test('results go on where they stopped', async t => {
  const out = mkdtempSync(join(tmpdir(), 'ringmq-bench-'))
  t.teardown(() => rmSync(out, { recursive: true }))
  let runs = 0
  const run = (): Measurement => ({ messages: 100, bytes: 1000, seconds: 2, cpu: { user: 1, system: 3 }, checksum: String(++runs) })
  const options = { smoke: true, again: false, out }
  const first = await new Results('x', options).measure('b', { p: 1, q: 'z' }, run)
  t.match(first, { bench: 'b', round: 0, checksum: '1', messagesPerSecond: 50, bytesPerSecond: 500, cpuPerMillion: { user: 1e4, system: 3e4 }, node: process.version })
  const again = new Results('x', options)
  t.ok(again.has('b', { q: 'z', p: 1 }), 'the order of settings does not matter')
  t.same(await again.measure('b', { q: 'z', p: 1 }, run), JSON.parse(JSON.stringify(first)))
  t.equal(runs, 1)
  await again.measure('b', { p: 1, q: 'z' }, run, 1)
  await new Results('x', { ...options, again: true }).measure('b', { p: 1, q: 'z' }, run)
  t.equal(runs, 3)
  const lines = readFileSync(join(out, 'x.jsonl'), 'utf8').trim().split('\n').map(line => JSON.parse(line))
  t.same(lines.map(line => [line.round, line.checksum]), [[0, '1'], [1, '2'], [0, '3']])
  t.match(summary(lines), { bench: 'b', messagesPerSecond: 50, cpuPerGB: { user: 1e6, system: 3e6 } })
})

t.test('the kernel tells of processes', async t => {
  const { user, system } = cpuOfProcess(process.pid)
  t.ok(user + system > 0)
  t.ok(cpuOfThreads(process.pid).size > 0)
  const { rssBytes, peakRssBytes } = memoryOfProcess(process.pid)
  t.ok(rssBytes > 2 ** 20 && peakRssBytes >= rssBytes)
})

t.test('servers are started, waited for and ended', async t => {
  const out = mkdtempSync(join(tmpdir(), 'ringmq-bench-'))
  t.teardown(() => rmSync(out, { recursive: true }))
  const logFile = join(out, 'server.log')
  let asked = 0
  const server = await Server.start({ name: 'sleeper', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], logFile }, async () => ++asked > 2)
  t.ok(server.memory.rssBytes > 0)
  await server.stop()
  t.throws(() => process.kill(server.pid, 0), 'it is gone')
  await server.stop()
  await t.rejects(Server.start({ name: 'dier', command: process.execPath, args: ['-e', 'console.log("no luck"); process.exit(3)'], logFile }, async () => false), /dier did not answer .*exit 3.*no luck/s)
  await t.rejects(Server.start({ name: 'absent', command: join(out, 'nothing'), args: [], logFile }, async () => false), /ENOENT/)
  t.equal((await runProgram(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { withinMs: 60_000, input: 'hello' })).stdout, 'hello')
  await t.rejects(runProgram(process.execPath, ['-e', 'console.error("bad"); process.exit(1)'], { withinMs: 60_000 }), /bad/)
})
