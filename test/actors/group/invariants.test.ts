/**
 * Random requests and waits against a few groups: whatever clients do, every request gets exactly one answer, generations only
 * grow, a generation has one leader and one assignment, and nothing is left behind.
 */
import t from 'tap'
import fc from 'fast-check'
import type { Joined } from '../../../src/actors/group/messages.ts'
import { bytes, GroupKit, text } from './group-kit.ts'

const clientCount = 5
type Step = { client: number, action: 'join' | 'join-anew' | 'sync' | 'heartbeat' | 'commit' | 'leave' | 'change' | 'wait' | 'stale-timer', amount: number }
const step: fc.Arbitrary<Step> = fc.record({
  client: fc.nat(clientCount - 1),
  action: fc.constantFrom('join', 'join', 'join', 'join-anew', 'sync', 'sync', 'sync', 'heartbeat', 'commit', 'leave', 'change', 'wait', 'stale-timer'),
  amount: fc.nat(99)
})

/** What one client remembers: the last answer to a join that it has seen, and its static id if it has one. */
class Client {
  memberId = ''
  joined: Joined | undefined
  metadata = 'm'
  joins: number[] = []
  syncs: { correlation: number, generation: number }[] = []
  readonly instanceId: string | null

  constructor (instanceId: string | null) {
    this.instanceId = instanceId
  }
}

class World {
  readonly kit: GroupKit
  /** Two static members share an instance id, so that they fence each other. */
  readonly clients = Array.from({ length: clientCount }, (_, index) => new Client(index >= 3 ? 'static' : null))
  generation = 0
  readonly leaders = new Map<number, Set<string>>()
  /** Generation → who assigned. */
  readonly assigners = new Map<number, Set<string>>()
  readonly seen = new Set<number>()

  constructor (initialRebalanceDelayMs: number) {
    this.kit = new GroupKit({ initialRebalanceDelayMs, membersMax: 4, emptyRetentionMs: 1e9 })
    this.kit.acrossThreads = true
  }

  run ({ client: index, action, amount }: Step): void {
    const client = this.clients[index]!
    const { kit } = this
    const { instanceId, memberId, joined } = client
    switch (action) {
      case 'join':
      case 'join-anew':
      case 'change': {
        if (action === 'change') client.metadata = `m${amount}`
        if (action === 'join-anew') client.memberId = ''
        client.joins.push(kit.sendJoin({
          memberId: client.memberId,
          instanceId,
          rebalanceTimeoutMs: 15_000 + amount,
          memberIdRequired: amount < 80,
          protocols: [{ name: 'range', metadata: bytes(client.metadata) }, { name: `own-${amount % 3}`, metadata: bytes('x') }]
        }))
        break
      }
      case 'sync': {
        if (joined === undefined) break
        // Everybody sends an assignment that names its sender: only the leader's may ever be handed out.
        const all = Object.fromEntries(this.clients.filter(({ memberId }) => memberId !== '').map(({ memberId: to }) => [to, `${joined.generation} ${joined.memberId} ${to}`]))
        client.syncs.push({ correlation: kit.sync(joined, all, { instanceId: instanceId! }), generation: joined.generation })
        break
      }
      case 'heartbeat': kit.heartbeat({ memberId, generation: joined?.generation ?? 1 }, instanceId); break
      case 'commit': kit.commit({ memberId, generation: joined?.generation ?? -1, offset: amount }); break
      case 'leave': kit.leave({ memberId, instanceId }); break
      case 'wait': kit.advance(amount ** 2); break
      case 'stale-timer':
        kit.deliver({ kind: 'session-timer', groupId: 'g', memberId })
        kit.deliver({ kind: 'join-timer', groupId: 'g' })
        kit.deliver({ kind: 'sync-timer', groupId: 'g' })
        kit.deliver({ kind: 'idle-timer', groupId: 'g' })
        break
    }
    this.look()
  }

  /** Takes in the new answers, and checks them. */
  look (): void {
    for (const client of this.clients) {
      for (const correlation of client.joins) {
        if (this.seen.has(correlation) || this.kit.waits(correlation)) continue
        this.seen.add(correlation)
        const joined = this.kit.answer('joined', correlation)
        if (joined.memberId !== '') client.memberId = joined.memberId
        if (joined.errorCode !== 0) continue
        client.joined = joined
        if (joined.generation < this.generation) throw new Error('a generation went back')
        this.generation = joined.generation
        const names = joined.members.map(({ memberId }) => memberId)
        if (new Set(names).size !== names.length || names.length > 4) throw new Error('a roster is wrong')
        if (joined.members.length > 0) add(this.leaders, joined.generation, joined.memberId)
      }
      for (const { correlation, generation } of client.syncs) {
        if (this.seen.has(correlation) || this.kit.waits(correlation)) continue
        this.seen.add(correlation)
        const synced = this.kit.answer('synced', correlation)
        if (synced.errorCode !== 0 || synced.assignment.length === 0) continue
        const [of, by] = text(synced.assignment).split(' ')
        if (Number(of) !== generation) throw new Error('an assignment of another generation')
        add(this.assigners, generation, by!)
      }
    }
    for (const [generation, assigners] of this.assigners) {
      if (assigners.size > 1) throw new Error('two members assigned')
      for (const assigner of assigners) if (!this.leaders.get(generation)?.has(assigner)) throw new Error('a follower assigned')
    }
  }

  /** Everybody goes away: then nothing may wait, and nothing may be kept but the offsets. */
  end (): void {
    this.kit.advance(1_000_000)
    this.look()
    for (let correlation = 1; correlation <= this.kit.asked; correlation++) {
      if (this.kit.waits(correlation)) throw new Error('a request was never answered')
    }
    const state = this.kit.state()
    if (state !== 'Empty' && state !== 'Dead') throw new Error(`left ${state}`)
    if (this.kit.timers.size > 1) throw new Error('timers are left')
    this.kit.ask('groups-deleted', { kind: 'delete-groups', groupIds: ['g'] })
    const { bytes, committedPartitions } = this.kit.coordinator.usage
    if (bytes !== 0 || committedPartitions !== 0 || this.kit.timers.size !== 0) throw new Error('something is left behind')
  }
}

function add (map: Map<number, Set<string>>, generation: number, name: string): void {
  map.set(generation, (map.get(generation) ?? new Set()).add(name))
}

t.test('whatever clients do, the invariants hold', t => {
  const property = fc.property(fc.constantFrom(0, 50), fc.array(step, { maxLength: 120, size: 'max' }), (delayMs, steps) => {
    const world = new World(delayMs)
    for (const each of steps) world.run(each)
    world.end()
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: Number(process.env.RINGMQ_TEST_RUNS ?? 400) }))
  t.end()
})

t.test('clients that behave reach a stable generation with everybody in it', t => {
  const property = fc.property(fc.constantFrom(0, 50), fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60, size: 'max' }), (delayMs, count, steps) => {
    const world = new World(delayMs)
    for (const each of steps) world.run(each)
    world.kit.advance(1_000_000)
    world.look()
    const members = Array.from({ length: count }, () => world.kit.enter())
    let joins = members.map(({ joining }) => joining)
    for (let round = 0; round < 8; round++) {
      world.kit.advance(1_000)
      joins = joins.map((joining, index) => {
        if (world.kit.waits(joining)) return joining
        const joined = world.kit.answer('joined', joining)
        return world.kit.heartbeat(joined) === 0 ? joining : world.kit.sendJoin({ memberId: members[index]!.memberId })
      })
    }
    const joined = joins.map(joining => world.kit.answer('joined', joining))
    const followers = joined.filter(({ leader, memberId }) => leader !== memberId).map(each => world.kit.sync(each))
    const leader = joined.find(({ leader, memberId }) => leader === memberId)!
    world.kit.sync(leader, Object.fromEntries(leader.members.map(({ memberId }) => [memberId, memberId])))
    for (const sync of followers) if (world.kit.answer('synced', sync).errorCode !== 0) throw new Error('a follower was refused')
    if (world.kit.state() !== 'Stable' || leader.members.length !== count) throw new Error('not everybody came in')
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 100 }))
  t.end()
})
