/** The common checks for clients that live in this process, against an embedded broker in memory. */
import t from 'tap'
import { startBroker } from '../../src/index.ts'
import { applies, checks } from './checks.ts'
import type { Client } from './client.ts'

/** `RINGMQ_TEST_BROKER=HOST:PORT` names a broker that runs already. */
const given = process.env.RINGMQ_TEST_BROKER

/** Runs all checks but the one with the large file. */
export function testInProcess (client: Client): void {
  t.test(client.name, async t => {
    const broker = given === undefined ? await startBroker({ dataDir: 'memory', port: 0 }) : undefined
    t.teardown(async () => await broker?.close())
    await client.prepare()
    for (const [name, check] of Object.entries(checks)) {
      if (name !== 'file' && applies(name, client)) await t.resolves(check(client, given ?? broker!.address, noFile), name)
    }
  })
}

async function noFile (): Promise<never> {
  throw new Error('there is no file in these tests')
}
