/**
 * Turns a message's fields into a function that reads, or writes, one version of it.
 *
 * The function is made from source text: straight lines of reader or writer calls and one object literal per struct, which
 * the engine inlines and whose objects have one shape in all versions. Closures that walk a list of fields store each field under
 * a name known only at run time; on a one-record produce request they took three to four times as long.
 * The text is made of the definitions in `apis/` alone, nothing from outside gets in.
 */
import { assert } from '../base/assert.ts'
import type { Reader } from './reader.ts'
import type { AnyField, Fields } from './schema.ts'
import type { Writer } from './writer.ts'

export type Read<T> = (reader: Reader) => T
export type Write<T> = (writer: Writer, value: T) => void

/** The reader's and writer's methods for types that differ between plain and flexible versions, and that can be null. */
const methods = {
  string: { plain: 'string', nullable: 'nullableString', compact: 'compactString', compactNullable: 'compactNullableString' },
  byteString: { plain: 'byteString', nullable: 'nullableByteString', compact: 'compactByteString', compactNullable: 'compactNullableByteString' },
  array: { plain: 'count', nullable: 'nullableCount', compact: 'compactCount', compactNullable: 'compactNullableCount' }
} as const

const bytesMin = { bool: 1, int8: 1, int16: 2, uint16: 2, int32: 4, int64: 8, saturatedInt64: 8, uuid: 16 } as const

/** One version of one message; `flexible` versions have compact lengths and tagged fields. */
interface Target {
  readonly name: string
  readonly version: number
  readonly flexible: boolean
}

type TaggedField = [name: string, field: AnyField, tag: number]

export function compileReader<T> (target: Target, fields: Fields): Read<T> {
  const source = new ReaderSource(target)
  return evaluate<Read<T>>(source.functions, source.struct(fields), target)
}

export function compileWriter<T> (target: Target, fields: Fields): Write<T> {
  const source = new WriterSource(target)
  return evaluate<Write<T>>(source.functions, source.struct(fields), target)
}

function evaluate<T> (functions: readonly string[], main: string, { name, version }: Target): T {
  // eslint-disable-next-line no-new-func
  return new Function(`'use strict'\n${functions.join('\n')}\nreturn ${main}\n//# sourceURL=ringmq:${name}-${version}`)() as T
}

/** Holds the functions made so far; each is named for its place in the list. */
class Source {
  readonly target: Target
  readonly functions: string[] = []

  constructor (target: Target) {
    this.target = target
  }

  protected define (parameters: string, body: readonly string[]): string {
    const name = `f${this.functions.length}`
    this.functions.push(`function ${name} (${parameters}) {\n  ${body.join('\n  ')}\n}`)
    return name
  }

  protected method (kind: keyof typeof methods, field: AnyField): string {
    const { version, flexible } = this.target
    const nullable = field.isNullable(version)
    return methods[kind][flexible ? (nullable ? 'compactNullable' : 'compact') : (nullable ? 'nullable' : 'plain')]
  }

  protected present (fields: Fields): Array<[string, AnyField]> {
    return Object.entries(fields).filter(([, field]) => field.has(this.target.version))
  }

  /** The tagged fields that the version has, by ascending tag. */
  protected tagged (fields: Fields): TaggedField[] {
    const tagged = this.present(fields).flatMap(([name, field]): TaggedField[] => field.tag === undefined ? [] : [[name, field, field.tag]])
    assert(tagged.length === 0 || this.target.flexible, 'tagged fields need a flexible version')
    return tagged.sort(([, , a], [, , b]) => a - b)
  }
}

class ReaderSource extends Source {
  struct (fields: Fields): string {
    const body: string[] = []
    for (const [name, field] of Object.entries(fields)) {
      assert(/^[a-zA-Z][a-zA-Z0-9]*$/.test(name), 'a field is named like a variable')
      const here = field.has(this.target.version) && field.tag === undefined
      body.push(here ? `const $${name} = ${this.value(field)}` : `let $${name} = ${literal(field.fallback)}`)
    }
    body.push(...this.#tags(this.tagged(fields)))
    body.push(`return { ${Object.keys(fields).map(name => `${name}: $${name}`).join(', ')} }`)
    return this.define('r', body)
  }

  #tags (tagged: readonly TaggedField[]): string[] {
    if (!this.target.flexible) return []
    if (tagged.length === 0) return ['r.skipTags()']
    return [
      'for (let left = r.uvarint(), tag = -1; left > 0; left--) {',
      '  tag = r.tag(tag)',
      '  const end = r.taggedEnd()',
      '  switch (tag) {',
      ...tagged.map(([name, field, tag]) => `    case ${tag}: $${name} = ${this.value(field)}; break`),
      '    default: r.skipTo(end)',
      '  }',
      '  r.expectTaggedEnd(end)',
      '}'
    ]
  }

  value (field: AnyField): string {
    const type = field.type
    if (type.kind === 'string' || type.kind === 'byteString') return `r.${this.method(type.kind, field)}()`
    if (type.kind === 'struct') {
      const read = `${this.struct(type.fields)}(r)`
      return field.isNullable(this.target.version) && field.tag === undefined ? `r.int8() < 0 ? null : ${read}` : read
    }
    if (type.kind !== 'array') return `r.${type.kind}()`
    const element = this.value(type.element)
    const name = this.define('r', [
      `const count = r.${this.method('array', field)}(${this.#bytesMin(type.element)})`,
      ...(field.isNullable(this.target.version) ? ['if (count < 0) return null'] : []),
      'if (count === 0) return []',
      `const elements = [${element}]`,
      // The count may claim what only looks possible: the array grows as its elements prove to be there.
      `for (let i = 1; i < count; i++) elements.push(${element})`,
      'return elements'
    ])
    return `${name}(r)`
  }

  /** The fewest bytes a value can take. */
  #bytesMin (field: AnyField): number {
    const { type } = field
    const { version, flexible } = this.target
    if (type.kind === 'string') return flexible ? 1 : 2
    if (type.kind === 'byteString' || type.kind === 'array') return flexible ? 1 : 4
    if (type.kind !== 'struct') return bytesMin[type.kind]
    if (field.isNullable(version)) return 1
    let sum = flexible ? 1 : 0
    for (const [, inner] of this.present(type.fields)) sum += inner.tag === undefined ? this.#bytesMin(inner) : 0
    return sum
  }
}

class WriterSource extends Source {
  struct (fields: Fields): string {
    const body: string[] = []
    for (const [name, field] of this.present(fields)) {
      if (field.tag === undefined) body.push(...this.#field(name, field))
    }
    body.push(...this.#tags(this.tagged(fields)))
    return this.define('w, m', body)
  }

  #field (name: string, field: AnyField): string[] {
    const nullHere = field.isNullable(this.target.version)
    const lines = [`let $${name} = m.${name}`]
    // A field that may be left out, or that other versions let be null, in a version that cannot say so.
    if (!nullHere && field.nullableFirst <= field.nullableLast) lines.push(`if ($${name} === undefined || $${name} === null) $${name} = ${empty(field)}`)
    else lines.push(`if ($${name} === undefined) $${name} = ${literal(field.fallback)}`)
    lines.push(...this.value(`$${name}`, field))
    return lines
  }

  #tags (tagged: readonly TaggedField[]): string[] {
    if (!this.target.flexible) return []
    if (tagged.length === 0) return ['w.uvarint(0)']
    const isSet = (name: string, field: AnyField): string => field.type.kind === 'array'
      ? `(m.${name} !== undefined && m.${name}.length > 0)`
      : `(m.${name} !== undefined && m.${name} !== ${literal(field.fallback)})`
    return [
      `w.uvarint(${tagged.map(([name, field]) => `(${isSet(name, field)} ? 1 : 0)`).join(' + ')})`,
      ...tagged.map(([name, field, tag]) => `if (${isSet(name, field)}) w.tagged(${tag}, m.${name}, ${this.define('w, v', this.value('v', field))})`)
    ]
  }

  value (name: string, field: AnyField): string[] {
    const { type } = field
    if (type.kind === 'string' || type.kind === 'byteString') return [`w.${this.method(type.kind, field)}(${name})`]
    if (type.kind === 'struct') {
      const write = `${this.struct(type.fields)}(w, ${name})`
      return [field.isNullable(this.target.version) && field.tag === undefined ? `if (${name} === null) w.int8(-1); else { w.int8(1); ${write} }` : write]
    }
    if (type.kind !== 'array') return [`w.${type.kind}(${name})`]
    const { version, flexible } = this.target
    const element = this.define('w, v', this.value('v', type.element))
    const elements = `{ w.${flexible ? 'compactCount' : 'count'}(${name}.length); for (let i = 0; i < ${name}.length; i++) ${element}(w, ${name}[i]) }`
    return [field.isNullable(version) ? `if (${name} === null) ${flexible ? 'w.compactCount(-1)' : 'w.count(-1)'}; else ${elements}` : elements]
  }
}

/** A default as source text. Arrays are made anew each time, as readers give them away. */
function literal (fallback: unknown): string {
  return fallback instanceof Uint8Array ? 'new Uint8Array(0)' : JSON.stringify(fallback)
}

function empty ({ type }: AnyField): string {
  if (type.kind === 'array') return '[]'
  if (type.kind === 'byteString') return 'new Uint8Array(0)'
  assert(type.kind === 'string', 'only strings, bytes and arrays become nullable in a later version')
  return "''"
}
