/** One short produce and consume with each client, for continuous integration: minutes, installs on a fresh machine included. */
import { clients } from './clients.ts'
import { runSuite } from './suite.ts'

await runSuite({ broker: undefined, clients, checks: ['quick'], fileBytes: 0 })
