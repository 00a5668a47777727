/** Runs the command line as users do: in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface Run { readonly code: number | null, readonly stdout: Buffer, readonly stderr: string }

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const withinMs = 30_000

// NODE_OPTIONS may make every child load the test runner's hooks.
function start (args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, stdio: 'pipe', timeout: withinMs })
}

/** @param input  what it reads on stdin */
export async function ringmq (args: readonly string[], { input = '', cwd = process.cwd(), env = {} }: { input?: string | Buffer, cwd?: string, env?: Readonly<Record<string, string>> } = {}): Promise<Run> {
  const child = start(args, cwd, env)
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => { stderr += chunk })
  child.stdin!.on('error', () => {}) // it may end before it has read everything
  child.stdin!.end(input)
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout: Buffer.concat(stdout), stderr }
}

export interface Running {
  readonly child: ChildProcess
  /** Resolves with everything on stdout so far as soon as it matches. @throws when the process ends before */
  until (pattern: RegExp): Promise<string>
  /** Sends a signal and resolves with the exit code. */
  end (signal: NodeJS.Signals): Promise<number | null>
  readonly stderr: () => string
}

/** For commands that go on until they are stopped. */
export function startRingmq (args: readonly string[], { cwd = process.cwd(), env = {} }: { cwd?: string, env?: Readonly<Record<string, string>> } = {}): Running {
  const child = start(args, cwd, env)
  let [stdout, stderr] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => { stdout += chunk })
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => { stderr += chunk })
  const closed = once(child, 'close') as Promise<[number | null]>
  return {
    child,
    stderr: () => stderr,
    until: async pattern => {
      while (!pattern.test(stdout)) {
        const ended = await Promise.race([once(child.stdout!, 'data').then(() => false), closed.then(() => true)])
        if (ended && !pattern.test(stdout)) throw new Error(`ended with ${child.exitCode} before ${pattern}: ${stdout}${stderr}`)
      }
      return stdout
    },
    end: async signal => {
      child.kill(signal)
      return (await closed)[0]
    }
  }
}
