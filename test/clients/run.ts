/**
 * `npm run test:clients`: every client against a broker. Without `--broker HOST:PORT` it starts one in a process of its own.
 *
 *   --broker HOST:PORT   a broker that runs already
 *   --client A,B         only these clients
 *   --check A,B          only these checks
 *   --megabytes N        size of the text file, default 100
 *
 * A client that cannot be had is a failure.
 */
import { parseArgs } from 'node:util'
import { clients } from './clients.ts'
import { runSuite } from './suite.ts'

const { values } = parseArgs({
  options: {
    broker: { type: 'string' },
    client: { type: 'string' },
    check: { type: 'string' },
    megabytes: { type: 'string', default: '100' }
  }
})
const chosen = values.client?.split(',').map(name => {
  const found = clients.find(client => client.name === name)
  if (found === undefined) throw new Error(`--client ${name}: there are ${clients.map(client => client.name).join(', ')}`)
  return found
})
await runSuite({
  broker: values.broker,
  clients: chosen ?? clients,
  checks: values.check?.split(','),
  fileBytes: Number(values.megabytes) * 1_000_000
})
