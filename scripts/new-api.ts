/**
 * Starts a new protocol API: `npm run new:api -- describeLogDirs 35 0 1` writes its definition with versions 0 to 1,
 * names it in src/protocol/apis.ts, and says what is left to do by hand.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface NewApi {
  /** In camel case, as `ApiName` has it. */
  readonly name: string
  readonly key: number
  readonly versions: readonly [number, number]
}

const template = ({ name, key, versions: [first, last] }: NewApi): string => `/** What it does, in a sentence or two, and what each version adds. */
import { defineApi } from '../api.ts'
import { int16, int32 } from '../schema.ts'

export const ${name} = defineApi({
  key: ${key},
  name: '${name}',
  versions: [${first}, ${last}],
  flexibleSince: 0,
  request: {
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16()
  }
})
`

/** Writes the definition below `root` and returns its path. @throws Error  the name or the key is bad or taken */
export function createApi (root: string, api: NewApi): string {
  const { name, key, versions: [first, last] } = api
  if (!/^[a-z][a-zA-Z]+$/.test(name)) throw new Error(`${name}: a name in camel case is wanted`)
  if (![key, first, last].every(number => Number.isInteger(number) && number >= 0 && number <= 32767) || first > last) throw new Error('key and versions are numbers from 0 to 32767, in order')
  const folder = join(root, 'src/protocol')
  const listFile = join(folder, 'apis.ts')
  const list = readFileSync(listFile, 'utf8')
  const fileName = name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`) + '.ts'
  const file = join(folder, 'apis', fileName)
  const keys = keysByName(folder, list)
  const owner = [...keys].find(([, taken]) => taken === key)?.[0]
  if (owner !== undefined) throw new Error(`key ${key} belongs to ${owner}`)
  if (existsSync(file) || keys.has(name)) throw new Error(`${name} is there already`)
  const imports = [...list.matchAll(/^import \{ \w+ \} from '\.\/apis\/.*'$/gm)].map(([line]) => line)
  const withImport = [...imports, `import { ${name} } from './apis/${fileName}'`].sort((a, b) => pathOf(a) < pathOf(b) ? -1 : 1)
  const names = [...keys.set(name, key)].sort(([, a], [, b]) => a - b).map(([name]) => name)
  writeFileSync(file, template(api))
  writeFileSync(listFile, list
    .replace(imports.join('\n'), withImport.join('\n'))
    .replace(/(export const apis = \{\n)[^}]*(\n\} as const)/, (_, before: string, after: string) => `${before}  ${names.join(',\n  ')}${after}`))
  return file
}

/** The APIs in the list with the keys in their files. */
function keysByName (folder: string, list: string): Map<string, number> {
  return new Map([...list.matchAll(/^import \{ (\w+) \} from '\.\/(apis\/.*)'$/gm)].map(([, name, path]) => {
    const key = /^ {2}key: (\d+),$/m.exec(readFileSync(join(folder, path!), 'utf8'))?.[1]
    return [name!, Number(key)]
  }))
}

function pathOf (line: string): string {
  return line.slice(line.indexOf("'"))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name = '', key = '', first = '0', last = first] = process.argv.slice(2)
  if (key === '') {
    console.error('npm run new:api -- NAME KEY [FIRST-VERSION [LAST-VERSION]]')
    process.exitCode = 2
  } else {
    const file = createApi(process.cwd(), { name, key: Number(key), versions: [Number(first), Number(last)] })
    console.log(`${file} is written and listed in src/protocol/apis.ts. What is left:
  1. its fields, and since when it is flexible
  2. frames written by hand, in test/protocol/golden/frames.ts
  3. node test/protocol/golden.test.ts --rewrite
  4. its handler, in src/net/routes.ts
  5. npm run docs:protocol`)
  }
}
