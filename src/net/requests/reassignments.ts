/** Where replicas are and who of them leads: AlterPartitionReassignments, ListPartitionReassignments, ElectLeaders. */
import type { ElectionsHeld, ReassignmentsAltered, ReassignmentsListed } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId } from '../../base/ids.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { alterPartitionReassignments } from '../../protocol/apis/alter-partition-reassignments.ts'
import type { electLeaders } from '../../protocol/apis/elect-leaders.ts'
import type { listPartitionReassignments } from '../../protocol/apis/list-partition-reassignments.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController, clientTimeoutMs, controllerDeadlineMs } from './ask-controller.ts'
import { byTopic, errorRow } from './by-topic.ts'

const electPreferred = 0
const electUnclean = 1

export function handleAlterPartitionReassignments (exchange: Exchange, request: RequestOf<typeof alterPartitionReassignments>, network: Network): boolean {
  type Response = ResponseOf<typeof alterPartitionReassignments>
  const { allowReplicationFactorChange } = request
  const partitions = request.topics.flatMap(topic => topic.partitions.map(({ index, replicas }) => ({
    topic: topic.name, partition: index, replicas: replicas as NodeId[] | null
  })))
  askController(exchange, network, { kind: 'alter-reassignments', partitions, allowReplicationFactorChange }, controllerDeadlineMs(request.timeoutMs),
    (errorCode, errorMessage): Response => ({ allowReplicationFactorChange, errorCode, errorMessage, topics: [] }),
    ({ errorCode, errorMessage, results }: ReassignmentsAltered): Response => ({ allowReplicationFactorChange, errorCode, errorMessage, topics: byTopic(results, errorRow) }))
  return true
}

export function handleListPartitionReassignments (exchange: Exchange, request: RequestOf<typeof listPartitionReassignments>, network: Network): boolean {
  type Response = ResponseOf<typeof listPartitionReassignments>
  const partitions = request.topics?.flatMap(({ name, partitionIndexes }) => partitionIndexes.map(partition => ({ topic: name, partition }))) ?? null
  askController(exchange, network, { kind: 'list-reassignments', partitions }, controllerDeadlineMs(request.timeoutMs),
    (errorCode, errorMessage): Response => ({ errorCode, errorMessage, topics: [] }),
    ({ errorCode, errorMessage, partitions }: ReassignmentsListed): Response => ({
      errorCode,
      errorMessage,
      topics: byTopic(partitions, ({ partition, replicas, adding, removing }) => ({ index: partition, replicas, addingReplicas: adding, removingReplicas: removing }))
    }))
  return true
}

export function handleElectLeaders (exchange: Exchange, request: RequestOf<typeof electLeaders>, network: Network): boolean {
  type Response = ResponseOf<typeof electLeaders>
  const { electionType, topics } = request
  const partitions = topics?.flatMap(topic => topic.partitions.map(partition => ({ topic: topic.name, partition }))) ?? null
  // Version 0 has no error for the whole answer: there each partition gets it.
  const failed = (errorCode: number, errorMessage: string | null): Response => ({
    errorCode, topics: byTopic((partitions ?? []).map(one => ({ ...one, errorCode, errorMessage })), errorRow)
  })
  if (electionType !== electPreferred && electionType !== electUnclean) {
    exchange.answer(failed(ErrorCode.INVALID_REQUEST, `there are no elections of type ${electionType}`))
    return true
  }
  askController(exchange, network, {
    kind: 'elect-leaders', preferred: electionType === electPreferred, partitions, timeoutMs: clientTimeoutMs(request.timeoutMs)
  }, controllerDeadlineMs(request.timeoutMs), failed,
  ({ errorCode, errorMessage, results }: ElectionsHeld): Response =>
    errorCode === ErrorCode.NONE ? { topics: byTopic(results, errorRow) } : failed(errorCode, errorMessage))
  return true
}
