/** Values for messages, made from their definitions: fixed ones, random ones, and what a reader should make of them. */
import fc from 'fast-check'
import type { AnyApi } from '../../src/protocol/api.ts'
import { apis } from '../../src/protocol/apis.ts'
import type { AnyField, Fields } from '../../src/protocol/schema.ts'

export type Message = Record<string, unknown>
export type Side = 'request' | 'response'

/** Each API in each version that can be read and written, both messages. */
export function everyMessage (): Array<{ api: AnyApi, version: number, side: Side, fields: Fields }> {
  return Object.values<AnyApi>(apis).flatMap(api => versionsOf(api).flatMap(version =>
    (['request', 'response'] as const).map(side => ({ api, version, side, fields: api[side] as Fields }))))
}

export function versionsOf (api: AnyApi): number[] {
  return Array.from({ length: api.versions[1] - api.advertisedFrom + 1 }, (_, i) => api.advertisedFrom + i)
}

/** The same message each time, no two numbers in it alike: `full` with everything set, `sparse` with all that may be null or empty so. */
export function sampleOf (fields: Fields, version: number, kind: 'full' | 'sparse'): Message {
  let count = 0
  const value = (field: AnyField): unknown => {
    const { type } = field
    if (kind === 'sparse' && field.tag !== undefined) return field.fallback
    if (kind === 'sparse' && field.isNullable(version)) return null
    if (type.kind === 'struct') return struct(type.fields)
    if (type.kind === 'array') return kind === 'sparse' ? [] : Array.from({ length: 2 }, () => value(type.element))
    count++
    switch (type.kind) {
      case 'bool': return kind === 'full'
      case 'string': return kind === 'sparse' ? '' : `text-${count}`
      case 'byteString': return kind === 'sparse' ? new Uint8Array(0) : Uint8Array.of(count, 255, 0)
      case 'uuid': return kind === 'sparse' ? '0'.repeat(32) : count.toString(16).padStart(4, 'a').repeat(8)
      case 'int8': return kind === 'sparse' ? -1 : count % 128
      case 'int16': return kind === 'sparse' ? -1 : 0x100 + count
      case 'uint16': return kind === 'sparse' ? 0 : 0xe000 + count
      case 'int32': return kind === 'sparse' ? -1 : 0x1000000 + count
      case 'int64': return kind === 'sparse' ? -1 : 0x10000000000000 + count
      case 'saturatedInt64': return kind === 'sparse' ? -1 : 0x10000000000000 + count
    }
  }
  const struct = (inner: Fields): Message => Object.fromEntries(
    Object.entries(inner).filter(([, field]) => field.has(version)).map(([name, field]) => [name, value(field)]))
  return struct(fields)
}

const anyUuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('hex'))
const anySafe = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(-1, 0, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER))
const anyString = fc.oneof({ weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 100, maxLength: 300 }) }, { weight: 4, arbitrary: fc.constantFrom('orders', '') })
const anyBytes = fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) }, { weight: 1, arbitrary: fc.integer({ min: 1000, max: 3000 }).map(length => new Uint8Array(length).fill(7)) })

/** Any message that this version can carry. */
export function anyMessage (fields: Fields, version: number): fc.Arbitrary<Message> {
  return fc.record(Object.fromEntries(Object.entries(fields).filter(([, field]) => field.has(version)).map(([name, field]) => [name, anyValue(field, version)])))
}

function anyValue (field: AnyField, version: number): fc.Arbitrary<unknown> {
  const { type } = field
  const value = (): fc.Arbitrary<unknown> => {
    switch (type.kind) {
      case 'bool': return fc.boolean()
      case 'int8': return fc.integer({ min: -0x80, max: 0x7f })
      case 'int16': return fc.integer({ min: -0x8000, max: 0x7fff })
      case 'uint16': return fc.integer({ min: 0, max: 0xffff })
      case 'int32': return fc.integer()
      case 'int64':
      case 'saturatedInt64': return anySafe
      case 'uuid': return anyUuid
      case 'string': return anyString
      case 'byteString': return anyBytes
      case 'array': return fc.array(anyValue(type.element, version), { maxLength: 3 })
      case 'struct': return anyMessage(type.fields, version)
    }
  }
  const withNull = field.isNullable(version) ? fc.option(value(), { freq: 4 }) : value()
  return field.fallback === undefined || field.tag === undefined ? withNull : fc.oneof({ weight: 3, arbitrary: withNull }, { weight: 1, arbitrary: fc.constant(field.fallback) })
}

/** What reading gives back for a written message: the plain model of defaults and of nulls that a version cannot say. */
export function readBack (fields: Fields, version: number, message: Message): Message {
  const value = (field: AnyField, written: unknown): unknown => {
    if (!field.has(version) || written === undefined) return field.fallback
    const { type } = field
    if (written === null) return field.isNullable(version) ? null : type.kind === 'string' ? '' : type.kind === 'array' ? [] : new Uint8Array(0)
    if (type.kind === 'struct') return readBack(type.fields, version, written as Message)
    if (type.kind === 'array') return (written as unknown[]).map(element => value(type.element, element))
    return written
  }
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, value(field, message[name])]))
}

/** Byte strings as hex, so that views and copies compare. */
export function plain (value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex:${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
  return value
}
