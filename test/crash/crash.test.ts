/** The crash tests with few kills, frames and connections; `npm run test:crash` runs them with many. */
import t from 'tap'
import { cases } from './cases.ts'

t.setTimeout(240_000)

const few = { kills: 5, connections: 500, frames: 2000, seed: 20_240_607, only: [] }

for (const [name, run] of Object.entries(cases)) {
  t.test(name, async t => {
    await run(few, line => t.comment(line))
    t.pass(name)
  })
}
