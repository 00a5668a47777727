/** Measures a reactor thread once a second: how busy its loop is, how late its timers are, what its actor system did. */
import type { Clock } from './base/clock.ts'
import { type Metric, type MetricRow, metrics } from './base/metrics.ts'
import type { ActorSystem } from './runtime/actor-system.ts'
import type { SystemStats } from './runtime/system-options.ts'

const observeMs = 1000

export interface LoopWatchPorts {
  readonly clock: Clock
  every (periodMs: number, callback: () => void): () => void
  utilization (): number
}

/**
 * @param also  sets further metrics, each time
 * @returns how to end it
 */
export function watchLoop (ports: LoopWatchPorts, system: ActorSystem, row: MetricRow, also: () => void): () => void {
  let due = ports.clock.monotonicMs() + observeMs
  let sent = system.stats()
  return ports.every(observeMs, () => {
    const now = ports.clock.monotonicMs()
    row.set(metrics.loopUtilization, ports.utilization())
    row.set(metrics.loopLagSeconds, Math.max(0, now - due) / 1000)
    also()
    sent = countRuntime(system, row, sent)
    due = now + observeMs
  })
}

/** The runtime counts from its own start, and its links anew when a thread is replaced: what was counted since is added. */
function countRuntime (system: ActorSystem, row: MetricRow, before: SystemStats): SystemStats {
  const now = system.stats()
  const add = (metric: Metric, name: 'framesSent' | 'framesWaited' | 'doorbellRings' | 'refused'): void => {
    row.add(metric, now[name] >= before[name] ? now[name] - before[name] : now[name])
  }
  add(metrics.ringMessages, 'framesSent')
  add(metrics.ringFull, 'framesWaited')
  add(metrics.doorbellRings, 'doorbellRings')
  add(metrics.mailboxRefusals, 'refused')
  return now
}
