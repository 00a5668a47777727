/** What the broker's parts call each other's actors: names for the supervisor, ids for messages, and the specs that threads make them from. */
import type { PartitionSpec } from './actors/controller/messages.ts'
import type { BrokerConfig } from './base/config.ts'
import type { ActorId } from './base/ids.ts'
import type { LoggerOptions } from './base/logger.ts'
import type { HostPort } from './base/address.ts'
import type { Membership } from './discovery/membership.ts'
import type { BrokerIdentity } from './net/network.ts'
import type { ListenAt } from './net/peers/transport.ts'

export const votesName = 'votes'
export const controllerName = 'controller'
export const groupsName = 'groups'
export const peersName = (thread: number): string => `peers/${thread}`
export const listenerName = (thread: number): string => `listener/${thread}`
export const partitionName = (topicId: string, partition: number): string => `partition/${topicId}/${partition}`

/** Ids are given in the order in which broker.ts places these, behind the network actors of the threads. */
export const votesId = (threads: number): ActorId => threads as ActorId
export const controllerId = (threads: number): ActorId => threads + 1 as ActorId
export const groupsId = (threads: number): ActorId => threads + 2 as ActorId
export const peersId = (threads: number, thread: number): ActorId => threads + 3 + thread as ActorId

export type ReactorSpec =
  | { readonly type: 'network' }
  | { readonly type: 'votes' }
  | { readonly type: 'controller' }
  | { readonly type: 'groups' }
  | { readonly type: 'peers', readonly listen: ListenAt | undefined }
  | { readonly type: 'listener', readonly host: string, readonly port: number, readonly reusePort: boolean }
  | { readonly type: 'partition' } & PartitionSpec

/** Plain data that the broker hands to each thread. */
export interface ReactorInit {
  readonly config: BrokerConfig
  readonly metrics: SharedArrayBuffer
  readonly threads: number
  readonly logger: LoggerOptions
  readonly poolSize: number
  readonly broker: BrokerIdentity
  readonly bootId: string
  /** Who this broker is in its cluster, and where the others were last known. */
  readonly membership: Membership
  readonly directoryId: string
  /** Where other brokers reach this one; undefined: it is alone. */
  readonly raftAddress: HostPort | undefined
  /** Another one for each start. */
  readonly incarnation: number
  /** The machine stopped without a sync: what was not synced write by write may be gone. */
  readonly forgetful: boolean
}
