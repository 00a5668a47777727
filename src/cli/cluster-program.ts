/** `ringmq cluster …`: its commands with their flags and help. */
import type { Command } from 'commander'
import { addConnectionFlags, type Session, withSession } from './client-session.ts'
import type { ClusterFlags } from './cluster-commands.ts'
import { programName } from './version.ts'

type Commands = typeof import('./cluster-commands.ts')

export function addClusterCommands (program: Command): void {
  const cluster = program.command('cluster').description('show and change the brokers of a cluster')
  const add = (name: string, about: string, example: string, run: (commands: Commands, session: Session, flags: ClusterFlags, args: string[]) => Promise<void>): Command =>
    addConnectionFlags(cluster.command(name).description(about))
      .option('--json', 'JSON instead of tables')
      .addHelpText('after', `\nExample:\n  ${programName} cluster ${example}`)
      .action(async (...given: unknown[]) => {
        // The library gives the arguments, then the flags, then the command itself.
        const flags = given.at(-2) as ClusterFlags
        await withSession(`cluster ${name.split(' ')[0]}`, flags, async session => await run(await import('./cluster-commands.ts'), session, flags, given.slice(0, -2) as string[]))
      })

  add('status', 'brokers, controller, and partitions that lack replicas', 'status', (commands, session, flags) => commands.showStatus(session, flags))
  waits(add('add <broker>', 'give a broker that has joined its share of all replicas', 'add broker-4 --wait', (commands, session, flags, [broker]) => commands.addBroker(session, flags, broker!)))
  waits(add('drain <broker>', 'move all replicas away from a broker and keep new ones from it', 'drain 3 --wait', (commands, session, flags, [broker]) => commands.drainBroker(session, flags, broker!)))
    .option('--undo', 'let the broker take partitions again')
  waits(add('move <topic> <partition>', 'put a partition on other brokers', 'move orders 0 --to 4,2,3', (commands, session, flags, [topic, partition]) => commands.movePartition(session, flags, topic!, partition!)))
    .option('--to <brokers>', 'brokers by id or name, with commas; the first is the preferred leader')
    .option('--cancel', 'take back a move that is under way')
  add('transfer-leader <topic> <partition>', 'let another replica lead a partition, now and later', 'transfer-leader orders 0 --to 2', (commands, session, flags, [topic, partition]) => commands.transferLeader(session, flags, topic!, partition!))
    .option('--to <broker>', 'broker by id or name')
  add('remove <broker>', 'strike off a broker that is drained and stopped', 'remove 3', (commands, session, flags, [broker]) => commands.removeBroker(session, flags, broker!))
}

function waits (command: Command): Command {
  return command
    .option('--dry-run', 'only show what would move')
    .option('--wait', 'until all is there, with a progress bar')
    .option('--wait-timeout <duration>', 'longest wait', '1h')
}
