/** Fresh brokers with a list: what they found, whom they join, what they refuse, what they say while they wait. */
import t from 'tap'
import type { Membership } from '../../src/discovery/membership.ts'
import { listedMachines, type Machine, World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const minute = 60_000
const allIn = (machines: readonly Machine[]) => (): boolean => machines.every(({ process }) => process?.membership !== undefined)
const membershipOf = (machine: Machine): Membership => machine.process!.membership!
const said = (world: World, name: string): string[] => world.lines.filter(line => line.startsWith(`${name} `)).map(line => line.slice(2))

t.test('all first brokers found one cluster, whatever the order of their starts', async t => {
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
    const world = new World(order[0])
    const machines = listedMachines(world, 3)
    for (const index of order) {
      machines[index]!.start()
      await world.run(5000)
      if (index !== order.at(-1)) t.notOk(machines.some(({ process }) => process?.membership), 'nobody founds without all of them')
    }
    await world.run(minute, allIn(machines))
    const [a, b, c] = machines.map(membershipOf) as [Membership, Membership, Membership]
    t.same([a, b, c].map(({ nodeId, member, fresh }) => [nodeId, member, fresh]), [[1, 1, true], [2, 2, true], [3, 3, true]], 'in the order of the list')
    t.match(a.clusterId, /^[0-9a-f]{32}$/)
    t.equal(b.clusterId, a.clusterId)
    t.same([b.metadataInitialVoters, c.metadataInitialVoters], [a.metadataInitialVoters, a.metadataInitialVoters])
    t.match(a.metadataInitialVoters, [{ member: 1, nodeName: 'a', host: '10.0.0.1', port: 7001 }, { member: 2, nodeName: 'b' }, { member: 3, nodeName: 'c' }])
    t.same(c.peers.map(({ member, host }) => [member, host]), [[1, '10.0.0.1'], [2, '10.0.0.2']])
  }
})

t.test('a list of one founds at once, alone; others can join it', async t => {
  const world = new World()
  const [first] = listedMachines(world, 1) as [Machine]
  const second = world.machine({ address: '10.0.0.9:7001', config: { nodeId: 'j', discoveryEndpoints: ['10.0.0.1:7001'] } })
  first.start()
  await world.run(minute, allIn([first]))
  t.match(membershipOf(first), { nodeId: 1, member: 1, metadataInitialVoters: [{ nodeName: 'a' }], peers: [] })
  second.start()
  await world.run(minute, allIn([second]))
  t.match(membershipOf(second), { clusterId: membershipOf(first).clusterId, nodeId: 2, member: 2, fresh: true, peers: [{ member: 1, host: '10.0.0.1', port: 7001 }] })
  t.same(membershipOf(second).metadataInitialVoters, membershipOf(first).metadataInitialVoters, 'it is no founder')
})

t.test('a broker with its place on disk needs nobody', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  for (const machine of machines) machine.start()
  await world.run(minute, allIn(machines))
  const before = membershipOf(machines[1]!)
  for (const machine of machines) machine.kill(true)
  machines[1]!.start()
  await world.run(5000, allIn([machines[1]!]))
  t.same(membershipOf(machines[1]!), { ...before, fresh: false })
})

t.test('a broker killed at any moment comes back to the same place', async t => {
  // One kill after each event of the founding, of each broker in turn, until there is nothing left to interrupt.
  for (const victim of [0, 1]) {
    let killedInTime = true
    for (let killAfter = 0; killedInTime; killAfter++) {
      const world = new World(killAfter)
      const machines = listedMachines(world, 2)
      for (const machine of machines) machine.start()
      let events = 0
      await world.run(minute, () => events++ === killAfter || allIn(machines)())
      killedInTime = !allIn(machines)()
      machines[victim]!.kill(true)
      machines[victim]!.start()
      await world.run(minute, allIn(machines))
      t.same(machines.map(machine => machine.process?.membership?.member), [1, 2])
      t.equal(membershipOf(machines[0]!).clusterId, membershipOf(machines[1]!).clusterId)
      if (!killedInTime) t.ok(killAfter > 60, `${killAfter} moments`)
    }
  }
})

t.test('a broker of the list whose disk was erased joins as a new member of the same node', async t => {
  for (const victim of [0, 1, 2]) {
    const world = new World(victim)
    const machines = listedMachines(world, 3)
    for (const machine of machines) machine.start()
    await world.run(minute, allIn(machines))
    const { clusterId } = membershipOf(machines[0]!)
    machines[victim]!.erase()
    machines[victim]!.start()
    await world.run(minute, allIn(machines))
    t.match(membershipOf(machines[victim]!), { clusterId, nodeId: victim + 1, member: 4, fresh: true })
  }
})

t.test('an erased broker never founds again, not even while it sees only fresh ones', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  for (const machine of machines) machine.start()
  await world.run(minute, allIn(machines))
  const { clusterId } = membershipOf(machines[0]!)
  for (const machine of machines) machine.kill()
  // The first and the second lose their disks; the third, which knows the cluster, is not there.
  machines[0]!.erase()
  machines[1]!.erase()
  machines[0]!.start()
  machines[1]!.start()
  await world.run(minute)
  t.notOk(machines.some(({ process }) => process?.membership))
  t.match(said(world, 'a').at(-1), 'waiting for 10.0.0.3:7001: not reachable yet (connection refused)')
  machines[2]!.start()
  await world.run(minute)
  t.equal(membershipOf(machines[2]!).clusterId, clusterId)
  t.notOk(machines[0]!.process!.membership, 'a cluster without a majority takes nobody in')
  t.match(said(world, 'a').at(-1), `waiting for cluster ${clusterId} to register this broker (10.0.0.3:7001: no leader)`)
})

t.test('a founder asks everybody twice: who was fresh may be a member by the time the last one has answered', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  const [a, b, c] = machines as [Machine, Machine, Machine]
  b.config = { ...b.config, discoveryTimeoutMs: 300 }
  let cut: ReadonlyArray<readonly Machine[]> = []
  let slow = false
  world.network = {
    delayMs: (from, to) => slow && from === a.address && to === c.address ? 2000 : 1,
    loses: (from, to) => cut.some(pair => pair.includes(from) && pair.some(machine => machine !== from && machine.address === to))
  }
  for (const machine of machines) machine.start()
  await world.run(minute, allIn([a]))
  const { clusterId } = membershipOf(a)
  cut = [[a, b], [b, c]]
  await world.run(minute, allIn([c]))
  // The founder comes back as somebody else, hears that the second is fresh, and waits for the third.
  a.erase()
  slow = true
  cut = [[b, c]]
  a.start()
  await world.run(500)
  // Meanwhile the second hears of the cluster from the third, which then forgets it.
  cut = []
  await world.run(1100, allIn([b]))
  t.equal(membershipOf(b).clusterId, clusterId)
  c.erase()
  cut = [[b, c]]
  c.start()
  slow = false
  await world.run(minute)
  t.notOk(a.process!.membership, 'it founds nothing beside that')
  t.match(said(world, 'a').at(-1), `waiting for cluster ${clusterId} to register this broker`)
})

t.test('the word of a founder that is gone does not count once others rely on this broker being fresh', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  const [a, b, c] = machines as [Machine, Machine, Machine]
  let isFirstLife = true
  world.network = {
    // Once it has founded, its words are long on their way to the second, and do not reach the third.
    delayMs: (from, to) => isFirstLife && a.process?.membership !== undefined && from === a.address && to === b.address ? 3000 : 1,
    loses: (from, to) => isFirstLife && a.process?.membership !== undefined && (from === c ? to === a.address : from === a && to === c.address)
  }
  for (const machine of machines) machine.start()
  await world.run(minute, allIn([a]))
  const { clusterId } = membershipOf(a)
  await world.run(1500)
  isFirstLife = false
  a.erase()
  a.start()
  await world.run(minute, allIn([a]))
  t.not(membershipOf(a).clusterId, clusterId, 'nobody else was in the first one')
  t.notOk(b.process!.membership, 'the old word is still on its way')
  await world.run(minute, allIn(machines))
  t.same(machines.map(machine => membershipOf(machine).clusterId), Array(3).fill(membershipOf(a).clusterId))
  t.same(machines.map(machine => membershipOf(machine).member), [1, 2, 3])
})

t.test('what is waited for is said, not too often, and a stop ends it', async t => {
  const world = new World()
  const [first] = listedMachines(world, 3) as [Machine]
  const process = first.start()
  await world.run(20_000)
  t.same(said(world, 'a'), ['info waiting for 10.0.0.2:7001, 10.0.0.3:7001: not reachable yet (connection refused)'])
  await world.run(3 * minute)
  t.ok(said(world, 'a').length >= 5 && said(world, 'a').length <= 8, 'again each half minute')
  process.stopping.abort(new Error('stopped'))
  await world.run(100)
  t.equal(process.error?.message, 'stopped')
  t.equal(process.listensAt, undefined, 'the port is free')
})

t.test('others that are not first in the list wait for the first', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  world.network = { delayMs: () => 1, loses: from => from === machines[0] }
  for (const machine of machines) machine.start()
  await world.run(10_000)
  t.ok(said(world, 'b').some(line => line.includes('10.0.0.1:7001: not reachable yet (no answer within 5000 ms)')))
  t.notOk(machines.some(({ process }) => process?.membership))
})

const refusals: ReadonlyArray<[name: string, change: (machines: Machine[]) => void, message: RegExp]> = [
  ['lists that differ', machines => { machines[1]!.config = { ...machines[1]!.config, discoveryEndpoints: ['10.0.0.1:7001', '10.0.0.2:7001'] } }, /has another list of first brokers: discovery.endpoints is 10\.0\.0\.1:7001,10\.0\.0\.2:7001(,10\.0\.0\.3:7001)? here and/],
  ['two brokers of one name', machines => { machines[1]!.config = { ...machines[1]!.config, nodeId: 'a' } }, /the same node_id "a"/]
]
for (const [name, change, message] of refusals) {
  t.test(`refused: ${name}`, async t => {
    const world = new World()
    const machines = listedMachines(world, 3)
    change(machines)
    const processes = machines.slice(0, 2).map(machine => machine.start())
    await world.run(10_000)
    t.ok(processes.some(({ error }) => message.test(error?.message ?? '')), String(processes.map(({ error }) => error?.message)))
    t.notOk(processes.some(({ membership }) => membership))
  })
}

t.test('refused: two others of one name are seen by who would found', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  machines[2]!.config = { ...machines[2]!.config, nodeId: 'b' }
  // The two do not reach each other.
  world.network = { delayMs: () => 1, loses: (from, to) => from !== machines[0] && to !== machines[0]!.address }
  const processes = machines.map(machine => machine.start())
  await world.run(20_000)
  t.match(processes[0]!.error?.message, /10\.0\.0\.2:7001 and 10\.0\.0\.3:7001 have the same node_id "b"/)
})

t.test('refused: a list that calls this very broker by another name', async t => {
  const world = new World()
  const machine = world.machine({ address: '127.0.0.1:7001', config: { nodeId: 'a', discoveryEndpoints: ['localhost:7001', '127.0.0.1:7002'] } })
  const at = world.at.bind(world)
  world.at = address => at(address === 'localhost:7001' ? '127.0.0.1:7001' : address)
  const process = machine.start()
  await world.run(30_000)
  t.match(process.error?.message, /names this broker as localhost:7001, but its address for others is 127\.0\.0\.1:7001/, 'said when the others are there')
})

t.test('a broker outside of the list waits until it is founded, then joins', async t => {
  const world = new World()
  const machines = listedMachines(world, 2)
  const outside = world.machine({ address: '10.0.0.9:7001', config: { nodeId: 'j', discoveryEndpoints: ['10.0.0.1:7001', '10.0.0.2:7001'] } })
  outside.start()
  await world.run(5000)
  machines[1]!.start()
  await world.run(5000)
  t.notOk(outside.process!.membership)
  machines[0]!.start()
  await world.run(minute, allIn([...machines, outside]))
  t.same([...machines, outside].map(machine => membershipOf(machine).member), [1, 2, 3])
})

t.test('refused: brokers of two clusters in one list', async t => {
  const world = new World()
  const one = world.machine({ address: '10.0.1.1:7001', config: { nodeId: 'a', discoveryEndpoints: ['10.0.1.1:7001'] } })
  const other = world.machine({ address: '10.0.2.1:7001', config: { nodeId: 'b', discoveryEndpoints: ['10.0.2.1:7001'] } })
  one.start()
  other.start()
  await world.run(minute, allIn([one, other]))
  const third = world.machine({ address: '10.0.3.1:7001', config: { nodeId: 'j', discoveryEndpoints: ['10.0.1.1:7001', '10.0.2.1:7001'] } })
  const process = third.start()
  await world.run(minute)
  t.match(process.error?.message, /names brokers of two clusters: 10\.0\.1\.1:7001 belongs to \w{32}, 10\.0\.2\.1:7001 to \w{32}/)
  // And one that belongs to a cluster finds another one behind its endpoints.
  one.kill()
  one.config = { ...one.config, discoveryEndpoints: ['10.0.2.1:7001'] }
  const again = one.start()
  await world.run(minute)
  t.match(again.error?.message, /data_dir belongs to cluster \w{32}, but 10\.0\.2\.1:7001 belongs to cluster \w{32}/)
})

t.test('a registration whose answer was lost is found again', async t => {
  const world = new World()
  const [first] = listedMachines(world, 1) as [Machine]
  first.start()
  await world.run(minute, allIn([first]))
  const second = world.machine({ address: '10.0.0.9:7001', config: { nodeId: 'j', discoveryEndpoints: ['10.0.0.1:7001'] } })
  const table = world.tables.get(membershipOf(first).clusterId)!
  // Answers of the first are lost as soon as it has registered somebody.
  world.network = { delayMs: () => 1, loses: from => from === first && table.members.size > 1 }
  second.start()
  await world.run(20_000)
  t.equal(table.members.size, 2)
  t.notOk(second.process!.membership)
  second.kill(true)
  second.start()
  world.network = { delayMs: () => 1, loses: () => false }
  await world.run(minute, allIn([second]))
  t.equal(membershipOf(second).member, 2)
  t.equal(table.members.size, 2, 'registered once')
})

t.test('a name that is in use is waited for, as it may be given up; what will not change ends the start', async t => {
  const world = new World()
  const machines = listedMachines(world, 3)
  for (const machine of machines) machine.start()
  await world.run(minute, allIn(machines))
  const twin = world.machine({ address: '10.0.0.9:7001', config: { nodeId: 'b', discoveryEndpoints: ['10.0.0.1:7001'] } })
  twin.start()
  await world.run(minute)
  t.match(world.lines.at(-1), /waiting for cluster \w+ to register this broker \(10\.0\.0\.1:7001: node_id b is used by another broker that runs\)/)
  machines[1]!.kill()
  await world.run(minute, allIn([twin]))
  t.match(membershipOf(twin), { nodeId: 2, member: 4 })
  twin.erase()
  world.refuses = true
  const process = twin.start()
  await world.run(minute)
  t.match(process.error?.message, /does not take this broker in: too old/)
})
