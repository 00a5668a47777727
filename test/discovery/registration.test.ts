/** A running member and its etcd: registered, lost, registered anew, and never in the way of anything else. */
import t, { type Test } from 'tap'
import type { PeerAddress } from '../../src/base/address.ts'
import type { EtcdClient } from '../../src/discovery/etcd-client.ts'
import { type BrokerRecord, EtcdCluster } from '../../src/discovery/etcd-cluster.ts'
import { EtcdRegistration } from '../../src/discovery/etcd-registration.ts'
import { FakeEtcd } from './fake-etcd.ts'
import { brokerRecord, keepLines, until } from './kit.ts'
import { World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const clusterKey = '/ringmq/default/cluster'
const keyOf = (member: number): string => `/ringmq/default/brokers/directory-${member}`

/** A fake that answers in the next turns of the real event loop. */
function promptEtcd (): FakeEtcd {
  const world = new World()
  world.later = (_ms, run) => { setImmediate(run) }
  return new FakeEtcd(world)
}

interface Member {
  readonly registration: EtcdRegistration
  readonly lines: string[]
  readonly heard: PeerAddress[][]
  registered: boolean
  failures: number
}

function register (t: Test, etcd: FakeEtcd | EtcdClient, self: BrokerRecord): Member {
  const lines: string[] = []
  const heard: PeerAddress[][] = []
  const member: Member = {
    lines,
    heard,
    registered: false,
    failures: 0,
    registration: new EtcdRegistration({
      cluster: new EtcdCluster(etcd, 'default'),
      self,
      founder: brokerRecord(1, self.clusterId),
      logger: keepLines(lines),
      metrics: { registered: yes => { member.registered = yes }, failed: () => { member.failures++ } },
      roundMs: 5,
      onPeers: peers => heard.push([...peers])
    })
  }
  t.teardown(async () => await member.registration.close())
  return member
}

t.test('members find each other, and one that stops is gone at once', async t => {
  const etcd = promptEtcd()
  const one = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => one.registered)
  t.ok(etcd.keys.has(clusterKey), 'a cluster that etcd did not know is written down')
  t.same(one.registration.peers, [])
  const two = register(t, etcd, brokerRecord(2))
  await until('they see each other', () => one.registration.peers.length + two.registration.peers.length === 2)
  t.same(one.registration.peers, [{ member: 2, nodeId: 2, host: '10.0.0.2', port: 7001 }])
  t.same(one.heard, [one.registration.peers], 'told once')
  const { revision } = etcd
  const renewals = etcd.leases.size
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(etcd.revision, revision, 'nothing is written while nothing changes: etcd keeps every version')
  t.equal(etcd.leases.size, renewals)
  await two.registration.close()
  t.notOk(etcd.keys.has(keyOf(2)))
  t.equal(two.registered, false)
  await until('the other hears of it', () => one.registration.peers.length === 0)
})

t.test('a lost lease, a deleted key and an address that changed are mended', async t => {
  const etcd = promptEtcd()
  const member = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => etcd.keys.has(keyOf(1)))
  const [lease] = [...etcd.leases]
  etcd.expire(lease!)
  t.notOk(etcd.keys.has(keyOf(1)))
  await until('it is there again', () => etcd.keys.has(keyOf(1)))
  t.not(etcd.keys.get(keyOf(1))!.lease, lease)
  t.ok(member.lines.includes('warn the lease in etcd was lost: registering anew'))
  etcd.keys.delete(keyOf(1))
  await until('it is there again', () => etcd.keys.has(keyOf(1)))
  await member.registration.close()
  etcd.keys.set(keyOf(1), { value: JSON.stringify({ ...brokerRecord(1), port: 1 }), lease: undefined })
  register(t, etcd, brokerRecord(1))
  await until('the address is the new one', () => etcd.keys.get(keyOf(1))!.value.includes('7001'))
})

t.test('what a killed process left in etcd hangs on its lease: the next one writes it anew', async t => {
  const etcd = promptEtcd()
  const earlier = await etcd.grant()
  const left = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => left.registered)
  const { value } = etcd.keys.get(keyOf(1))!
  await left.registration.close()
  etcd.keys.set(keyOf(1), { value, lease: earlier })
  const member = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => member.registered)
  etcd.expire(earlier)
  t.ok(etcd.keys.has(keyOf(1)), 'the end of that lease takes nothing away')
  const { revision } = etcd
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(etcd.revision, revision, 'written once')
})

t.test('etcd goes and comes back, with or without its data', async t => {
  const etcd = promptEtcd()
  const one = register(t, etcd, brokerRecord(1))
  const two = register(t, etcd, brokerRecord(2))
  await until('they see each other', () => one.registration.peers.length + two.registration.peers.length === 2)
  etcd.down = true
  await until('it is noticed', () => one.failures > 3)
  t.equal(one.registered, false)
  t.equal(one.registration.peers.length, 1, 'what was known stays')
  t.equal(one.lines.filter(line => line.startsWith('warn etcd does not answer')).length, 1, 'said once')
  etcd.keys.clear()
  etcd.leases.clear()
  etcd.down = false
  await until('all is there again', () => one.registered && two.registered && etcd.keys.has(clusterKey) && etcd.keys.has(keyOf(1)) && etcd.keys.has(keyOf(2)))
  t.match(JSON.parse(etcd.keys.get(clusterKey)!.value), { clusterId: 'cluster-1', directoryId: 'directory-1' }, 'the founder is still the founder, whoever wrote it')
  t.equal(one.lines.filter(line => line === 'info registered in etcd').length, 2)
})

t.test('another cluster in etcd is an error line, not the end of a running one', async t => {
  const etcd = promptEtcd()
  const member = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => member.registered)
  etcd.keys.set(clusterKey, { value: JSON.stringify(brokerRecord(7, 'cluster-2')), lease: undefined })
  etcd.keys.set(keyOf(7), { value: JSON.stringify(brokerRecord(7, 'cluster-2')), lease: undefined })
  etcd.keys.set('/ringmq/default/brokers/garbage', { value: '{', lease: undefined })
  await until('it is noticed', () => member.lines.some(line => line.startsWith('error etcd names another cluster')))
  await new Promise(resolve => setTimeout(resolve, 30))
  t.equal(member.lines.filter(line => line.startsWith('error')).length, 1, 'said once')
  t.same(member.registration.peers, [], 'members of another cluster are no peers')
  t.equal(member.registered, true)
})

t.test('a close does not wait for an etcd that is silent', async t => {
  const etcd = promptEtcd()
  const world = etcd.world
  const member = register(t, etcd, brokerRecord(1))
  await until('it is registered', () => member.registered)
  world.later = () => {} // from here on nothing is ever answered
  await member.registration.close()
  t.equal(member.registered, false)
})
