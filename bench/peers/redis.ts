/** Redis from Debian, one node, for its streams: appended to a log file that is synced never or before each answer. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { freePort } from '../harness.ts'
import { redisCall } from '../loads/redis-append.ts'
import { runProgram, Server } from '../process-stats.ts'
import { dataFolder, type Flush, type Subject } from '../subjects.ts'

const program = '/usr/bin/redis-server'

/** Installs the package where it is missing. @throws when this machine's user may not */
async function ensureInstalled (): Promise<void> {
  if (existsSync(program)) return
  if (process.getuid?.() !== 0) throw new Error('redis-server is missing: apt-get install redis-server')
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await runProgram('apt-get', ['update'], { withinMs: 300_000, env })
  await runProgram('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], { withinMs: 300_000, env })
}

/** `os`: append-only file without sync; `always`: synced before each answer, as its `appendfsync always` promises. */
export async function startRedis (flush: Flush): Promise<Subject> {
  await ensureInstalled()
  const dataDir = dataFolder(`redis-${flush}`)
  rmSync(dataDir, { recursive: true, force: true })
  mkdirSync(dataDir, { recursive: true })
  const port = await freePort()
  const server = await Server.start({
    name: 'redis',
    command: program,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--save', '', '--appendonly', 'yes', '--appendfsync', flush === 'always' ? 'always' : 'no', '--auto-aof-rewrite-percentage', '0', '--daemonize', 'no'],
    logFile: `${dataDir}.log`
  }, async () => await redisCall(port, 'PING') === '+PONG')
  return { name: 'redis', port, server, stop: async () => await server.stop() }
}
