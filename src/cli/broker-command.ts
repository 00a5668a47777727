/** broker: starts one in this process, says what to try next, and stops it on a signal. */
import { resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { type BrokerConfig, loadConfig, type SettingName, settingFlag, settingNames, settings } from '../base/config.ts'
import { withoutEffect } from '../base/setting.ts'
import { type Command, Option } from 'commander'
import type { Broker } from '../broker.ts'
import { collectStartGarbage } from '../runtime/start-garbage.ts'
import { readConfigFile } from './client-session.ts'
import { CliError } from './failure.ts'
import { programName, version } from './version.ts'

const closeMs = 10_000
/** After the first seconds, in which a restarted broker has other work to do. */
const garbageAfterMs = 2000
/** One Ctrl-C may arrive twice: from the terminal, and again from npm, which hands it on. */
const sameSignalMs = 500

export function addBrokerFlags (command: Command): Command {
  command.option('--config <file>', 'configuration file, YAML or JSON')
  for (const name of settingNames) {
    const { fallback, meaning, usedFrom } = settings[name]
    const isSwitch = typeof fallback === 'boolean'
    const about = `${meaning.replaceAll('`', '')} (default: ${fallback === '' ? 'none' : String(fallback)}${usedFrom === undefined ? '' : `; ${withoutEffect(usedFrom)}`})`
    command.addOption(new Option(`${settingFlag(name)} ${isSwitch ? '[value]' : '<value>'}`, about).helpGroup(usedFrom === undefined ? 'Settings:' : 'Settings that are accepted and not used:'))
  }
  return command
}

/** @param flags  as commander gives them: camel-cased flag names */
export async function runBroker (flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { config, given } = loadConfig({
    flags: Object.fromEntries(settingNames.map(name => [name, flags[camelCase(settingFlag(name).slice(2))]])),
    environment: process.env,
    file: typeof flags.config === 'string' ? readConfigFile(flags.config) : undefined
  })
  for (const [name, from] of given) {
    const { key, usedFrom } = settings[name as SettingName]
    if (usedFrom !== undefined) console.error(`ringmq: ${key} (from ${from}) is accepted but ${withoutEffect(usedFrom)}`)
  }
  const { startBroker } = await import('../broker.ts')
  // A thread that cannot be ended would keep its partitions down: a service manager starts the process anew.
  const onStuck = (): void => { process.kill(process.pid, 'SIGKILL') }
  const broker = await startBroker(config, { onStuck }).catch((error: NodeJS.ErrnoException) => { throw startFailure(error, config) })
  // Before anybody can know that it runs: who reads that it is ready may stop it at once.
  const stopped = closeOnSignal(() => broker.close())
  console.log(banner(config, broker))
  // This thread only supervises from here on.
  setTimeout(collectStartGarbage, garbageAfterMs).unref()
  await stopped
}

/** Resolves when the first SIGTERM or SIGINT has been obeyed. A second one, or a close that takes too long, ends the process. */
function closeOnSignal (close: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stoppingSinceMs: number | undefined
    const onSignal = (signal: NodeJS.Signals): void => {
      const nowMs = systemClock.monotonicMs()
      if (stoppingSinceMs !== undefined) {
        if (nowMs - stoppingSinceMs > sameSignalMs) process.exit(signal === 'SIGINT' ? 130 : 143)
        return
      }
      stoppingSinceMs = nowMs
      const late = setTimeout(() => {
        console.error(`ringmq: not closed after ${closeMs / 1000} s; what was acknowledged is safe, the next start will check the logs`)
        process.exit(1)
      }, closeMs)
      close().then(resolve, reject).finally(() => clearTimeout(late))
    }
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  })
}

function startFailure (error: NodeJS.ErrnoException, config: BrokerConfig): CliError {
  const where = `${config.bindAddr}:${config.bindPort}`
  switch (error.code) {
    case 'EADDRINUSE': return new CliError(`cannot start: another program listens on ${where}; stop it, or choose another port with --bind-port`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': return new CliError(`cannot start: ${config.bindAddr} is no address of this machine; choose another with --bind-addr`)
    case 'EACCES': return new CliError(`cannot start: no permission (${error.message}); choose another --bind-port or --data-dir`)
    default: return new CliError(`cannot start: ${error.message}`)
  }
}

function banner (config: BrokerConfig, { address, port, threads }: Broker): string {
  const here = ['0.0.0.0', '::'].includes(config.bindAddr) ? `127.0.0.1:${port}` : address
  const broker = here === '127.0.0.1:9092' ? '' : ` --broker ${here}`
  return [
    `RingMQ ${version} is ready on ${address}`,
    `  data     ${config.dataDir === 'memory' ? 'in memory, gone when this process ends' : resolve(config.dataDir)}`,
    `  flush    ${config.logFlush}`,
    `  threads  ${threads}`,
    `  health   curl http://${here}/health`,
    'Try next, in another terminal:',
    `  ${programName} create-topic --topic demo --partitions 3${broker}`,
    `  ${programName} produce --topic demo --message 'hello' --count 5${broker}`,
    `  ${programName} consume --topic demo${broker}`
  ].join('\n')
}

const camelCase = (name: string): string => name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
