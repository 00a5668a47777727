/** What a controller is told. */
import type { Message } from '../../base/effect.ts'
import type { LeaderElected, PartitionStarted } from '../partition/messages.ts'
import type { ControllerIn, MemberStatus } from '../peers/messages.ts'
import type { ReplicaMessage } from '../replica.ts'
import type { JoinAsked } from './coming-back.ts'
import type { DepartureStep } from './departure.ts'
import type { RetryPlacement } from './local-replicas.ts'
import type {
  BrokerLeaving, ControllerRequest, CreateExpired, PartitionsPlaced, PartitionsRemoved, PartitionsStopped, PlacementFailed, SubscribeMetadata, SubscribePeers
} from './messages.ts'

interface ControllerTick extends Message { readonly kind: 'controller-tick' }
interface ControllerUpkeep extends Message { readonly kind: 'controller-upkeep' }
export const controllerTick: ControllerTick = { kind: 'controller-tick' }
export const controllerUpkeep: ControllerUpkeep = { kind: 'controller-upkeep' }

/** What is answered by the active controller. */
export type Asked = Exclude<ControllerRequest, BrokerLeaving | SubscribeMetadata>

export type ControllerMessage =
  | ControllerRequest | SubscribePeers | ControllerIn | MemberStatus | LeaderElected | PartitionStarted | PartitionsPlaced | PlacementFailed | PartitionsStopped | PartitionsRemoved
  | RetryPlacement | CreateExpired | JoinAsked | DepartureStep | ControllerTick | ControllerUpkeep | ReplicaMessage
