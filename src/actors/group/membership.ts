/** Who is in a group: its members, the static ones by their instance id, the newcomers that know their id only, and the leader. */
import { assert } from '../../base/assert.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Deadline } from './deadline.ts'
import type { Joined } from './messages.ts'
import { type Member, objectBytes } from './member.ts'
import type { Usage } from './usage.ts'

export class Membership {
  readonly #members = new Map<string, Member>()
  /** instanceId → memberId */
  readonly #static = new Map<string, string>()
  /** Protocol name → how many members support it. */
  readonly #supporters = new Map<string, number>()
  readonly #pending = new Map<string, Deadline>()
  readonly #usage: Usage

  /** The member that makes the assignment; empty if there are no members. */
  leader = ''

  constructor (usage: Usage) {
    this.#usage = usage
  }

  get size (): number { return this.#members.size }
  get (memberId: string): Member | undefined { return this.#members.get(memberId) }
  [Symbol.iterator] (): IterableIterator<Member> { return this.#members.values() }
  /** Newcomers that were told their id and have not come again with it; each until its deadline. */
  get pending (): ReadonlyMap<string, Deadline> { return this.#pending }
  staticMemberId (instanceId: string): string | undefined { return this.#static.get(instanceId) }

  /** Returns why a request under these names is refused, 0 if it is not. */
  check (memberId: string, instanceId: string | null): number {
    if (instanceId !== null) {
      const holder = this.#static.get(instanceId)
      if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
      if (holder !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    }
    return this.#members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
  }

  addPending (memberId: string, deadline: Deadline): void {
    this.#pending.set(memberId, deadline)
    this.#usage.bytes += objectBytes
    this.#usage.members++
  }

  /** Returns false if there is no such newcomer. */
  removePending (memberId: string, out: Outbox): boolean {
    const deadline = this.#pending.get(memberId)
    if (deadline === undefined) return false
    deadline.clear(out)
    this.#usage.bytes -= objectBytes
    this.#usage.members--
    return this.#pending.delete(memberId)
  }

  add (member: Member): void {
    assert(!this.#members.has(member.memberId), 'a member is added once')
    this.#members.set(member.memberId, member)
    if (member.instanceId !== null) this.#static.set(member.instanceId, member.memberId)
    if (this.leader === '') this.leader = member.memberId
    this.#usage.members++
    this.#count(member, 1)
  }

  /** Lets `change` alter a member's protocols or assignment, and keeps the accounts. */
  change (member: Member, change: () => void): void {
    this.#count(member, -1)
    change()
    this.#count(member, 1)
  }

  /** The longest-standing member becomes leader if the leader goes. */
  remove (member: Member): void {
    assert(this.#members.delete(member.memberId), 'only a member can be removed')
    if (member.instanceId !== null) this.#static.delete(member.instanceId)
    this.#usage.members--
    this.#count(member, -1)
    if (this.leader === member.memberId) this.leader = this.#members.keys().next().value ?? ''
  }

  /** Puts `newMember` in the place of `old`, its lead included. Both have the same instance id. */
  replace (old: Member, newMember: Member): void {
    const led = this.leader === old.memberId
    this.remove(old)
    this.add(newMember)
    if (led) this.leader = newMember.memberId
  }

  /** Gives the lead to a member that waits for this rebalance if the leader does not. Returns false if nobody waits. */
  electJoiningLeader (): boolean {
    if (this.get(this.leader)?.joining) return true
    for (const member of this) {
      if (member.joining === null) continue
      this.leader = member.memberId
      return true
    }
    return false
  }

  /** True when the rebalance has nobody left to wait for. */
  get haveAllJoined (): boolean {
    if (this.#pending.size > 0) return false
    for (const member of this) if (member.joining === null) return false
    return true
  }

  get rebalanceTimeoutMs (): number {
    let timeoutMs = 0
    for (const member of this) timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs)
    return timeoutMs
  }

  /** True if every member supports this protocol. */
  isCommon (protocolName: string): boolean {
    return (this.#supporters.get(protocolName) ?? 0) === this.size
  }

  /** The common protocol that most members like best; of equals the one that the longest-standing member likes. */
  selectProtocol (): string {
    const votes = new Map<string, number>()
    let winner = ''
    for (const member of this) {
      const name = member.protocols.keys().find(name => this.isCommon(name))
      assert(name !== undefined, 'the members of a group have a protocol in common')
      votes.set(name, (votes.get(name) ?? 0) + 1)
    }
    for (const [name, count] of votes) if (count > (votes.get(winner) ?? 0)) winner = name
    return winner
  }

  /** What the leader is told of everybody, for the protocol that was chosen. */
  roster (protocolName: string): Joined['members'] {
    return Array.from(this, member => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      metadata: member.protocols.get(protocolName)!
    }))
  }

  #count (member: Member, sign: 1 | -1): void {
    this.#usage.bytes += sign * member.bytes
    for (const name of member.protocols.keys()) {
      const count = (this.#supporters.get(name) ?? 0) + sign
      if (count === 0) this.#supporters.delete(name)
      else this.#supporters.set(name, count)
    }
  }
}
