/** The brokers of the cluster and the group that keeps its metadata: who they are, how they do, and which of them are to go. */
import { noNode, type BrokerDrained, type BrokerImage, type BrokerRemoved, type BrokerStatus, type QuorumDescribed, type QuorumMember } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId } from '../../base/ids.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { clusterStatus } from '../../protocol/apis/cluster-status.ts'
import type { describeCluster } from '../../protocol/apis/describe-cluster.ts'
import type { describeQuorum } from '../../protocol/apis/describe-quorum.ts'
import type { drainBroker } from '../../protocol/apis/drain-broker.ts'
import type { unregisterBroker } from '../../protocol/apis/unregister-broker.ts'
import { zeroUuid } from '../../protocol/schema.ts'
import { clusterStatus as describeImage } from '../cluster-status.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController } from './ask-controller.ts'

const deadlineMs = 30_000
/** What Kafka's tools call the topic of the metadata, and its name here. */
const metadataTopics = new Set(['__cluster_metadata', '__metadata'])
const endpointBrokers = 1

/** All that live; before the controller has said who does, this broker alone. */
export function liveBrokers ({ metadata, options }: Network): ReadonlyArray<Pick<BrokerImage, 'host' | 'port' | 'rack'> & { readonly nodeId: number }> {
  const { nodeId, host, port } = options.broker
  return metadata.live.length > 0 ? metadata.live : [{ nodeId, host, port, rack: null }]
}

/** Whom clients ask for changes of the cluster: the active controller, or this broker while that is not known. Each passes such requests on. */
export function controllerOf ({ metadata, options }: Network): number {
  const { controller } = metadata.cluster
  return controller === noNode ? options.broker.nodeId : controller
}

export function handleDescribeCluster (exchange: Exchange, request: RequestOf<typeof describeCluster>, network: Network): boolean {
  const { endpointType, includeFencedBrokers } = request
  const isKnown = endpointType === endpointBrokers
  const live = liveBrokers(network).map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack }))
  const fenced = includeFencedBrokers ? network.metadata.cluster.brokers.filter(({ fenced }) => fenced) : []
  exchange.answer({
    errorCode: isKnown ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
    errorMessage: isKnown ? null : 'controllers listen on the brokers\' own addresses',
    endpointType,
    clusterId: network.options.broker.clusterId,
    controllerId: controllerOf(network),
    brokers: isKnown ? [...live, ...fenced.map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack, isFenced: true }))] : []
  } satisfies ResponseOf<typeof describeCluster>)
  return true
}

export function handleDescribeQuorum (exchange: Exchange, request: RequestOf<typeof describeQuorum>, network: Network): boolean {
  type Response = ResponseOf<typeof describeQuorum>
  type Partition = Response['topics'][number]['partitions'][number]
  const isAsked = (name: string, index: number): boolean => metadataTopics.has(name) && index === 0
  const respond = (partition: Omit<Partition, 'index'>, nodes: Response['nodes'] = []): Response => ({
    errorCode: ErrorCode.NONE,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => isAsked(name, index)
        ? { index, ...partition }
        : { index, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: 'only the group of the metadata is told of' })
    })),
    nodes
  })
  if (!request.topics.some(({ name, partitions }) => partitions.some(({ index }) => isAsked(name, index)))) {
    exchange.answer(respond({ errorCode: ErrorCode.NONE }))
    return true
  }
  askController(exchange, network, { kind: 'describe-quorum' }, deadlineMs,
    (errorCode, errorMessage): Response => respond({ errorCode, errorMessage }),
    ({ errorCode, errorMessage, leader, term, highWatermark, voters, observers, brokers }: QuorumDescribed): Response => {
      const replica = (member: QuorumMember): NonNullable<Partition['currentVoters']>[number] => replicaState(member, { leader, highWatermark, nowMs: network.options.wallMs?.() ?? -1 })
      const listeners = brokers.filter(({ nodeId }) => voters.some(voter => voter.nodeId === nodeId))
        .map(({ nodeId, raftHost, raftPort }) => ({ nodeId, listeners: [{ name: 'CONTROLLER', host: raftHost, port: raftPort }] }))
      return respond({
        errorCode, errorMessage, leaderId: leader, leaderEpoch: term, highWatermark, currentVoters: voters.map(replica), observers: observers.map(replica)
      }, listeners)
    })
  return true
}

interface Quorum {
  readonly leader: NodeId
  readonly highWatermark: number
  /** Wall clock; -1 where there is none: then nothing is said of times. */
  readonly nowMs: number
}

/** The leader is heard of by nobody, and always has everything. */
function replicaState ({ nodeId, directoryId, endOffset, silentMs }: QuorumMember, { leader, highWatermark, nowMs }: Quorum): {
  replicaId: number, replicaDirectoryId: string, logEndOffset: number, lastFetchTimestamp: number, lastCaughtUpTimestamp: number
} {
  const heardMs = nowMs < 0 || silentMs < 0 || nodeId === leader ? -1 : Math.round(nowMs - silentMs)
  return {
    replicaId: nodeId,
    replicaDirectoryId: uuidOf(directoryId),
    logEndOffset: endOffset,
    lastFetchTimestamp: heardMs,
    lastCaughtUpTimestamp: nodeId === leader ? nowMs : endOffset >= highWatermark ? heardMs : -1
  }
}

const uuidOf = (directoryId: string): string => {
  const digits = directoryId.replaceAll('-', '')
  return /^[0-9a-f]{32}$/.test(digits) ? digits : zeroUuid
}

export function handleClusterStatus (exchange: Exchange, _request: RequestOf<typeof clusterStatus>, network: Network): boolean {
  type Response = ResponseOf<typeof clusterStatus>
  const { clusterId } = network.options.broker
  const member = ({ member, nodeId, directoryId, endOffset, silentMs }: QuorumMember): NonNullable<Response['voters']>[number] =>
    ({ memberId: member, nodeId, directoryId: uuidOf(directoryId), endOffset, silentMs: Math.round(silentMs) })
  askController(exchange, network, { kind: 'describe-quorum' }, deadlineMs,
    (errorCode, errorMessage): Response => ({ errorCode, errorMessage, clusterId, controllerId: network.metadata.cluster.controller }),
    (quorum: QuorumDescribed): Response => ({
      errorCode: quorum.errorCode,
      errorMessage: quorum.errorMessage,
      clusterId,
      controllerId: quorum.leader,
      term: quorum.term,
      highWatermark: quorum.highWatermark,
      featureLevel: quorum.featureLevel,
      partitions: quorum.partitions,
      leaderless: quorum.leaderless,
      underReplicated: quorum.underReplicated,
      reassigning: quorum.reassigning,
      voters: quorum.voters.map(member),
      observers: quorum.observers.map(member),
      brokers: [...quorum.brokers, ...unregistered(quorum, network)].map(({ member, silentMs, ...broker }) => ({ ...broker, memberId: member, silentMs: Math.round(silentMs) }))
    }))
  return true
}

/** A broker that is a cluster of its own does not register with itself, and is there all the same. */
function unregistered ({ errorCode, brokers }: QuorumDescribed, { metadata }: Network): BrokerStatus[] {
  const own = metadata.broker(metadata.cluster.self)
  if (errorCode !== ErrorCode.NONE || own === undefined || brokers.some(({ nodeId }) => nodeId === own.nodeId)) return []
  const { replicas, leaders, behind } = describeImage(metadata.cluster, metadata.topics()).brokers.find(({ nodeId }) => nodeId === own.nodeId)!
  return [{ ...own, draining: false, leaving: false, replicas, leaders, behind, silentMs: 0 }]
}

export function handleDrainBroker (exchange: Exchange, { brokerId, drain }: RequestOf<typeof drainBroker>, network: Network): boolean {
  type Response = ResponseOf<typeof drainBroker>
  askController(exchange, network, { kind: 'drain-broker', nodeId: brokerId as NodeId, drain }, deadlineMs,
    (errorCode, errorMessage): Response => ({ errorCode, errorMessage }),
    ({ errorCode, errorMessage, partitionsLeft }: BrokerDrained): Response => ({ errorCode, errorMessage, replicasLeft: partitionsLeft }))
  return true
}

export function handleUnregisterBroker (exchange: Exchange, { brokerId }: RequestOf<typeof unregisterBroker>, network: Network): boolean {
  type Response = ResponseOf<typeof unregisterBroker>
  askController(exchange, network, { kind: 'remove-broker', nodeId: brokerId as NodeId }, deadlineMs,
    (errorCode, errorMessage): Response => ({ errorCode, errorMessage }),
    ({ errorCode, errorMessage }: BrokerRemoved): Response => ({ errorCode, errorMessage }))
  return true
}
