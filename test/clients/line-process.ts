/** A client in a process of its own, that tells what happens line by line. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { adopt } from '../../bench/process-stats.ts'
import { Member, type Sample } from './client.ts'

export interface MemberProcess {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** How it is asked to leave: by a signal, or by the end of its input. */
  readonly leave: NodeJS.Signals | 'end-of-input'
  /** Called with each line of its output and errors. */
  readonly read: (line: string, member: Member) => void
}

/** Starts a program that joins a group. Closing the member ends the program in its own way, and by force after 30 seconds. */
export function memberProcess ({ command, args, env, leave, read }: MemberProcess): Member {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } }) as ChildProcessByStdio<Writable, Readable, Readable>
  adopt(child)
  const gone = once(child, 'close').catch(() => {})
  let closing = false
  let tail = ''
  const member = new Member(async () => {
    closing = true
    if (leave === 'end-of-input') child.stdin.end()
    else child.kill(leave)
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await gone
    clearTimeout(timer)
  })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', line => {
      tail = `${tail}${line}\n`.slice(-2_000)
      read(line, member)
    })
  }
  child.stdin.on('error', () => {})
  child.once('error', error => member.fail(error))
  child.once('close', code => { if (!closing) member.fail(new Error(`${command} ended with ${code}: ${tail}`)) })
  return member
}

/** Reads the lines of the programs in this folder: `{"assigned":[0,1]}` and `{"partition":0,"offset":5}`; all else is talk. */
export function readEvents (line: string, member: Member): void {
  if (!line.startsWith('{"')) return
  const event = JSON.parse(line) as { assigned?: number[], partition?: number, offset?: number }
  if (event.assigned !== undefined) member.assign(event.assigned)
  else member.take(event.partition!, event.offset!)
}

export function toJsonLines (samples: readonly Sample[]): string {
  return samples.map(({ key, value, headers }) => `${JSON.stringify({ key, value, headers })}\n`).join('')
}

export function fromJsonLines (text: string): Sample[] {
  return text.split('\n').filter(Boolean).map(line => {
    const { key, value, headers } = JSON.parse(line) as Sample
    return { key, value, headers }
  })
}

/** Runs a program from file to file: what it reads and writes does not pass through this process. @throws unless it ends with 0 in time */
export async function runOnFiles (command: string, args: readonly string[], files: { input?: string, output?: string, withinMs: number }): Promise<void> {
  const input = files.input === undefined ? 'ignore' as const : openSync(files.input, 'r')
  const output = files.output === undefined ? 'ignore' as const : openSync(files.output, 'w')
  try {
    const child = adopt(spawn(command, args, { stdio: [input, output, 'pipe'] }))
    let errors = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { errors = (errors + text).slice(-2_000) })
    const timer = setTimeout(() => child.kill('SIGKILL'), files.withinMs)
    const [code, signal] = await once(child, 'close') as [number | null, string | null]
    clearTimeout(timer)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}: ${errors}`)
  } finally {
    for (const file of [input, output]) if (typeof file === 'number') closeSync(file)
  }
}
