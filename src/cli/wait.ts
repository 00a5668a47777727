/** Waiting, with a bar where somebody watches, for work that a cluster does by itself. */
import { setTimeout } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import { systemClock } from '../base/clock.ts'
import { parseDuration } from '../base/units.ts'
import { retrying } from '../client/cluster.ts'
import { CliError, exitCode } from './failure.ts'

const pollMs = 500

export interface WaitOptions {
  readonly waitTimeout: string
  /** Within this somebody must answer. */
  readonly timeoutMs: number
}

/**
 * Resolves when `left` says 0. Brokers that come and go meanwhile do not matter.
 *
 * @param total  what `left` says when nothing is done yet; 0: what it says first
 * @throws CliError  the time is up; the cluster goes on all the same
 */
export async function waitUntilNone (left: () => Promise<number>, { waitTimeout, timeoutMs }: WaitOptions, total = 0): Promise<void> {
  const waitMs = parseDuration(waitTimeout)
  if (waitMs === undefined) throw new CliError(`--wait-timeout: ${JSON.stringify(waitTimeout)} is not allowed; allowed: a duration such as 30s, 10m or 1h`, exitCode.usage)
  const deadlineMs = systemClock.monotonicMs() + waitMs
  let bar: SingleBar | undefined
  try {
    for (;;) {
      const count = await retrying(timeoutMs, left, () => true)
      total = Math.max(total, count)
      if (bar === undefined && process.stderr.isTTY) {
        bar = new SingleBar({ format: '{bar} {value}/{total} partitions', stream: process.stderr })
        bar.start(total, 0)
      }
      bar?.update(total - count)
      if (count === 0) return
      if (systemClock.monotonicMs() > deadlineMs) throw new CliError(`${count} of ${total} are still on their way after ${waitTimeout}, and go on; see ringmq cluster status`)
      await setTimeout(pollMs)
    }
  } finally {
    bar?.stop()
  }
}
