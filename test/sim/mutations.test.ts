/** Every planted bug is found by the seed that is noted for it; the same seed without it goes well. */
import t from 'tap'
import { mutations } from './mutations/all.ts'
import { seedsPath } from './mutations/seeds-path.ts'
import { runSeed } from './run-seed.ts'
import { readSeeds } from './seed-list.ts'
import { Violation } from './world.ts'

// A busy machine is no failure.
t.setTimeout(400_000)

const noted = new Map(readSeeds(seedsPath).map(seed => [seed.name, seed]))

for (const mutation of mutations) {
  const known = noted.get(mutation.name)
  const skip = known === undefined ? 'no seed that finds it is noted yet: npm run sim:mutations -- --write' : false
  t.test(`${mutation.name}: ${mutation.bug}`, { skip }, async t => {
    const { seed, found } = known!
    const { error } = await runSeed(seed, { mutation })
    t.ok(error, `seed ${seed} finds it`)
    t.equal(error instanceof Violation ? error.invariant : 'NoUncaughtError', found)
    t.equal((await runSeed(seed)).error, undefined, 'and finds nothing when it is taken out')
  })
}
