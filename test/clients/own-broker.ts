/** The broker of this checkout, in a process of its own, as its users start it. */
import { join } from 'node:path'
import { freePort } from '../../bench/harness.ts'
import { accepts } from '../../bench/peers/kafka.ts'
import { Server } from '../../bench/process-stats.ts'
import { startCommand } from '../../bench/start-command.ts'

export interface OwnBroker {
  /** HOST:PORT */
  readonly address: string
  stop (): Promise<void>
}

/** Starts it with its data in `directory`, and returns when it accepts connections. */
export async function startOwnBroker (directory: string): Promise<OwnBroker> {
  const port = await freePort()
  const [command, ...words] = startCommand()
  const server = await Server.start({
    name: 'ringmq',
    command: command!,
    args: [...words, '--bind-port', String(port), '--data-dir', join(directory, 'data')],
    logFile: join(directory, 'broker.log')
  }, async () => await accepts(port))
  return { address: `127.0.0.1:${port}`, stop: async () => await server.stop() }
}
