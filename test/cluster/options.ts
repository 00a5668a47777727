/** What the fault tests are run with. */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { projectRoot } from '../../bench/harness.ts'
import { type NetworkKind, networkKinds } from './network.ts'

export interface FaultOptions {
  /** 0: each case once, as short as it can be. */
  readonly minutes: number
  readonly seed: number
  /** None: all. */
  readonly cases: readonly string[]
  readonly brokers: number
  readonly network: NetworkKind | 'auto'
  /** Of the checkout whose brokers are tested. */
  readonly root: string | undefined
  readonly groups: boolean
  /** Where rounds are written down, for runs of minutes. */
  readonly out: string
  /** Rounds that are written down already are done anew. */
  readonly again: boolean
}

/** @throws on what is no such option, or no number */
export function faultOptions (args: readonly string[]): FaultOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '0' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      cases: { type: 'string', default: '' },
      brokers: { type: 'string', default: '3' },
      network: { type: 'string', default: 'auto' },
      root: { type: 'string' },
      groups: { type: 'boolean', default: false },
      out: { type: 'string', default: join(projectRoot, 'bench', 'out', 'faults.jsonl') },
      again: { type: 'boolean', default: false }
    }
  })
  const number = (name: 'minutes' | 'seed' | 'brokers', least: number, most: number): number => {
    const value = Number(values[name])
    if (!Number.isFinite(value) || value < least || value > most || (name !== 'minutes' && !Number.isInteger(value))) throw new Error(`--${name} ${values[name]}: expected ${least} to ${most}`)
    return value
  }
  if (values.network !== 'auto' && !networkKinds.includes(values.network as NetworkKind)) throw new Error(`--network ${values.network}: there are auto, ${networkKinds.join(', ')}`)
  return {
    minutes: number('minutes', 0, 24 * 60),
    seed: number('seed', 0, 2 ** 31),
    cases: values.cases.split(',').filter(Boolean),
    brokers: number('brokers', 1, 9),
    network: values.network as NetworkKind | 'auto',
    root: values.root === undefined ? undefined : resolve(values.root),
    groups: values.groups,
    out: values.out,
    again: values.again
  }
}
