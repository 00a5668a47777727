/** kafka-python, aiokafka and confluent-kafka from PyPI, in a virtual environment; the programs are in ./python. */
import { readFileSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { peersRoot } from '../../bench/harness.ts'
import { runProgram } from '../../bench/process-stats.ts'
import type { Client } from './client.ts'
import { fromJsonLines, memberProcess, readEvents, toJsonLines } from './line-process.ts'

const source = join(import.meta.dirname, 'python')
const requirements = join(source, 'requirements.txt')
const environment = join(peersRoot, 'python')
const interpreter = join(environment, 'bin', 'python')
const withinMs = 120_000

export const pythonClients: readonly Client[] = [
  // It refuses headers without a value.
  { ...pythonClient('kafka-python', 'with_kafka_python.py'), canSend: ({ headers }) => headers.every(([, value]) => value !== null) },
  pythonClient('aiokafka', 'with_aiokafka.py'),
  pythonClient('confluent-kafka', 'with_confluent_kafka.py')
]

function pythonClient (name: string, program: string): Client {
  const command = (...args: string[]): string[] => [join(source, program), ...args]
  const env = { PYTHONDONTWRITEBYTECODE: '1', PYTHONIOENCODING: 'utf-8' }
  return {
    name,
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    prepare,

    async produce ({ broker, topic }, samples, { codec = 'none', idempotent = false } = {}) {
      await runProgram(interpreter, command('produce', broker, topic, codec, String(idempotent)), { withinMs, env, input: toJsonLines(samples) })
    },

    async consume ({ broker, topic }, count) {
      const { stdout } = await runProgram(interpreter, command('consume', broker, topic, String(count)), { withinMs, env })
      return fromJsonLines(stdout)
    },

    async join ({ broker, topic }, group) {
      return memberProcess({ command: interpreter, args: command('member', broker, topic, group), env, leave: 'end-of-input', read: readEvents })
    }
  }
}

let prepared: Promise<void> | undefined

/** All three share one environment. */
async function prepare (): Promise<void> {
  await (prepared ??= makeEnvironment())
}

/** Makes it anew whenever the requirements have changed. */
async function makeEnvironment (): Promise<void> {
  const mark = join(environment, 'requirements.txt')
  if (textOf(mark) === textOf(requirements)) return
  await rm(environment, { recursive: true, force: true })
  await runProgram('python3', ['-m', 'venv', environment], { withinMs })
  await runProgram(interpreter, ['-m', 'pip', 'install', '-q', '-r', requirements], { withinMs: 600_000 })
  await copyFile(requirements, mark)
}

function textOf (path: string): string | undefined {
  try { return readFileSync(path, 'utf8') } catch { return undefined }
}
