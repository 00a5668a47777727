/** Fresh brokers with an etcd that is a fake: who founds, who joins, what is refused. The real one: etcd-server.test.ts. */
import t from 'tap'
import { EtcdCluster } from '../../src/discovery/etcd-cluster.ts'
import type { Membership } from '../../src/discovery/membership.ts'
import { FakeEtcd } from './fake-etcd.ts'
import { type Machine, World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const minute = 60_000
const allIn = (machines: readonly Machine[]) => (): boolean => machines.every(({ process }) => process?.membership !== undefined)
const membershipOf = (machine: Machine): Membership => machine.process!.membership!
const said = (world: World, name: string): string[] => world.lines.filter(line => line.startsWith(`${name} `)).map(line => line.slice(2))

function etcdMachines (world: World, etcd: FakeEtcd, count: number): Machine[] {
  return Array.from({ length: count }, (_, index) => world.machine({
    address: `10.0.0.${index + 1}:7001`,
    config: { nodeId: 'abcdefgh'[index]!, discoveryType: 'etcd', discoveryEndpoints: ['127.0.0.1:2379'] },
    etcd: new EtcdCluster(etcd, 'default')
  }))
}

t.test('the first one founds, later ones join by themselves', async t => {
  const world = new World()
  const etcd = new FakeEtcd(world)
  const machines = etcdMachines(world, etcd, 3)
  for (const machine of machines) {
    machine.start()
    await world.run(minute, allIn([machine]))
  }
  const [a, b, c] = machines.map(membershipOf) as [Membership, Membership, Membership]
  t.same([a, b, c].map(({ nodeId, member, clusterId }) => [nodeId, member, clusterId]), [[1, 1, a.clusterId], [2, 2, a.clusterId], [3, 3, a.clusterId]])
  t.match(c.metadataInitialVoters, [{ member: 1, nodeName: 'a', host: '10.0.0.1', port: 7001 }])
  t.equal(c.metadataInitialVoters.length, 1)
  t.same(c.peers.map(({ member }) => member), [1, 2])
  t.same([...etcd.keys.keys()], ['/ringmq/default/cluster'], 'addresses are registered by the part that runs on')
})

t.test('started together, killed and silent at any moment: one founder, each member once', async t => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed)
    const etcd = new FakeEtcd(world)
    etcd.forgetful = 0.2
    world.network = { delayMs: () => 1 + world.chance.next() * 50, loses: () => world.chance.next() < 0.1 }
    const machines = etcdMachines(world, etcd, 4)
    for (const machine of machines) machine.start()
    for (let fault = 0; fault < 30; fault++) {
      await world.run(world.chance.next() * 400)
      const machine = machines[Math.floor(world.chance.next() * machines.length)]!
      const dice = world.chance.next()
      const isFounder = etcd.keys.get('/ringmq/default/cluster')?.value.includes(`"nodeName":"${machine.config.nodeId}"`)
      if (machine.process === undefined) machine.start()
      else if (dice < 0.5) machine.kill(true)
      else if (dice < 0.7 && isFounder === false) machine.erase()
      else etcd.down = !etcd.down
    }
    etcd.down = false
    etcd.forgetful = 0
    world.network = { delayMs: () => 1, loses: () => false }
    for (const machine of machines) if (machine.process === undefined) machine.start()
    await world.run(minute, allIn(machines))
    t.equal(new Set(machines.map(machine => membershipOf(machine).clusterId)).size, 1, `seed ${seed}`)
    t.equal(new Set(machines.map(machine => membershipOf(machine).member)).size, 4)
    t.same(machines.map(machine => membershipOf(machine).nodeId).sort(), [1, 2, 3, 4])
  }
})

t.test('etcd that is down is waited for; a broker that has its place starts without it', async t => {
  const world = new World()
  const etcd = new FakeEtcd(world)
  etcd.down = true
  const [machine] = etcdMachines(world, etcd, 1) as [Machine]
  machine.start()
  await world.run(20_000)
  t.same(said(world, 'a'), ['info waiting for etcd (127.0.0.1:2379: connection refused)'])
  etcd.down = false
  await world.run(minute, allIn([machine]))
  etcd.down = true
  machine.kill(true)
  machine.start()
  await world.run(minute, allIn([machine]))
  t.match(membershipOf(machine), { nodeId: 1, member: 1, fresh: false })
  t.match(said(world, 'a').at(-1), 'etcd does not answer: starting without it')
})

t.test('a founder whose disk was erased does not found again; deleting the key lets it', async t => {
  const world = new World()
  const etcd = new FakeEtcd(world)
  const [machine] = etcdMachines(world, etcd, 1) as [Machine]
  machine.start()
  await world.run(minute, allIn([machine]))
  const { clusterId } = membershipOf(machine)
  machine.erase()
  machine.start()
  await world.run(minute)
  t.notOk(machine.process!.membership)
  t.match(said(world, 'a').at(-1), `waiting for cluster ${clusterId} to register this broker`)
  etcd.keys.clear()
  await world.run(minute, allIn([machine]))
  t.not(membershipOf(machine).clusterId, clusterId)
})

t.test('refused: another cluster in etcd, something else there', async t => {
  const world = new World()
  const etcd = new FakeEtcd(world)
  const [machine] = etcdMachines(world, etcd, 1) as [Machine]
  machine.start()
  await world.run(minute, allIn([machine]))
  const { clusterId } = membershipOf(machine)
  const other = new World(2)
  const otherEtcd = new FakeEtcd(other)
  const [stranger] = etcdMachines(other, otherEtcd, 1) as [Machine]
  stranger.start()
  await other.run(minute, allIn([stranger]))
  etcd.keys.set('/ringmq/default/cluster', otherEtcd.keys.get('/ringmq/default/cluster')!)
  machine.kill()
  const process = machine.start()
  await world.run(minute)
  t.equal(process.error?.message, `data_dir belongs to cluster ${clusterId}, but etcd (cluster_name default) belongs to cluster ${membershipOf(stranger).clusterId}: give the broker the data_dir or the discovery.endpoints of one cluster`)
  machine.erase()
  etcd.keys.set('/ringmq/default/cluster', { value: 'hello', lease: undefined })
  const fresh = machine.start()
  await world.run(minute)
  t.match(fresh.error?.message, /something else at \/ringmq\/default\/cluster/)
})

t.test('a stop ends the wait', async t => {
  const world = new World()
  const etcd = new FakeEtcd(world)
  etcd.down = true
  const process = etcdMachines(world, etcd, 1)[0]!.start()
  await world.run(5000)
  process.stopping.abort(new Error('stopped'))
  await world.run(100)
  t.equal(process.error?.message, 'stopped')
})
