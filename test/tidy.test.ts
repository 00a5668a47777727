/** The tree's own rules: who may import whom, where each package and each source of chance lives, and what must not be in any file. */
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, posix } from 'node:path'
import t from 'tap'

process.chdir(join(import.meta.dirname, '..'))

/** Folders that a folder of src may import from, besides itself. Files right under src and src/cli may import anything. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  record: ['base'],
  runtime: ['base'],
  raft: ['base'],
  log: ['base', 'record'],
  protocol: ['base', 'record'],
  actors: ['base', 'record', 'log', 'raft', 'runtime'],
  net: ['base', 'protocol', 'runtime'],
  discovery: ['base', 'log'],
  client: ['base', 'record', 'protocol']
}
/** What actors say to the network and hear from brokers that join, as types and constants. */
const messageFile = /^src\/actors\/[a-z-]+\/messages\.ts$/
/** What Raft groups say to each other, and how that looks in a frame: the links between brokers carry it. */
const raftMessageFile = /^src\/raft\/(messages|wire)\.ts$/

/** The only places of each package and builtin: a file, or a folder that ends with a slash. Builtins that are not named here may be used anywhere. */
const homes: Readonly<Record<string, readonly string[]>> = {
  piscina: ['src/runtime/offload.ts'],
  comlink: ['src/runtime/thread.ts'],
  '@msgpack/msgpack': ['src/base/msgpack.ts'],
  'lz4-napi': ['src/record/compression.ts'],
  snappy: ['src/record/compression.ts'],
  '@node-rs/crc32': ['src/base/crc32c.ts'],
  pino: ['src/base/logger.ts'],
  'prom-client': ['src/net/metrics-page.ts'],
  valibot: ['src/base/setting.ts'],
  yaml: ['src/base/config-file.ts'],
  commander: ['src/cli/'],
  'cli-table3': ['src/cli/'],
  'cli-progress': ['src/cli/'],
  '@platformatic/kafka': ['src/client/'],
  'node:zlib': ['src/record/compression.ts', 'src/base/log-file.ts'],
  'node:fs': ['src/log/disk.ts', 'src/base/log-file.ts', 'src/cli/'],
  'node:fs/promises': ['src/log/disk.ts', 'src/base/log-file.ts'],
  'node:net': ['src/net/', 'src/log/folder-lock.ts'],
  'node:crypto': ['src/base/prng.ts', 'src/log/folder-lock.ts', 'src/discovery/membership.ts'],
  'node:worker_threads': ['src/runtime/'],
  'node:child_process': [],
  'node:http': ['src/net/http.ts', 'src/discovery/etcd-client.ts'],
  'node:dgram': []
}
/** The same for what needs no import. */
const words: ReadonlyArray<[pattern: RegExp, homes: readonly string[]]> = [
  [/\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/, ['src/base/clock.ts']],
  [/\bMath\.random\b|\bcrypto\.(randomUUID|getRandomValues)\b/, ['src/base/prng.ts']],
  [/\bAtomics\.\w/, ['src/runtime/']]
]

/** Read by the outside world: nobody in src imports them. */
const entries = ['src/index.ts', 'src/cli/main.ts', 'src/reactor.ts', 'src/scan-job.ts', 'src/runtime/offload-entry.ts']
/** Parts of the product that tests drive and the daemon does not: the faults of disks, the clocks of simulations. */
const testSupport: ReadonlySet<string> = new Set<string>([])

const linesMax = 500
const sources = globSync('src/**/*.ts').map(path => path.replaceAll('\\', '/')).sort()
const text = new Map(sources.map(path => [path, readFileSync(path, 'utf8')]))

interface Import {
  readonly line: number
  readonly target: string
  /** Types are gone when the program runs; what is imported late is loaded by who needs it. */
  readonly isType: boolean
  readonly isLate: boolean
}

function importsOf (path: string): Import[] {
  const pattern = /(?:^|\n)(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|[`'](\.\/[\w/-]+)(?:\.ts'|\$\{)|\bentryUrl\('([\w-]+)'\)/g
  const content = withoutComments(text.get(path)!)
  return [...content.matchAll(pattern)].map(match => ({
    line: content.slice(0, match.index + match[0].length).split('\n').length,
    // The last two name the module of a thread without its ending, which depends on whether the code was built.
    target: match[1] ?? match[2] ?? match[3] ?? (match[4] === undefined ? `./${match[5]}.ts` : `${match[4]}.ts`),
    isType: /^\s*(import|export) type\b/.test(match[0]),
    isLate: match[1] === undefined && match[2] === undefined
  }))
}

/** Comments are blanked out, so that lines keep their numbers. */
function withoutComments (source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, comment => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '$1')
}

const isAt = (path: string, places: readonly string[]): boolean => places.some(place => place.endsWith('/') ? path.startsWith(place) : path === place)
const packageOf = (target: string): string => target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/')
const resolved = (path: string, target: string): string => posix.normalize(posix.join(dirname(path), target))
const folderOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1]

t.test('every import follows the table', async t => {
  t.ok(sources.length > 10)
  for (const path of sources) {
    const folder = folderOf(path)
    for (const { line, target } of importsOf(path)) {
      if (!target.startsWith('.')) continue
      const found = resolved(path, target)
      if (!existsSync(found)) t.fail(`${path}:${line} imports ${target}, which is not there (imports end with .ts)`)
      if (folder === undefined || folder === 'cli') continue
      const to = folderOf(found)
      const allowed = to === folder || (to !== undefined && mayImport[folder]?.includes(to)) ||
        (folder === 'net' && (messageFile.test(found) || raftMessageFile.test(found))) || (folder === 'discovery' && messageFile.test(found))
      if (!allowed) t.fail(`${path}:${line} imports ${found}; src/${folder} may import ${mayImport[folder]?.join(', ') || 'nothing'}`)
    }
  }
})

t.test('every package and builtin stays in its home', async t => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  const used = new Set<string>()
  for (const path of sources) {
    for (const { line, target } of importsOf(path)) {
      if (target.startsWith('.')) continue
      const name = isBuiltin(target) ? target : packageOf(target)
      used.add(name)
      if (isBuiltin(target) && !target.startsWith('node:')) t.fail(`${path}:${line} imports ${target}; write node:${target}`)
      if (!isBuiltin(target) && dependencies[name] === undefined) t.fail(`${path}:${line} imports ${name}, which is no dependency of package.json`)
      const places = homes[name]
      if (places === undefined && !isBuiltin(target)) t.fail(`${path}:${line} imports ${name}, which has no home in this test's list`)
      if (places !== undefined && !isAt(path, places)) t.fail(`${path}:${line} imports ${name}, whose home is ${places.join(', ') || 'nowhere'}`)
    }
    const code = withoutComments(text.get(path)!)
    for (const [pattern, places] of words) {
      const match = isAt(path, places) ? null : pattern.exec(code)
      if (match !== null) t.fail(`${path}:${code.slice(0, match.index).split('\n').length} uses ${match[0]}, whose home is ${places.join(', ')}`)
    }
  }
  for (const name of Object.keys(dependencies)) t.ok(used.has(name), `dependency ${name} is used`)
})

t.test('a broker loads nothing that only clients use', async t => {
  const reached = new Set<string>()
  const waiting = ['src/cli/program.ts', 'src/broker.ts', 'src/reactor.ts']
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    for (const { line, target, isType, isLate } of importsOf(path)) {
      if (isType || isLate) continue
      if (target.startsWith('.')) waiting.push(resolved(path, target))
      else if (['@platformatic/kafka', 'cli-progress', 'cli-table3'].includes(packageOf(target))) t.fail(`${path}:${line} imports ${target}`)
    }
  }
  t.ok(reached.size > 100)
})

t.test('no source file is unused', async t => {
  const reached = new Set<string>()
  const waiting = [...entries.filter(path => text.has(path)), ...testSupport]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path) || !text.has(path)) continue
    reached.add(path)
    for (const { target } of importsOf(path)) if (target.startsWith('.')) waiting.push(resolved(path, target))
  }
  for (const path of sources) t.ok(reached.has(path), `${path} is used`)
})

t.test('no source file is too long', async t => {
  for (const path of [...sources, ...globSync('scripts/*.ts')]) {
    const lines = readFileSync(path, 'utf8').split('\n').length - 1
    t.ok(lines <= linesMax, `${path} has ${lines} lines, at most ${linesMax}`)
  }
})

t.test('no file holds what belongs to one machine or to later', async t => {
  const banned: ReadonlyArray<[pattern: RegExp, what: string]> = [
    [/(?<![\w.])\/(home|Users)\/[a-z]\w*\/|(?<![\w.])\/root\/\w/, 'a path of somebody\'s home'],
    [/registry\.npmjs\.org|"resolved":/, 'the address of a registry'],
    [new RegExp(`\\b(${'TO'}${'DO'}|${'FIX'}${'ME'})\\b`), 'a reminder']
  ]
  for (const path of trackedFiles()) {
    if (!existsSync(path) || /\.(png|jpg|bin|gz|woff2?)$/.test(path)) continue
    const content = readFileSync(path, 'utf8')
    for (const [pattern, what] of banned) {
      const match = path === 'test/tidy.test.ts' ? null : pattern.exec(content)
      if (match !== null) t.fail(`${path}:${content.slice(0, match.index).split('\n').length} holds ${what}: ${match[0]}`)
    }
  }
})

/** What git has or would take; without git (an unpacked archive) everything but what was installed or made. */
function trackedFiles (): string[] {
  try {
    return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(path => path !== '')
  } catch {
    return globSync('**/*', { exclude: ['node_modules', 'dist', 'data', '.tap', '.peers', 'bench/out'], withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  }
}
