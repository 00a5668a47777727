/** A broker in this process and clients of it, ended with the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Broker, type BrokerOptions, startBroker } from '../../src/broker.ts'
import { RawClient } from './raw-client.ts'

/** A broker in this process that ends with the test. */
export async function openBroker (t: Test, options: BrokerOptions = {}): Promise<Broker> {
  const broker = await startBroker({ dataDir: 'memory', port: 0, loggingLevel: 'fatal', ...options })
  t.teardown(async () => await broker.close())
  return broker
}

export async function openClient (t: Test, broker: Broker): Promise<RawClient> {
  const client = await RawClient.connect(broker.address)
  t.teardown(() => client.close())
  return client
}

/** A folder of the test's own. Ask for it before a broker that uses it, so that it goes after it. */
export async function temporaryFolder (t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ringmq-broker-'))
  t.teardown(async () => await rm(directory, { recursive: true, force: true }))
  return directory
}
