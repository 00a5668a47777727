/** CreateTopics, DeleteTopics and InitProducerId: asked of the controller. */
import type { ProducerIdAllocated, TopicsCreated, TopicsDeleted } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { TopicId } from '../../base/ids.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { createTopics } from '../../protocol/apis/create-topics.ts'
import type { deleteTopics } from '../../protocol/apis/delete-topics.ts'
import type { initProducerId } from '../../protocol/apis/init-producer-id.ts'
import { zeroUuid } from '../../protocol/schema.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askOne } from './ask-one.ts'

const timeoutMsMax = 120_000
/** The controller answers by the client's deadline; past this much more it is gone. */
const graceMs = 5000
const sourceTopic = 1
const sourceDefault = 4

export function handleCreateTopics (exchange: Exchange, request: RequestOf<typeof createTopics>, network: Network): boolean {
  type Response = ResponseOf<typeof createTopics>
  const timeoutMs = Math.min(Math.max(0, request.timeoutMs), timeoutMsMax)
  const topics = request.topics.map(({ name, numPartitions, replicationFactor, assignments, configs }) => ({
    name,
    partitions: assignments.length > 0 ? assignments.length : numPartitions,
    replicas: assignments.length > 0 ? assignments.reduce((most, { brokerIds }) => Math.max(most, brokerIds.length), 0) : replicationFactor,
    // MessagePack takes no such key, on the way to the controller's thread; under another name it is an unknown setting as well.
    config: Object.fromEntries(configs.filter(({ value }) => value !== null).map(({ name, value }) => [name === '__proto__' ? '(__proto__)' : name, value!]))
  }))
  askOne(exchange, network, network.controller, { kind: 'create-topics', topics, validateOnly: request.validateOnly, timeoutMs }, timeoutMs + graceMs,
    (errorCode): Response => ({ topics: topics.map(({ name }) => ({ name, errorCode, errorMessage: 'the controller did not answer' })) }),
    ({ results }: TopicsCreated): Response => ({
      topics: results.map(({ name, id, errorCode, errorMessage, partitions, replicas, config }) => ({
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
      }))
    }))
  return true
}

export function handleDeleteTopics (exchange: Exchange, request: RequestOf<typeof deleteTopics>, network: Network): boolean {
  type Response = ResponseOf<typeof deleteTopics>
  const topics = [
    ...request.topicNames.map(name => ({ name, id: null })),
    ...request.topics.map(({ name, topicId }) => ({ name, id: name === null ? topicId as TopicId : null }))
  ]
  askOne(exchange, network, network.controller, { kind: 'delete-topics', topics }, Math.min(Math.max(0, request.timeoutMs), timeoutMsMax) + graceMs,
    (errorCode): Response => ({ topics: topics.map(({ name, id }) => ({ name, topicId: id ?? zeroUuid, errorCode })) }),
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
