/** What the crash tests are run with. */
import { parseArgs } from 'node:util'

export interface CrashOptions {
  readonly kills: number
  readonly connections: number
  readonly frames: number
  readonly seed: number
  /** Names of tests; none: all. */
  readonly only: readonly string[]
}

/** @throws on what is no such option, or no number */
export function crashOptions (args: readonly string[]): CrashOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '100' },
      connections: { type: 'string', default: '10000' },
      frames: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      only: { type: 'string', default: '' }
    }
  })
  const number = (name: 'kills' | 'connections' | 'frames' | 'seed'): number => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} ${values[name]}: a whole number is expected`)
    return value
  }
  return { kills: number('kills'), connections: number('connections'), frames: number('frames'), seed: number('seed'), only: values.only.split(',').filter(Boolean) }
}
