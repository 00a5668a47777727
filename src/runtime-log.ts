/** Makes log lines and counters of what happens to actors and threads. */
import type { Logger } from './base/logger.ts'
import { type MetricRow, metrics } from './base/metrics.ts'
import type { OnRuntimeEvent } from './runtime/runtime-event.ts'

export function logRuntimeEvents (logger: Logger, row: MetricRow): OnRuntimeEvent {
  return event => {
    const { kind, ...fields } = event
    switch (event.kind) {
      case 'actor-running':
        logger.debug(fields, 'actor runs')
        break
      case 'actor-crashed':
        row.add(metrics.actorRestarts)
        logger.error(fields, 'actor crashed; it is restarted')
        break
      case 'thread-replaced':
        row.add(metrics.threadRestarts)
        logger.warn(fields, 'thread replaced')
        break
      case 'memory-high':
        logger.warn(fields, 'memory is high')
        break
      default:
        logger.error(fields, kind.replace('-', ' '))
    }
  }
}
