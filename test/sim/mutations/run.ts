/**
 * Shows that each planted bug is found: runs fresh seeds with it until one ends with a violation.
 *
 * `npm run sim:mutations -- [--seeds 2000] [--only NAME,…] [--from SEED] [--write]`
 *
 * With `--write` the seeds that found them are noted in seeds.txt, which `npm test` runs.
 */
import { parseArgs } from 'node:util'
import { runSeed } from '../run-seed.ts'
import { readSeeds, writeSeeds, type ListedSeed } from '../seed-list.ts'
import { Violation } from '../world.ts'
import { mutationOf, mutations } from './all.ts'
import { seedsPath } from './seeds-path.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    only: { type: 'string', default: '' },
    from: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
    write: { type: 'boolean', default: false }
  }
})

const head = '# Planted bugs, each with a seed that finds it and the invariant that says so. Made by: npm run sim:mutations -- --write'
const chosen = values.only === '' ? mutations : values.only.split(',').map(mutationOf)
const from = Number(values.from)
const noted = new Map(readSeeds(seedsPath).map(seed => [seed.name, seed]))
let missed = 0
console.log(`fresh seeds from ${from} on`)
for (const mutation of chosen) {
  const started = performance.now()
  let found: ListedSeed | undefined
  let tried = 0
  for (; tried < Number(values.seeds) && found === undefined; tried++) {
    const { error } = await runSeed(from + tried, { mutation })
    // A seed that fails without the bug too says nothing of it.
    if (error !== undefined && (await runSeed(from + tried)).error === undefined) found = { name: mutation.name, seed: from + tried, found: error instanceof Violation ? error.invariant : 'NoUncaughtError' }
  }
  const seconds = `${((performance.now() - started) / 1000).toFixed(0)} s`
  if (found === undefined) missed++
  else noted.set(found.name, found)
  console.log(`${found === undefined ? 'not ok' : 'ok    '}  ${mutation.name.padEnd(28)}${found === undefined ? `not found by ${tried} seeds` : `seed ${found.seed}, the ${tried}. tried, ${found.found}`}  ${seconds}`)
}
if (values.write) writeSeeds(seedsPath, head, mutations.map(({ name }) => noted.get(name)).filter(seed => seed !== undefined))
console.log(`${chosen.length - missed} found, ${missed} not found`)
if (missed > 0) process.exitCode = 1
