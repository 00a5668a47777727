/**
 * Explores the scenarios of the model further than `npm test` does: `npm run raft:model -- [--states 1000000] [--depth 20] [--scenario elections]`.
 * One line for each; ends with 1 when something was found. About 1 KiB of memory for a state.
 */
import { parseArgs } from 'node:util'
import { explore } from './model.ts'
import { samples } from './recovery.ts'
import { scenarios, smallBounds } from './scenarios.ts'
import { loadVariant } from './variants.ts'

const { values } = parseArgs({ options: { states: { type: 'string', default: '300000' }, depth: { type: 'string', default: '100' }, scenario: { type: 'string' } } })
const machine = await loadVariant(smallBounds)

for (const [name, make] of Object.entries(scenarios)) {
  if (values.scenario !== undefined && values.scenario !== name) continue
  const { states, transitions, depth, complete, violation } = explore({ depthMax: Number(values.depth), statesMax: Number(values.states), sample: samples(100), ...make(machine) })
  console.log(`${violation === undefined ? 'ok    ' : 'not ok'}  ${name}: ${states} states, ${transitions} steps, ${depth} deep${complete ? ', all of it' : ''}`)
  if (violation === undefined) continue
  console.log([violation.what, ...violation.trace, ...violation.members].map(line => `        ${line}`).join('\n'))
  process.exitCode = 1
}
