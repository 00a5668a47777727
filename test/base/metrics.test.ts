import t from 'tap'
import { apiIndex, createMetrics, errorIndex, metricList, MetricRow, metricRows, metrics } from '../../src/base/metrics.ts'

t.test('no two metrics share a word or a name', async t => {
  const words = new Set<number>()
  for (const { slot, width, name } of metricList) {
    for (let i = 0; i < width; i++) words.add(slot + i)
    t.match(name, /^[a-z][a-z0-9_]*$/)
  }
  t.equal(words.size, metricList.reduce((sum, { width }) => sum + width, 0))
  t.equal(new Set(metricList.map(({ name }) => name)).size, metricList.length)
  t.equal(metricList.length, Object.keys(metrics).length)
})

t.test('rows are apart, counts add up', async t => {
  const shared = createMetrics(3)
  const [main, first, second] = metricRows(shared) as [MetricRow, MetricRow, MetricRow]
  first.add(metrics.bytesIn, 10)
  first.add(metrics.bytesIn, 5)
  second.add(metrics.requests, 1, apiIndex(10026))
  second.add(metrics.errors, 2, errorIndex('storage'))
  second.set(metrics.connections, 7)
  t.equal(new MetricRow(shared, 1).at(metrics.bytesIn), 15)
  t.equal(main.at(metrics.bytesIn) + second.at(metrics.bytesIn), 0)
  t.equal(second.at(metrics.requests, apiIndex(10026)), 1)
  t.equal(second.at(metrics.errors, errorIndex('storage')), 2)
  second.resetGauges()
  t.equal(second.at(metrics.connections), 0)
  t.equal(second.at(metrics.errors, errorIndex('storage')), 2)
})

t.test('a histogram puts a value at its bound into that bucket', async t => {
  const row = new MetricRow(createMetrics(1), 0)
  const { bounds } = metrics.groupCommitBytes
  for (const value of [1024, 4096, 4097, 5_000_000]) row.observe(metrics.groupCommitBytes, value)
  t.equal(row.at(metrics.groupCommitBytes, 0), 1)
  t.equal(row.at(metrics.groupCommitBytes, 1), 1)
  t.equal(row.at(metrics.groupCommitBytes, 2), 1)
  t.equal(row.at(metrics.groupCommitBytes, bounds.length), 1)
  t.equal(row.at(metrics.groupCommitBytes, bounds.length + 1), 5_009_217)
})

t.test('API keys outside both ranges share a word', async t => {
  t.equal(apiIndex(0), 0)
  t.equal(apiIndex(10000), 96)
  for (const key of [-1, 96, 9999, 10064, 32767]) t.equal(apiIndex(key), 95)
})
