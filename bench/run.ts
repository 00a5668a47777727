/**
 * `npm run bench [-- NAME… --smoke --again --rounds N --rows R,…]`: runs the benches, each in a process of its own, one
 * after the other. Without names: those of the daily round. They print their tables and append to bench/out.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { benchOptions } from './harness.ts'
import { adopt } from './process-stats.ts'

const daily = ['ring', 'log', 'protocol', 'produce', 'fetch', 'latency']
const others = ['startup', 'threads', 'slow-disk']
const minutesMax = 60

const { names } = benchOptions()
const flags = process.argv.slice(2).filter(argument => !names.includes(argument))
for (const name of names) if (![...daily, ...others].includes(name)) throw new Error(`bench ${name} is none of ${[...daily, ...others].join(', ')}`)

let failed = 0
for (const name of names.length > 0 ? names : daily) {
  const file = join(import.meta.dirname, `${name}.ts`)
  if (!existsSync(file)) throw new Error(`there is no bench/${name}.ts`)
  console.log(`\n== ${name}`)
  const child = adopt(spawn(process.execPath, [file, ...flags], { stdio: 'inherit' }))
  const timer = setTimeout(() => child.kill('SIGKILL'), minutesMax * 60_000)
  const [code] = await once(child, 'exit') as [number | null]
  clearTimeout(timer)
  if (code !== 0) failed++
}
console.log(`\n${failed === 0 ? 'all benches ended well' : `${failed} failed`}`)
process.exit(failed === 0 ? 0 : 1)
