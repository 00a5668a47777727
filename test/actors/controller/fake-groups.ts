/** The Raft groups of partitions without Raft: one has a leader as soon as a majority of its voters runs, and goes where it is told. */
import type { PartitionSpec } from '../../../src/actors/controller/messages.ts'
import type { MemberId, PartitionIndex, TopicId } from '../../../src/base/ids.ts'
import type { BrokerNode } from './broker-node.ts'

/** A partition's group: who runs a replica of it, and who leads. */
export interface FakeGroup {
  readonly topicId: TopicId
  readonly partition: PartitionIndex
  voters: readonly MemberId[]
  term: number
  leader: MemberId
  /** As its leader was last told. */
  target: { voters: readonly MemberId[], generation: number } | undefined
  transferTo: MemberId
  /** Stays where it is, whatever is meant. */
  frozen: boolean
}

export interface FakePartition { readonly group: FakeGroup, readonly spec: PartitionSpec, generation: number, voters: readonly MemberId[], config: unknown }

export class FakeGroups {
  readonly #groups = new Map<string, FakeGroup>()
  readonly #nodes: readonly BrokerNode[]
  readonly #later: (work: () => void) => void

  constructor (nodes: readonly BrokerNode[], later: (work: () => void) => void) {
    this.#nodes = nodes
    this.#later = later
  }

  of ({ topicId, partition, initial }: PartitionSpec): FakeGroup {
    const key = `${topicId}-${partition}`
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, group = { topicId, partition, voters: initial, term: 0, leader: 0 as MemberId, target: undefined, transferTo: 0 as MemberId, frozen: false })
    // Who comes later may be placed first; it does not know who founded the group.
    if (group.term === 0 && group.voters.length === 0) group.voters = initial
    return group
  }

  all (): IterableIterator<FakeGroup> { return this.#groups.values() }
  at (topicId: TopicId, partition: number): FakeGroup { return this.#groups.get(`${topicId}-${partition}`)! }

  #running (group: FakeGroup): MemberId[] {
    return this.#nodes.filter(node => node.runs(group) !== undefined).map(({ member }) => member)
  }

  /** Lets every group do what it can now. @returns whether something has changed */
  step (): boolean {
    let changed = false
    for (const group of this.#groups.values()) {
      if (group.frozen) continue
      const running = this.#running(group)
      const votersUp = group.voters.filter(voter => running.includes(voter))
      if (votersUp.length * 2 <= group.voters.length) continue
      const leader = group.leader
      if (group.transferTo !== 0 && votersUp.includes(group.transferTo)) group.leader = group.transferTo
      else if (!votersUp.includes(group.leader)) group.leader = votersUp[0]!
      group.transferTo = 0 as MemberId
      if (group.leader !== leader) {
        group.term++
        this.announce(group)
        changed = true
      }
      const told = this.#byMember(group.leader)!.runs(group)!
      const { voters, generation } = told
      if (generation < 0 || (group.target?.generation ?? -1) >= generation) continue
      if (!voters.every(voter => running.includes(voter))) continue
      group.target = { voters, generation }
      group.voters = voters
      changed = true
      this.announce(group)
    }
    return changed
  }

  announce (group: FakeGroup): void {
    const leader = this.#byMember(group.leader)
    const told = leader?.runs(group)
    if (leader === undefined || told === undefined) return
    const running = this.#running(group)
    this.#later(() => leader.feed({
      kind: 'leader-elected',
      topicId: group.topicId,
      partition: group.partition,
      term: group.term,
      leader: group.leader,
      inSync: group.voters.filter(voter => running.includes(voter)),
      voters: group.voters,
      joint: told.generation >= 0 && (group.target?.generation ?? -1) < told.generation,
      generation: told.generation
    }))
  }

  #byMember (member: MemberId): BrokerNode | undefined { return this.#nodes.find(node => node.member === member) }
}
