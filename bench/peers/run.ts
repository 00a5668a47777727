/**
 * `npm run bench:peers [-- --rows R,… --rounds N --servers S,… --again --smoke]`: the same clients against Apache Kafka,
 * Redis, NATS, the limit and RingMQ, all on the loopback and one disk. Servers take turns within each round, so that
 * whatever else the machine does meets all of them; each figure is the median of the rounds.
 */
import { benchOptions, type Result, Results, settleDisk, wants, warmMemory } from '../harness.ts'
import { startupTable } from '../startup.ts'
import { type Contestant, Contestants, labelOf, type ServerName, serverNames } from './contestants.ts'
import { allCases, type Case } from './rows.ts'
import { markdownTable } from './table.ts'

const options = benchOptions()
const cases = allCases(options.smoke)
const rows = [...new Set([...cases.map(({ row }) => row), 'startup'])]
for (const row of options.rows) if (!rows.includes(row)) throw new Error(`row ${row} is none of ${rows.join(', ')}`)
for (const name of options.servers) if (!serverNames.includes(name as ServerName)) throw new Error(`server ${name} is none of ${serverNames.join(', ')}`)

const results = new Results('peers', options)
const contestants = new Contestants(options.smoke ? { messages: 0, requests: 0 } : { messages: 8_000_000, requests: 200_000 })
/** NATS where Go could not fetch it. */
const absent = new Set<string>()
let topics = 0

async function isHere (contestant: Contestant): Promise<boolean> {
  if (contestant.name !== 'nats') return true
  try {
    await contestants.start(contestant)
    return true
  } catch (error) {
    absent.add(labelOf(contestant))
    process.stderr.write(`left out: ${(error as Error).message}\n`)
    return false
  }
}

/** All rounds of one case. */
async function runCase (work: Case): Promise<Map<string, Result[]>> {
  const byContestant = new Map<string, Result[]>()
  for (let round = 0; round < options.rounds; round++) {
    for (const contestant of work.contestants) {
      if (!wants(options.servers, contestant.name) || absent.has(labelOf(contestant))) continue
      const label = labelOf(contestant)
      if (round === 0 && !await isHere(contestant)) continue
      const settings = { ...work.settings, server: contestant.name, flush: contestant.flush }
      for (let run = 0; run < (contestant.name === 'ringmq' && !options.smoke ? work.runsOfOurs : 1); run++) {
        const number = round * work.runsOfOurs + run
        const line = await results.measure(work.row, settings, async () => {
          const subject = await contestants.start(contestant)
          const topic = (): string => `bench-${process.pid}-${topics++}`
          if (round === 0 && run === 0) await work.run(subject, contestant, topic(), 0.2)
          if (!options.smoke) {
            settleDisk()
            warmMemory(work.bytes * 1.3)
          }
          return await work.run(subject, contestant, topic(), 1)
        }, number)
        byContestant.set(label, [...byContestant.get(label) ?? [], line])
        process.stderr.write(`${work.title}: ${label}, run ${number + 1}: ${Math.round(line.messagesPerSecond)} msg/s\n`)
      }
    }
  }
  return byContestant
}

try {
  for (const row of rows) {
    if (!wants(options.rows, row)) continue
    const done = []
    for (const work of cases.filter(each => each.row === row)) done.push({ work, results: await runCase(work) })
    await contestants.stop('but-kafka')
    if (row === 'startup') {
      await contestants.stop('all')
      console.log(`\n### ${row}\n\n${await startupTable(results, { ...options, servers: ['kafka', 'ringmq'].filter(name => wants(options.servers, name)) })}`)
    } else console.log(`\n### ${row}\n\n${markdownTable(done)}`)
  }
} finally {
  await contestants.stop('all')
}
process.exit(0)
