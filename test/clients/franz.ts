/** franz-go, as a Go program in ./franz that is built here. */
import { join } from 'node:path'
import { peersRoot } from '../../bench/harness.ts'
import { runProgram } from '../../bench/process-stats.ts'
import type { Client } from './client.ts'
import { fromJsonLines, memberProcess, readEvents, runOnFiles, toJsonLines } from './line-process.ts'

const source = join(import.meta.dirname, 'franz')
const program = join(peersRoot, 'clients', 'franz')
const withinMs = 180_000

export const franz: Client = {
  name: 'franz-go',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],

  async prepare () {
    await runProgram('go', ['build', '-o', program, '.'], { cwd: source, withinMs: 600_000 })
  },

  // It is idempotent always; the codec is all there is to choose.
  async produce ({ broker, topic }, samples, { codec = 'none' } = {}) {
    await runProgram(program, ['produce', broker, topic, codec], { withinMs, input: toJsonLines(samples) })
  },

  async consume ({ broker, topic }, count) {
    const { stdout } = await runProgram(program, ['consume', broker, topic, String(count)], { withinMs })
    return fromJsonLines(stdout)
  },

  async join ({ broker, topic }, group) {
    return memberProcess({ command: program, args: ['member', broker, topic, group], leave: 'end-of-input', read: readEvents })
  },

  async produceFile ({ broker, topic }, path) {
    await runOnFiles(program, ['produce-file', broker, topic, path], { withinMs })
  },

  async consumeFile ({ broker, topic }, path, count) {
    await runOnFiles(program, ['consume-file', broker, topic, path, String(count)], { withinMs })
  }
}
