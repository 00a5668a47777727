/** The command line: its commands, their help, and how each run ends. */
import { Command, CommanderError } from 'commander'
import { clientCommands } from '../base/client-config.ts'
import { isClientFile } from '../base/config-file.ts'
import { settingFlag, settingNames } from '../base/config.ts'
import { type FileKind, type KnownFlags, normalizeArguments } from './arguments.ts'
import { addBrokerFlags, runBroker } from './broker-command.ts'
import { addClientFlags, clientConfig, type ClientFlags, readConfigFile, type Session, withSession } from './client-session.ts'
import { addClusterCommands } from './cluster-program.ts'
import { describeFailure, exitCode } from './failure.ts'
import { programName, version } from './version.ts'

type ClientRun = (session: Session, flags: ClientFlags) => Promise<void>

function buildProgram (): Command {
  const program = new Command('ringmq')
    .description('RingMQ: a message broker that speaks Kafka\'s protocol, and its client')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', examples('broker', 'create-topic --topic demo --partitions 3', 'produce --topic demo --file app.log', 'consume --topic demo --follow', 'cluster status', 'COMMAND --help'))

  addBrokerFlags(program.command('broker').description('start a broker'))
    .addHelpText('after', examples('broker --bind-port 9292 --data-dir /var/lib/ringmq --log-flush os', 'broker --config broker.yaml') +
      '\nEach setting is also a key of the file and an environment variable: --log-flush, log.flush, RINGMQ_LOG_FLUSH.')
    .action((flags: Record<string, unknown>) => runBroker(flags))

  const client = (name: (typeof clientCommands)[number], about: string, uses: string[], load: () => Promise<ClientRun>): Command =>
    addClientFlags(program.command(name).description(about), uses)
      .action(async (flags: ClientFlags) => {
        const run = await load()
        await withSession(name, flags, session => run(session, flags))
      })

  client('create-topic', 'create a topic', ['topic', 'partitions', 'replicas'], async () => (await import('./topic-commands.ts')).createTopic)
    .addHelpText('after', examples('create-topic --topic demo --partitions 3'))
  client('list-topics', 'list all topics', [], async () => (await import('./topic-commands.ts')).listTopics)
    .addHelpText('after', examples('list-topics', 'list-topics --broker 10.0.0.5:9092'))
  client('describe-topic', 'show partitions, leaders and offsets of a topic', ['topic'], async () => (await import('./topic-commands.ts')).describeTopic)
    .addHelpText('after', examples('describe-topic --topic demo'))
  client('delete-topic', 'delete a topic and everything in it', ['topic'], async () => (await import('./topic-commands.ts')).deleteTopic)
    .addHelpText('after', examples('delete-topic --topic demo'))
  client('produce', 'write messages: a text, the lines of a file, or the lines of stdin', ['topic', 'partition', 'message', 'count'], async () => (await import('./produce-command.ts')).produce)
    .option('--file <file>', 'write each line of a file as a message, without its \\n')
    .option('--key <text>', 'key of every message: all go to the same partition')
    .option('--compression <codec>', 'none, gzip, snappy, lz4 or zstd (default: none)')
    .option('--acks <who>', 'who must have a batch before it counts: all, 1 or 0 (default: all)')
    .addHelpText('after', examples('produce --topic demo --message \'hello\' --count 5', 'produce --topic demo --file app.log --compression zstd', 'produce --topic demo < app.log') +
      '\nOrder is kept within a partition. Without --partition and --key, batches go to one partition after the other.')
  client('consume', 'read messages, one a line', ['topic', 'partition', 'offset', 'count'], async () => (await import('./consume-command.ts')).consume)
    .option('--follow', 'go on as messages arrive, until Ctrl-C')
    .option('--json', 'one JSON object a line, with partition, offset, timestamp, key and headers')
    .addHelpText('after', examples('consume --topic demo', 'consume --topic demo --partition 0 --offset 100 --count 50', 'consume --topic demo --offset latest --follow --json') +
      '\nEach message is printed as its bytes and \\n: a file of lines that was produced comes back byte for byte; one whose last line lacks its \\n gains it.')
  addClusterCommands(program)
  return program
}

function examples (...lines: string[]): string {
  return '\nExamples:\n' + lines.map(line => `  ${programName} ${line}`).join('\n')
}

function knownFlags (program: Command): KnownFlags {
  const all = program.commands.flatMap(command => [command, ...command.commands])
  const options = all.flatMap(command => command.options)
  const clientOnly = new Set(all.filter(command => command.name() !== 'broker').flatMap(command => command.options.map(option => option.attributeName())))
  const names = (wanted: typeof options): Set<string> => new Set(wanted.map(option => option.long!.slice(2)))
  return {
    withValue: names(options.filter(option => option.required)),
    switches: names(options.filter(option => !option.required)),
    groups: new Map(program.commands.filter(command => command.commands.length > 0).map(command => [command.name(), new Set(command.commands.map(inner => inner.name()))])),
    brokerOnly: new Set(settingNames.map(name => settingFlag(name).slice(2)).filter(flag => !clientOnly.has(flag)))
  }
}

function fileKind (path: string): FileKind {
  return isClientFile(readConfigFile(path)) ? { kind: 'client', command: clientConfig({ config: path }).commandType } : { kind: 'broker' }
}

/** Runs the command that `args` (without program and script) say. Returns the exit code; prints failures as one line on stderr. */
export async function runProgram (args: readonly string[]): Promise<number> {
  const program = buildProgram()
  const commands = new Set(program.commands.map(command => command.name()).concat('help'))
  try {
    const normalized = normalizeArguments(args, commands, knownFlags(program), fileKind)
    if (normalized.length === 0) {
      program.outputHelp()
      return exitCode.ok
    }
    await program.parseAsync(normalized, { from: 'user' })
    return exitCode.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage
    const { text, code } = describeFailure(error)
    console.error(`ringmq: ${text}`)
    return code
  }
}
