/** Results as the tables of docs/performance.md: servers beside each other, and what ours costs against Kafka's and the limit's. */
import { figure, type Result } from '../harness.ts'
import { type Contestant, labelOf, type ServerName } from './contestants.ts'
import type { Case, Metric } from './rows.ts'

/** Results of a case by {@link labelOf} the contestant. */
export type CaseResults = ReadonlyMap<string, readonly Result[]>

const titles: Record<ServerName, string> = { kafka: 'Kafka', redis: 'Redis', nats: 'NATS', limit: 'limit', ringmq: 'RingMQ' }

function titleOf (contestant: Contestant, all: readonly Contestant[]): string {
  const several = all.filter(other => other.name === contestant.name).length > 1
  return several ? `${titles[contestant.name]} \`${contestant.flush}\`` : titles[contestant.name]
}

function ratio (metric: Metric, results: CaseResults, ours: Contestant, other: ServerName): string {
  const theirs = results.get(labelOf({ name: other, flush: ours.flush })) ?? results.get(labelOf({ name: other, flush: 'os' }))
  const own = results.get(labelOf(ours))
  return own === undefined || theirs === undefined ? '–' : figure(metric.value(own) / metric.value(theirs))
}

/** One markdown table for the cases of a row, a line for each case and metric; only of servers that were measured. */
export function markdownTable (cases: readonly { readonly work: Case, readonly results: CaseResults }[]): string {
  const contestants = cases[0]!.work.contestants.filter(contestant => cases.some(({ results }) => results.has(labelOf(contestant))))
  const ours = contestants.filter(({ name }) => name === 'ringmq')
  const ratios = ours.flatMap(own => (['kafka', 'limit'] as const)
    .filter(other => contestants.some(({ name }) => name === other))
    .map(other => ({ own, other })))
  const lines: string[][] = [['work', 'figure', ...contestants.map(contestant => titleOf(contestant, contestants)), ...ratios.map(({ own, other }) => `${titleOf(own, contestants)} ÷ ${titles[other]}`)]]
  for (const { work, results } of cases) {
    for (const metric of work.metrics) {
      lines.push([
        work.title,
        metric.name,
        ...contestants.map(contestant => { const own = results.get(labelOf(contestant)); return own === undefined ? '–' : metric.of(own) }),
        ...ratios.map(({ own, other }) => ratio(metric, results, own, other))
      ])
    }
  }
  const [head, ...body] = lines
  const text = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [text(head!), `|${'---|'.repeat(head!.length)}`, ...body.map(text)].join('\n')
}
