/**
 * `npm run bench:cluster [-- --rows R,… --servers S,… --rounds N --threads N --again --smoke --root DIR]`: three servers on one machine, RingMQ
 * beside Kafka and, for throughput, NATS. Servers are measured one after the other, each warmed first; figures of the others
 * are kept for the machine (bench/cluster/figures.ts).
 */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { enterNamespaces, isInside } from '../../test/cluster/namespaces.ts'
import { benchOptions, type Settings, wants } from '../harness.ts'
import type { Flush } from '../subjects.ts'
import { electionStorm, type Failure, failOver } from './failover.ts'
import { Figures, markdownTable, type ServerName, type Values } from './figures.ts'
import { startKafkaCluster } from './kafka-cluster.ts'
import { idle, steady } from './many-partitions.ts'
import { startNatsCluster } from './nats-cluster.ts'
import { produceOnce } from './produce.ts'
import { type ClusterSubject, nodes, startRingmqCluster } from './subject.ts'

interface Contestant { readonly server: ServerName, readonly flush: Flush }

interface Row {
  readonly name: string
  readonly contestants: readonly Contestant[]
  readonly settings: Settings
  readonly rounds: number
  /** Needs packets that can be dropped. */
  readonly inNamespaces?: boolean
  /** Once for each cluster, before the first round. */
  warm? (subject: ClusterSubject): Promise<unknown>
  run (subject: ClusterSubject): Promise<Values>
}

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at === -1 ? undefined : process.argv.splice(at, 2)[1]
}
const given = process.argv.slice(1)
const root = argument('--root')
/** Of each broker. Three of them share the machine: on two cores one thread each is what its users would give them. */
const threads = Number(argument('--threads') ?? Math.max(1, Math.floor(availableParallelism() / nodes)))
const options = benchOptions()
const { smoke } = options
const size = (real: number, tiny: number): number => smoke ? tiny : real

const ours: Contestant = { server: 'ringmq', flush: 'always' }
const oursAndKafka: readonly Contestant[] = [ours, { server: 'kafka', flush: 'os' }]
const roundsOf = (count: number): number => smoke ? 1 : process.argv.includes('--rounds') ? options.rounds : count

function failoverRow (failure: Failure, contestants: readonly Contestant[]): Row {
  const times = size(20, 1)
  return {
    name: `failover-${failure}`,
    contestants,
    settings: { times },
    rounds: 1,
    ...failure === 'drop' ? { inNamespaces: true } : {},
    run: async subject => await failOver(subject, failure, times)
  }
}

const warmMessages = { ringmq: 3_000_000, kafka: 10_000_000, nats: 300_000 }
const produceSettings = { partitions: 6, valueBytes: 1024, messages: size(1_000_000, 2000) }
const rows: readonly Row[] = [
  {
    name: 'produce',
    contestants: [{ server: 'ringmq', flush: 'os' }, ours, { server: 'kafka', flush: 'os' }, { server: 'nats', flush: 'os' }],
    settings: produceSettings,
    rounds: roundsOf(5),
    // V8 and Java compile what runs often, on threads of their own: both are given the time to finish, which takes Java far longer.
    warm: async subject => await produceOnce(subject, { ...produceSettings, messages: size(warmMessages[subject.name], 2000) }, false),
    run: async subject => await produceOnce(subject, produceSettings, !smoke)
  },
  failoverRow('kill', oursAndKafka),
  failoverRow('pause', oursAndKafka),
  failoverRow('drop', oursAndKafka),
  failoverRow('graceful', oursAndKafka),
  { name: 'idle', contestants: oursAndKafka, settings: { partitions: size(1000, 10), seconds: size(60, 2) }, rounds: 1, run: async subject => await idle(subject, size(1000, 10), size(30, 1), size(60, 2)) },
  { name: 'storm', contestants: oursAndKafka, settings: { partitions: size(900, 9) }, rounds: roundsOf(3), run: async subject => await electionStorm(subject, size(900, 9)) },
  { name: 'steady', contestants: [ours], settings: { minutes: 10 }, rounds: 1, run: async subject => await steady(subject, 6, smoke ? 0.01 : 10) }
]
for (const name of options.rows) if (!rows.some(row => row.name === name)) throw new Error(`row ${name} is none of ${rows.map(({ name }) => name).join(', ')}`)

const figures = new Figures(options)

const network = isInside() ? 'namespaces' : 'plain'

async function start ({ server, flush }: Contestant): Promise<ClusterSubject> {
  switch (server) {
    case 'ringmq': return await startRingmqCluster({ flush, network, root, threads })
    case 'kafka': return await startKafkaCluster(network)
    case 'nats': return await startNatsCluster()
  }
}

/** All rounds of one row on one kind of cluster, which is started only if something is to be measured. */
async function measure (row: Row, contestant: Contestant): Promise<void> {
  let subject: ClusterSubject | undefined
  const settings = { ...row.settings, flush: contestant.flush, ...contestant.server === 'ringmq' ? { threads } : {} }
  try {
    for (let round = 0; round < row.rounds; round++) {
      const line = await figures.measure({ row: row.name, server: contestant.server, settings, round }, async () => {
        if (subject === undefined) {
          subject = await start(contestant)
          await row.warm?.(subject)
        }
        return await row.run(subject)
      })
      process.stderr.write(`${row.name}: ${contestant.server} ${contestant.flush}, round ${round + 1}: ${JSON.stringify(line.values)}\n`)
    }
  } finally {
    await subject?.close()
  }
}

let failed = 0
for (const row of rows) {
  if (!wants(options.rows, row.name) || (isInside() && row.inNamespaces !== true)) continue
  if (row.inNamespaces === true && !isInside()) {
    const result = await enterNamespaces([fileURLToPath(import.meta.url), ...given.slice(1).filter((_, i, all) => all[i] !== '--rows' && all[i - 1] !== '--rows'), '--rows', row.name])
    if (typeof result === 'string') process.stderr.write(`${row.name}: left out, namespaces are not permitted here (${result})\n`)
    else if (result !== 0) failed++
    continue
  }
  for (const contestant of row.contestants) {
    if (!wants(options.servers, contestant.server)) continue
    try {
      await measure(row, contestant)
    } catch (error) {
      failed++
      process.stderr.write(`${row.name}: ${contestant.server} ${contestant.flush}: ${(error as Error).stack}\n`)
    }
  }
}
if (figures.lines.length > 0) console.log(`\n${markdownTable(figures.lines)}`)
process.exit(failed === 0 ? 0 : 1)
