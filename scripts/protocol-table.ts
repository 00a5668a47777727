/** Writes the tables of docs/protocol.md, between their marks, from the definitions in src/protocol/apis. */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { ErrorCode, isRetriable } from '../src/base/error-code.ts'
// Before routes.ts: the two need each other, and this one has to be entered first.
import '../src/net/network.ts'
import { routedApis } from '../src/net/routes.ts'
import type { AnyApi } from '../src/protocol/api.ts'
import { apis } from '../src/protocol/apis.ts'
import type { AnyField, Fields, Type } from '../src/protocol/schema.ts'

export const page = 'docs/protocol.md'
const marks = (name: string): [string, string] => [`<!-- ${name}: begin (npm run docs:protocol writes this) -->`, `<!-- ${name}: end -->`]

const list: readonly AnyApi[] = Object.values(apis)

function apiTable (): string {
  const rows = list.map(api => {
    const { key, name, versions: [first, last], advertisedFrom, flexibleSince } = api
    const advertised = advertisedFrom === first ? '' : `; advertised from ${advertisedFrom}`
    const offered = (routedApis as readonly string[]).includes(name) ? 'yes' : 'not yet'
    return `| ${key} | [\`${name}\`](#${name.toLowerCase()}) | ${first}–${last}${advertised} | ${flexibleSince <= last ? `${flexibleSince}+` : 'none'} | ${offered} |`
  })
  return ['| key | API | versions | flexible | offered |', '|---|---|---|---|---|', ...rows].join('\n')
}

function errorTable (): string {
  const rows = Object.entries(ErrorCode).sort(([, a], [, b]) => a - b).map(([name, code]) => `| ${code} | ${name} | ${isRetriable(code) ? 'yes' : ''} |`)
  return ['| code | name | clients try again |', '|---|---|---|', ...rows].join('\n')
}

function layouts (): string {
  return list.map(api => `### ${api.name}\n\n\`\`\`\nrequest\n${layout(api, api.request as Fields)}\nresponse\n${layout(api, api.response as Fields)}\n\`\`\``).join('\n\n')
}

function layout (api: AnyApi, fields: Fields, depth = 1): string {
  const lines = Object.entries(fields).flatMap(([name, field]) => {
    const inner = fieldsOf(field.type)
    return [`${'  '.repeat(depth)}${name}: ${typeName(field.type)}${notes(api, field)}`, ...inner === undefined ? [] : [layout(api, inner, depth + 1)]]
  })
  return lines.length === 0 ? `${'  '.repeat(depth)}(empty)` : lines.join('\n')
}

function fieldsOf (type: Type): Fields | undefined {
  return type.kind === 'array' ? fieldsOf(type.element.type) : type.kind === 'struct' ? type.fields : undefined
}

function typeName (type: Type): string {
  if (type.kind === 'array') return `[]${typeName(type.element.type)}`
  return type.kind === 'byteString' ? 'bytes' : type.kind === 'saturatedInt64' ? 'int64 (any)' : type.kind
}

function notes (api: AnyApi, field: AnyField): string {
  const [start, last] = [api.advertisedFrom, api.versions[1]]
  const range = (from: number, to: number): string => to < last ? `${from}–${to}` : `${from}+`
  const parts: string[] = []
  if (field.first > start || field.last < last) parts.push(range(Math.max(field.first, start), field.last))
  if (field.nullableFirst <= field.nullableLast && field.tag === undefined) {
    parts.push(field.nullableFirst > Math.max(field.first, start) ? `null from ${field.nullableFirst}` : 'or null')
  } else if (typeof field.fallback === 'number' && field.fallback !== 0) {
    parts.push(`default ${field.fallback === Number.MAX_SAFE_INTEGER ? 'the largest' : field.fallback}`)
  } else if (field.fallback === true) {
    parts.push('default true')
  }
  if (field.tag !== undefined) parts.push(`tag ${field.tag}`)
  return parts.length === 0 ? '' : `   ${parts.join(', ')}`
}

const tables: Readonly<Record<string, () => string>> = { apis: apiTable, errors: errorTable, layouts }

/** Returns the page's text with the present tables in it. */
export function pageWithTables (text: string): string {
  for (const [name, table] of Object.entries(tables)) {
    const [begin, end] = marks(name)
    const [before, after] = [text.indexOf(begin), text.indexOf(end)]
    if (before < 0 || after < before) throw new Error(`${page} has lost the marks around its ${name}`)
    text = `${text.slice(0, before + begin.length)}\n${table()}\n${text.slice(after)}`
  }
  return text
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(page, pageWithTables(readFileSync(page, 'utf8')))
  console.log(`${page} holds ${list.length} APIs`)
}
