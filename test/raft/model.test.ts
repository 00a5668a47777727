/** Every way that small groups can go, up to some length: see model.ts. `npm run raft:model -- --states 1000000` goes further. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bugs, visibleChanges } from './bugs.ts'
import { explore, type Outcome } from './model.ts'
import { samples } from './recovery.ts'
import { scenarios, smallBounds } from './scenarios.ts'
import { Transcript } from './transcript.ts'
import { loadVariant } from './variants.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const statesMax = 4_000

function told ({ violation, states }: Outcome): string {
  return violation === undefined ? `nothing within ${states} states` : `${violation.what}\n${violation.trace.join('\n')}\n${violation.members.join('\n')}`
}

t.test('nothing goes wrong', async t => {
  const machine = await loadVariant(smallBounds)
  for (const [name, make] of Object.entries(scenarios)) {
    const outcome = explore({ depthMax: 100, statesMax, sample: samples(50), ...make(machine) })
    t.equal(outcome.violation, undefined, `${name}: ${told(outcome)}`)
    t.ok(outcome.states >= statesMax || outcome.complete, `${name}: ${outcome.states} states, ${outcome.transitions} steps, ${outcome.depth} deep`)
  }
})

t.test('planted bugs are found', async t => {
  for (const [name, { changes, scenario, budget, found, stuck }] of Object.entries(bugs)) {
    const machine = await loadVariant([...smallBounds, ...changes])
    const outcome = explore({
      depthMax: 100, statesMax: 30_000, ...scenarios[scenario]!(machine), ...(budget === undefined ? {} : { budget }), ...(stuck === true ? { sample: samples(1) } : {})
    })
    t.match(outcome.violation?.what ?? '', found, `${name}: ${told(outcome)}`)
  }
})

t.test('changes that break no invariant are seen in a transcript', async t => {
  for (const [name, { changes, transcript }] of Object.entries(visibleChanges)) {
    const text = readFileSync(join(import.meta.dirname, 'transcripts', `${transcript}.txt`), 'utf8')
    const machine = await loadVariant(changes)
    let played: string | undefined
    try {
      played = new Transcript(machine).play(text)
    } catch {
      // Not even that.
    }
    t.not(played, text, name)
  }
})

t.test('the same exploration gives the same numbers', async t => {
  const machine = await loadVariant(smallBounds)
  const once = (): Outcome => explore({ depthMax: 8, statesMax: 3_000, ...scenarios.clocks!(machine) })
  t.same(once(), once())
})

t.test('what a change of the text was to replace must be there', async t => {
  await t.rejects(loadVariant([{ file: 'raft.ts', find: 'no such text', replace: '' }]), { message: /exactly once/ })
})
