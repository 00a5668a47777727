/** CreateTopics, CreatePartitions, DeleteTopics and InitProducerId: asked of the controller. */
import type { NamedResult, PartitionsCreated, ProducerIdAllocated, TopicRequest, TopicResult, TopicsCreated, TopicsDeleted } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId, TopicId } from '../../base/ids.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { createPartitions } from '../../protocol/apis/create-partitions.ts'
import type { createTopics } from '../../protocol/apis/create-topics.ts'
import type { deleteTopics } from '../../protocol/apis/delete-topics.ts'
import type { initProducerId } from '../../protocol/apis/init-producer-id.ts'
import { zeroUuid } from '../../protocol/schema.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController, clientTimeoutMs, controllerDeadlineMs } from './ask-controller.ts'
import { askOne } from './ask-one.ts'

const sourceTopic = 1
const sourceDefault = 4

type WantedTopic = RequestOf<typeof createTopics>['topics'][number]

export function handleCreateTopics (exchange: Exchange, request: RequestOf<typeof createTopics>, network: Network): boolean {
  type Response = ResponseOf<typeof createTopics>
  const problems = request.topics.map(assignmentProblem)
  const topics = request.topics.filter((_, i) => problems[i] === undefined).map(topicRequest)
  const refused = request.topics.flatMap(({ name }, i) => problems[i] === undefined ? [] : [{ name, ...problems[i] }])
  const succeeded = (results: readonly TopicResult[]): Response => ({
    topics: [...refused, ...results.map(({ name, id, errorCode, errorMessage, partitions, replicas, config }) => ({
      name,
      topicId: id,
      errorCode,
      errorMessage,
      numPartitions: partitions,
      replicationFactor: replicas,
      configs: errorCode !== ErrorCode.NONE
        ? []
        : Object.entries({ ...network.options.topicDefaults, ...config }).map(([key, value]) => ({
          name: key, value, readOnly: false, configSource: key in config ? sourceTopic : sourceDefault, isSensitive: false
        }))
    }))]
  })
  if (topics.length === 0) {
    exchange.answer(succeeded([]))
    return true
  }
  const timeoutMs = clientTimeoutMs(request.timeoutMs)
  askController(exchange, network, { kind: 'create-topics', topics, validateOnly: request.validateOnly, timeoutMs }, controllerDeadlineMs(timeoutMs),
    (errorCode, errorMessage): Response => ({ topics: [...refused, ...topics.map(({ name }) => ({ name, errorCode, errorMessage }))] }),
    ({ results }: TopicsCreated) => succeeded(results))
  return true
}

function topicRequest ({ name, numPartitions, replicationFactor, assignments, configs }: WantedTopic): TopicRequest {
  const isManual = assignments.length > 0
  const byIndex = assignments.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
  return {
    name,
    partitions: isManual ? assignments.length : numPartitions,
    replicas: isManual ? assignments[0]!.brokerIds.length : replicationFactor,
    // MessagePack takes no such key, on the way to the controller's thread; under another name it is an unknown setting as well.
    config: Object.fromEntries(configs.filter(({ value }) => value !== null).map(({ name, value }) => [name === '__proto__' ? '(__proto__)' : name, value!])),
    assignments: isManual ? byIndex.map(({ brokerIds }) => brokerIds as NodeId[]) : null
  }
}

/** What is wrong with a topic whose replicas a client has chosen, as far as that shows without knowing the brokers. */
function assignmentProblem ({ numPartitions, replicationFactor, assignments }: WantedTopic): Omit<NamedResult, 'name'> | undefined {
  if (assignments.length === 0) return undefined
  const count = assignments.length
  if (numPartitions !== -1 && numPartitions !== count) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `${numPartitions} partitions are wanted and ${count} are assigned; with assignments, say -1` }
  const replicas = assignments[0]!.brokerIds.length
  if (replicationFactor !== -1 && replicationFactor !== replicas) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `${replicationFactor} replicas are wanted and ${replicas} are assigned; with assignments, say -1` }
  const errorCode = ErrorCode.INVALID_REPLICA_ASSIGNMENT
  if (new Set(assignments.map(({ partitionIndex }) => partitionIndex)).size < count || assignments.some(({ partitionIndex }) => partitionIndex < 0 || partitionIndex >= count)) {
    return { errorCode, errorMessage: `the ${count} assigned partitions are not those from 0 to ${count - 1}` }
  }
  const uneven = assignments.find(({ brokerIds }) => brokerIds.length !== replicas)
  if (uneven !== undefined) return { errorCode, errorMessage: `partition ${uneven.partitionIndex} is given ${uneven.brokerIds.length} replicas, others ${replicas}` }
  return undefined
}

export function handleCreatePartitions (exchange: Exchange, request: RequestOf<typeof createPartitions>, network: Network): boolean {
  type Response = ResponseOf<typeof createPartitions>
  const names = request.topics.map(({ name }) => name)
  const isRepeated = (name: string): boolean => names.indexOf(name) !== names.lastIndexOf(name)
  const refused = [...new Set(names.filter(isRepeated))].map(name => ({ name, errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'the topic is named twice in one request' }))
  const topics = request.topics.filter(({ name }) => !isRepeated(name)).map(({ name, count, assignments }) => ({
    name, count, assignments: assignments?.map(({ brokerIds }) => brokerIds as NodeId[]) ?? null
  }))
  if (topics.length === 0) {
    exchange.answer({ results: refused } satisfies Response)
    return true
  }
  const timeoutMs = clientTimeoutMs(request.timeoutMs)
  askController(exchange, network, { kind: 'create-partitions', topics, validateOnly: request.validateOnly, timeoutMs }, controllerDeadlineMs(timeoutMs),
    (errorCode, errorMessage): Response => ({ results: [...refused, ...topics.map(({ name }) => ({ name, errorCode, errorMessage }))] }),
    ({ results }: PartitionsCreated): Response => ({ results: [...refused, ...results] }))
  return true
}

export function handleDeleteTopics (exchange: Exchange, request: RequestOf<typeof deleteTopics>, network: Network): boolean {
  type Response = ResponseOf<typeof deleteTopics>
  const topics = [
    ...request.topicNames.map(name => ({ name, id: null })),
    ...request.topics.map(({ name, topicId }) => ({ name, id: name === null ? topicId as TopicId : null }))
  ]
  askController(exchange, network, { kind: 'delete-topics', topics }, controllerDeadlineMs(request.timeoutMs),
    (errorCode, errorMessage): Response => ({ topics: topics.map(({ name, id }) => ({ name, topicId: id ?? zeroUuid, errorCode, errorMessage })) }),
    ({ results }: TopicsDeleted): Response => ({
      topics: results.map(({ name, id, errorCode, errorMessage }) => ({ name, topicId: id ?? zeroUuid, errorCode, errorMessage }))
    }))
  return true
}

export function handleInitProducerId (exchange: Exchange, request: RequestOf<typeof initProducerId>, network: Network): boolean {
  type Response = ResponseOf<typeof initProducerId>
  if (request.transactionalId !== null) {
    exchange.answer({ errorCode: ErrorCode.UNSUPPORTED_VERSION, producerId: -1, producerEpoch: -1 } satisfies Response)
    return true
  }
  askOne(exchange, network, network.controller, { kind: 'allocate-producer-id' }, 30_000,
    (errorCode): Response => ({ errorCode, producerId: -1, producerEpoch: -1 }),
    ({ errorCode, producerId }: ProducerIdAllocated): Response => ({ errorCode, producerId, producerEpoch: errorCode === ErrorCode.NONE ? 0 : -1 }))
  return true
}
