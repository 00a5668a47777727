/** kcat, the command line of librdkafka, from the system's packages. */
import { runProgram } from '../../bench/process-stats.ts'
import type { Client, Member, ProduceOptions, Sample, Target } from './client.ts'
import { memberProcess, runOnFiles } from './line-process.ts'

const withinMs = 120_000

export const kcat: Client = {
  name: 'kcat',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  // Headers are given for a whole call and need a value.
  canSend: ({ headers }) => headers.every(([, value]) => value !== null),

  async prepare () {
    const isThere = await runProgram('kcat', ['-V'], { withinMs }).then(() => true, () => false)
    if (isThere) return
    await runProgram('apt-get', ['install', '-y', 'kcat'], { withinMs: 600_000, env: { DEBIAN_FRONTEND: 'noninteractive' } })
      .catch(async () => {
        await runProgram('apt-get', ['update'], { withinMs: 600_000 })
        await runProgram('apt-get', ['install', '-y', 'kcat'], { withinMs: 600_000, env: { DEBIAN_FRONTEND: 'noninteractive' } })
      })
  },

  async produce ({ broker, topic }, samples, options = {}) {
    // One call for each run of records that need the same flags.
    const runs: { flags: string[], input: string }[] = []
    for (const { key, value, headers } of samples) {
      const flags = [...(key === null ? [] : ['-K', '\t']), ...(value === null ? ['-Z'] : []), ...headers.flatMap(([name, value]) => ['-H', `${name}=${value}`])]
      const line = `${key === null ? '' : `${key}\t`}${value ?? ''}\n`
      const last = runs.at(-1)
      if (last !== undefined && last.flags.join() === flags.join()) last.input += line
      else runs.push({ flags, input: line })
    }
    for (const { flags, input } of runs) {
      await runProgram('kcat', ['-P', '-b', broker, '-t', topic, '-p', '0', ...settings(options), ...flags], { withinMs, input })
    }
  },

  async consume ({ broker, topic }, count) {
    const { stdout } = await runProgram('kcat', ['-C', '-b', broker, '-t', topic, '-p', '0', '-o', 'beginning', '-c', String(count), '-q', '-J'], { withinMs })
    return stdout.split('\n').filter(Boolean).map(readRecord)
  },

  async join ({ broker, topic }, group): Promise<Member> {
    return memberProcess({
      command: 'kcat',
      args: ['-b', broker, '-G', group, '-X', 'auto.offset.reset=earliest', '-f', 'record %p %o\\n', '-u', topic],
      leave: 'SIGTERM',
      read: (line, member) => {
        const record = /^record (\d+) (\d+)$/.exec(line)
        if (record !== null) return member.take(Number(record[1]), Number(record[2]))
        if (line.includes('revoked:')) return member.assign([])
        const [, assigned] = line.split('assigned:')
        if (assigned !== undefined) member.assign(Array.from(assigned.matchAll(/\[(\d+)\]/g), match => Number(match[1])))
      }
    })
  },

  async produceFile ({ broker, topic }, path) {
    await runOnFiles('kcat', ['-P', '-b', broker, '-t', topic, '-p', '0'], { input: path, withinMs })
  },

  async consumeFile ({ broker, topic }: Target, path, count) {
    await runOnFiles('kcat', ['-C', '-b', broker, '-t', topic, '-p', '0', '-o', 'beginning', '-c', String(count), '-q'], { output: path, withinMs })
  }
}

function settings ({ codec, idempotent }: ProduceOptions): string[] {
  return [...(codec === undefined ? [] : ['-z', codec]), ...(idempotent === true ? ['-X', 'enable.idempotence=true', '-X', 'batch.num.messages=100'] : [])]
}

function readRecord (line: string): Sample {
  const { key, payload, headers = [] } = JSON.parse(line) as { key: string | null, payload: string | null, headers?: string[] }
  const pairs = Array.from({ length: headers.length / 2 }, (_, index) => [headers[index * 2]!, headers[index * 2 + 1]!] as const)
  return { key, value: payload, headers: pairs }
}
