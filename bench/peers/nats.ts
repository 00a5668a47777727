/** NATS with JetStream, built by Go from its module: an optional peer, left out where Go cannot fetch it. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, peersRoot } from '../harness.ts'
import { natsRequest } from '../loads/nats-append.ts'
import { runProgram, Server } from '../process-stats.ts'
import { dataFolder, type Flush, type Subject } from '../subjects.ts'

export const natsVersion = 'v2.11.10'
const program = join(peersRoot, 'nats', 'nats-server')

/** The server's program, built at the first call. */
export async function natsProgram (): Promise<string> {
  if (!existsSync(program)) await runProgram('go', ['install', `github.com/nats-io/nats-server/v2@${natsVersion}`], { withinMs: 900_000, env: { GOBIN: join(peersRoot, 'nats') } })
  return program
}

/** `os`: synced by the kernel in its own time; `always`: each message before its answer. */
export async function startNats (flush: Flush): Promise<Subject> {
  const program = await natsProgram()
  const dataDir = dataFolder(`nats-${flush}`)
  rmSync(dataDir, { recursive: true, force: true })
  mkdirSync(dataDir, { recursive: true })
  const port = await freePort()
  const configuration = join(dataDir, 'nats.conf')
  writeFileSync(configuration, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${dataDir}", sync_interval: ${flush === 'always' ? 'always' : '"2m"'} }\n`)
  const server = await Server.start({ name: 'nats', command: program, args: ['-c', configuration], logFile: `${dataDir}.log` },
    async () => (await natsRequest(port, '$JS.API.INFO', '')).includes('"memory"'))
  return { name: 'nats', port, server, stop: async () => await server.stop() }
}
