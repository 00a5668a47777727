/**
 * What every bench shares: its options, where results go, and what a result is.
 *
 * A result is one JSON line in bench/out/NAME.jsonl with the commit, the machine, the settings and a checksum of what
 * came out. A bench that was broken off goes on where it stopped: a line with the same commit, settings and round is
 * taken from the file unless `--again` is given. `--smoke` runs tiny values and writes only where `--out` says, so tests can run it.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Cpu } from './process-stats.ts'

/** The seed of everything random in the benches. */
export const seed = 20_240_607
export const projectRoot = resolve(import.meta.dirname, '..')
/** Peers, their data, and the data of the broker under test: all on one disk. */
export const peersRoot = join(projectRoot, '.peers')

export interface BenchOptions {
  readonly smoke: boolean
  readonly again: boolean
  /** How often each figure is taken; the median is shown. */
  readonly rounds: number
  readonly rows: readonly string[]
  /** Which servers to measure, of those that a bench knows; none named: all. */
  readonly servers: readonly string[]
  /** The folder of the results; undefined: they are only printed. */
  readonly out: string | undefined
  readonly names: readonly string[]
}

/** Reads the options that all benches understand: `[NAME…] --smoke --again --rounds N --rows A,B --servers C,D --out DIR`. */
export function benchOptions (args: readonly string[] = process.argv.slice(2)): BenchOptions {
  const { values: named, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      smoke: { type: 'boolean', default: false },
      again: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      rows: { type: 'string', default: '' },
      servers: { type: 'string', default: '' },
      out: { type: 'string' }
    }
  })
  const rounds = Number(named.rounds ?? (named.smoke ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds ${named.rounds}: expected 1 to 100`)
  return { smoke: named.smoke, again: named.again, rounds, rows: listed(named.rows), servers: listed(named.servers), out: named.out ?? (named.smoke ? undefined : join(projectRoot, 'bench', 'out')), names: positionals }
}

/** The values of a setting to go through: for a smoke run the last one stands for all. */
export function values<T> (options: Pick<BenchOptions, 'smoke'>, all: readonly T[]): readonly T[] { return options.smoke ? all.slice(-1) : all }

const listed = (text: string): string[] => text.split(',').filter(Boolean)

/** Whether `name` was asked for: nothing named means everything. */
export function wants (named: readonly string[], name: string): boolean { return named.length === 0 || named.includes(name) }

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** Exact percentiles of `samples`, which it sorts in place. */
export function percentiles (samples: Float64Array): Percentiles {
  samples.sort()
  const at = (share: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}

export function median (values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What one run measured. */
export interface Measurement {
  /** Records, or requests where a request holds one record. */
  readonly messages: number
  /** Payload bytes: record values, or the bytes a fetch brought. */
  readonly bytes: number
  readonly seconds: number
  readonly latencyMs?: Percentiles | undefined
  /** Of the server over the measured part. */
  readonly cpu?: Cpu | undefined
  readonly peakRssBytes?: number | undefined
  /** Of what came out, so that the work cannot vanish: the same settings give the same checksum. */
  readonly checksum: string
}

export type Settings = Readonly<Record<string, string | number | boolean>>

/** A line of a results file. */
export interface Result extends Measurement {
  readonly bench: string
  readonly settings: Settings
  readonly round: number
  readonly commit: string
  readonly node: string
  readonly machine: string
  readonly time: string
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
  /** CPU-seconds of the server per million messages, and per GB (10^9 bytes). */
  readonly cpuPerMillion?: Cpu | undefined
  readonly cpuPerGB?: Cpu | undefined
}

export function total (cpu: Cpu | undefined): number | undefined {
  return cpu === undefined ? undefined : cpu.user + cpu.system
}

function git (...args: string[]): string {
  return execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] })
}

/** The commit; where src or bench differ from it, with a hash of the difference, so that results of two states never mix. */
export function currentCommit (): string {
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD').trim()
    const difference = git('diff', 'HEAD', '--', 'src', 'bench')
    const untracked = git('ls-files', '-o', '--exclude-standard', '--', 'src', 'bench').split('\n').filter(Boolean)
    if (difference === '' && untracked.length === 0) return commit
    const hash = createHash('sha256').update(difference)
    for (const file of untracked) hash.update(file).update(readFileSync(join(projectRoot, file)))
    return `${commit}+${hash.digest('hex').slice(0, 8)}`
  } catch {
    return 'unknown'
  }
}

/** The results of one bench program. */
export class Results {
  readonly #file: string | undefined
  readonly #again: boolean
  readonly #commit: string
  readonly #known = new Map<string, Result>()
  readonly lines: Result[] = []

  constructor (name: string, options: Pick<BenchOptions, 'smoke' | 'again' | 'out'>) {
    this.#again = options.again
    this.#commit = options.smoke ? 'smoke' : currentCommit()
    if (options.out === undefined) return
    mkdirSync(options.out, { recursive: true })
    this.#file = join(options.out, `${name}.jsonl`)
    if (!existsSync(this.#file)) return
    for (const text of readFileSync(this.#file, 'utf8').split('\n')) {
      if (text === '') continue
      const line = JSON.parse(text) as Result
      this.#known.set(keyOf(line), line)
    }
  }

  /** Whether {@link measure} would take the stored line, so that a caller need not start its server. */
  has (bench: string, settings: Settings, round = 0): boolean {
    return !this.#again && this.#known.has(keyOf({ bench, settings, round, commit: this.#commit }))
  }

  /** Runs one measurement and appends its line, or returns the line that is there already. */
  async measure (bench: string, settings: Settings, run: () => Measurement | Promise<Measurement>, round = 0): Promise<Result> {
    const identity = { bench, settings, round, commit: this.#commit }
    const known = this.#again ? undefined : this.#known.get(keyOf(identity))
    if (known !== undefined) {
      this.lines.push(known)
      return known
    }
    const measured = await run()
    const per = (units: number): Cpu | undefined => measured.cpu === undefined || units === 0
      ? undefined
      : { user: measured.cpu.user / units, system: measured.cpu.system / units }
    const line: Result = {
      ...identity,
      node: process.version,
      machine: `${cpus()[0]?.model ?? 'unknown'} x${availableParallelism()}`,
      time: new Date().toISOString(),
      ...measured,
      messagesPerSecond: measured.messages / measured.seconds,
      bytesPerSecond: measured.bytes / measured.seconds,
      cpuPerMillion: per(measured.messages / 1e6),
      cpuPerGB: per(measured.bytes / 1e9)
    }
    this.lines.push(line)
    if (this.#file !== undefined) appendFileSync(this.#file, JSON.stringify(line) + '\n')
    return line
  }
}

function keyOf ({ bench, settings, round, commit }: Pick<Result, 'bench' | 'settings' | 'round' | 'commit'>): string {
  return JSON.stringify([bench, Object.entries(settings).toSorted(([a], [b]) => a < b ? -1 : 1), round, commit])
}

/** One line whose figures are the medians of the lines of several rounds. */
export function summary (lines: readonly Result[]): Result {
  const of = (value: (line: Result) => number | undefined): number => median(lines.map(line => value(line) ?? NaN))
  const cpu = (name: 'cpuPerMillion' | 'cpuPerGB'): Cpu | undefined => lines[0]![name] === undefined ? undefined : { user: of(line => line[name]?.user), system: of(line => line[name]?.system) }
  return {
    ...lines[0]!,
    messagesPerSecond: of(line => line.messagesPerSecond),
    bytesPerSecond: of(line => line.bytesPerSecond),
    cpuPerMillion: cpu('cpuPerMillion'),
    cpuPerGB: cpu('cpuPerGB'),
    latencyMs: lines[0]!.latencyMs === undefined ? undefined : { p50: of(line => line.latencyMs?.p50), p99: of(line => line.latencyMs?.p99), p999: of(line => line.latencyMs?.p999) },
    peakRssBytes: lines[0]!.peakRssBytes === undefined ? undefined : Math.max(...lines.map(line => line.peakRssBytes ?? 0))
  }
}

/** A number with three significant digits, or a dash. */
export function figure (value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  return value !== 0 && Math.abs(value) < 1000 ? String(Number(value.toPrecision(3))) : Math.round(value).toLocaleString('en')
}

/** Prints results as a table, one line each. */
export function printResults (lines: readonly Result[]): void {
  const table = new Table({ head: ['bench', 'settings', 'msg/s', 'MB/s', 'CPU µs/msg', 'CPU-s/GB user + system', 'p50 ms', 'p99', 'p99.9', 'peak MiB', 'checksum'], style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } })
  for (const line of lines) {
    const perMessage = total(line.cpuPerMillion)
    table.push([
      line.bench,
      Object.entries(line.settings).map(([name, value]) => `${name}=${value}`).join(' '),
      figure(line.messagesPerSecond),
      figure(line.bytesPerSecond / 1e6),
      figure(perMessage),
      line.cpuPerGB === undefined ? '–' : `${figure(line.cpuPerGB.user)} + ${figure(line.cpuPerGB.system)}`,
      figure(line.latencyMs?.p50), figure(line.latencyMs?.p99), figure(line.latencyMs?.p999),
      figure(line.peakRssBytes === undefined ? undefined : line.peakRssBytes / 2 ** 20),
      line.checksum
    ])
  }
  console.log(table.toString())
}

/** A TCP port of the loopback that was free a moment ago. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/**
 * Touches `bytes` of memory in a process that ends at once. Memory that lay idle is given back to the host of a virtual
 * machine, and taking it again costs the writer of new page cache some 2 CPU-seconds per GB; after this both sides of a
 * comparison find it warm. At most 4 GiB.
 */
export function warmMemory (bytes: number): void {
  const mebibytes = Math.ceil(Math.min(bytes, 2 ** 32) / 2 ** 20)
  execFileSync(process.execPath, ['-e', `const kept = []; for (let i = 0; i < ${mebibytes}; i++) kept.push(Buffer.allocUnsafeSlow(1 << 20).fill(1))`])
}

/** Waits until the disk holds what was written, so that one run does not pay for the one before. */
export function settleDisk (): void {
  execFileSync('sync')
}

/** An order-dependent 32-bit checksum of numbers, as 8 hex digits. */
export class Checksum {
  #state = 0x811c9dc5
  add (value: number): this {
    this.#state = Math.imul(this.#state ^ (value | 0), 0x01000193)
    this.#state = Math.imul(this.#state ^ Math.floor(value / 2 ** 32), 0x01000193)
    return this
  }

  toString (): string { return (this.#state >>> 0).toString(16).padStart(8, '0') }
}
