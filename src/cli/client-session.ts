/** What all client commands share: their flags, the configuration file, the log, the connection, and how failures end. */
import { existsSync, readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type ClientConfig, loadClientConfig } from '../base/client-config.ts'
import type { ConfigFile } from '../base/config-file.ts'
import { type Logger, openLog, silentLogger } from '../base/logger.ts'
import type { Cluster } from '../client/cluster.ts'
import { CliError, describeFailure, type FailurePlace } from './failure.ts'

/** Read when no --config is given, if it is there. */
const usualConfigFile = 'configs/client.json'

export interface ClientFlags {
  readonly broker?: string[]
  readonly config?: string
  readonly log?: string
  readonly timeout?: string
  readonly topic?: string
  readonly partition?: string
  readonly message?: string
  readonly offset?: string
  readonly count?: string
  readonly partitions?: string
  readonly replicas?: string
  readonly file?: string
  readonly key?: string
  readonly compression?: string
  readonly acks?: string
  readonly follow?: boolean
  readonly json?: boolean
}

/** Flags that the original takes with every command: each command shows those it uses and takes the others in silence. */
const sharedFlags: ReadonlyArray<[name: string, flags: string, meaning: string]> = [
  ['topic', '--topic <name>', 'topic'],
  ['partition', '--partition <index>', 'partition; without it any (produce) or all (consume)'],
  ['message', '--message <text>', 'text of the message; without it and without --file, each line of stdin is one'],
  ['offset', '--offset <offset>', 'first offset: a number, earliest or latest (default: earliest)'],
  ['count', '--count <n>', 'how many messages'],
  ['partitions', '--partitions <n>', 'partitions (default: 1)'],
  ['replicas', '--replicas <n>', 'replicas (default: 1)']
]

/** Flags of every command that talks to brokers. */
export function addConnectionFlags (command: Command): Command {
  return command
    .option('--broker <host:port>', 'broker to ask first; repeat it or use commas for more (default: 127.0.0.1:9092)', (value: string, before: string[] | undefined) => [...before ?? [], value])
    .option('--config <file>', `client configuration, JSON or YAML (default: ${usualConfigFile} if it is there)`)
    .option('--log <file>', 'append log lines of this client to a file')
    .option('--timeout <duration>', 'longest wait for an answer (default: 10s)')
}

export function addClientFlags (command: Command, uses: readonly string[]): Command {
  addConnectionFlags(command)
  for (const [name, flags, meaning] of sharedFlags) command.addOption(new Option(flags, meaning).hideHelp(!uses.includes(name)))
  return command
}

export function readConfigFile (path: string): ConfigFile {
  try {
    return { text: readFileSync(path, 'utf8'), name: path }
  } catch (error) {
    throw new CliError(`cannot read the configuration ${path}: ${(error as Error).message}`)
  }
}

export interface Session {
  readonly config: ClientConfig
  readonly cluster: Cluster
  readonly logger: Logger
}

export function clientConfig (flags: ClientFlags): ClientConfig {
  const path = flags.config ?? (existsSync(usualConfigFile) ? usualConfigFile : undefined)
  const { broker, log, timeout, topic, partition, message, offset, count, partitions, replicas } = flags
  return loadClientConfig(
    { brokerAddrs: broker?.join(','), logFile: log, timeoutMs: timeout, topic, partition, message, offset, count, partitions, replicas },
    path === undefined ? undefined : readConfigFile(path)
  )
}

/** Runs a client command. @throws CliError with the one line that says what failed */
export async function withSession (name: string, flags: ClientFlags, run: (session: Session) => Promise<void>): Promise<void> {
  const config = clientConfig(flags)
  const log = config.logFile === '' ? undefined : openClientLog(config.logFile)
  const logger = log?.logger ?? silentLogger
  const brokers = config.brokerAddrs.map(parseBroker)
  const { Cluster } = await import('../client/cluster.ts') // late: a broker that starts has no use for a client
  const cluster = new Cluster({ brokers, timeoutMs: config.timeoutMs })
  const place: FailurePlace = { brokers: config.brokerAddrs, topic: config.topic, timeoutMs: config.timeoutMs }
  try {
    logger.info({ command: name, brokers: config.brokerAddrs, topic: config.topic }, 'command started')
    await run({ config, cluster, logger })
    logger.info({ command: name }, 'command done')
  } catch (error) {
    logger.error({ command: name, error }, 'command failed')
    const { text, code } = describeFailure(error, place)
    throw new CliError(text, code)
  } finally {
    await cluster.close().catch(() => {})
    await log?.close()
  }
}

function openClientLog (path: string): ReturnType<typeof openLog> {
  try {
    return openLog({ level: 'info', file: { path, maxBytes: 100e6, maxBackups: 3, maxAgeMs: 0, compress: false } })
  } catch (error) {
    throw new CliError(`cannot write the log ${path}: ${(error as Error).message}`)
  }
}

const usualPort = 9092

function parseBroker (address: string): { host: string, port: number } {
  const { host, port } = /^\[?(?<host>[^\]]+?)\]?(?::(?<port>\d+))?$/.exec(address)!.groups!
  return { host: host!, port: port === undefined ? usualPort : Number(port) }
}

export function requireTopic (config: ClientConfig): string {
  if (config.topic === '') throw new CliError('no topic named; use --topic NAME', 2)
  return config.topic
}
