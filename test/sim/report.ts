/** What is said of a seed when it is over. */
import { execFileSync } from 'node:child_process'
import { Violation } from './world.ts'
import type { Outcome } from './simulation.ts'
import type { Shape } from './swarm.ts'

/** One line: what it was like, and what happened. */
export function outcomeLine (outcome: Outcome, tookMs: number): string {
  const { seed, brokers, virtualMs, operations: { ok, failed, unknown }, faults, elections, digest } = outcome
  const faultCount = [...faults.values()].reduce((sum, count) => sum + count, 0)
  return [
    `seed ${seed}`.padEnd(15),
    `${brokers} brokers`,
    `${(virtualMs / 1000).toFixed(1)} s`,
    `${ok + failed + unknown} operations (${ok} ok, ${failed} failed, ${unknown} unknown)`,
    `${faultCount} faults (${[...faults].map(([name, count]) => `${count} ${name}`).join(', ')})`,
    `${elections} elections`,
    `digest ${digest}`,
    `${Math.round(tookMs)} ms`
  ].join('  ')
}

export function shapeLine (shape: Shape): string {
  const { brokers, apart, partitions, replicas, flush, producers, consumers, clientLatencyMs, diskMs, weather } = shape
  return `${apart ? `${brokers} brokers apart` : `cluster of ${brokers}`}, ${partitions} partitions x ${replicas}, flush ${flush}, ` +
    `${producers.length} producers, ${consumers} consumers, client ${clientLatencyMs} ms, disk ${diskMs} ms, links ${weather.latencyMs} ms`
}

/** Everything that is needed to see it again. */
export function failureLines (seed: number, error: unknown, more = ''): string[] {
  const [name, tick, text] = error instanceof Violation
    ? [error.invariant, String(error.tick), error.message]
    : ['NoUncaughtError', '-', error instanceof Error ? error.stack ?? error.message : String(error)]
  return [
    `seed=${seed} commit=${commit()} tick=${tick} invariant=${name}`,
    ...text.split('\n').map(line => `    ${line}`),
    `    replay: npm run sim -- --seed ${seed}${more} --trace`
  ]
}

let known: string | undefined

/** The commit that is checked out, with a + when files differ from it. */
export function commit (): string {
  if (known !== undefined) return known
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    known = git('rev-parse', '--short=10', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
  } catch {
    known = 'unknown'
  }
  return known
}
