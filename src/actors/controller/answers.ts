/** Where an answer goes, and what an answer is that says no to everything that was asked. */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, Term, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import {
  noNode, type AllocateProducerId, type AlterConfigs, type AlterReassignments, type ControllerReply, type CreatePartitions, type CreateTopics, type DeleteTopics,
  type DescribeQuorum, type DrainBroker, type ElectLeaders, type FinalizeFeature, type Join, type ListReassignments, type RemoveBroker,
  type TopicRequest, type TopicResult, type TransferLeaders
} from './messages.ts'
import type { MetadataRead, ReadMetadata } from './metadata-reads.ts'
import type { RegisterBroker } from './registration.ts'

type Plain<M> = M extends unknown ? Omit<M, 'replyTo' | 'correlation'> : never

/** What only the active controller can do, without the address of who asked: it may be on another broker. */
export type ActiveRequest = Plain<
  | CreateTopics | DeleteTopics | CreatePartitions | AlterConfigs | AlterReassignments | ListReassignments | ElectLeaders | TransferLeaders
  | DrainBroker | RemoveBroker | FinalizeFeature | DescribeQuorum | AllocateProducerId | Join> | RegisterBroker | ReadMetadata

/** To a request that this program does not know, so it knows no answer to it either. Whoever asked makes one of it. */
export interface NotKnown {
  readonly kind: 'not-known'
  readonly errorCode: number
  readonly errorMessage: string
}

export type PlainReply = Plain<Exclude<ControllerReply, { kind: 'metadata-image' | 'broker-left' }>> | MetadataRead | NotKnown

/** Answers a request, once. */
export type Answer = (reply: PlainReply, out: Outbox) => void

export const zeroId = '0'.repeat(32) as TopicId

/** The answer to a request of which nothing is done. */
export function refusal (request: ActiveRequest, errorCode: number, errorMessage: string): PlainReply {
  const problem = { errorCode, errorMessage }
  switch (request.kind) {
    case 'create-topics': return { kind: 'topics-created', results: request.topics.map(topic => refusedTopic(topic, errorCode, errorMessage)) }
    case 'delete-topics': return { kind: 'topics-deleted', results: request.topics.map(topic => ({ ...topic, ...problem })) }
    case 'create-partitions': return { kind: 'partitions-created', results: request.topics.map(({ name }) => ({ name, ...problem })) }
    case 'alter-configs': return { kind: 'configs-altered', results: request.topics.map(({ topic }) => ({ name: topic, ...problem })) }
    case 'alter-reassignments': return { kind: 'reassignments-altered', ...problem, results: [] }
    case 'list-reassignments': return { kind: 'reassignments-listed', ...problem, partitions: [] }
    case 'elect-leaders':
    case 'transfer-leaders': return { kind: 'elections-held', ...problem, results: [] }
    case 'drain-broker': return { kind: 'broker-drained', ...problem, partitionsLeft: -1 }
    case 'remove-broker': return { kind: 'broker-removed', ...problem }
    case 'finalize-feature': return { kind: 'feature-answered', ...problem, level: -1 }
    case 'describe-quorum': return {
      kind: 'quorum-described',
      ...problem,
      leader: noNode,
      term: 0 as Term,
      highWatermark: -1,
      voters: [],
      observers: [],
      brokers: [],
      featureLevel: -1,
      partitions: 0,
      leaderless: 0,
      underReplicated: 0,
      reassigning: 0
    }
    case 'allocate-producer-id': return {
      kind: 'producer-id-allocated', errorCode: errorCode === ErrorCode.NOT_CONTROLLER ? ErrorCode.COORDINATOR_NOT_AVAILABLE : errorCode, producerId: -1
    }
    case 'read-metadata': return { kind: 'metadata-read', ...problem }
    case 'join':
    case 'register-broker': return {
      kind: 'joined', ...problem, clusterId: '', nodeId: noNode, member: 0 as MemberId, initialVoters: [], peers: []
    }
    default: return { kind: 'not-known', ...problem }
  }
}

/** To what a newer program has forwarded. */
export function notKnown ({ kind }: { readonly kind: string }): NotKnown {
  return { kind: 'not-known', errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage: `the active controller does not know ${kind}: its program is older` }
}

export function refusedTopic (topic: TopicRequest, errorCode: number, errorMessage: string): TopicResult {
  return { name: topic.name, id: zeroId, errorCode, errorMessage, partitions: -1, replicas: -1, config: topic.config }
}
