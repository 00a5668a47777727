/** What the controller understands and answers, and the image of the cluster's metadata that every thread holds. */
import type { Message, Reply, Request } from '../../runtime/actor.ts'
import type { PeerAddress } from '../peers/messages.ts'
import type { ActorId, MemberId, NodeId, PartitionIndex, Term, TopicId } from '../../base/ids.ts'

export interface TopicRequest {
  readonly name: string
  /** -1: the broker's default. */
  readonly partitions: number
  /** -1: the broker's default. */
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
  /** Replicas of each partition, the preferred leader first, as a user wants them; null or left out: the controller chooses. */
  readonly assignments?: ReadonlyArray<readonly NodeId[]> | null
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

/** One topic that gets more partitions. */
export interface PartitionsRequest {
  readonly name: string
  /** How many the topic has afterwards. */
  readonly count: number
  /** Replicas of each new partition, the preferred leader first; null: the controller chooses. */
  readonly assignments: ReadonlyArray<readonly NodeId[]> | null
}

/** Answered with {@link PartitionsCreated} once every new partition has a leader, or after `timeoutMs`. */
export interface CreatePartitions extends Request {
  readonly kind: 'create-partitions'
  readonly topics: readonly PartitionsRequest[]
  readonly validateOnly: boolean
  readonly timeoutMs: number
}

/** What became of one topic of a request. */
export interface NamedResult {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface PartitionsCreated extends Reply {
  readonly kind: 'partitions-created'
  readonly results: readonly NamedResult[]
}

export interface ConfigChange {
  readonly name: string
  /** As IncrementalAlterConfigs says it; `delete` goes back to the broker's default. */
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  readonly value: string | null
}

export interface ConfigRequest {
  readonly topic: string
  /** The changes, all of them `set`, are all that the topic is to have (AlterConfigs). */
  readonly replace: boolean
  readonly changes: readonly ConfigChange[]
}

/** Answered with {@link ConfigsAltered} once the change is durable; partitions go over to it by themselves. */
export interface AlterConfigs extends Request {
  readonly kind: 'alter-configs'
  readonly topics: readonly ConfigRequest[]
  readonly validateOnly: boolean
}

export interface ConfigsAltered extends Reply {
  readonly kind: 'configs-altered'
  /** In the order of the request. */
  readonly results: readonly NamedResult[]
}

/** What became of one partition of a request. */
export interface PartitionResult {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Answered with {@link ReassignmentsAltered} once the intent is durable; {@link ListReassignments} tells what is still moving. */
export interface AlterReassignments extends Request {
  readonly kind: 'alter-reassignments'
  /** `replicas` as they are to be, the preferred leader first; null takes back a move that is under way. */
  readonly partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number, readonly replicas: readonly NodeId[] | null }>
  /** False: as many replicas as before, or it is refused. */
  readonly allowReplicationFactorChange: boolean
}

export interface ReassignmentsAltered extends Reply {
  readonly kind: 'reassignments-altered'
  /** Of the whole request; the results are then empty. */
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly results: readonly PartitionResult[]
}

/** Answered with {@link ReassignmentsListed}. */
export interface ListReassignments extends Request {
  readonly kind: 'list-reassignments'
  /** Null: all that there are. */
  readonly partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }> | null
}

export interface Reassignment {
  readonly topic: string
  readonly partition: number
  /** As they are to be, and behind them those that leave. */
  readonly replicas: readonly NodeId[]
  readonly adding: readonly NodeId[]
  readonly removing: readonly NodeId[]
}

export interface ReassignmentsListed extends Reply {
  readonly kind: 'reassignments-listed'
  readonly errorCode: number
  readonly errorMessage: string | null
  /** Partitions of the request that do not move are left out. */
  readonly partitions: readonly Reassignment[]
}

/** Answered with {@link ElectionsHeld} once the new leaders lead, or after `timeoutMs`. */
export interface ElectLeaders extends Request {
  readonly kind: 'elect-leaders'
  /** False asks for an unclean election, which is refused: it would lose what was acknowledged. */
  readonly preferred: boolean
  /** Null: all partitions; those that need nothing are left out of the answer. */
  readonly partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }> | null
  readonly timeoutMs: number
}

export interface ElectionsHeld extends Reply {
  readonly kind: 'elections-held'
  /** Of the whole request; the results are then empty. */
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly results: readonly PartitionResult[]
}

/** Hands leaderships to replicas that are in sync. Answered with {@link ElectionsHeld} once they lead, or after `timeoutMs`. */
export interface TransferLeaders extends Request {
  readonly kind: 'transfer-leaders'
  /** {@link noNode}: the controller chooses. */
  readonly partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number, readonly to: NodeId }>
  readonly timeoutMs: number
}

/** Moves everything away from a broker, and keeps new partitions from it. Asking again tells how far it is. Answered with {@link BrokerDrained}. */
export interface DrainBroker extends Request {
  readonly kind: 'drain-broker'
  readonly nodeId: NodeId
  /** False: the broker takes partitions again. */
  readonly drain: boolean
}

export interface BrokerDrained extends Reply {
  readonly kind: 'broker-drained'
  readonly errorCode: number
  readonly errorMessage: string | null
  /** Replicas that the broker still has. */
  readonly partitionsLeft: number
}

/** Strikes a broker off for good that is drained and gone. Answered with {@link BrokerRemoved}. */
export interface RemoveBroker extends Request {
  readonly kind: 'remove-broker'
  readonly nodeId: NodeId
}

export interface BrokerRemoved extends Reply {
  readonly kind: 'broker-removed'
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Raises the level of features that all brokers use; see docs/controller.md. Answered with {@link FeatureAnswered}. */
export interface FinalizeFeature extends Request {
  readonly kind: 'finalize-feature'
  readonly level: number
  readonly validateOnly: boolean
}

export interface FeatureAnswered extends Reply {
  readonly kind: 'feature-answered'
  readonly errorCode: number
  readonly errorMessage: string | null
  /** As it is after the request. */
  readonly level: number
}

/** Answered with {@link QuorumDescribed}: the metadata group and the brokers, as the active controller sees them. */
export interface DescribeQuorum extends Request {
  readonly kind: 'describe-quorum'
}

export interface QuorumMember {
  readonly member: MemberId
  readonly nodeId: NodeId
  readonly directoryId: string
  /** End of what it holds durably; -1: not known. */
  readonly endOffset: number
  /** How long ago the leader last heard from it; -1: not known. */
  readonly silentMs: number
}

export interface BrokerStatus extends BrokerImage {
  /** Everything is being moved away from it. */
  readonly draining: boolean
  /** It is about to stop. */
  readonly leaving: boolean
  readonly replicas: number
  readonly leaders: number
  /** Replicas of it that are not in sync. */
  readonly behind: number
  /** How long ago the active controller last heard of it; -1: never. */
  readonly silentMs: number
}

export interface QuorumDescribed extends Reply {
  readonly kind: 'quorum-described'
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly leader: NodeId
  readonly term: Term
  readonly highWatermark: number
  readonly voters: readonly QuorumMember[]
  /** Who only follows. */
  readonly observers: readonly QuorumMember[]
  readonly brokers: readonly BrokerStatus[]
  readonly featureLevel: number
  readonly partitions: number
  readonly leaderless: number
  /** Partitions with fewer replicas in sync than they are to have. */
  readonly underReplicated: number
  readonly reassigning: number
}

/** The levels of features that a broker's program can work with, both inclusive. */
export interface FeatureRange {
  readonly min: number
  readonly max: number
}

/** What a broker says of itself. */
export interface BrokerRegistration {
  /** The setting `node_id`. */
  readonly name: string
  /** Of its data folder. */
  readonly directoryId: string
  readonly host: string
  readonly port: number
  readonly raftHost: string
  readonly raftPort: number
  readonly rack: string | null
  readonly features: FeatureRange
}

/** From the links: a broker that belongs to no cluster yet, or whose folder is new, wants to become a member. Answered with {@link Joined}. */
export interface Join extends Request {
  readonly kind: 'join'
  readonly body: BrokerRegistration
}

export interface Joined extends Reply {
  readonly kind: 'joined'
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly clusterId: string
  /** {@link noNode} with an error. */
  readonly nodeId: NodeId
  /** 0 with an error. */
  readonly member: MemberId
  /** The first voters of the metadata group: what its log means before it says otherwise. */
  readonly initialVoters: readonly MemberId[]
  /** Everybody that is known, with addresses. */
  readonly peers: readonly PeerAddress[]
}

/** From the links of a thread, when they start: want all peers and groups, see `peers-changed` and `groups-changed`. */
export interface SubscribePeers extends Message {
  readonly kind: 'subscribe-peers'
  readonly actor: ActorId
}

/** From whoever stops this broker: hand its leaderships over. Answered with {@link BrokerLeft} when that is done, after `timeoutMs` at the latest. */
export interface BrokerLeaving extends Request {
  readonly kind: 'broker-leaving'
  readonly timeoutMs: number
}

export interface BrokerLeft extends Reply {
  readonly kind: 'broker-left'
  /** Partitions that this broker leads all the same; those that nobody else could lead are not counted. */
  readonly partitionsLeft: number
  /** Partitions that it led when it was asked first, and others lead now. */
  readonly partitionsGiven: number
}

/** From a network actor that starts: wants the whole image ({@link MetadataImage}). Changes come to all of them unasked. */
export interface SubscribeMetadata extends Request {
  readonly kind: 'subscribe-metadata'
}

/** Stands for the actor of a partition that has no replica here, or none yet. */
export const noActor = -1 as ActorId
/** Stands for a node that is not known. */
export const noNode = -1 as NodeId

export interface BrokerImage {
  readonly nodeId: NodeId
  /** Its present data folder. */
  readonly member: MemberId
  /** The setting `node_id`. */
  readonly name: string
  /** Where clients reach it. */
  readonly host: string
  readonly port: number
  /** Where other brokers reach it. */
  readonly raftHost: string
  readonly raftPort: number
  readonly rack: string | null
  /** It has not been heard of for a while: it gets nothing new, and leads nothing that others can lead. */
  readonly fenced: boolean
}

export interface ClusterImage {
  readonly brokers: readonly BrokerImage[]
  /** The active controller, {@link noNode} when none is known. */
  readonly controller: NodeId
  readonly self: NodeId
  /** What all brokers of the cluster understand, see docs/controller.md. */
  readonly featureLevel: number
}

export interface PartitionImage {
  /** Takes the requests of the replica that runs here; {@link noActor}: none does. */
  readonly actor: ActorId
  /** Of the leader that is known; 0 while the partition has had none yet. */
  readonly term: Term
  /** {@link noNode}: none is known. */
  readonly leader: NodeId
  /** The preferred leader first. */
  readonly replicas: readonly NodeId[]
  readonly isr: readonly NodeId[]
  /** While a reassignment is under way: what `replicas` gains and loses by it. */
  readonly adding: readonly NodeId[]
  readonly removing: readonly NodeId[]
  /** Replicas on fenced brokers. */
  readonly offline: readonly NodeId[]
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
  readonly cluster: ClusterImage
}

/** From a controller that starts: the whole image, in place of whatever its predecessor said. */
export interface MetadataReplaced extends Message {
  readonly kind: 'metadata-replaced'
  readonly topics: readonly TopicImage[]
  readonly cluster: ClusterImage
}

/** A change of the image, in the order of the metadata log. Replaces topics by id. */
export interface MetadataChanged extends Message {
  readonly kind: 'metadata-changed'
  readonly topics: readonly TopicImage[]
  readonly deleted: readonly TopicId[]
  /** Null: as it was. */
  readonly cluster: ClusterImage | null
}

/** The supervisor's answer to a placement that the controller asked for; actors in the order of the partitions that it asked for. */
export interface PartitionsPlaced extends Message {
  readonly kind: 'partitions-placed'
  readonly topicId: TopicId
  readonly partitions: readonly PartitionIndex[]
  readonly actors: readonly ActorId[]
}

export interface PlacementFailed extends Message {
  readonly kind: 'placement-failed'
  readonly topicId: TopicId
  readonly partitions: readonly PartitionIndex[]
  readonly reason: string
}

/** Actors of partitions that may have to go are stopped, or could not be. */
export interface PartitionsStopped extends Message {
  readonly kind: 'partitions-stopped'
  readonly topicId: TopicId
  readonly partitions: readonly PartitionIndex[]
  readonly stopped: boolean
}

/** The files of partitions that were to go are removed, or could not be. */
export interface PartitionsRemoved extends Message {
  readonly kind: 'partitions-removed'
  readonly topicId: TopicId
  readonly partitions: readonly PartitionIndex[]
  readonly removed: boolean
}

/** A create request has waited as long as it wanted to. */
export interface CreateExpired extends Message {
  readonly kind: 'create-expired'
  readonly creation: number
}

/** What it takes to run a replica of a partition; travels from the controller to the thread that runs it. */
export interface PartitionSpec {
  readonly topicId: TopicId
  readonly topic: string
  readonly partition: PartitionIndex
  readonly config: Readonly<Record<string, string>>
  /** Who votes while the log of the partition does not say otherwise. Empty: this replica comes later, or comes back. */
  readonly initial: readonly MemberId[]
  /** Who was to vote when the replica was placed. A spec is kept for restarts: who is to vote now comes with `partition-assigned`. */
  readonly voters: readonly MemberId[]
  /** False: only a log that is there already is opened; otherwise the placement fails, and is tried again. */
  readonly mayBegin: boolean
}

/** What any broker's controller takes from its own network actors; all but the last are answered by the active one. */
export type ControllerRequest =
  | CreateTopics | DeleteTopics | CreatePartitions | AlterConfigs | AlterReassignments | ListReassignments | ElectLeaders | TransferLeaders
  | DrainBroker | RemoveBroker | FinalizeFeature | DescribeQuorum | AllocateProducerId | Join | BrokerLeaving | SubscribeMetadata
export type ControllerReply =
  | TopicsCreated | TopicsDeleted | PartitionsCreated | ConfigsAltered | ReassignmentsAltered | ReassignmentsListed | ElectionsHeld
  | BrokerDrained | BrokerRemoved | FeatureAnswered | QuorumDescribed | ProducerIdAllocated | Joined | BrokerLeft | MetadataImage
