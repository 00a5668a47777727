/** What a controller is made with. */
import type { Founder } from '../../base/address.ts'
import type { Effect } from '../../base/effect.ts'
import type { ActorId, GroupKey, MemberId, NodeId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Chance } from '../../base/prng.ts'
import type { PeerAddress } from '../peers/messages.ts'
import type { BrokerRegistration, PartitionSpec } from './messages.ts'
import type { Metadata } from './metadata.ts'
import type { CompactionLimits } from './metadata-compaction.ts'
import type { MetadataReplica } from './metadata-replica.ts'

/** The metadata log lies among the partitions' logs, under an id that no topic can get. */
export const metadataTopicId = '0'.repeat(31) + '1' as TopicId
export const metadataGroupKey = `${metadataTopicId}-0` as GroupKey

/** Starts and removes partition actors; the supervisor behind it chooses their threads. */
export interface Placer {
  /** Posts `partitions-placed` or `placement-failed`. One that runs already is left alone. */
  place (topicId: TopicId, partitions: readonly PartitionSpec[]): Effect
  /** Stops the actors, where there are any, and posts `partitions-stopped`: by then they say nothing more to anybody. Doing it again is no harm. */
  stop (topicId: TopicId, partitions: readonly PartitionIndex[]): Effect
  /** Stops what still runs, removes the files, and posts `partitions-removed`. Doing it again is no harm. */
  remove (topicId: TopicId, partitions: readonly PartitionIndex[]): Effect
}

export interface ControllerTiming {
  /** Between two words to the active controller. */
  readonly beatMs: number
  /** A broker that was not heard of for so long is fenced. */
  readonly sessionMs: number
  /** So long must a preferred leader have been able to lead before it is made the leader. */
  readonly balanceMs: number
  /** A broker that hears of no active controller for so long takes clients with what it knows. */
  readonly patienceMs: number
}

export const controllerTiming: ControllerTiming = { beatMs: 1000, sessionMs: 6000, balanceMs: 10_000, patienceMs: 10_000 }

export interface ControllerOptions {
  readonly replica: MetadataReplica
  /** What that replica's log says: opened. */
  readonly metadata: Metadata
  readonly compaction: CompactionLimits
  readonly placer: Placer
  /** The group coordinator, which forgets the offsets of deleted topics. */
  readonly groups: ActorId
  /** The network actors of all threads: each holds an image of the metadata. */
  readonly edges: readonly ActorId[]
  /** The links to other brokers of all threads, that of this actor's own thread first. None: a broker alone, which nobody can join. */
  readonly peers: readonly ActorId[]
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly registration: BrokerRegistration
  /** The first voters of the metadata group, the same on all brokers. */
  readonly founders: readonly Founder[]
  /** Where others were reached when this broker last knew, for the time before the metadata log says so. */
  readonly knownPeers: readonly PeerAddress[]
  /** Asks these, and whoever else may know, to join, and posts `join-asked`. Undefined: it became a member only now, so the others know where it is. */
  readonly comeBack: ((peers: readonly PeerAddress[]) => Effect) | undefined
  readonly chance: Chance
  readonly defaultPartitions: number
  readonly defaultReplicas: number
  /** How many voters the metadata group is to have. */
  readonly controllerVoters: number
  /** Partitions of all topics together. */
  readonly partitionsMax: number
  readonly timing: ControllerTiming
  /** Bytes of all partitions here, for who places new ones. */
  readonly usedBytes: () => number
  /** Writes a log line. */
  readonly note: (fields: Readonly<Record<string, unknown>>, text: string) => void
}
