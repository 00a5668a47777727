/** What is said to and by the links to other brokers: one actor on each thread. */
import type { Message } from '../../base/effect.ts'
import type { ActorId, GroupKey, MemberId, NodeId } from '../../base/ids.ts'
import type { RaftMessage } from '../../raft/messages.ts'

export type { RaftMessage } from '../../raft/messages.ts'

/** From a replica to the links of its own thread: to the member that `message.to` names. May be lost. */
export interface RaftOut extends Message {
  readonly kind: 'raft-out'
  readonly group: GroupKey
  /** Its bytes are borrowed: copied before `receive` returns. */
  readonly message: RaftMessage
}

/** To the actor of a group, on whatever thread it runs. */
export interface RaftIn extends Message {
  readonly kind: 'raft-in'
  /** Its bytes are valid only inside `receive`. */
  readonly message: RaftMessage
}

/**
 * From the links of thread 0 to the actor of every group here, and to the links of the other threads: a node is gone, or there
 * again. A hint: it may be wrong, late or doubled.
 */
export interface PeerStatus extends Message {
  readonly kind: 'peer-status'
  readonly member: MemberId
  readonly up: boolean
}

export interface PeerAddress {
  readonly member: MemberId
  readonly nodeId: NodeId
  /** `raft_addr`, as others reach it. */
  readonly host: string
  readonly port: number
}

/** From the controller to the links of every thread: all other members there are, in place of what was said before. */
export interface PeersChanged extends Message {
  readonly kind: 'peers-changed'
  readonly peers: readonly PeerAddress[]
}

/** From the controller to the links of every thread: which actor here takes which group's messages. */
export interface GroupsChanged extends Message {
  readonly kind: 'groups-changed'
  readonly placed: ReadonlyArray<{ readonly group: GroupKey, readonly actor: ActorId }>
  readonly removed: readonly GroupKey[]
}

/** From the controller to the links of its thread: a message for another broker's controller actor. May be lost. */
export interface ControllerOut extends Message {
  readonly kind: 'controller-out'
  readonly to: MemberId
  readonly body: Message
}

/** From the links to the controller. Its sender was told apart by the hello of its connection. */
export interface ControllerIn extends Message {
  readonly kind: 'controller-in'
  readonly from: MemberId
  readonly body: Message
}

/** From the links of thread 0 to the controller: a node is gone, or there again. Frames came or stopped coming. */
export interface MemberStatus extends Message {
  readonly kind: 'member-status'
  readonly member: MemberId
  readonly up: boolean
}

export type PeersMessage = RaftOut | PeersChanged | GroupsChanged | ControllerOut | PeerStatus
