/** A group coordinator on one thread with virtual time: messages go in, answers and timers come out, nothing waits. */
import type { ActorId } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/base/msgpack.ts'
import { seededChance } from '../../../src/base/prng.ts'
import type { GroupConfig } from '../../../src/actors/group/group-config.ts'
import { GroupCoordinator } from '../../../src/actors/group/group-coordinator.ts'
import type { GroupMessage, GroupReply, GroupRequest, Joined, JoinGroup } from '../../../src/actors/group/messages.ts'
import type { Message, Outbox } from '../../../src/runtime/actor.ts'

const asker = 7 as ActorId
type Fields<M> = M extends GroupRequest ? Omit<M, 'replyTo' | 'correlation'> : never
type ReplyOf<K extends GroupReply['kind']> = Extract<GroupReply, { kind: K }>

export class GroupKit {
  readonly coordinator: GroupCoordinator
  now = 1000
  /** Answers by correlation; a second one to the same request throws. */
  readonly answers = new Map<number, GroupReply>()
  readonly timers = new Map<number, { dueMs: number, message: Message }>()
  /** Correlations that were used. */
  asked = 0
  /** True: messages are MessagePack on their way, as between threads; else they are plain calls. */
  acrossThreads = false
  #timerId = 0
  readonly #outbox: Outbox

  constructor (config: Partial<GroupConfig> = {}) {
    this.coordinator = new GroupCoordinator({ chance: seededChance(1), config: { initialRebalanceDelayMs: 0, ...config } })
    this.#outbox = {
      self: 1 as ActorId,
      tell: (to, message) => {
        const reply = this.#carry(message as GroupReply)
        if (to !== asker || this.answers.has(reply.correlation)) throw new Error('an answer that nobody asked for')
        this.answers.set(reply.correlation, reply)
      },
      ask: () => { throw new Error('the coordinator asks nobody') },
      timer: (delayMs, message) => {
        if (!(delayMs >= 0)) throw new Error(`a timer of ${delayMs} ms`)
        this.timers.set(++this.#timerId, { dueMs: this.now + delayMs, message })
        return this.#timerId
      },
      cancel: timer => { this.timers.delete(timer) },
      turnEnd: () => {},
      effect: () => {}
    }
  }

  /** Sends a request and returns its correlation. */
  send (fields: Fields<GroupRequest>): number {
    const correlation = ++this.asked
    this.deliver(this.#carry({ ...fields, replyTo: asker, correlation } as GroupRequest))
    return correlation
  }

  #carry<M extends Message> (message: M): M {
    return this.acrossThreads ? decode<M>(encode(message)) : message
  }

  deliver (message: GroupMessage): void {
    this.coordinator.receive(message, this.#outbox, this.now)
  }

  /** Sends a request that is answered at once, and returns the answer. */
  ask<K extends GroupReply['kind']> (kind: K, fields: Fields<GroupRequest>): ReplyOf<K> {
    return this.answer(kind, this.send(fields))
  }

  answer<K extends GroupReply['kind']> (kind: K, correlation: number): ReplyOf<K> {
    const answer = this.answers.get(correlation)
    if (answer === undefined) throw new Error(`request ${correlation} waits for its answer`)
    if (answer.kind !== kind) throw new Error(`${answer.kind} where ${kind} was expected`)
    return answer as ReplyOf<K>
  }

  waits (correlation: number): boolean {
    return !this.answers.has(correlation)
  }

  /** Moves time on; timers fire in their order, each at its moment. */
  advance (ms: number): void {
    const end = this.now + ms
    for (let fired = 0; fired < 100_000; fired++) {
      let next: [number, { dueMs: number, message: Message }] | undefined
      for (const entry of this.timers) if (entry[1].dueMs <= end && (next === undefined || entry[1].dueMs < next[1].dueMs)) next = entry
      if (next === undefined) break
      this.timers.delete(next[0])
      this.now = Math.max(this.now, next[1].dueMs)
      this.deliver(next[1].message as GroupMessage)
    }
    this.now = end
  }

  sendJoin (fields: Partial<Fields<JoinGroup>> = {}): number {
    return this.send(joinFields(fields))
  }

  /** A newcomer's way in as clients since JoinGroup 4 go it: told its id, it comes again. Returns id and open request. */
  enter (fields: Partial<Fields<JoinGroup>> = {}): { memberId: string, joining: number } {
    const { memberId } = this.ask('joined', joinFields(fields))
    return { memberId, joining: this.sendJoin({ ...fields, memberId }) }
  }

  sync (joined: Joined, assignments: Record<string, string> = {}, fields: { groupId?: string, instanceId?: string } = {}): number {
    return this.send({
      kind: 'sync-group',
      groupId: 'g',
      instanceId: null,
      generation: joined.generation,
      memberId: joined.memberId,
      protocolType: null,
      protocolName: null,
      assignments: Object.entries(assignments).map(([memberId, text]) => ({ memberId, assignment: bytes(text) })),
      ...fields
    })
  }

  heartbeat ({ memberId, generation }: Pick<Joined, 'memberId' | 'generation'>, instanceId: string | null = null): number {
    return this.ask('heartbeat-taken', { kind: 'heartbeat', groupId: 'g', memberId, generation, instanceId }).errorCode
  }

  leave (...members: { memberId: string, instanceId: string | null }[]): number[] {
    return this.ask('left', { kind: 'leave-group', groupId: 'g', members }).members.map(({ errorCode }) => errorCode)
  }

  commit (fields: { generation?: number, memberId?: string, topic?: string, partition?: number, offset?: number, metadata?: string | null, groupId?: string } = {}): number {
    const { generation = -1, memberId = '', topic = 't', partition = 0, offset = 5, metadata = null, groupId = 'g' } = fields
    return this.ask('offsets-committed', {
      kind: 'offset-commit',
      groupId,
      generation,
      memberId,
      instanceId: null,
      topics: [{ name: topic, partitions: [{ partition, offset, leaderEpoch: 3, metadata }] }]
    }).topics[0]!.partitions[0]!.errorCode
  }

  /** Returns what is committed, as `topic-partition=offset`. */
  committed (groupId = 'g'): string[] {
    const { groups } = this.ask('offsets-fetched', { kind: 'offset-fetch', groups: [{ groupId, topics: null }] })
    return groups[0]!.topics.flatMap(({ name, partitions }) => partitions.map(({ partition, offset }) => `${name}-${partition}=${offset}`))
  }

  state (groupId = 'g'): string {
    return this.ask('groups-described', { kind: 'describe-groups', groupIds: [groupId] }).groups[0]!.state
  }
}

/** What a newcomer asks. */
export function joinFields (fields: Partial<Fields<JoinGroup>> = {}): Fields<JoinGroup> {
  return {
    kind: 'join-group',
    groupId: 'g',
    memberId: '',
    instanceId: null,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: bytes('m') }],
    memberIdRequired: true,
    canSkipAssignment: true,
    ...fields
  }
}

export function bytes (text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text (bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
