/**
 * The page of GET /metrics: the rows of all threads as Prometheus text. The one home of prom-client, which is loaded with
 * the first page: a broker that nobody scrapes does not pay for it.
 */
import { type Metric, type MetricRow, metricList, metricRows } from '../base/metrics.ts'

interface Sample { readonly labels: Record<string, string | number>, readonly value: number, readonly metricName?: string }

export interface MetricsPage { readonly contentType: string, readonly text: string }

/**
 * Returns the present numbers: `ringmq_NAME` is the sum over threads; where a metric is kept per thread,
 * `ringmq_thread_NAME` has each of them under `thread` (`main`, then the reactors from 0). Label values that were never
 * counted are left out.
 *
 * @param apiName  the name of a protocol API by its key, undefined when there is none
 */
export async function metricsPage (shared: SharedArrayBuffer, apiName: (key: number) => string | undefined): Promise<MetricsPage> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  const add = (name: string, type: string, help: string, values: readonly Sample[]): void => {
    // The registry prints whatever has a name and `get`; its own classes only count upwards from zero.
    const metric = { name, type, help, values, aggregator: 'sum', get: async () => ({ name, type, help, values, aggregator: 'sum' }) }
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0])
  }
  const rows = metricRows(shared)
  for (const metric of metricList) {
    const name = `ringmq_${metric.name}`
    add(name, metric.kind, metric.help, metric.kind === 'histogram' ? histogramSamples(metric, name, rows) : sumSamples(metric, rows, apiName))
    if (metric.perThread) add(`ringmq_thread_${metric.name}`, metric.kind, `${metric.help}, by thread`, threadSamples(metric, rows))
  }
  const { user, system } = process.cpuUsage()
  add('process_cpu_user_seconds_total', 'counter', 'User CPU time of the process', [{ labels: {}, value: user / 1e6 }])
  add('process_cpu_system_seconds_total', 'counter', 'System CPU time of the process', [{ labels: {}, value: system / 1e6 }])
  add('process_resident_memory_bytes', 'gauge', 'Resident memory of the process', [{ labels: {}, value: process.memoryUsage.rss() }])
  add('process_uptime_seconds', 'gauge', 'Time since the process started', [{ labels: {}, value: process.uptime() }])
  return { contentType: registry.contentType, text: await registry.metrics() }
}

const sum = (metric: Metric, rows: readonly MetricRow[], index: number): number => rows.reduce((total, row) => total + row.at(metric, index), 0)

function sumSamples (metric: Metric, rows: readonly MetricRow[], apiName: (key: number) => string | undefined): Sample[] {
  const { label } = metric
  if (label === undefined) return [{ labels: {}, value: sum(metric, rows, 0) }]
  return label.values
    .map((text, index) => ({ labels: { [label.name]: label.name === 'api' ? apiName(Number(text)) ?? text : text }, value: sum(metric, rows, index) }))
    .filter(sample => sample.value !== 0)
}

function threadSamples (metric: Metric, rows: readonly MetricRow[]): Sample[] {
  return rows.map((row, index) => ({ labels: { thread: index === 0 ? 'main' : String(index - 1) }, value: row.at(metric) }))
}

function histogramSamples (metric: Metric, name: string, rows: readonly MetricRow[]): Sample[] {
  const samples: Sample[] = []
  let count = 0
  for (let bucket = 0; bucket <= metric.bounds.length; bucket++) {
    count += sum(metric, rows, bucket)
    samples.push({ metricName: `${name}_bucket`, labels: { le: metric.bounds[bucket] ?? '+Inf' }, value: count })
  }
  samples.push({ metricName: `${name}_sum`, labels: {}, value: sum(metric, rows, metric.bounds.length + 1) })
  samples.push({ metricName: `${name}_count`, labels: {}, value: count })
  return samples
}
