/** What a setting is and which kinds of values there are. The one home of zod: how values are checked is nobody else's business. */
import { z } from 'zod'
import { type DurationUnit, parseDuration, parseSize, type SizeUnit } from './units.ts'

/** A kind of value: how it is checked and, in words, what is allowed. */
export interface Kind<T> {
  readonly schema: z.ZodType<T>
  readonly allowed: string
  /** What a number alone counts in inside a program, where the setting's name says it; in a file it may be another unit. */
  readonly unit?: 'ms' | 'B'
}

export interface Setting<T = unknown> extends Kind<T> {
  readonly key: string
  /** As a user would write it. */
  readonly fallback: string | number | boolean
  readonly meaning: string
  /** Set when the broker takes the value and checks it, but does not use it before that release. */
  readonly usedFrom: Release | undefined
}
export type Release = 'cluster' | 'delivery'

const numberAsText = (value: unknown): unknown => typeof value === 'number' ? String(value) : value
export const text = (allowed: string): Kind<string> => ({ schema: z.preprocess(numberAsText, z.string().max(4096)), allowed })
export const nodeName: Kind<string> = { schema: z.preprocess(numberAsText, z.string().regex(/^[\w.-]{1,128}$/)), allowed: '1 to 128 letters, digits, ".", "_" or "-"' }
export const boolean: Kind<boolean> = {
  schema: z.preprocess(value => ({ true: true, yes: true, on: true, 1: true, false: false, no: false, off: false, 0: false })[String(value).toLowerCase()], z.boolean()),
  allowed: 'true or false'
}
export const integer = (min: number, max: number): Kind<number> => ({
  schema: z.preprocess(value => typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value, z.number().int().min(min).max(max)),
  allowed: `a whole number from ${min} to ${max}`
})
export const duration = (minMs: number, bare: DurationUnit = 'ms'): Kind<number> => ({
  unit: 'ms',
  schema: z.preprocess(value => parseDuration(value, bare), z.number().int().min(minMs).max(Number.MAX_SAFE_INTEGER)),
  allowed: `a duration such as 10ms, 5s, 5m, 24h or 7d (a number alone counts in ${bare})${minMs > 0 ? `, at least ${minMs} ms` : ''}`
})
export const size = (minBytes: number, maxBytes: number, bare: SizeUnit = 'B'): Kind<number> => ({
  unit: 'B',
  schema: z.preprocess(value => parseSize(value, bare), z.number().int().min(minBytes).max(maxBytes)),
  allowed: `a size such as 64KiB, 1MiB or 1GiB (a number alone counts in ${bare}), from ${minBytes} to ${maxBytes} bytes`
})
/** -1 stands for "no limit", as it does in Kafka's topic settings. */
export const orUnlimited = (kind: Kind<number>): Kind<number> => ({
  ...kind,
  schema: z.preprocess(value => String(value) === 'unlimited' || Number(value) === -1 ? -1 : value, z.union([z.literal(-1), kind.schema])),
  allowed: `${kind.allowed}, or -1 for no limit`
})
export const oneOf = <const T extends string>(...values: readonly T[]): Kind<T> => ({
  schema: z.preprocess(value => typeof value === 'string' ? value.toLowerCase() : value, z.enum(values as readonly [T, ...T[]])),
  allowed: `one of ${values.join(', ')}`
})
const list = (item: RegExp, allowed: string, countMin: number): Kind<readonly string[]> => ({
  schema: z.preprocess(value => typeof value === 'string' ? value.split(',').map(part => part.trim()).filter(part => part !== '') : value,
    z.array(z.string().regex(item)).min(countMin).max(1000)),
  allowed
})
export const endpoints = list(/^\S+:\d{1,5}$/, 'a list of HOST:PORT, or one text with commas', 0)
export const brokers = list(/^([^\s:]+|\[[\da-f:.]+\])(:\d{1,5})?$/i, 'a list of HOST or HOST:PORT, or one text with commas', 1)

export const maxInt32 = 2 ** 31 - 1
export const setting = <T>(key: string, fallback: Setting['fallback'], kind: Kind<T>, meaning: string, usedFrom?: Release): Setting<T> =>
  ({ key, fallback, ...kind, meaning, usedFrom })

/** Checked values by setting name. */
export type Values<Settings extends Record<string, Setting>> = { readonly [Name in keyof Settings]: Settings[Name] extends Setting<infer T> ? T : never }

export interface Given {
  readonly value: unknown
  /** For messages: a file's name, a flag, a variable. */
  readonly from: string
}

/** One line per problem; the user's fault, never ours. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly string[]
  constructor (problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Returns every setting's value, given or default, and appends a line to `problems` for each that is not allowed. */
export function checkValues<Settings extends Record<string, Setting>> (settings: Settings, given: ReadonlyMap<string, Given>, problems: string[]): Values<Settings> {
  const values: Record<string, unknown> = {}
  for (const [name, { schema, fallback, key, allowed }] of Object.entries(settings)) {
    const { value, from } = given.get(name) ?? { value: fallback, from: 'default' }
    const result = schema.safeParse(value)
    if (result.success) values[name] = result.data
    else problems.push(`${key}: ${JSON.stringify(value)} (from ${from}) is not allowed; allowed: ${allowed}`)
  }
  return values as Values<Settings>
}
