/**
 * Figures of clusters, one JSON line each in bench/out/cluster.jsonl. A line is taken again as long as it is of the same machine,
 * settings and version: of RingMQ that is the commit, so that figures of Kafka and NATS are measured once for a machine.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { type BenchOptions, currentCommit, figure, median, type Settings } from '../harness.ts'
import { kafkaVersion } from '../peers/kafka.ts'
import { natsVersion } from '../peers/nats.ts'

export type ServerName = 'ringmq' | 'kafka' | 'nats'
/** By name, with the unit last. */
export type Values = Readonly<Record<string, number>>

export interface FigureLine {
  readonly row: string
  readonly server: ServerName
  readonly version: string
  readonly machine: string
  readonly settings: Settings
  readonly round: number
  readonly time: string
  readonly values: Values
}

type Key = Pick<FigureLine, 'row' | 'server' | 'settings' | 'round'>

export class Figures {
  readonly lines: FigureLine[] = []
  readonly #known = new Map<string, FigureLine>()
  readonly #file: string | undefined
  readonly #again: boolean
  readonly #versions: Readonly<Record<ServerName, string>>
  readonly #machine = `${cpus()[0]?.model ?? 'unknown'} x${availableParallelism()}`

  constructor ({ smoke, again, out }: Pick<BenchOptions, 'smoke' | 'again' | 'out'>) {
    this.#again = again
    this.#versions = smoke ? { ringmq: 'smoke', kafka: 'smoke', nats: 'smoke' } : { ringmq: currentCommit(), kafka: kafkaVersion, nats: natsVersion }
    if (out === undefined) return
    mkdirSync(out, { recursive: true })
    this.#file = join(out, 'cluster.jsonl')
    if (!existsSync(this.#file)) return
    for (const text of readFileSync(this.#file, 'utf8').split('\n')) {
      if (text === '') continue
      const line = JSON.parse(text) as FigureLine
      this.#known.set(keyOf(line), line)
    }
  }

  #full (key: Key): Omit<FigureLine, 'time' | 'values'> { return { ...key, version: this.#versions[key.server], machine: this.#machine } }

  /** Whether it need not be measured. */
  has (key: Key): boolean { return !this.#again && this.#known.has(keyOf(this.#full(key))) }

  async measure (key: Key, run: () => Promise<Values>): Promise<FigureLine> {
    const full = this.#full(key)
    const known = this.#again ? undefined : this.#known.get(keyOf(full))
    if (known !== undefined) {
      this.lines.push(known)
      return known
    }
    const line: FigureLine = { ...full, time: new Date().toISOString(), values: await run() }
    this.lines.push(line)
    if (this.#file !== undefined) appendFileSync(this.#file, JSON.stringify(line) + '\n')
    return line
  }
}

function keyOf ({ row, server, version, machine, settings, round }: Omit<FigureLine, 'time' | 'values'>): string {
  return JSON.stringify([row, server, version, machine, Object.entries(settings).toSorted(([a], [b]) => a < b ? -1 : 1), round])
}

/** A line for each row and figure, a column for each server and flush; the middle of the rounds, and how far they lie apart. */
export function markdownTable (lines: readonly FigureLine[]): string {
  const columns = [...new Set(lines.map(columnOf))].toSorted()
  const table = [`| row | figure | ${columns.join(' | ')} |`, `|${'---|'.repeat(columns.length + 2)}`]
  for (const [row, own] of Map.groupBy(lines, ({ row }) => row)) {
    for (const name of new Set(own.flatMap(({ values }) => Object.keys(values)))) {
      const cells = columns.map(column => {
        const values = own.filter(line => columnOf(line) === column).map(({ values }) => values[name]).filter(value => value !== undefined)
        if (values.length === 0) return '–'
        return values.length === 1 ? figure(values[0]!) : `${figure(median(values))} (${figure(Math.min(...values))}…${figure(Math.max(...values))}, ${values.length})`
      })
      table.push(`| ${row} | ${name} | ${cells.join(' | ')} |`)
    }
  }
  return table.join('\n')
}

const columnOf = ({ server, settings }: FigureLine): string => `${server} ${String(settings.flush)}`
