/** Holding messages against what other people's clients make of them. */
import type { AnyApi } from '../../src/protocol/api.ts'
import type { AnyField, Fields } from '../../src/protocol/schema.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { type Message, sampleOf } from './values.ts'

type Leaf = string | number

/**
 * Numbers, texts, byte strings (as hex) and UUIDs in a decoded message, whatever its fields are called.
 * In a full sample no two are alike, so a field read from the wrong place shows as a leaf that is missing.
 */
export function leavesOf (value: unknown): Leaf[] {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'function') return []
  if (typeof value === 'bigint') return [Number(value)]
  if (typeof value === 'number') return [value]
  if (typeof value === 'string') return [/^-?\d+$/.test(value) ? Number(value) : /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value) ? value.replaceAll('-', '') : value]
  if (value instanceof Uint8Array) return [`hex:${Buffer.from(value).toString('hex')}`]
  if (Array.isArray(value)) return value.flatMap(leavesOf)
  if (value instanceof Map) return [...value.values()].flatMap(leavesOf)
  return Object.values(value as object).flatMap(leavesOf)
}

/** The leaves of `message` that `decoded` lacks. */
export function missingLeaves (message: unknown, decoded: unknown): Leaf[] {
  const seen = new Set(leavesOf(decoded))
  return leavesOf(message).filter(leaf => !seen.has(leaf))
}

/** A response with every number and text different; `change` sees each field and may set another value. */
export function responseSample (api: AnyApi, version: number, change: (name: string, value: unknown, field: AnyField) => unknown): { message: Message, bytes: Buffer } {
  const walk = (fields: Fields, message: Message): Message => Object.fromEntries(Object.entries(message).map(([name, value]) => {
    const changed = change(name, value, fields[name]!)
    return [name, changed === value ? inside(fields[name]!, value) : changed]
  }))
  const inside = ({ type }: AnyField, value: unknown): unknown => {
    if (type.kind === 'struct') return walk(type.fields, value as Message)
    if (type.kind === 'array') return (value as unknown[]).map(element => inside(type.element, element))
    return value
  }
  const message = walk(api.response as Fields, sampleOf(api.response as Fields, version, 'full'))
  const writer = new Writer()
  api.codec(version)!.writeResponse(writer, message)
  return { message, bytes: Buffer.concat(writer.finish()) }
}
