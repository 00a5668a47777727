/** Runs checks client by client and prints a line for each. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { applies, checks, newTopic } from './checks.ts'
import type { Client } from './client.ts'
import { type OwnBroker, startOwnBroker } from './own-broker.ts'
import { type TextFile, writeTextFile } from './text-file.ts'

export interface SuiteOptions {
  /** HOST:PORT of a broker that runs; without it one is started in a process of its own. */
  readonly broker: string | undefined
  readonly clients: readonly Client[]
  /** Names of checks; all by default. */
  readonly checks: readonly string[] | undefined
  readonly fileBytes: number
}

/** Sets the exit code. The last line says `N passed, N failed`. */
export async function runSuite (options: SuiteOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ringmq-clients-'))
  let own: OwnBroker | undefined
  try {
    own = options.broker === undefined ? await startOwnBroker(directory) : undefined
    const failed = await runChecks({ ...options, broker: options.broker ?? own!.address, directory })
    process.exitCode = failed === 0 ? 0 : 1
  } finally {
    await own?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function runChecks ({ broker, clients, checks: wanted, directory, fileBytes }: SuiteOptions & { broker: string, directory: string }): Promise<number> {
  let passed = 0
  let failed = 0
  let textFile: Promise<TextFile> | undefined
  const file = async (): Promise<TextFile> => await (textFile ??= writeTextFile(join(directory, 'text'), fileBytes))
  const run = async (name: string, work: () => Promise<void>): Promise<boolean> => {
    const started = performance.now()
    const error = await work().then(() => undefined, (error: unknown) => error)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    if (error === undefined) passed++
    else failed++
    console.log(`${error === undefined ? 'ok    ' : 'not ok'} ${name.padEnd(36)} ${seconds.padStart(6)} s`)
    if (error !== undefined) console.log(indent(inspect(error)))
    return error === undefined
  }
  // Downloads and builds of different clients do not wait for each other.
  const prepared = clients.map(client => client.prepare().then(() => undefined, (error: unknown) => error))
  for (const [index, client] of clients.entries()) {
    const canBeHad = async (): Promise<void> => {
      const error = await prepared[index]
      if (error !== undefined) throw error
    }
    if (!await run(`${client.name}: can be had`, canBeHad)) continue
    for (const [name, check] of Object.entries(checks)) {
      if ((wanted?.includes(name) ?? true) && applies(name, client)) await run(`${client.name}: ${name}`, async () => await check(client, broker, file))
    }
    for (const [name, check] of Object.entries(client.extra ?? {})) {
      if (wanted?.includes(name) ?? true) await run(`${client.name}: ${name}`, async () => await check(await newTopic(broker, 1)))
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed
}

function indent (text: string): string {
  return text.split('\n').slice(0, 60).map(line => `       ${line}`).join('\n')
}
