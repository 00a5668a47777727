/**
 * Brokers that are killed, broken, flooded and filled up. Not part of the fast tests: run before a release.
 *
 * `npm run test:crash -- [--kills 100] [--connections 10000] [--frames 100000] [--seed S] [--only kills,hostile,…]`
 */
import { cases } from './cases.ts'
import { crashOptions } from './options.ts'

const options = crashOptions(process.argv.slice(2))
const unknown = options.only.filter(name => !(name in cases))
if (unknown.length > 0) throw new Error(`--only ${unknown.join()}: there are ${Object.keys(cases).join()}`)
console.log(`seed=${options.seed}`)
let passed = 0
let failed = 0
for (const [name, run] of Object.entries(cases)) {
  if (options.only.length > 0 && !options.only.includes(name)) continue
  const started = performance.now()
  const error = await run(options, line => console.log(`       ${line}`)).then(() => undefined, (error: Error) => error)
  if (error === undefined) passed++
  else failed++
  console.log(`${error === undefined ? 'ok    ' : 'not ok'} ${name.padEnd(10)} ${((performance.now() - started) / 1000).toFixed(1)} s`)
  if (error !== undefined) console.log((error.stack ?? error.message).replace(/^/gm, '       '))
}
process.exitCode = failed === 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed`)
