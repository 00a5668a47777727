import fc from 'fast-check'
import t from 'tap'
import { formatBytes, parseDuration, parseSize } from '../../src/base/units.ts'

t.test('durations', async t => {
  for (const [text, ms] of [['10ms', 10], ['5s', 5000], ['1.5 s', 1500], ['5m', 300_000], ['24h', 86_400_000], ['7d', 604_800_000], ['250', 250], [250, 250], [0.4, 0]] as const) {
    t.equal(parseDuration(text), ms, String(text))
  }
  t.equal(parseDuration(24, 'h'), 86_400_000)
  for (const wrong of ['', 's', '5 parsecs', '-5s', -1, NaN, Infinity, null, true, '5s5', '1e3']) t.equal(parseDuration(wrong), undefined, String(wrong))
})

t.test('sizes', async t => {
  for (const [text, bytes] of [['1KiB', 1024], ['1k', 1024], ['64MiB', 67_108_864], ['64 mib', 67_108_864], ['2G', 2_147_483_648], ['1GB', 1e9], ['7B', 7], ['7', 7], [7, 7]] as const) {
    t.equal(parseSize(text), bytes, String(text))
  }
  t.equal(parseSize(100, 'MB'), 1e8)
  for (const wrong of ['', 'MiB', '-1', '1 furlong', {}, undefined]) t.equal(parseSize(wrong), undefined, String(wrong))
})

t.test('what is formatted reads back within a rounding', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 45 }), bytes => {
    const back = parseSize(formatBytes(bytes))
    return back !== undefined && Math.abs(back - bytes) <= bytes * 0.05
  })))
})
