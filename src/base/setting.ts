/** What a setting is and which kinds of values there are. The one home of valibot: how values are checked is nobody else's business. */
import * as v from 'valibot'
import { formatAddress, parseAddress } from './address.ts'
import { type DurationUnit, parseDuration, parseSize, type SizeUnit } from './units.ts'

/** A kind of value: how it is checked and, in words, what is allowed. */
export interface Kind<T> {
  readonly schema: v.GenericSchema<unknown, T>
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
/** `never`: files written for go-queue have it, and there is nothing here that it could set. */
export type Release = 'delivery' | 'never'
/** For a user who sets it. */
export const withoutEffect = (release: Release): string => release === 'never' ? 'has no effect' : `has no effect before the ${release} release`

/** Brings a value into the form that `schema` checks. */
const prepared = <T>(prepare: (value: unknown) => unknown, schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T> =>
  // An object is none of our values, and may not even be readable as text.
  v.pipe(v.unknown(), v.transform(value => typeof value === 'object' ? value : prepare(value)), schema)
const wholeNumber = (min: number, max: number): v.GenericSchema<unknown, number> =>
  v.pipe(v.number() as v.GenericSchema<unknown, number>, v.integer(), v.minValue(min), v.maxValue(max))

const numberAsText = (value: unknown): unknown => typeof value === 'number' ? String(value) : value
export const text = (allowed: string): Kind<string> => ({ schema: prepared(numberAsText, v.pipe(v.string() as v.GenericSchema<unknown, string>, v.maxLength(4096))), allowed })
export const nodeName: Kind<string> = { schema: prepared(numberAsText, v.pipe(v.string() as v.GenericSchema<unknown, string>, v.regex(/^[\w.-]{1,128}$/))), allowed: '1 to 128 letters, digits, ".", "_" or "-"' }
export const boolean: Kind<boolean> = {
  schema: prepared(value => ({ true: true, yes: true, on: true, 1: true, false: false, no: false, off: false, 0: false })[String(value).toLowerCase()], v.boolean() as v.GenericSchema<unknown, boolean>),
  allowed: 'true or false'
}
export const integer = (min: number, max: number): Kind<number> => ({
  schema: prepared(value => typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value, wholeNumber(min, max)),
  allowed: `a whole number from ${min} to ${max}`
})
export const duration = (minMs: number, bare: DurationUnit = 'ms'): Kind<number> => ({
  unit: 'ms',
  schema: prepared(value => parseDuration(value, bare), wholeNumber(minMs, Number.MAX_SAFE_INTEGER)),
  allowed: `a duration such as 10ms, 5s, 5m, 24h or 7d (a number alone counts in ${bare})${minMs > 0 ? `, at least ${minMs} ms` : ''}`
})
export const size = (minBytes: number, maxBytes: number, bare: SizeUnit = 'B'): Kind<number> => ({
  unit: 'B',
  schema: prepared(value => parseSize(value, bare), wholeNumber(minBytes, maxBytes)),
  allowed: `a size such as 64KiB, 1MiB or 1GiB (a number alone counts in ${bare}), from ${minBytes} to ${maxBytes} bytes`
})
/** -1 stands for "no limit", as it does in Kafka's topic settings. */
export const orUnlimited = (kind: Kind<number>): Kind<number> => ({
  ...kind,
  schema: prepared(value => String(value) === 'unlimited' || Number(value) === -1 ? -1 : value, v.union([v.literal(-1), kind.schema]) as v.GenericSchema<unknown, number>),
  allowed: `${kind.allowed}, or -1 for no limit`
})
export const oneOf = <const T extends string>(...values: readonly T[]): Kind<T> => ({
  schema: prepared(value => typeof value === 'string' ? value.toLowerCase() : value, v.picklist(values) as unknown as v.GenericSchema<unknown, T>),
  allowed: `one of ${values.join(', ')}`
})
const list = (item: RegExp, allowed: string, countMin: number): Kind<readonly string[]> => ({
  schema: prepared(value => typeof value === 'string' ? value.split(',').map(part => part.trim()).filter(part => part !== '') : value,
    v.pipe(v.array(v.pipe(v.string(), v.regex(item))) as unknown as v.GenericSchema<unknown, readonly string[]>, v.minLength(countMin), v.maxLength(1000))),
  allowed
})
/** In one spelling, `http://` taken away; what is no address stays as it is, for {@link addressShape} to refuse. */
const canonical = (text: string): string => {
  const address = parseAddress(text.replace(/^http:\/\/(.*?)\/?$/i, '$1'))
  return address === undefined ? text : formatAddress(address)
}
const addressShape = v.check((text: string) => parseAddress(text) !== undefined)
/** Empty, or one address. */
export const address: Kind<string> = {
  schema: prepared(value => typeof value === 'string' ? canonical(value.trim()) : value,
    v.union([v.literal(''), v.pipe(v.string(), addressShape)]) as unknown as v.GenericSchema<unknown, string>),
  allowed: 'HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets), or empty'
}
export const endpoints: Kind<readonly string[]> = {
  schema: prepared(value => (typeof value === 'string' ? value.split(',') : value),
    v.pipe(v.unknown(), v.transform(value => Array.isArray(value) ? value.map(item => typeof item === 'string' ? canonical(item.trim()) : item).filter(item => item !== '') : value),
      v.array(v.pipe(v.string(), addressShape)), v.maxLength(1000)) as unknown as v.GenericSchema<unknown, readonly string[]>),
  allowed: 'a list of HOST:PORT (IPv6 addresses in brackets, no TLS), or one text with commas'
}
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
    const result = v.safeParse(schema, value)
    if (result.success) values[name] = result.output
    else problems.push(`${key}: ${JSON.stringify(value)} (from ${from}) is not allowed; allowed: ${allowed}`)
  }
  return values as Values<Settings>
}
