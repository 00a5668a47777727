/** What the controller understands and answers, and the image of the cluster's metadata that every thread holds. */
import type { Message, Reply, Request } from '../../runtime/actor.ts'
import type { ActorId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'

export interface TopicRequest {
  readonly name: string
  /** -1: the broker's default. */
  readonly partitions: number
  /** -1: the broker's default. */
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

/** Answered with {@link TopicsCreated} once every new partition has a leader, or after `timeoutMs`. */
export interface CreateTopics extends Request {
  readonly kind: 'create-topics'
  readonly topics: readonly TopicRequest[]
  readonly validateOnly: boolean
  readonly timeoutMs: number
}

export interface TopicResult {
  readonly name: string
  readonly id: TopicId
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

export interface TopicsCreated extends Reply {
  readonly kind: 'topics-created'
  readonly results: readonly TopicResult[]
}

/** Answered with {@link TopicsDeleted} once the deletion is durable; files go later. */
export interface DeleteTopics extends Request {
  readonly kind: 'delete-topics'
  /** Each named by name or by id. */
  readonly topics: ReadonlyArray<{ readonly name: string | null, readonly id: TopicId | null }>
}

export interface TopicsDeleted extends Reply {
  readonly kind: 'topics-deleted'
  readonly results: ReadonlyArray<{ readonly name: string | null, readonly id: TopicId | null, readonly errorCode: number, readonly errorMessage: string | null }>
}

/** Answered with {@link ProducerIdAllocated}: an id that was never given to anyone before. */
export interface AllocateProducerId extends Request {
  readonly kind: 'allocate-producer-id'
}

export interface ProducerIdAllocated extends Reply {
  readonly kind: 'producer-id-allocated'
  readonly errorCode: number
  readonly producerId: number
}

/** From a network actor that starts: wants the whole image ({@link MetadataImage}). Changes come to all of them unasked. */
export interface SubscribeMetadata extends Request {
  readonly kind: 'subscribe-metadata'
}

/** Stands for the actor of a partition that is not placed yet. */
export const noActor = -1 as ActorId

export interface PartitionImage {
  readonly actor: ActorId
  /** 0 while the partition has no leader yet. */
  readonly term: Term
}

export interface TopicImage {
  readonly name: string
  readonly id: TopicId
  readonly config: Readonly<Record<string, string>>
  readonly partitions: readonly PartitionImage[]
}

/** The answer to {@link SubscribeMetadata}. */
export interface MetadataImage extends Reply {
  readonly kind: 'metadata-image'
  readonly topics: readonly TopicImage[]
}

/** From a controller that starts: the whole image, in place of whatever its predecessor said. */
export interface MetadataReplaced extends Message {
  readonly kind: 'metadata-replaced'
  readonly topics: readonly TopicImage[]
}

/** A change of the image, in the order of the metadata log. Replaces topics by id. */
export interface MetadataChanged extends Message {
  readonly kind: 'metadata-changed'
  readonly topics: readonly TopicImage[]
  readonly deleted: readonly TopicId[]
}

/** The supervisor's answer to a placement that the controller asked for; actors in the order of the partitions. */
export interface PartitionsPlaced extends Message {
  readonly kind: 'partitions-placed'
  readonly topicId: TopicId
  readonly actors: readonly ActorId[]
}

export interface PlacementFailed extends Message {
  readonly kind: 'placement-failed'
  readonly topicId: TopicId
  readonly reason: string
}

/** A create request has waited as long as it wanted to. */
export interface CreateExpired extends Message {
  readonly kind: 'create-expired'
  readonly creation: number
}

/** What it takes to run a partition; travels from the controller to the thread that runs it. */
export interface PartitionSpec {
  readonly topicId: TopicId
  readonly topic: string
  readonly partition: PartitionIndex
  readonly config: Readonly<Record<string, string>>
}

export type ControllerRequest = CreateTopics | DeleteTopics | AllocateProducerId | SubscribeMetadata
export type ControllerReply = TopicsCreated | TopicsDeleted | ProducerIdAllocated | MetadataImage
