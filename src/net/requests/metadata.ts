/** Metadata and DescribeTopicPartitions, answered from this thread's own copy of the metadata. */
import type { PartitionImage, TopicImage, TopicsCreated } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { topicNameProblem } from '../../base/topic-config.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { describeTopicPartitions } from '../../protocol/apis/describe-topic-partitions.ts'
import type { metadata } from '../../protocol/apis/metadata.ts'
import { zeroUuid } from '../../protocol/schema.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController } from './ask-controller.ts'
import { controllerOf, liveBrokers } from './cluster.ts'
import { distinctBy } from './distinct.ts'

type MetadataRequest = RequestOf<typeof metadata>
type MetadataResponse = ResponseOf<typeof metadata>
type MetadataTopic = MetadataResponse['topics'][number]
type PagedRequest = RequestOf<typeof describeTopicPartitions>
type PagedResponse = ResponseOf<typeof describeTopicPartitions>

/** Partitions of an answer above which the next request of its client waits. */
const largePartitions = 1000
/** A client that asked for a topic which is created by that waits this long for its partitions to have leaders. */
const autoCreateMs = 5000

export function handleMetadata (exchange: Exchange, request: MetadataRequest, network: Network): boolean {
  const missing = namesToCreate(request, network)
  if (missing.length === 0) {
    const response = describe(request, network)
    if (response.topics.reduce((sum, topic) => sum + topic.partitions.length, 0) > largePartitions) exchange.session.holdForLargeAnswer()
    exchange.answer(response)
    return true
  }
  askController(exchange, network, {
    kind: 'create-topics', topics: missing.map(name => ({ name, partitions: -1, replicas: -1, config: {} })), validateOnly: false, timeoutMs: autoCreateMs
  }, autoCreateMs * 2, () => describe(request, network), (reply: TopicsCreated) => {
    // The controller may have refused one of the names; the others are in the image by now.
    const refused = new Map(reply.results.filter(result => result.errorCode !== ErrorCode.NONE && result.errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS)
      .map(result => [result.name, result.errorCode]))
    const response = describe(request, network)
    return { ...response, topics: response.topics.map(topic => refused.has(topic.name ?? '') ? { ...topic, errorCode: refused.get(topic.name!)! } : topic) }
  })
  return true
}

function namesToCreate ({ topics, allowAutoTopicCreation }: MetadataRequest, network: Network): string[] {
  if (topics === null || !allowAutoTopicCreation || !network.options.autoCreateTopics || !network.metadata.ready) return []
  const names = topics.map(topic => topic.name).filter(name => name !== null && network.metadata.byName(name) === undefined && topicNameProblem(name) === undefined)
  return [...new Set(names as string[])]
}

function describe ({ topics }: MetadataRequest, network: Network): MetadataResponse {
  // An empty list asks for all topics in version 0 only, where the reader gives null for it.
  const described = topics === null
    ? [...network.metadata.topics()].map(topic => describeTopic(topic, network))
    : distinctBy(topics, ({ name, topicId }) => name === null || name === '' ? `id ${topicId}` : `name ${name}`).map(({ name, topicId }) => {
      const image = name === null || name === '' ? network.metadata.byId(topicId) : network.metadata.byName(name)
      if (image !== undefined) return describeTopic(image, network)
      const errorCode = name === null || name === ''
        ? ErrorCode.UNKNOWN_TOPIC_ID
        : topicNameProblem(name) !== undefined ? ErrorCode.INVALID_TOPIC_EXCEPTION : network.metadata.ready ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.LEADER_NOT_AVAILABLE
      return { errorCode, name, topicId, partitions: [] }
    })
  return { brokers: liveBrokers(network), clusterId: network.options.broker.clusterId, controllerId: controllerOf(network), topics: described }
}

function describeTopic ({ name, id, partitions }: TopicImage, network: Network): MetadataTopic {
  return { errorCode: ErrorCode.NONE, name, topicId: id, partitions: partitions.map((partition, index) => describePartition(partition, index, network)) }
}

function describePartition (partition: PartitionImage, index: number, { metadata }: Network): MetadataTopic['partitions'][number] {
  const { term, leader, replicas, isr, adding, removing, offline } = partition
  // A leader on a broker that is fenced cannot be reached: clients wait for the next one.
  const isLed = metadata.broker(leader)?.fenced === false
  return {
    errorCode: isLed ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
    index,
    leaderId: isLed ? leader : -1,
    leaderEpoch: term === 0 ? -1 : term,
    // While replicas come and go, both are replicas.
    replicaNodes: adding.length + removing.length === 0 ? replicas : [...new Set([...replicas, ...adding, ...removing])],
    isrNodes: isr,
    offlineReplicas: offline
  }
}

export function handleDescribeTopicPartitions (exchange: Exchange, request: PagedRequest, network: Network): boolean {
  const { topics, cursor, responsePartitionLimit } = request
  const names = (topics.length > 0 ? [...new Set(topics.map(topic => topic.name))] : [...network.metadata.topics()].map(topic => topic.name)).toSorted()
  const described: Array<PagedResponse['topics'][number]> = []
  let nextCursor: PagedResponse['nextCursor'] = null
  let room = Math.min(Math.max(1, responsePartitionLimit), 2000)
  for (const name of names) {
    if (cursor !== null && name < cursor.topicName) continue
    if (room === 0) {
      nextCursor = { topicName: name, partitionIndex: 0 }
      break
    }
    const image = network.metadata.byName(name)
    if (image === undefined) {
      described.push({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name, topicId: zeroUuid, partitions: [] })
      continue
    }
    const start = cursor !== null && name === cursor.topicName ? Math.max(0, cursor.partitionIndex) : 0
    const topic = describeTopic(image, network)
    const page = topic.partitions.slice(start, start + room)
    described.push({
      ...topic, topicId: image.id, partitions: page.map(partition => ({ ...partition, eligibleLeaderReplicas: [], lastKnownElr: [] }))
    })
    room -= page.length
    if (start + page.length < topic.partitions.length) {
      nextCursor = { topicName: name, partitionIndex: start + page.length }
      break
    }
  }
  exchange.answer({ topics: described, nextCursor } satisfies PagedResponse)
  return true
}
