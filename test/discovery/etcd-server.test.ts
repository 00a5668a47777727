/** The same with a real etcd: its JSON gateway, leases that end, restarts, silence. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { brokerConfig } from '../../src/base/config.ts'
import { seededChance } from '../../src/base/prng.ts'
import { openDiscovery } from '../../src/discovery/discovery.ts'
import { EtcdClient, EtcdError } from '../../src/discovery/etcd-client.ts'
import { EtcdCluster } from '../../src/discovery/etcd-cluster.ts'
import { EtcdRegistration } from '../../src/discovery/etcd-registration.ts'
import { findMembership } from '../../src/discovery/find-membership.ts'
import { aloneIn, discoveredOf, joinedOf, type Membership } from '../../src/discovery/membership.ts'
import { DataDirectory } from '../../src/log/data-directory.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { brokerRecord, EtcdServer, freePort, keepLines, until, withoutEtcd } from './kit.ts'
import { World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const options = withoutEtcd === undefined ? {} : { skip: withoutEtcd }
const silent = { registered: () => {}, failed: () => {} }

t.test('keys, leases and what is not there', options, async t => {
  const { endpoint } = await EtcdServer.start(t)
  const etcd = new EtcdClient([endpoint], 5000)
  t.equal(await etcd.putOnce('/a/1', 'first ü'), 'first ü')
  t.equal(await etcd.putOnce('/a/1', 'second'), 'first ü')
  const lease = await etcd.grant(30)
  t.equal(await etcd.put('/a/2', 'x', lease), true)
  t.equal(await etcd.keepAlive(lease), true)
  await etcd.putOnce('/a', 'beside')
  await etcd.putOnce('/b/1', 'beside')
  t.same([...await etcd.list('/a/')], [['/a/1', 'first ü'], ['/a/2', 'x']])
  t.equal((await etcd.list('/none/')).size, 0)
  await etcd.revoke(lease)
  t.same([...(await etcd.list('/a/')).keys()], ['/a/1'], 'keys go with their lease')
  t.equal(await etcd.keepAlive(lease), false)
  t.equal(await etcd.put('/a/2', 'x', lease), false)
  await etcd.revoke(lease)
  t.pass('a lease that is gone can be given back')
})

t.test('of many who write at once one wins', options, async t => {
  const { endpoint } = await EtcdServer.start(t)
  const records = Array.from({ length: 20 }, (_, index) => brokerRecord(index + 1, `cluster-${index + 1}`))
  const won = await Promise.all(records.map(async record => await new EtcdCluster(new EtcdClient([endpoint], 5000), 'race').found(record)))
  t.equal(new Set(won.map(({ clusterId }) => clusterId)).size, 1)
  t.equal(won.filter((record, index) => record.directoryId === records[index]!.directoryId).length, 1)
  const other = await new EtcdCluster(new EtcdClient([endpoint], 5000), 'other').found(records[3]!)
  t.equal(other.clusterId, 'cluster-4', 'another cluster_name is another cluster')
})

t.test('endpoints that are dead, silent or no etcd are passed over, and named when there is no other', options, async t => {
  const server = await EtcdServer.start(t)
  const hung = http.createServer(() => {})
  const stranger = http.createServer((_request, response) => response.writeHead(418).end('tea'))
  for (const one of [hung, stranger]) await new Promise<void>(resolve => one.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const one of [hung, stranger]) {
      one.close()
      one.closeAllConnections()
    }
  })
  const at = (one: http.Server): string => `127.0.0.1:${(one.address() as AddressInfo).port}`
  const dead = `127.0.0.1:${await freePort()}`
  const etcd = new EtcdClient([dead, at(hung), at(stranger), server.endpoint], 300)
  t.equal(await etcd.putOnce('/k', 'v'), 'v')
  const none = new EtcdClient([dead, at(hung), at(stranger)], 300)
  await t.rejects(none.list('/k/'), { name: 'EtcdError', message: `${dead}: connection refused; ${at(hung)}: no answer within 300 ms; ${at(stranger)}: no etcd 3.4 or newer: HTTP 418` } as EtcdError)
  const closing = none.list('/k/').catch((error: Error) => error)
  none.close()
  t.ok(await closing instanceof Error, 'a close ends what is under way')
})

t.test('a registration outlives a frozen and a restarted etcd, and a lease that has ended', options, async t => {
  const server = await EtcdServer.start(t)
  const lines: string[] = []
  let registered = false
  const registration = new EtcdRegistration({
    cluster: new EtcdCluster(new EtcdClient([server.endpoint], 300), 'default'),
    self: brokerRecord(2),
    founder: brokerRecord(1),
    logger: keepLines(lines),
    metrics: { registered: yes => { registered = yes }, failed: () => {} },
    roundMs: 50,
    leaseSeconds: 2
  })
  t.teardown(async () => await registration.close())
  const watcher = new EtcdCluster(new EtcdClient([server.endpoint], 5000), 'default')
  const isThere = async (): Promise<boolean> => (await watcher.brokers()).some(({ member }) => member === 2)
  await until('it is registered', isThere)

  server.freeze()
  await until('silence is noticed', () => !registered)
  server.thaw()
  await until('it is registered again', async () => registered && await isThere())

  await server.kill()
  await until('its end is noticed', () => !registered)
  await server.start()
  await until('it is registered again', async () => registered && await isThere())

  // Behind the registration's back its lease is taken away.
  const thief = new EtcdClient([server.endpoint], 5000)
  const { leases } = await (await fetch(`http://${server.endpoint}/v3/lease/leases`, { method: 'POST', body: '{}' })).json() as { leases: Array<{ ID: string }> }
  for (const { ID } of leases) await thief.revoke(ID)
  await until('the loss is noticed', () => lines.includes('warn the lease in etcd was lost: registering anew'))
  await until('it is registered again', isThere)

  await registration.close()
  t.notOk(await isThere(), 'a broker that stops takes its address back')
  t.same(lines.filter(line => line.startsWith('error')), [])
})

t.test('an address whose broker was killed goes with its lease', options, async t => {
  const server = await EtcdServer.start(t)
  const cluster = new EtcdCluster(new EtcdClient([server.endpoint], 5000), 'default')
  t.equal(await cluster.register(brokerRecord(1), await cluster.grant(1)), true)
  t.equal((await cluster.brokers()).length, 1)
  await until('it is gone', async () => (await cluster.brokers()).length === 0)
})

t.test('brokers that start at once: one founds, the others join it', options, async t => {
  const server = await EtcdServer.start(t)
  // Calls between brokers by a table; etcd is the real one.
  const world = new World()
  const running = new Map<string, Membership>()
  const find = async (index: number, disk: FaultyDisk): Promise<Membership> => {
    const address = `10.0.0.${index}:7001`
    const directory = await DataDirectory.open({ path: '/data', disk, chance: seededChance(index), lock: false })
    const membership = await findMembership({
      config: brokerConfig({ nodeId: `b${index}`, raftAddr: address, discoveryType: 'etcd', discoveryEndpoints: server.endpoint }),
      directory,
      calls: {
        discover: async ({ host, port }) => {
          const asked = running.get(`${host}:${port}`)
          if (asked === undefined) throw new Error('connection refused')
          const { clusterId, nodeId, member, metadataInitialVoters: founders, peers } = asked
          return discoveredOf({ clusterId, nodeId, member, founders, peers }, { nodeName: 'any', directoryId: 'any', address: { host, port } })
        },
        answer: async () => ({ close: async () => {} }),
        join: async ({ host, port }, request) => {
          const asked = running.get(`${host}:${port}`)
          if (asked === undefined) throw new Error('connection refused')
          return world.register(asked.clusterId, request)
        }
      },
      logger: keepLines([]),
      signal: new AbortController().signal,
      chance: seededChance(100 + index),
      client: { host: '10.0.0.1', port: 9092 },
      features: { min: 1, max: 1 },
      sleep: async (_ms, signal) => {
        await new Promise(resolve => setTimeout(resolve, 5))
        signal.throwIfAborted()
      }
    })
    running.set(address, membership)
    world.begin(membership)
    const discovery = await openDiscovery({
      config: brokerConfig({ nodeId: `b${index}`, raftAddr: address, discoveryType: 'etcd', discoveryEndpoints: server.endpoint }),
      membership,
      directoryId: directory.identity.directoryId,
      address: { host: `10.0.0.${index}`, port: 7001 },
      logger: keepLines([]),
      metrics: silent
    })
    t.teardown(async () => await discovery.close())
    await until('others are heard of', () => joinedOf(directory.identity) !== undefined)
    return membership
  }
  world.hasQuorum = ({ clusterId, voters }) => [...running.values()].some(membership => membership.clusterId === clusterId && membership.member === 1) && voters.size > 0
  const memberships = await Promise.all([1, 2, 3, 4].map(async index => await find(index, new FaultyDisk())))
  t.equal(new Set(memberships.map(({ clusterId }) => clusterId)).size, 1)
  t.same(memberships.map(({ member }) => member).sort(), [1, 2, 3, 4])
  t.same(memberships.map(({ metadataInitialVoters }) => metadataInitialVoters.length), [1, 1, 1, 1])
  const cluster = new EtcdCluster(new EtcdClient([server.endpoint], 5000), 'default')
  await until('all are registered', async () => (await cluster.brokers()).length === 4)
})

t.test('a list needs no etcd while it runs', async t => {
  const membership = aloneIn('c', 'a', 'd', true)
  const discovery = await openDiscovery({ config: brokerConfig({ raftAddr: 'a:1' }), membership, directoryId: 'd', address: { host: 'a', port: 1 }, logger: keepLines([]), metrics: silent })
  t.same(discovery.peers(), [])
  await discovery.close()
})
