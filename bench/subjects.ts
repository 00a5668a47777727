/** What can be measured over the network: the broker of this project and the limit, each in a process of its own. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, peersRoot, projectRoot } from './harness.ts'
import { Client } from './loads/client.ts'
import { Server } from './process-stats.ts'
import { startCommand } from './start-command.ts'

export type Flush = 'os' | 'always'

/** A running server that speaks Kafka's protocol. */
export interface Subject {
  readonly name: string
  readonly port: number
  readonly server: Server
  stop (): Promise<void>
}

/** Whether a server on `port` answers ApiVersions and Metadata. */
export async function answersKafka (port: number): Promise<boolean> {
  const client = await Client.connect(port)
  try { return await client.ready() } finally { client.close() }
}

const dataRoot = join(peersRoot, 'data')
let ownFolder: string | undefined

/** A folder for a server's data, of this process alone; it is removed when the process ends, as are those of processes that were killed. */
export function dataFolder (name: string): string {
  if (ownFolder === undefined) {
    const own = ownFolder = join(dataRoot, String(process.pid))
    mkdirSync(own, { recursive: true })
    for (const pid of readdirSync(dataRoot)) if (!existsSync(`/proc/${pid}`)) rmSync(join(dataRoot, pid), { recursive: true, force: true })
    process.once('exit', () => { rmSync(own, { recursive: true, force: true, maxRetries: 20 }) })
  }
  return join(ownFolder, name)
}

export interface RingmqOptions {
  readonly flush: Flush
  /** Reactor threads; the broker's own default when left out. */
  readonly threads?: number
  /** Keeps what an earlier start left in the folder. */
  readonly keepData?: boolean
  readonly dataDir?: string
  readonly env?: Record<string, string>
}

/** Starts the broker as its users do, from this checkout. */
export async function startRingmq (options: RingmqOptions): Promise<Subject> {
  const dataDir = options.dataDir ?? dataFolder('ringmq')
  if (options.keepData !== true) rmSync(dataDir, { recursive: true, force: true })
  const port = await freePort()
  const [command, ...words] = startCommand()
  const server = await Server.start({
    name: 'ringmq',
    command: command!,
    args: [...words, '--bind-port', String(port), '--data-dir', dataDir, '--log-flush', options.flush, ...options.threads === undefined ? [] : ['--threads', String(options.threads)]],
    cwd: projectRoot,
    ...options.env === undefined ? {} : { env: options.env },
    logFile: `${dataDir}.log`
  }, async () => await answersKafka(port))
  return { name: 'ringmq', port, server, stop: async () => await server.stop() }
}

/** Starts the bare program of `limit.ts`. */
export async function startLimit (options: { readonly flush: Flush, readonly pieceBytes?: number, readonly sync?: 'dsync' | 'fdatasync', readonly dataDir?: string }): Promise<Subject> {
  const dataDir = options.dataDir ?? dataFolder(`limit-${options.flush}`)
  rmSync(dataDir, { recursive: true, force: true })
  const port = await freePort()
  const server = await Server.start({
    name: 'limit',
    command: process.execPath,
    args: ['bench/limit.ts', '--port', String(port), '--data-dir', dataDir, '--log-flush', options.flush, '--sync', options.sync ?? 'dsync', '--piece-bytes', String(options.pieceBytes ?? 2 ** 20)],
    cwd: projectRoot,
    logFile: `${dataDir}.log`
  }, async () => await answersKafka(port))
  return { name: 'limit', port, server, stop: async () => await server.stop() }
}
