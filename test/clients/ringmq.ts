/** Our own command line, as its users start it. */
import { join } from 'node:path'
import { projectRoot } from '../../bench/harness.ts'
import { runProgram } from '../../bench/process-stats.ts'
import type { Client, Sample } from './client.ts'
import { runOnFiles } from './line-process.ts'

const node = join(projectRoot, 'node_modules/.bin/node')
const main = join(projectRoot, 'src/cli/main.ts')
const withinMs = 120_000

export const ringmq: Client = {
  name: 'ringmq',
  checks: ['quick', 'values', 'codecs', 'file'],
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  // Messages are lines.
  canSend: ({ value, headers }) => headers.length === 0 && value !== null,

  async prepare () {
    await run(['--version'])
  },

  async produce ({ broker, topic }, samples, { codec = 'none' } = {}) {
    for (const { key, lines } of runsOfOneKey(samples)) {
      const args = ['produce', '--broker', broker, '--topic', topic, '--partition', '0', '--compression', codec, ...(key === null ? [] : [`--key=${key}`])]
      await run(args, lines)
    }
  },

  async consume ({ broker, topic }, count) {
    const stdout = await run(['consume', '--broker', broker, '--topic', topic, '--partition', '0', '--offset', '0', '--count', String(count), '--json'])
    return stdout.split('\n').filter(Boolean).map(line => {
      const { key, value } = JSON.parse(line) as { key: string | null, value: string | null }
      return { key, value, headers: [] }
    })
  },

  async produceFile ({ broker, topic }, path) {
    await run(['produce', '--broker', broker, '--topic', topic, '--partition', '0', '--file', path])
  },

  async consumeFile ({ broker, topic }, path, count) {
    const args = ['consume', '--broker', broker, '--topic', topic, '--partition', '0', '--offset', '0', '--count', String(count)]
    await runOnFiles(node, [main, ...args], { output: path, withinMs })
  }
}

async function run (args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await runProgram(node, [main, ...args], { withinMs, input })
  return stdout
}

/** A key is given for a whole call. */
function runsOfOneKey (samples: readonly Sample[]): { key: string | null, lines: string }[] {
  const runs: { key: string | null, lines: string }[] = []
  for (const { key, value } of samples) {
    const last = runs.at(-1)
    if (last !== undefined && last.key === key) last.lines += `${value}\n`
    else runs.push({ key, lines: `${value}\n` })
  }
  return runs
}
