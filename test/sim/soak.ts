/**
 * Runs seed after seed until time is up, and notes what came of each in a file named by the commit: a run that was stopped goes on
 * where it was, and several add up.
 *
 * `npm run sim:soak -- --minutes M [--workers 1|2] [--out FOLDER] [--first SEED]`
 *
 * ```
 *  <commit>.txt     seed  ok|INVARIANT  digest  operations  events  milliseconds
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { commit, failureLines } from './report.ts'
import { runSeed } from './run-seed.ts'
import { Violation } from './world.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    workers: { type: 'string', default: '1' },
    out: { type: 'string', default: join(import.meta.dirname, 'results') },
    first: { type: 'string', default: '1' },
    /** Of a worker: the seeds it takes, every `step` from here on. */
    from: { type: 'string' },
    step: { type: 'string', default: '1' }
  }
})
const reportEvery = 100
const workersMax = 2

if (values.from !== undefined) await work(Number(values.from), Number(values.step))
else await soak()

/** A worker: a line for each seed, until it is told to end. */
async function work (from: number, step: number): Promise<void> {
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  // Without its parent nobody reads what it says.
  process.on('disconnect', () => stop.abort())
  for (let seed = from; !stop.signal.aborted; seed += step) {
    const { outcome, error, tookMs } = await runSeed(seed)
    const what = error === undefined ? 'ok' : error instanceof Violation ? error.invariant : 'NoUncaughtError'
    const { ok = 0, failed = 0, unknown = 0 } = outcome?.operations ?? {}
    console.log([seed, what, outcome?.digest ?? '-', ok + failed + unknown, outcome?.events ?? 0, Math.round(tookMs)].join('  '))
    if (error !== undefined) console.error(failureLines(seed, error).join('\n'))
  }
  // The channel to the parent would keep this process.
  if (process.connected) process.disconnect?.()
}

async function soak (): Promise<void> {
  mkdirSync(values.out, { recursive: true })
  const path = join(values.out, `${commit()}.txt`)
  const before = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => line.split(/\s+/)) : []
  const count = Math.min(Math.max(1, Number(values.workers)), workersMax)
  const done = new Set(before.map(([seed]) => Number(seed)))
  let first = Number(values.first)
  while (done.has(first)) first++
  const started = performance.now()
  const end = started + Number(values.minutes) * 60_000
  let seeds = 0
  let failures = 0
  console.log(`${path}: ${before.length} seeds there, on from ${first} with ${count} ${count === 1 ? 'worker' : 'workers'}`)
  const workers = Array.from({ length: count }, (_, index) => startWorker(first + index, count, line => {
    // Of workers that were stopped one may have been ahead of the other.
    if (done.has(Number(line.split(/\s+/)[0]))) return
    appendFileSync(path, `${line}\n`)
    seeds++
    if (line.split(/\s+/)[1] !== 'ok') failures++
    if (seeds % reportEvery === 0) console.log(summary(seeds, failures, performance.now() - started))
  }))
  const interrupted = new Promise<void>(resolve => process.once('SIGINT', () => resolve()))
  const time = Promise.withResolvers<void>()
  const timer = setTimeout(time.resolve, end - performance.now())
  await Promise.race([interrupted, time.promise, ...workers.map(({ ended }) => ended)])
  clearTimeout(timer)
  for (const { child } of workers) child.kill()
  await Promise.all(workers.map(({ ended }) => ended))
  console.log(summary(seeds, failures, performance.now() - started))
  const all = before.filter(([, what]) => what !== 'ok').length + failures
  console.log(`${before.length + seeds} seeds of ${commit()} in all, ${all} with a violation`)
  if (failures > 0) process.exitCode = 1
}

function startWorker (from: number, step: number, onLine: (line: string) => void): { child: ChildProcess, ended: Promise<void> } {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, '--from', String(from), '--step', String(step)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  createInterface({ input: child.stdout! }).on('line', onLine)
  return { child, ended: new Promise(resolve => child.once('close', () => resolve())) }
}

function summary (seeds: number, failures: number, ms: number): string {
  return `${seeds} seeds in ${(ms / 1000).toFixed(0)} s (${(seeds / ms * 1000).toFixed(1)}/s), ${failures} with a violation`
}
