/** A broker's log lines: into the trace; those that tell of a defect end the run. */
import { AssertionError } from '../../src/base/assert.ts'
import type { LogOutput, Logger } from '../../src/base/logger.ts'
import type { World } from './world.ts'

type Fields = Readonly<Record<string, unknown>>

/** Errors that code has and disks do not: an actor that crashes by one is wrong, not unlucky. */
function isDefect (error: unknown): boolean {
  return error instanceof AssertionError || error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
}

export function simLogger (world: World, broker: number): LogOutput {
  const line = (level: string) => (fields: Fields, message: string): void => {
    const { error, ...rest } = fields
    world.note(level, broker, () => `${message} ${JSON.stringify(rest)} ${error instanceof Error ? error.stack ?? error.message : error ?? ''}`)
    if (isDefect(error)) world.violate('NoDefect', `broker ${broker}: ${message}: ${(error as Error).stack ?? String(error)}`)
  }
  const nothing = (): void => {}
  const logger: Logger = {
    trace: nothing,
    debug: nothing,
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    fatal: line('fatal'),
    isLevelEnabled: level => level !== 'trace' && level !== 'debug',
    child: () => logger
  }
  return { logger, flush: nothing, close: async () => {} }
}
