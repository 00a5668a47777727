/** What becomes of requests about brokers, features and the replicas of partitions. Nothing changes here. */
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId, PartitionIndex } from '../../base/ids.ts'
import { nodesOf } from './image.ts'
import { questionsOf } from './leader-choice.ts'
import type { AlterReassignments, DrainBroker, FinalizeFeature, ListReassignments, PartitionResult, Reassignment } from './messages.ts'
import type { MetadataRecord, PartitionReassigned } from './metadata-record.ts'
import { targetOf, type BrokerState, type MetadataState } from './metadata-state.ts'
import { brokersNeeded, replicasLeft } from './mover.ts'
import { moveBack, moveTo } from './reassignment.ts'
import { membersOfNodes } from './topic-decisions.ts'

/** For the whole request. */
export interface Verdict {
  readonly records: readonly MetadataRecord[]
  readonly errorCode: number
  readonly errorMessage: string | null
}

const allowed = (...records: MetadataRecord[]): Verdict => ({ records, errorCode: ErrorCode.NONE, errorMessage: null })
const denied = (errorCode: number, errorMessage: string): Verdict => ({ records: [], errorCode, errorMessage })

/** @param others  how many other brokers can be given partitions */
export function decideDrain ({ nodeId, drain }: Pick<DrainBroker, 'nodeId' | 'drain'>, state: MetadataState, others: number): Verdict {
  const broker = state.brokers.get(nodeId)
  if (broker === undefined) return denied(ErrorCode.BROKER_NOT_AVAILABLE, `there is no broker ${nodeId}`)
  if (broker.draining === drain) return allowed()
  const needed = drain ? brokersNeeded(nodeId, state) : 0
  if (needed > others) {
    return denied(ErrorCode.INVALID_REPLICATION_FACTOR, `partitions of broker ${nodeId} have ${needed} replicas, and there are ${others} other brokers to hold them`)
  }
  return allowed({ kind: 'broker-draining', nodeId, draining: drain })
}

export function decideRemoveBroker (nodeId: NodeId, state: MetadataState, isHeard: (broker: BrokerState) => boolean): Verdict {
  const broker = state.brokers.get(nodeId)
  if (broker === undefined) return denied(ErrorCode.BROKER_NOT_AVAILABLE, `there is no broker ${nodeId}`)
  if (isHeard(broker)) return denied(ErrorCode.INVALID_REQUEST, `broker ${nodeId} is running: stop it first`)
  const left = replicasLeft(nodeId, state)
  if (left > 0) return denied(ErrorCode.INVALID_REQUEST, `broker ${nodeId} holds ${left} replicas: drain it first`)
  return allowed({ kind: 'broker-struck-off', nodeId })
}

export function decideFeature ({ level }: Pick<FinalizeFeature, 'level'>, state: MetadataState): Verdict {
  if (level === state.featureLevel) return allowed()
  if (level < state.featureLevel) return denied(ErrorCode.INVALID_UPDATE_VERSION, `the cluster is at level ${state.featureLevel}, which is never lowered`)
  const weakest = [...state.brokers.values()].find(({ features }) => features.max < level)
  if (weakest !== undefined) return denied(ErrorCode.FEATURE_UPDATE_FAILED, `broker ${weakest.name} works up to level ${weakest.features.max}`)
  const unknown = unknownFounder(state)
  if (unknown !== undefined) return denied(ErrorCode.FEATURE_UPDATE_FAILED, `broker ${unknown} has not come yet: nobody knows up to which level it works`)
  return allowed({ kind: 'feature-finalized', level })
}

/** A founder that has not registered. */
function unknownFounder ({ members, brokers }: MetadataState): NodeId | undefined {
  for (const { nodeId, registered } of members.values()) if (!registered && !brokers.has(nodeId)) return nodeId
  return undefined
}

/** The level that all brokers could work at, those that are not there now included. Of a founder that has not registered nobody knows. */
export function commonLevel (state: MetadataState): number {
  let level = Infinity
  if (unknownFounder(state) !== undefined) return state.featureLevel
  for (const { features } of state.brokers.values()) level = Math.min(level, features.max)
  return level === Infinity ? state.featureLevel : Math.max(level, state.featureLevel)
}

export function decideReassignments (request: Pick<AlterReassignments, 'partitions' | 'allowReplicationFactorChange'>, state: MetadataState): { records: PartitionReassigned[], results: PartitionResult[] } {
  const records: PartitionReassigned[] = []
  const seen = new Set<string>()
  const results: PartitionResult[] = []
  let position = 0
  for (const { topic: name, partition, found } of questionsOf(request.partitions, state)) {
    const { replicas } = request.partitions[position++]!
    const answer = (errorCode: number, errorMessage: string | null): void => { results.push({ topic: name, partition, errorCode, errorMessage }) }
    const key = `${name}/${partition}`
    if (seen.has(key)) {
      answer(ErrorCode.INVALID_REQUEST, 'the partition is named twice in one request')
      continue
    }
    seen.add(key)
    if (found === undefined) {
      answer(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such partition')
      continue
    }
    const { topic: { id }, assignment } = found
    if (replicas === null) {
      const record = moveBack({ id, partition }, assignment)
      if (record === undefined) answer(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, 'the partition does not move')
      else {
        records.push(record)
        answer(ErrorCode.NONE, null)
      }
      continue
    }
    const members = membersOfNodes(replicas, state)
    if ('errorCode' in members) {
      answer(members.errorCode, members.errorMessage)
      continue
    }
    const before = assignment.origin?.length ?? targetOf(assignment).length
    if (!request.allowReplicationFactorChange && members.length !== before) {
      answer(ErrorCode.INVALID_REPLICATION_FACTOR, `the partition has ${before} replicas, and is given ${members.length}`)
      continue
    }
    const insync = Number(found.topic.config['min.insync.replicas'] ?? 1)
    if (members.length < insync) {
      answer(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `min.insync.replicas of topic ${name} is ${insync}: with ${members.length} replicas it could not be written to`)
      continue
    }
    const record = moveTo({ id, partition }, assignment, members)
    if (record !== undefined) records.push(record)
    answer(ErrorCode.NONE, null)
  }
  return { records, results }
}

export function listReassignments ({ partitions }: Pick<ListReassignments, 'partitions'>, state: MetadataState): Reassignment[] {
  const listed: Reassignment[] = []
  const list = (topic: string, partition: PartitionIndex, assignment: Parameters<typeof nodesOf>[0]): void => {
    const nodes = nodesOf(assignment, state)
    // A folder in the place of another one of the same node: to clients nothing moves.
    if (nodes.adding.length + nodes.removing.length > 0) listed.push({ topic, partition, ...nodes })
  }
  if (partitions === null) {
    for (const { topic, partition, assignment } of state.moving()) list(topic.name, partition, assignment)
  } else {
    for (const { topic, partition, found } of questionsOf(partitions, state)) if (found !== undefined) list(topic, partition, found.assignment)
  }
  return listed
}
