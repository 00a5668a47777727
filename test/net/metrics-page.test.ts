import t from 'tap'
import { apiIndex, createMetrics, MetricRow, metrics } from '../../src/base/metrics.ts'
import { metricsPage } from '../../src/net/metrics-page.ts'

t.test('the page sums threads and shows them', async t => {
  const shared = createMetrics(3)
  const [first, second] = [new MetricRow(shared, 1), new MetricRow(shared, 2)]
  first.add(metrics.requests, 3, apiIndex(0))
  second.add(metrics.requests, 4, apiIndex(0))
  second.add(metrics.requests, 1, apiIndex(10026))
  first.set(metrics.connections, 2)
  second.set(metrics.connections, 5)
  first.observe(metrics.groupCommitBytes, 2000)
  second.observe(metrics.groupCommitBytes, 5000000)
  const { text, contentType } = await metricsPage(shared, key => key === 0 ? 'produce' : undefined)
  t.match(contentType, /^text\/plain/)
  const lines = new Set(text.split('\n'))
  for (const line of [
    'ringmq_requests_total{api="produce"} 7',
    'ringmq_requests_total{api="10026"} 1',
    'ringmq_connections 7',
    'ringmq_thread_connections{thread="main"} 0',
    'ringmq_thread_connections{thread="1"} 5',
    '# TYPE ringmq_group_commit_bytes histogram',
    'ringmq_group_commit_bytes_bucket{le="1024"} 0',
    'ringmq_group_commit_bytes_bucket{le="4096"} 1',
    'ringmq_group_commit_bytes_bucket{le="+Inf"} 2',
    'ringmq_group_commit_bytes_sum 5002000',
    'ringmq_group_commit_bytes_count 2'
  ]) t.ok(lines.has(line), line)
  t.match(text, /^process_cpu_user_seconds_total \d/m)
  t.match(text, /^process_resident_memory_bytes \d/m)
  t.equal([...lines].filter(line => line.startsWith('ringmq_requests_total{')).length, 2, 'what was never counted is left out')
})

t.test('every line is Prometheus text', async t => {
  const { text } = await metricsPage(createMetrics(2), () => undefined)
  for (const line of text.trim().split('\n')) t.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"\})? [-+.\de]+|)$/)
})
