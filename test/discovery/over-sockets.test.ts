/** Founding over real sockets: the same frames and ports as in a cluster of machines. */
import t from 'tap'
import { brokerConfig } from '../../src/base/config.ts'
import { cryptoChance, seededChance } from '../../src/base/prng.ts'
import { findMembership } from '../../src/discovery/find-membership.ts'
import { discoveredOf, joinedOf, type Membership } from '../../src/discovery/membership.ts'
import type { Answering, PeerCalls as PeerCallsPort } from '../../src/discovery/peer-calls.ts'
import { DataDirectory } from '../../src/log/data-directory.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { PeerCalls } from '../../src/net/peers/peer-calls.ts'
import { SocketTransport } from '../../src/net/peers/socket-transport.ts'
import { nodeScheduler } from '../../src/runtime/scheduler.ts'
import { freePort, keepLines, until } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

interface Found {
  readonly membership: Membership
  readonly answering: Answering
}

t.test('three brokers found a cluster; a fourth finds it', async t => {
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const addresses = ports.map(port => `127.0.0.1:${port}`)
  const listed = addresses.slice(0, 3)
  const stopping = new AbortController()
  const lines: string[] = []

  const start = async (index: number): Promise<Found> => {
    const logger = keepLines(lines)
    const calls: PeerCallsPort = new PeerCalls({ transport: new SocketTransport({ assemblyBytesMax: 2 ** 20 }), scheduler: nodeScheduler, logger })
    const directory = await DataDirectory.open({ path: '/data', disk: new FaultyDisk(), chance: seededChance(index), lock: false })
    const port = ports[index]!
    const membership = await findMembership({
      config: brokerConfig({ nodeId: `b${index}`, raftAddr: `127.0.0.1:${port}`, discoveryEndpoints: listed, discoveryTimeoutMs: 2000 }),
      directory,
      calls,
      logger,
      signal: stopping.signal,
      chance: cryptoChance,
      client: { host: '127.0.0.1', port: 9092 },
      features: { min: 1, max: 1 }
    })
    const joined = joinedOf(directory.identity)!
    const self = { nodeName: `b${index}`, directoryId: directory.identity.directoryId, address: { host: '127.0.0.1', port } }
    const answering = await calls.answer({ host: '127.0.0.1', port }, () => discoveredOf(joined, self))
    t.teardown(async () => await answering.close())
    return { membership, answering }
  }

  const first = start(0)
  await until('it says what it waits for', () => lines.some(line => /^info waiting for 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+: not reachable yet \([^:]+\)$/.test(line)))
  const found = await Promise.all([first, start(1), start(2)])
  t.equal(new Set(found.map(({ membership }) => membership.clusterId)).size, 1)
  const inOrder = listed.toSorted()
  t.same(found.map(({ membership }) => membership.member), listed.map(address => inOrder.indexOf(address) + 1))

  await t.rejects(start(1), new RegExp(`another program listens on raft_addr 127\\.0\\.0\\.1:${ports[1]}`), 'two never share a port')

  const fourth = start(3)
  await until('it knows the cluster', () => lines.some(line => line.includes(`waiting for cluster ${found[0].membership.clusterId} to register this broker`)))
  stopping.abort(new Error('stopped'))
  await t.rejects(fourth, /stopped/)
  const again = await new PeerCalls({ transport: new SocketTransport({ assemblyBytesMax: 2 ** 20 }), scheduler: nodeScheduler, logger: keepLines([]) })
    .answer({ host: '127.0.0.1', port: ports[3]! }, () => ({}))
  await again.close()
  t.pass('its port is free again')
})
