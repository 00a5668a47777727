/** A broker of this checkout in a process of its own: started, signalled and watched from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { startCommand } from '../../bench/start-command.ts'

/** On a machine that does much else at the same time. */
const readyMsMax = 120_000
const outputBytesMax = 1 << 20

export interface Exit { readonly code: number | null, readonly signal: NodeJS.Signals | null }

export interface ProcessOptions {
  readonly dataDir: string
  /** 0: a free one. */
  readonly port?: number
  readonly flags?: readonly string[]
  /** Node's own flags. */
  readonly nodeFlags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Words before the command line, of a program that becomes what follows it. */
  readonly wrapper?: readonly string[]
  /** Of the checkout whose broker it is; this one unless said. */
  readonly root?: string
}

/** Processes that this one must not leave behind. */
const living = new Set<ChildProcess>()
process.once('exit', () => { for (const child of living) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

export class BrokerProcess {
  readonly exited: Promise<Exit>
  /** HOST:PORT, once it is ready. */
  address = ''
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #lines = 0
  #ended = false

  private constructor (child: ChildProcess) {
    this.#child = child
    living.add(child)
    child.stdout!.setEncoding('utf8').on('data', (text: string) => { this.#stdout = (this.#stdout + text).slice(-outputBytesMax) })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-outputBytesMax)
      this.#lines += text.split('\n').length - 1
    })
    this.exited = once(child, 'close').then(([code, signal]) => {
      living.delete(child)
      this.#ended = true
      return { code, signal } as Exit
    })
  }

  /** Begins to start one; see {@link ready}. */
  static spawn ({ dataDir, port = 0, flags = [], nodeFlags = [], env = {}, wrapper = [], root }: ProcessOptions): BrokerProcess {
    const [command, ...words] = [
      ...wrapper, ...startCommand(root, nodeFlags), '--bind-port', String(port), '--data-dir', dataDir, ...flags
    ]
    return new BrokerProcess(spawn(command!, words, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } }))
  }

  static async start (options: ProcessOptions): Promise<BrokerProcess> {
    return await BrokerProcess.spawn(options).ready()
  }

  /** Resolves when it says that it is ready. @throws with its output, when it ends before or takes too long */
  async ready (): Promise<this> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), readyMsMax)
    try {
      while (this.address === '') {
        const found = /is ready on (\S+)/.exec(this.#stdout)
        if (found !== null) this.address = found[1]!
        else if (this.#ended) throw new Error(`the broker ended before it was ready: ${this.output.slice(-3000)}`)
        else await Promise.race([once(this.#child.stdout!, 'data'), this.exited])
      }
      return this
    } finally {
      clearTimeout(late)
    }
  }

  get pid (): number { return this.#child.pid! }

  get output (): string { return this.#stdout + this.#stderr }

  get errors (): string { return this.#stderr }

  /** Lines written to stderr so far. */
  get logLines (): number { return this.#lines }

  /** Sends a signal. @returns how it ended: only those signals are followed by an end that end it */
  async signal (signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal)
    return await this.exited
  }

  /** As {@link signal}, for one that may be gone already. */
  async kill (): Promise<void> {
    if (!this.#ended) await this.signal('SIGKILL')
  }

  get openFiles (): number { return readdirSync(`/proc/${this.pid}/fd`).length }

  get rssBytes (): number {
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'latin1'))![1])
  }
}
