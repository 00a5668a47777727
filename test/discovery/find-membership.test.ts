/** What a broker is by its folder and its settings, addresses, and what may come from others. */
import t from 'tap'
import { formatAddress, parseAddress } from '../../src/base/address.ts'
import { brokerConfig, ConfigError } from '../../src/base/config.ts'
import { ErrorCode } from '../../src/base/error-code.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { seededChance } from '../../src/base/prng.ts'
import { readDiscovered, readJoinAnswer, readJoinRequest } from '../../src/discovery/answers.ts'
import { findMembership } from '../../src/discovery/find-membership.ts'
import { discoveredOf, foundedBy, joinedOf, type Membership } from '../../src/discovery/membership.ts'
import { raftAddresses } from '../../src/discovery/newcomer.ts'
import { readChecked, writeChecked } from '../../src/log/checked-file.ts'
import { DataDirectory } from '../../src/log/data-directory.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import type { MemberId, NodeId } from '../../src/base/ids.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const noCalls = {
  discover: async () => { throw new Error('connection refused') },
  join: async () => { throw new Error('connection refused') },
  answer: async () => ({ close: async () => {} })
}
const open = async (disk: FaultyDisk): Promise<DataDirectory> => await DataDirectory.open({ path: '/data', disk, chance: seededChance(5), lock: false })

async function find (directory: DataDirectory | undefined, settings: Parameters<typeof brokerConfig>[0]): Promise<Membership> {
  return await findMembership({
    config: brokerConfig(settings),
    directory,
    calls: noCalls,
    logger: silentLogger,
    signal: new AbortController().signal,
    chance: seededChance(7),
    client: { host: 'here', port: 9092 },
    features: { min: 1, max: 1 }
  })
}

t.test('a broker alone is node 1, member 1, in memory and on disk', async t => {
  const inMemory = await find(undefined, { dataDir: 'memory' })
  t.match(inMemory, { nodeId: 1, member: 1, fresh: true, peers: [], metadataInitialVoters: [{ member: 1, nodeName: 'broker-1' }] })
  const disk = new FaultyDisk()
  const first = await find(await open(disk), {})
  t.match(first, { nodeId: 1, member: 1, fresh: true, peers: [] })
  const again = await find(await open(disk), {})
  t.same(again, { ...first, fresh: false })
  t.ok(await readChecked(disk, '/data/meta/identity', 1), 'a program that knows no clusters can go on with it')
})

t.test('the folder of an older program is that of a broker alone', async t => {
  const disk = new FaultyDisk()
  const directory = await open(disk)
  await directory.identify('0123456789abcdef0123456789abcdef', 1)
  t.match(await find(await open(disk), {}), { clusterId: '0123456789abcdef0123456789abcdef', nodeId: 1, member: 1, fresh: false })
})

t.test('a broker alone that gets a raft_addr opens its cluster for others, and stays open', async t => {
  const disk = new FaultyDisk()
  const before = await find(await open(disk), {})
  const opened = await find(await open(disk), { raftAddr: '10.0.0.1:7001' })
  t.match(opened, { clusterId: before.clusterId, member: 1, fresh: false, metadataInitialVoters: [{ member: 1, host: '10.0.0.1', port: 7001 }] })
  t.same(await find(await open(disk), { raftAddr: '10.0.0.1:7001' }), opened)
  t.notOk(await readChecked(disk, '/data/meta/identity', 1), 'an older program would run it alone: it must not read it')
  await t.rejects(find(await open(disk), {}), /raft_addr is needed/)
  await t.rejects(find(await open(disk), { raftAddr: '10.0.0.1:7001', nodeId: 'other' }), /belongs to node_id "broker-1"/)
})

t.test('a raft_addr without a way to others founds nothing', async t => {
  await t.rejects(find(await open(new FaultyDisk()), { raftAddr: '0.0.0.0:7001', advertisedRaftAddr: 'b1:7001' }), /set discovery\.endpoints .* \(b1:7001 alone founds a cluster that others can join\)/)
})

t.test('peers are remembered, with their newest address, and never this broker itself or its earlier folders', async t => {
  const disk = new FaultyDisk()
  const directory = await open(disk)
  const { founders, clusterId } = foundedBy([1, 2, 3].map(index => ({ endpoint: `10.0.0.${index}:7001`, nodeName: `b${index}`, directoryId: index === 2 ? directory.identity.directoryId : `d${index}` })))
  await directory.identify(clusterId, 2, { member: 2, founders, peers: [] })
  const address = (member: number, port: number) => ({ member: member as MemberId, nodeId: member as NodeId, host: 'h', port })
  const earlierSelf = { ...address(7, 1), nodeId: 2 as NodeId }
  await Promise.all([directory.rememberPeers([address(4, 1), address(1, 1)]), directory.rememberPeers([address(5, 1), address(1, 2), earlierSelf])])
  const writes = disk.counts.get('rename')
  await directory.rememberPeers([address(1, 2), earlierSelf, address(5, 1)])
  t.equal(disk.counts.get('rename'), writes, 'what is known is not written')
  const membership = await find(await open(disk), { raftAddr: '10.0.0.2:7001', nodeId: 'b2' })
  t.same(membership.peers.map(({ member, host, port }) => [member, host, port]), [[1, 'h', 2], [3, '10.0.0.3', 7001], [5, 'h', 1]])
  t.same(membership.metadataInitialVoters, founders, 'the first configuration never changes')
  await t.rejects(directory.identify('other', 2, { member: 2, founders, peers: [] }), /one member of one cluster/)
})

t.test('an identity that was cut short is an error, not another broker', async t => {
  const disk = new FaultyDisk()
  await open(disk)
  await writeChecked(disk, '/data/meta/identity', 3, new Uint8Array([0x80]))
  await t.rejects(open(disk), /identity is damaged/)
})

t.test('the same folders found the same cluster, in whatever order they are listed', t => {
  const brokers = ['c', 'a', 'b'].map(name => ({ endpoint: `${name}:7001`, nodeName: name, directoryId: `folder of ${name}` }))
  const founded = foundedBy(brokers)
  t.same(foundedBy(brokers.toReversed()), founded)
  t.same(founded.founders.map(({ member, nodeId, nodeName, host }) => [member, nodeId, nodeName, host]), [[1, 1, 'a', 'a'], [2, 2, 'b', 'b'], [3, 3, 'c', 'c']])
  t.match(founded.clusterId, /^[0-9a-f]{32}$/)
  t.not(foundedBy([...brokers.slice(1), { ...brokers[0]!, directoryId: 'erased' }]).clusterId, founded.clusterId)
  t.end()
})

t.test('addresses', t => {
  for (const [text, expected] of [
    ['127.0.0.1:7001', { host: '127.0.0.1', port: 7001 }], ['Broker-1.example:1', { host: 'broker-1.example', port: 1 }],
    ['[::1]:65535', { host: '::1', port: 65535 }], ['[fe80::1%eth0]:7', { host: 'fe80::1%eth0', port: 7 }]
  ] as const) {
    t.same(parseAddress(text), expected)
    t.equal(formatAddress(expected), text.toLowerCase())
  }
  for (const text of ['', 'host', ':7001', 'host:', 'host:0', 'host:65536', 'host:7001x', '::1:7001', '[::1]', '[host]:1', 'a b:1', 'http://a:1', 'a@b:1', 'host:-1', 'host:1e3']) t.equal(parseAddress(text), undefined, text)
  t.match(raftAddresses({ raftAddr: '0.0.0.0:7001', advertisedRaftAddr: '' }), { bind: { host: '0.0.0.0', port: 7001 }, address: { port: 7001, host: /^(?!0\.0\.0\.0).+/ } })
  t.match(raftAddresses({ raftAddr: '[::]:7001', advertisedRaftAddr: 'b1:7777' }), { bind: { host: '::' }, address: { host: 'b1', port: 7777 } })
  t.equal(raftAddresses({ raftAddr: '', advertisedRaftAddr: 'b1:7777' }), undefined)
  t.end()
})

t.test('settings that contradict each other are refused by name', t => {
  const problems = (settings: Parameters<typeof brokerConfig>[0]): string => {
    try {
      brokerConfig(settings)
      return ''
    } catch (error) {
      if (error instanceof ConfigError) return error.message
      throw error
    }
  }
  t.match(problems({ discoveryType: 'etcd' }), /^discovery\.endpoints: .*at least one address of etcd/)
  t.match(problems({ discoveryType: 'etcd', discoveryEndpoints: 'e:2379' }), /^raft_addr: .*as discovery\.type is etcd$/)
  t.match(problems({ discoveryEndpoints: 'a:7001' }), /^raft_addr: .*as discovery\.endpoints names other brokers$/)
  t.match(problems({ discoveryEndpoints: 'a:7001', raftAddr: 'a:7001', dataDir: 'memory' }), /^data_dir: "memory" is not allowed/)
  t.match(problems({ raftAddr: 'nonsense' }), /^raft_addr: "nonsense" .*HOST:PORT/)
  t.match(problems({ discoveryEndpoints: 'https://a:1', raftAddr: 'a:1' }), /^discovery\.endpoints: .*no TLS/)
  t.equal(problems({ raftAddr: 'a:7001' }), '')
  const config = brokerConfig({ discoveryEndpoints: 'http://A:2379/, [::1]:2379,', raftAddr: 'A:7001', discoveryType: 'etcd' })
  t.same([config.discoveryEndpoints, config.raftAddr], [['a:2379', '[::1]:2379'], 'a:7001'], 'one spelling')
  t.same(brokerConfig({ ...config }), config, 'a checked configuration passes unchanged')
  t.end()
})

t.test('what others send is looked at before it is believed', t => {
  const joined = { ...foundedBy([{ endpoint: 'a:7001', nodeName: 'a', directoryId: 'd1' }]), nodeId: 1 as NodeId, member: 1 as MemberId, peers: [] }
  const discovered = discoveredOf(joined, { nodeName: 'a', directoryId: 'd1', address: { host: 'a', port: 7001 } })
  t.same(readDiscovered({ ...discovered, more: 'of a later version' }), discovered)
  const { clusterId: _, ...fresh } = { ...discovered, endpoints: ['a:7001'], founders: [], member: 0, nodeId: 0 }
  t.same(readDiscovered(fresh), { ...fresh, clusterId: undefined })
  const answer = { kind: 'joined', errorCode: 0, errorMessage: null, clusterId: 'x', nodeId: 2, member: 4, initialVoters: [1], peers: [{ member: 1, nodeId: 1, host: 'a', port: 7001 }] }
  t.same(readJoinAnswer(answer), { kind: 'registered', clusterId: 'x', nodeId: 2, member: 4, peers: answer.peers })
  const problem = (errorCode: number, errorMessage: string | null): unknown => readJoinAnswer({ ...answer, errorCode, errorMessage, nodeId: -1, member: 0, clusterId: '' })
  t.same(problem(ErrorCode.NOT_CONTROLLER, null), { kind: 'later', reason: 'NOT_CONTROLLER' })
  t.same(problem(ErrorCode.DUPLICATE_RESOURCE, 'in use'), { kind: 'taken', reason: 'in use' })
  t.same(problem(ErrorCode.UNSUPPORTED_VERSION, 'old'), { kind: 'refused', reason: 'old' })
  const request = { name: 'n', directoryId: 'd', raftHost: 'h', raftPort: 1, host: 'c', port: 2, rack: null, features: { min: 1, max: 1 } }
  t.same(readJoinRequest(request), request)

  const wrong = [null, 7, 'text', [], undefined, {}]
  for (const value of wrong) for (const read of [readDiscovered, readJoinAnswer, readJoinRequest]) t.throws(() => read(value), /not understood/)
  const within: Readonly<Record<string, string>> = { peers: 'port', founders: 'nodeId', features: 'max' }
  const bad: ReadonlyArray<[(value: unknown) => unknown, object, Readonly<Record<string, unknown>>]> = [
    [readDiscovered, discovered, { nodeName: '', directoryId: '../x', host: 'a b', port: 0, endpoints: [1], clusterId: 'a/b', member: -1, nodeId: 1.5, founders: [{ member: 1 }] }],
    [readJoinAnswer, answer, { kind: 'other', errorCode: 'none', clusterId: 5, nodeId: 0, member: 2 ** 31, peers: [{ ...answer.peers[0], port: 70_000 }] }],
    [readJoinRequest, request, { name: 'a b', directoryId: undefined, raftHost: '', raftPort: 0, host: 7, port: 'x', rack: '', features: { min: 1 } }]
  ]
  for (const [read, good, changes] of bad) {
    for (const [field, value] of Object.entries(changes)) t.throws(() => read({ ...good, [field]: value }), new RegExp(`not understood: its field ${within[field] ?? field} is wrong`), `${field}: ${JSON.stringify(value)}`)
  }
  t.equal(joinedOf({ directoryId: 'd', clusterId: undefined, nodeNumber: undefined, member: undefined, founders: [], peers: [] }), undefined)
  t.end()
})
