/**
 * What the kernel knows of another process (CPU of all its threads, memory), and a child process that is
 * started, waited for until it answers, and ended by its pid alone. Linux only: it reads /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, closeSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** CPU time in seconds, all threads, those that ended included. The kernel counts user and system in ticks of 10 ms. */
export interface Cpu {
  readonly user: number
  readonly system: number
}

/** USER_HZ, which is 100 on every Linux architecture that Node runs on. */
const ticksPerSecond = 100

function cpuOf (stat: string): Cpu {
  // The name in parentheses may hold spaces, so fields are counted from the last ')': utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond }
}

export function cpuOfProcess (pid: number): Cpu {
  return cpuOf(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

/** CPU of each living thread by name, threads of one name added up: tells the event loops from the pool's threads. */
export function cpuOfThreads (pid: number): Map<string, Cpu> {
  const byName = new Map<string, Cpu>()
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1')
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      const cpu = cpuOf(stat)
      const sum = byName.get(name) ?? { user: 0, system: 0 }
      byName.set(name, { user: sum.user + cpu.user, system: sum.system + cpu.system })
    } catch { /* the thread ended meanwhile */ }
  }
  return byName
}

export function cpuSince (before: Cpu, after: Cpu): Cpu {
  return { user: Math.max(0, after.user - before.user), system: Math.max(0, after.system - before.system) }
}

/** Resident bytes now, and the most there ever were. */
export interface Memory {
  readonly rssBytes: number
  readonly peakRssBytes: number
}

export function memoryOfProcess (pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { rssBytes: bytes('VmRSS'), peakRssBytes: bytes('VmHWM') }
}

export interface ServerCommand {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Where its output goes; the end of it is part of the error when it dies early. */
  readonly logFile: string
}

/** Children that live now, so that a signal to the bench ends them too. */
const living = new Set<ChildProcess>()
let signalsHooked = false

/** Kills what was started here and leaves with the shell's code for a signal. */
function hookSignals (): void {
  if (signalsHooked) return
  signalsHooked = true
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
    process.once(signal, () => {
      for (const child of living) child.kill('SIGKILL')
      process.exit(code)
    })
  }
  process.once('exit', () => { for (const child of living) child.kill('SIGKILL') })
}

/** Registers a child that must not outlive this process. */
export function adopt (child: ChildProcess): ChildProcess {
  hookSignals()
  living.add(child)
  child.once('exit', () => living.delete(child))
  return child
}

/** A server in a process of its own. */
export class Server {
  readonly name: string
  readonly pid: number
  /** Milliseconds from just before exec until it answered. */
  readonly readyMs: number
  readonly #child: ChildProcess

  private constructor (name: string, child: ChildProcess, readyMs: number) {
    this.name = name
    this.pid = child.pid!
    this.readyMs = readyMs
    this.#child = child
  }

  /**
   * Starts the process and waits until `answers` resolves true; it is asked again and again, a pause of 2 ms between.
   * @throws when the process ends before that or `withinMs` passes; the message holds the end of its log
   */
  static async start (command: ServerCommand, answers: () => Promise<boolean>, withinMs = 60_000): Promise<Server> {
    mkdirSync(dirname(command.logFile), { recursive: true })
    const log = openSync(command.logFile, 'w')
    const started = performance.now()
    const child = adopt(spawn(command.command, command.args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...command.env },
      cwd: command.cwd
    }))
    closeSync(log)
    const failures: Error[] = []
    child.once('error', error => failures.push(error))
    while (performance.now() - started < withinMs && failures.length === 0 && child.exitCode === null && child.signalCode === null) {
      if (await answers().catch(() => false)) return new Server(command.name, child, performance.now() - started)
      await sleep(2)
    }
    child.kill('SIGKILL')
    const tail = readFileSync(command.logFile, 'utf8').slice(-2000)
    throw new Error(`${command.name} did not answer within ${withinMs} ms (exit ${child.exitCode ?? child.signalCode}): ${failures[0]?.message ?? tail}`)
  }

  get cpu (): Cpu { return cpuOfProcess(this.pid) }
  get memory (): Memory { return memoryOfProcess(this.pid) }

  /** Asks it to end, kills it after `withinMs`, and returns once it is gone. */
  async stop (signal: NodeJS.Signals = 'SIGTERM', withinMs = 15_000): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs)
    await gone
    clearTimeout(timer)
  }
}

export interface Finished {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
  readonly seconds: number
}

/** Runs a program to its end with bounded time and returns what it printed. @throws when it does not end with code 0 in time */
export async function runProgram (command: string, args: readonly string[], options: { withinMs: number, env?: Record<string, string>, cwd?: string, input?: string | Uint8Array }): Promise<Finished> {
  const started = performance.now()
  const child = adopt(spawn(command, args, { stdio: 'pipe', cwd: options.cwd, env: { ...process.env, ...options.env } }))
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.stdin!.on('error', () => {}).end(options.input)
  const timer = setTimeout(() => child.kill('SIGKILL'), options.withinMs)
  const [code, signal] = await once(child, 'close') as [number | null, string | null]
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${command} ${args.join(' ').slice(0, 300)} ended with ${code ?? signal}: ${(stderr + stdout).slice(-2000)}`)
  return { stdout, stderr, code, seconds: (performance.now() - started) / 1000 }
}
