/**
 * Runs seeds and says what came of them.
 *
 * `npm run sim -- [--seed N] [--count N] [--trace [--from SECONDS]] [--mutation NAME]`
 */
import { parseArgs } from 'node:util'
import { mutationOf } from './mutations/all.ts'
import { failureLines, outcomeLine, shapeLine } from './report.ts'
import { runSeed } from './run-seed.ts'
import { Trace } from './trace.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    count: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    from: { type: 'string', default: '0' },
    mutation: { type: 'string' }
  }
})
const number = (name: 'seed' | 'count' | 'from'): number => {
  const value = Number(values[name])
  if (!(value >= 0)) throw new Error(`--${name} ${values[name]}: a number is expected`)
  return value
}

const mutation = values.mutation === undefined ? undefined : mutationOf(values.mutation)
const first = number('seed')
let failed = 0
for (let seed = first; seed < first + number('count'); seed++) {
  const trace = values.trace ? new Trace(line => process.stdout.write(`${line}\n`), number('from') * 1e6) : undefined
  const { shape, outcome, error, tookMs } = await runSeed(seed, { trace, mutation })
  if (outcome !== undefined) console.log(outcomeLine(outcome, tookMs))
  else {
    failed++
    console.log(failureLines(seed, error, mutation === undefined ? '' : ` --mutation ${mutation.name}`).join('\n'))
  }
  if (number('count') === 1 || outcome === undefined) console.log(`    ${shapeLine(shape)}`)
}
if (failed > 0) process.exitCode = 1
