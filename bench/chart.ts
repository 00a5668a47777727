/**
 * `node bench/chart.ts [--out DIR]`: draws docs/performance.svg from the newest commit in bench/out/peers.jsonl: one
 * small bar chart for each figure that was measured, servers beside each other.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import { benchOptions, median, projectRoot, type Result, total } from './harness.ts'

interface Figure {
  readonly title: string
  readonly bench: string
  /** Settings that the result must have. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly value: (result: Result) => number | undefined
}

const cpuPerGB = (result: Result): number | undefined => total(result.cpuPerGB)
const figures: readonly Figure[] = [
  { title: 'Produce 1 KiB batched: CPU-s per GB', bench: 'produce-1k', settings: { partitions: 8 }, value: cpuPerGB },
  { title: 'Fetch 1 KiB: CPU-s per GB', bench: 'fetch-1k', settings: { partitions: 8 }, value: cpuPerGB },
  { title: 'One-record requests, 64 connections: CPU µs each', bench: 'one-record', settings: { connections: 64, inFlight: 1 }, value: result => total(result.cpuPerMillion) },
  { title: 'The same, synced: thousand requests/s', bench: 'one-record-synced', settings: { connections: 64, inFlight: 1 }, value: result => result.messagesPerSecond / 1000 },
  { title: 'Produce to consume: p99 ms', bench: 'latency', settings: {}, value: result => result.latencyMs?.p99 },
  { title: 'Ready after: seconds', bench: 'startup', settings: {}, value: result => result.seconds }
]
const names: Readonly<Record<string, string>> = { ringmq: 'RingMQ', kafka: 'Kafka', redis: 'Redis', nats: 'NATS', limit: 'limit' }

/** Medians of the figures that `lines` hold. */
export function chartValues (lines: readonly Result[]): { figure: string, server: string, value: number }[] {
  return figures.flatMap(figure => Object.keys(names).flatMap(server => {
    const values = lines
      .filter(line => line.bench === figure.bench && line.settings.server === server && Object.entries({ ...figure.settings }).every(([name, value]) => line.settings[name] === value))
      // Where a row holds both ways of flushing, the picture shows the one that Kafka was measured with.
      .filter(line => line.bench !== 'produce-1k' || line.settings.flush === 'os')
      .map(line => figure.value(line) ?? NaN)
    return values.length === 0 ? [] : [{ figure: figure.title, server: names[server]!, value: Number(median(values).toPrecision(3)) }]
  }))
}

/** The chart as SVG text. */
export async function drawChart (values: ReturnType<typeof chartValues>): Promise<string> {
  const order = Object.values(names)
  const y = { field: 'server', type: 'nominal', sort: order, title: null } as const
  const x = { field: 'value', type: 'quantitative', title: null, axis: { tickCount: 4 } } as const
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    columns: 2,
    concat: figures.filter(({ title }) => values.some(({ figure }) => figure === title)).map(({ title }) => ({
      title: { text: title, anchor: 'start' },
      width: 320,
      data: { values: values.filter(({ figure }) => figure === title) },
      encoding: { x, y },
      layer: [
        { mark: { type: 'bar' }, encoding: { color: { condition: { test: "datum.server === 'RingMQ'", value: '#c0392b' }, value: '#95a5a6' } } },
        { mark: { type: 'text', align: 'left', dx: 3 }, encoding: { text: { field: 'value' } } }
      ]
    }))
  }
  return await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG()
}

if (import.meta.main) {
  const file = join(benchOptions().out!, 'peers.jsonl')
  const lines = readFileSync(file, 'utf8').trim().split('\n').map(text => JSON.parse(text) as Result)
  const commit = lines.at(-1)!.commit
  const values = chartValues(lines.filter(line => line.commit === commit))
  if (values.length === 0) throw new Error(`${file} holds nothing to draw for ${commit}`)
  const target = join(projectRoot, 'docs', 'performance.svg')
  writeFileSync(target, await drawChart(values))
  console.log(`${target}: ${values.length} figures of ${commit}`)
}
