/** The tools of Apache Kafka, which use its Java client. */
import assert from 'node:assert/strict'
import { kafkaClasspath, type kafkaTool, runKafkaTool } from '../../bench/peers/kafka.ts'
import type { Client, Member, Sample, Target } from './client.ts'
import { memberProcess } from './line-process.ts'

const nullText = '(null)'

export const java: Client = {
  name: 'java',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  // The console tools pass records as lines of text.
  canSend: ({ headers }) => new Set(headers.map(([name]) => name)).size === headers.length,

  async prepare () {
    await kafkaClasspath()
  },

  async produce ({ broker, topic }, samples, { codec = 'none', idempotent = false } = {}) {
    const lines = samples.map(({ key, value, headers }) => {
      const pairs = headers.map(([name, value]) => `${name}:${value ?? nullText}`).join(',')
      return `${pairs === '' ? nullText : pairs}\t${key ?? nullText}\t${value ?? nullText}\n`
    })
    await run('consoleProducer', [
      '--bootstrap-server', broker, '--topic', topic, '--compression-codec', codec,
      '--command-property', `enable.idempotence=${idempotent}`,
      '--reader-property', 'parse.headers=true', '--reader-property', 'parse.key=true', '--reader-property', `null.marker=${nullText}`
    ], lines.join(''))
  },

  async consume ({ broker, topic }, count) {
    const stdout = await run('consoleConsumer', [
      '--bootstrap-server', broker, '--topic', topic, '--partition', '0', '--offset', 'earliest', '--max-messages', String(count), '--timeout-ms', '60000',
      ...['print.headers=true', 'print.key=true', `null.literal=${nullText}`].flatMap(property => ['--formatter-property', property])
    ])
    return stdout.split('\n').filter(line => line !== '').map(readRecord)
  },

  async join ({ broker, topic }: Target, group): Promise<Member> {
    return memberProcess({
      command: 'java',
      args: ['-Xmx256m', '-cp', await kafkaClasspath(), 'org.apache.kafka.tools.VerifiableConsumer', '--bootstrap-server', broker, '--topic', topic, '--group-id', group,
        '--group-protocol', 'classic', '--reset-policy', 'earliest', '--session-timeout', '10000', '--verbose'],
      leave: 'SIGTERM',
      read: readEvent
    })
  },

  extra: { topics, performance }
}

/** kafka-topics: create, list, describe, delete. */
async function topics ({ broker, topic }: Target): Promise<void> {
  const name = `${topic}-made-by-java`
  const command = async (...args: string[]): Promise<string> => await run('topics', ['--bootstrap-server', broker, ...args])
  const list = async (): Promise<string[]> => (await command('--list')).split('\n')
  assert.match(await command('--create', '--topic', name, '--partitions', '3', '--replication-factor', '1'), new RegExp(`Created topic ${name}`))
  assert.ok((await list()).includes(name))
  const description = await command('--describe', '--topic', name)
  assert.match(description, /PartitionCount: 3\s+ReplicationFactor: 1/)
  assert.equal(Array.from(description.matchAll(/Partition: \d+\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/g)).length, 3)
  await command('--delete', '--topic', name)
  assert.ok(!(await list()).includes(name))
  await assert.rejects(command('--describe', '--topic', name), /does not exist/)
}

/** Both performance tools: what goes in comes out, without errors. */
async function performance ({ broker, topic }: Target): Promise<void> {
  const records = 50_000
  const produced = await run('producerPerformance', ['--topic', topic, '--num-records', String(records), '--record-size', '1000', '--throughput', '-1',
    '--bootstrap-server', broker, '--command-property', 'acks=all', 'enable.idempotence=true'])
  assert.match(produced, new RegExp(`^${records} records sent`, 'm'))
  const consumed = await run('consumerPerformance', ['--bootstrap-server', broker, '--topic', topic, '--num-records', String(records), '--timeout', '60000'])
  // start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, …
  const figures = consumed.trim().split('\n').at(-1)!.split(', ')
  assert.equal(Number(figures[4]), records, consumed)
}

async function run (tool: keyof typeof kafkaTool, args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await runKafkaTool(tool, args, { input, heapMegabytes: 256 })
  return stdout
}

function readRecord (line: string): Sample {
  const [headers, key, value] = line.split('\t').map(text => text === nullText ? null : text) as [string, string | null, string | null]
  const pairs = headers === 'NO_HEADERS' ? [] : headers.split(',').map(pair => pair.split(':') as [string, string])
  return { key, value, headers: pairs.map(([name, value]) => [name, value === nullText ? null : value]) }
}

function readEvent (line: string, member: Member): void {
  if (!line.startsWith('{')) return
  const event = JSON.parse(line) as { name: string, partitions?: { partition: number }[], partition?: number, offset?: number }
  if (event.name === 'record_data') member.take(event.partition!, event.offset!)
  else if (event.name === 'partitions_assigned') member.assign([...member.assigned, ...event.partitions!.map(({ partition }) => partition)])
  else if (event.name === 'partitions_revoked') {
    const gone = new Set(event.partitions!.map(({ partition }) => partition))
    member.assign(member.assigned.filter(partition => !gone.has(partition)))
  }
}
