/** The settings of the command line's client commands: from a file (`client.json`), with flags above it. */
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { brokers, checkValues, ConfigError, duration, type Given, integer, maxInt32, oneOf, setting, text, type Values } from './setting.ts'

export const clientCommands = ['create-topic', 'list-topics', 'describe-topic', 'delete-topic', 'produce', 'consume'] as const
export type ClientCommand = (typeof clientCommands)[number]

const startOffset = { ...text('a number from 0, earliest, latest, or -1 for unset'), allowed: 'a number from 0, earliest, latest, or -1 for unset' }

export const clientSettings = {
  brokerAddrs: setting('broker_addrs', '127.0.0.1:9092', brokers, 'Brokers to ask first; without a port: 9092'),
  timeoutMs: setting('timeout', '10s', duration(1), 'Longest wait for an answer'),
  logFile: setting('log_file', '', text('a file, or empty'), 'File for the client\'s log lines'),
  commandType: setting('command.type', '', oneOf('', ...clientCommands), 'Command to run when none is named on the command line'),
  topic: setting('command.topic', '', text('a topic name'), 'Topic'),
  partition: setting('command.partition', -1, integer(-1, maxInt32), 'Partition; -1: any when producing, all when consuming'),
  message: setting('command.message', '', text('text'), 'Text of the message'),
  offset: setting('command.offset', -1, startOffset, 'First offset to consume'),
  count: setting('command.count', -1, integer(-1, Number.MAX_SAFE_INTEGER), 'How many messages; -1: one when producing, all when consuming'),
  partitions: setting('command.partitions', 1, integer(1, 100_000), 'Partitions of a new topic'),
  replicas: setting('command.replicas', 1, integer(1, 1000), 'Replicas of a new topic')
} as const

export type ClientConfig = Values<typeof clientSettings>

/** Returns the client's settings: flags (by setting name, undefined where not given) above the file above the defaults. @throws ConfigError */
export function loadClientConfig (flags: Partial<Record<keyof typeof clientSettings, unknown>>, file: ConfigFile | undefined): ClientConfig {
  const problems: string[] = []
  const given = file === undefined ? new Map<string, Given>() : readConfigFile(file, clientSettings, problems)
  for (const [name, value] of Object.entries(flags)) {
    if (value !== undefined) given.set(name, { value, from: 'the command line' })
  }
  const config = checkValues(clientSettings, given, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}
