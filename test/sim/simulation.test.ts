/** Seeds that everybody runs: the same ones each time, fresh ones, and those that once found something. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { failureLines, outcomeLine } from './report.ts'
import { runSeed, type SeedResult } from './run-seed.ts'
import { readSeeds } from './seed-list.ts'
import { operationsMin } from './simulation.ts'

// A busy machine is no failure.
t.setTimeout(400_000)

const fixedSeeds = 150
/** Other ones each time. */
const freshSeeds = Number(process.env.SIM_FRESH_SEEDS ?? 50)
const virtualMsMin = 60_000
const faultsMin = 5
const faultKindsMin = 3

/** What a seed must have been through to be worth its name; a violation comes first. */
function problem ({ seed, outcome, error, tookMs }: SeedResult): string | undefined {
  if (outcome === undefined) return failureLines(seed, error).join('\n')
  const { virtualMs, operations: { ok, failed, unknown }, faults } = outcome
  const faultCount = [...faults.values()].reduce((sum, count) => sum + count, 0)
  const worth = virtualMs >= virtualMsMin && ok + failed + unknown >= operationsMin && faultCount >= faultsMin && faults.size >= faultKindsMin
  return worth ? undefined : `a seed too small: ${outcomeLine(outcome, tookMs)}`
}

async function runAll (t: Test, seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const text = problem(await runSeed(seed))
    if (text !== undefined) t.fail(text)
  }
  t.pass(`${seeds.length} seeds from ${seeds[0]} on`)
}

t.test('the same seed gives the same run', async t => {
  for (const seed of [1, 2, 3]) {
    const [once, again] = [await runSeed(seed), await runSeed(seed)]
    t.equal(once.outcome?.digest, again.outcome?.digest, `seed ${seed}`)
    t.equal(once.outcome?.events, again.outcome?.events)
    t.match(once.outcome?.digest, /^[0-9a-f]{16}$/, `seed ${seed} ends well`)
  }
  const other = await runSeed(4)
  t.not(other.outcome?.digest, (await runSeed(1)).outcome?.digest, 'another seed gives another one')
})

t.test('seeds that once found something', async t => {
  for (const { seed, found } of readSeeds(join(import.meta.dirname, 'seeds.txt'))) {
    t.equal(problem(await runSeed(seed)), undefined, `${seed}: ${found}`)
  }
})

t.test(`${fixedSeeds} fixed seeds`, async t => await runAll(t, Array.from({ length: fixedSeeds }, (_, i) => i + 1)))

t.test(`${freshSeeds} fresh seeds`, async t => {
  const from = 1_000_000 + Math.floor(Math.random() * 1e9)
  await runAll(t, Array.from({ length: freshSeeds }, (_, i) => from + i))
})
