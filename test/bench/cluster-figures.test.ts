/** Figures of clusters are kept by version and machine, and shown beside each other. No server is started. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Figures, markdownTable, type ServerName, type Values } from '../../bench/cluster/figures.ts'

t.test('a figure is measured once', async t => {
  const out = t.testdir({})
  const options = { smoke: true, again: false, out }
  const key = { row: 'produce', server: 'kafka' as ServerName, settings: { flush: 'os', messages: 10 }, round: 0 }
  let runs = 0
  const run = async (): Promise<Values> => ({ 'MB/s': ++runs })
  const first = new Figures(options)
  t.notOk(first.has(key))
  t.match(await first.measure(key, run), { values: { 'MB/s': 1 } })
  const second = new Figures(options)
  t.ok(second.has(key))
  t.match(await second.measure({ ...key, settings: { messages: 10, flush: 'os' } }, run), { values: { 'MB/s': 1 } }, 'whatever the order of its settings')
  await second.measure({ ...key, round: 1 }, run)
  await second.measure({ ...key, settings: { flush: 'os', messages: 11 } }, run)
  t.match(await new Figures({ ...options, again: true }).measure(key, run), { values: { 'MB/s': 4 } })
  t.equal(readFileSync(join(out, 'cluster.jsonl'), 'utf8').trim().split('\n').length, 4)
  t.match(await new Figures(options).measure(key, run), { values: { 'MB/s': 4 } }, 'the last one counts')
})

t.test('medians side by side', async t => {
  const figures = new Figures({ smoke: true, again: false, out: undefined })
  for (const [server, flush, values] of [['ringmq', 'always', [1, 5, 3]], ['kafka', 'os', [10]]] as const) {
    for (const [round, value] of values.entries()) await figures.measure({ row: 'produce', server, settings: { flush }, round }, async () => ({ 'MB/s': value }))
  }
  await figures.measure({ row: 'idle', server: 'ringmq', settings: { flush: 'always' }, round: 0 }, async () => ({ '% of a core': 2 }))
  t.equal(markdownTable(figures.lines), [
    '| row | figure | kafka os | ringmq always |',
    '|---|---|---|---|',
    '| produce | MB/s | 10 | 3 (1…5, 3) |',
    '| idle | % of a core | – | 2 |'
  ].join('\n'))
})
