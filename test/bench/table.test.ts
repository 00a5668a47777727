import t from 'tap'
import type { Result } from '../../bench/harness.ts'
import { allCases } from '../../bench/peers/rows.ts'
import { markdownTable } from '../../bench/peers/table.ts'

const line = (messagesPerSecond: number): Result => ({
  bench: 'b', settings: {}, round: 0, commit: 'c', node: 'v', machine: 'm', time: '', messages: 1, bytes: 1, seconds: 1, checksum: '', messagesPerSecond, bytesPerSecond: 1, cpuPerMillion: { user: messagesPerSecond, system: 0 }, latencyMs: { p50: 1, p99: 2, p999: 3 }
})

t.test('medians and ratios; servers that were not measured have no column', async t => {
  const work = allCases(true).find(({ row }) => row === 'one-record')!
  const results = new Map([['kafka os', [line(10), line(30), line(20)]], ['ringmq os', [line(40)]]])
  t.same(markdownTable([{ work, results }]).split('\n').slice(0, 4), [
    '| work | figure | Kafka | RingMQ | RingMQ ÷ Kafka |',
    '|---|---|---|---|---|',
    '| one-record produce, 1 connection, no fsync | CPU µs per request | 20 | 40 | 2 |',
    '| one-record produce, 1 connection, no fsync | requests/s | 20 | 40 | 2 |'
  ])
})

t.test('what syncs is compared with Kafka as it is', async t => {
  const work = allCases(true).find(({ row }) => row === 'produce-1k')!
  const results = new Map(['kafka os', 'ringmq os', 'ringmq always', 'limit always'].map((label, index) => [label, [line(index + 1)]]))
  t.equal(markdownTable([{ work, results }]).split('\n')[0], '| work | figure | Kafka | RingMQ `os` | limit | RingMQ `always` | RingMQ `os` ÷ Kafka | RingMQ `os` ÷ limit | RingMQ `always` ÷ Kafka | RingMQ `always` ÷ limit |')
})

t.test('every row has a size for smoke runs that ends soon', async t => {
  const cases = allCases(true)
  t.ok(cases.length > 20)
  for (const { bytes } of cases) t.ok(bytes < 10e6)
})
