/**
 * Controllers of several brokers on one thread, with a clock of the test's own. What is not theirs is simple and obeys: a metadata group
 * that commits what a majority has, partitions that have a leader as soon as a majority of their voters runs, links that carry
 * messages or lose them.
 */
import type { TopicImage } from '../../../src/actors/controller/messages.ts'
import type { CompactionLimits } from '../../../src/actors/controller/metadata-compaction.ts'
import type { Founder } from '../../../src/base/address.ts'
import type { MemberId, Offset, Term } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/base/msgpack.ts'
import type { Configuration } from '../../../src/raft/configuration.ts'
import { type AnyMessage, BrokerNode } from './broker-node.ts'
import { FakeGroups } from './fake-groups.ts'
import { founders as foundersOf, type registration } from './records.ts'

export { type AnyMessage, BrokerNode } from './broker-node.ts'

export interface ClusterOptions {
  readonly founders?: number
  readonly alone?: boolean
  readonly seed?: number
  readonly change?: (id: number) => Parameters<typeof registration>[1]
  readonly compaction?: CompactionLimits
}

export class Cluster {
  readonly founders: readonly Founder[]
  readonly nodes: BrokerNode[] = []
  readonly alone: boolean
  readonly seed: number
  now = 1000
  metadata: Configuration
  /** Whether a message between two brokers arrives. */
  carries: (from: BrokerNode, to: BrokerNode, body: AnyMessage) => boolean = () => true
  readonly groups: FakeGroups
  readonly #work: Array<() => void> = []
  readonly #turnEnds = new Set<BrokerNode>()
  readonly carried: string[] = []
  readonly compaction: CompactionLimits
  /** How often a follower began anew, with the leader's snapshot. */
  resets = 0

  constructor ({ founders = 3, alone = false, seed = 1, change = () => ({}), compaction = { changesMax: 1000, overhead: 1000 } }: ClusterOptions = {}) {
    this.compaction = compaction
    this.founders = foundersOf(founders)
    this.alone = alone
    this.seed = seed
    this.metadata = { voters: this.founders.map(({ member }) => member), outgoing: [], learners: [] }
    this.groups = new FakeGroups(this.nodes, work => this.later(work))
    for (let id = 1; id <= founders; id++) this.nodes.push(new BrokerNode(this, id, id, id, change(id)))
    for (const node of this.nodes) node.start()
  }

  node (id: number): BrokerNode { return this.nodes.find(node => node.id === id)! }
  byMember (member: MemberId): BrokerNode | undefined { return this.nodes.find(node => node.member === member) }
  /** An older one may not know yet that it is none. */
  get leader (): BrokerNode | undefined {
    return this.nodes.filter(({ up, replica }) => up && replica.role === 'leader').toSorted((a, b) => b.replica.term - a.replica.term)[0]
  }

  // ---- the metadata group

  /** Brokers that a majority could make the leader: they hold everything that was ever committed. */
  get electable (): BrokerNode[] {
    const furthest = this.nodes.reduce((best, node) => node.replica.highWatermark > best.replica.highWatermark ? node : best)
    const committed = furthest.replica.entries.filter(({ end }) => end <= furthest.replica.highWatermark)
    const { voters } = this.metadata
    const up = this.nodes.filter(node => node.up && voters.includes(node.member))
    if (up.length * 2 <= voters.length) return []
    return up.filter(({ replica }) => committed.every(({ batch }, index) => replica.entries[index]?.batch === batch))
  }

  /** Somebody with the longest log among a majority leads in a new term. */
  elect (id: number): void {
    const leader = this.node(id)
    const term = Math.max(...this.nodes.map(({ replica }) => replica.term)) + 1 as Term
    for (const node of this.nodes) {
      if (!node.up) continue
      const { replica } = node
      replica.role = node === leader ? 'leader' : 'follower'
      replica.term = term
      replica.leader = leader.member
      replica.established = false
      replica.target = undefined
      replica.transferee = 0 as MemberId
      if (node !== leader) this.#adopt(node, leader)
      node.feed({ kind: 'raft-in' })
    }
    this.settle()
  }

  /** Nobody leads for a while. */
  depose (): void {
    for (const { replica } of this.nodes) {
      replica.role = 'follower'
      replica.leader = 0 as MemberId
      replica.established = false
    }
    for (const node of this.nodes) node.feed({ kind: 'raft-tick' })
  }

  /** A follower's log becomes the leader's. */
  #adopt (node: BrokerNode, leader: BrokerNode): void {
    const { replica } = node
    let same = 0
    while (same < replica.entries.length && replica.entries[same]!.batch === leader.replica.entries[same]?.batch) same++
    if (same < replica.entries.length) {
      replica.entries.length = same
      const end = replica.end
      this.#inTurn(node, () => replica.owner!.truncated(end))
    }
    const lacks = leader.replica.entries.slice(same)
    let known = replica.end
    if (lacks.length > 0 && known < leader.replica.log.logStartOffset) {
      known = leader.metadata.appliedEnd
      this.resets++
      this.#inTurn(node, () => {
        const bytes = node.metadata.adopt(leader.metadata.snapshot())
        replica.log.restart({ offset: known, bytes })
        node.metadata.restore(bytes)
        replica.owner!.truncated(known)
      })
    }
    for (const entry of lacks) {
      replica.entries.push(entry)
      if (entry.end <= known) continue
      this.#inTurn(node, () => {
        node.metadata.apply(entry.batch)
        replica.owner!.appended(entry.batch)
      })
    }
  }

  /** As if the replica had been told by a message; the actor looks after it what has changed. */
  #inTurn (node: BrokerNode, work: () => void): void {
    const receive = node.replica.receive
    node.replica.receive = () => {
      work()
      return 'none'
    }
    node.feed({ kind: 'raft-in' })
    node.replica.receive = receive
  }

  /** Every start of a controller draws other numbers. */
  lives = 0
  replicates = true

  #replicate (): void {
    const leader = this.leader
    if (leader === undefined || !this.replicates) return
    const { voters, learners } = this.metadata
    for (const node of this.nodes) {
      if (node === leader || !node.up || !leader.reaches(node) || !(voters.includes(node.member) || learners.includes(node.member))) continue
      if (node.replica.leader !== leader.member) {
        node.replica.leader = leader.member
        node.replica.term = leader.replica.term
        node.replica.role = 'follower'
      }
      this.#adopt(node, leader)
    }
    const having = (end: Offset): number => voters.filter(voter => {
      const node = this.byMember(voter)
      return node?.up === true && node.replica.end >= end
    }).length
    if (having(leader.replica.end) * 2 <= voters.length) return
    for (const node of this.nodes) {
      if (!node.up || node.replica.leader !== leader.member || (node.replica.highWatermark === leader.replica.end && node.replica.established)) continue
      node.replica.highWatermark = Math.min(leader.replica.end, node.replica.end) as Offset
      node.replica.established = true
      node.feed({ kind: 'raft-in' })
    }
    const { target, transferee } = leader.replica
    if (target !== undefined) this.metadata = { voters: target.voters, outgoing: [], learners: target.learners }
    const successor = this.byMember(transferee)
    if (successor?.up === true) this.elect(successor.id)
  }

  // ---- what happens between them

  later (work: () => void): void { this.#work.push(work) }
  turnEnd (node: BrokerNode): void { this.#turnEnds.add(node) }

  carry (from: BrokerNode, to: MemberId, body: AnyMessage): void {
    const target = this.byMember(to)
    const known = target !== undefined && from.reaches(target)
    // As on the wire, and at another moment.
    const copy = decode<AnyMessage>(encode(body))
    if (target === undefined || !known || !from.up || !this.carries(from, target, copy)) return
    this.carried.push(`${from.id}>${target.id} ${body.kind}`)
    this.later(() => target.feed({ kind: 'controller-in', from: from.member, body: copy }))
  }

  /** Until nothing happens by itself. */
  settle (): void {
    for (let left = 20_000; left > 0; left--) {
      const work = this.#work.shift()
      if (work !== undefined) {
        work()
        continue
      }
      if (this.#turnEnds.size > 0) {
        const nodes = [...this.#turnEnds]
        this.#turnEnds.clear()
        for (const node of nodes) node.feed({ kind: 'turn-end' })
        continue
      }
      const ends = this.nodes.map(({ replica }) => `${replica.end} ${replica.highWatermark} ${replica.established} ${replica.role}`).join()
      this.#replicate()
      const moved = ends !== this.nodes.map(({ replica }) => `${replica.end} ${replica.highWatermark} ${replica.established} ${replica.role}`).join()
      if (!this.groups.step() && !moved && this.#work.length === 0 && this.#turnEnds.size === 0) return
    }
    throw new Error('it does not come to rest')
  }

  advance (ms: number): void {
    const end = this.now + ms
    while (this.now < end) {
      this.now = Math.min(end, this.now + 100)
      for (const node of this.nodes) node.tickTo(this.now)
      this.settle()
    }
  }

  // ---- brokers that come and go

  stop (id: number): void {
    const node = this.node(id)
    node.up = false
    if (node.replica.role === 'leader') node.replica.role = 'follower'
    for (const other of this.nodes) if (other !== node) other.feed({ kind: 'member-status', member: node.member, up: false })
    this.settle()
  }

  /** The process starts again, with the disk that it had. */
  restart (id: number): void {
    const node = this.node(id)
    node.up = true
    node.partitions.clear()
    node.topics.clear()
    node.image = undefined
    node.replica.role = 'follower'
    node.replica.leader = 0 as MemberId
    node.replica.established = false
    node.replica.target = undefined
    node.start()
    this.#meet(node)
  }

  /** A broker that has joined, or a folder in the place of another one. */
  add (id: number, nodeId: number, member: number, change: Parameters<typeof registration>[1] = {}): BrokerNode {
    const node = new BrokerNode(this, id, nodeId, member, change)
    const before = this.nodes.findIndex(other => other.id === id)
    if (before >= 0) this.nodes.splice(before, 1)
    this.nodes.push(node)
    node.start()
    this.#meet(node)
    return node
  }

  #meet (node: BrokerNode): void {
    for (const other of this.nodes) {
      if (other === node || !other.up) continue
      other.feed({ kind: 'member-status', member: node.member, up: true })
      node.feed({ kind: 'member-status', member: other.member, up: true })
    }
    this.settle()
  }

  /** All links are up, and the first broker leads. */
  static ready (options: ClusterOptions = {}): Cluster {
    const cluster = new Cluster(options)
    for (const node of cluster.nodes) {
      for (const other of cluster.nodes) if (other !== node) node.feed({ kind: 'member-status', member: other.member, up: true })
    }
    cluster.elect(1)
    cluster.advance(2000)
    return cluster
  }
}

/** A topic's partitions as an image shows them: leader, then replicas. */
export function shown (topic: TopicImage | undefined): Array<[leader: number, replicas: number[]]> {
  return topic?.partitions.map(({ leader, replicas }) => [leader, [...replicas]]) ?? []
}
