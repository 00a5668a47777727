/** One member of a group: what it told about itself, what it was assigned, and what it waits for. */
import type { ActorId } from '../../base/ids.ts'
import { Deadline } from './deadline.ts'
import type { JoinGroup, SessionTimer } from './messages.ts'

/** Who gets the answer to a request that has to wait. */
export interface Caller {
  readonly replyTo: ActorId
  readonly correlation: number
}

export const noBytes = new Uint8Array(0)

/** What a member, a newcomer or a group costs besides its strings and bytes: an estimate that keeps many tiny ones bounded too. */
export const objectBytes = 512

export class Member {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly session: Deadline
  sessionTimeoutMs = 0
  rebalanceTimeoutMs = 0
  /** Protocol name → metadata, in the order of preference. */
  protocols: ReadonlyMap<string, Uint8Array> = new Map()
  assignment: Uint8Array = noBytes
  /** Its JoinGroup that waits for the others. */
  joining: Caller | null = null
  /** Its SyncGroup that waits for the leader's. */
  syncing: Caller | null = null
  /** Until its first JoinGroup is answered it sends no heartbeats, and its session deadline is the one of that request. */
  isNew = true

  constructor (memberId: string, join: JoinGroup) {
    this.memberId = memberId
    this.instanceId = join.instanceId
    this.clientId = join.clientId
    this.clientHost = join.clientHost
    const timer: SessionTimer = { kind: 'session-timer', groupId: join.groupId, memberId }
    this.session = new Deadline(timer)
    this.update(join)
  }

  /** Takes over what a JoinGroup says of the member; its bytes are copied, as the request only lends them. */
  update (join: JoinGroup): void {
    this.sessionTimeoutMs = join.sessionTimeoutMs
    this.rebalanceTimeoutMs = Math.max(join.rebalanceTimeoutMs, 0)
    this.protocols = new Map(join.protocols.map(({ name, metadata }) => [name, new Uint8Array(metadata)]))
  }

  /** True when a JoinGroup tells nothing new: same protocols, in the same order, with the same metadata. */
  matches (join: JoinGroup): boolean {
    if (join.protocols.length !== this.protocols.size) return false
    let index = 0
    for (const [name, metadata] of this.protocols) {
      const other = join.protocols[index++]!
      if (other.name !== name || !equalBytes(other.metadata, metadata)) return false
    }
    return true
  }

  /** Keeps no session while it waits for an answer of ours: its connection shows that it lives, or its first JoinGroup has its own bound. */
  get isHeld (): boolean {
    return this.syncing !== null || (this.joining !== null && !this.isNew)
  }

  get bytes (): number {
    const { memberId, instanceId, clientId, clientHost, assignment } = this
    let bytes = objectBytes + memberId.length + (instanceId?.length ?? 0) + clientId.length + clientHost.length + assignment.length
    for (const [name, metadata] of this.protocols) bytes += protocolBytes(name, metadata)
    return bytes
  }
}

/** What a protocol costs: an estimate, as {@link objectBytes}. */
export function protocolBytes (name: string, metadata: Uint8Array): number {
  return 128 + name.length + metadata.length
}

function equalBytes (left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}
