import t from 'tap'
import { chartValues, drawChart } from '../../bench/chart.ts'
import type { Result } from '../../bench/harness.ts'

t.test('medians become a picture', async t => {
  const line = (server: string, user: number, flush = 'os'): Result => ({
    bench: 'produce-1k', settings: { partitions: 8, server, flush }, round: 0, commit: 'c', node: 'v', machine: 'm', time: '', messages: 1, bytes: 1, seconds: 1, checksum: '', messagesPerSecond: 1, bytesPerSecond: 1, cpuPerGB: { user, system: 1 }
  })
  const values = chartValues([line('kafka', 3), line('ringmq', 0.25), line('ringmq', 0.75), line('ringmq', 0.5), line('ringmq', 9, 'always')])
  t.same(values.map(({ server, value }) => [server, value]), [['RingMQ', 1.5], ['Kafka', 4]])
  const svg = await drawChart(values)
  t.match(svg, /^<svg[^]*RingMQ[^]*<\/svg>$/)
  t.match(svg, /Produce 1 KiB batched/)
})
