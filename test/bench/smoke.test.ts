/** Each bench runs with tiny values: what it prints and what came out are looked at, never how long it took. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Result } from '../../bench/harness.ts'
import { runProgram } from '../../bench/process-stats.ts'

/** The name of the bench, and how many results a smoke run gives. */
const benches: Record<string, number> = { produce: 8, fetch: 2, latency: 2, startup: 2, threads: 8, 'slow-disk': 4 }

t.setTimeout(240_000)

for (const [name, count] of Object.entries(benches)) {
  t.test(name, async t => {
    const out = mkdtempSync(join(tmpdir(), 'ringmq-bench-'))
    t.teardown(() => rmSync(out, { recursive: true }))
    const { stdout } = await runProgram(process.execPath, [join('bench', `${name}.ts`), '--smoke', '--out', out], { withinMs: 100_000 })
    t.match(stdout, /[|│].*MB|MiB/)
    t.same(readdirSync(out), [`${name}.jsonl`])
    const lines = readFileSync(join(out, `${name}.jsonl`), 'utf8').trim().split('\n').map(line => JSON.parse(line) as Result)
    t.equal(lines.length, count)
    const checksums = new Map<string, string>()
    for (const line of lines) {
      t.match(line, { commit: 'smoke', node: process.version, machine: String, messages: Number, seconds: Number, checksum: /^([0-9a-f]{8}|ready)$/ })
      t.ok(line.messages > 0 && line.seconds > 0)
      const { server, flush, ...work } = line.settings
      const key = JSON.stringify([line.bench, work])
      if (server !== undefined && line.bench !== 'startup') t.equal(checksums.get(key) ?? line.checksum, line.checksum, `${key}: the same comes out of every server`)
      checksums.set(key, line.checksum)
    }
  })
}
