/** An etcd of the test's own, and waiting for what comes about in its own time. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Logger } from '../../src/base/logger.ts'
import type { MemberId, NodeId } from '../../src/base/ids.ts'
import type { BrokerRecord } from '../../src/discovery/etcd-cluster.ts'

const patienceMs = Number(process.env.DISCOVERY_PATIENCE_MS ?? 20_000)

/** Why tests with a real etcd cannot run here; undefined: they can. */
export const withoutEtcd: string | undefined = spawnSync('etcd', ['--version']).status === 0 ? undefined : 'there is no etcd in PATH (Debian: apt-get install etcd-server)'

/** Polls until `holds`; the time it may take is no part of what is tested. */
export async function until (what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export async function freePort (): Promise<number> {
  const server = net.createServer()
  return await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Keeps what is logged: `level message`. */
export function keepLines (lines: string[]): Logger {
  const say = (level: string) => (_fields: unknown, message: string): void => { lines.push(`${level} ${message}`) }
  return { info: say('info'), warn: say('warn'), error: say('error') } as unknown as Logger
}

export function brokerRecord (member: number, clusterId = 'cluster-1'): BrokerRecord {
  return { clusterId, nodeName: `b${member}`, directoryId: `directory-${member}`, nodeId: member as NodeId, member: member as MemberId, host: `10.0.0.${member}`, port: 7001 }
}

/** A real etcd, killed with the test, that keeps its data and its port over a restart. */
export class EtcdServer {
  readonly endpoint: string
  readonly #arguments: readonly string[]
  #child: ChildProcess | undefined

  private constructor (folder: string, port: number, peerPort: number) {
    this.endpoint = `127.0.0.1:${port}`
    const [client, peer] = [`http://${this.endpoint}`, `http://127.0.0.1:${peerPort}`]
    this.#arguments = [
      '--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`
    ]
  }

  static async start (t: Test): Promise<EtcdServer> {
    const folder = await mkdtemp(join(tmpdir(), 'ringmq-etcd-'))
    const etcd = new EtcdServer(folder, await freePort(), await freePort())
    t.teardown(async () => {
      await etcd.kill()
      await rm(folder, { recursive: true, force: true })
    })
    await etcd.start()
    return etcd
  }

  async start (): Promise<void> {
    const child = spawn('etcd', this.#arguments, { stdio: 'ignore' })
    this.#child = child
    await until('etcd is healthy', async () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`)
      return await fetch(`http://${this.endpoint}/health`).then(async answer => (await answer.text()).includes('true'), () => false)
    })
  }

  async kill (): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    await new Promise(resolve => {
      child.once('exit', resolve)
      child.kill('SIGKILL')
    })
  }

  /** Stops answering, with its port open. */
  freeze (): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw (): void {
    this.#child?.kill('SIGCONT')
  }
}
