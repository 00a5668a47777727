/** The numbers and names that cross module borders, each with its own type. */
import type { Brand } from './brand.ts'

/** Position in a partition and in its Raft log: one number line. A safe integer, 0 or more. */
export type Offset = Brand<number, 'Offset'>
/** Raft term, on the wire `leaderEpoch`. An int32, 1 or more once a leader wrote. */
export type Term = Brand<number, 'Term'>
/** Slot in the placement table: the logical, permanent address of an actor in this process. */
export type ActorId = Brand<number, 'ActorId'>
/** 0-based index of a reactor thread. */
export type ThreadIndex = Brand<number, 'ThreadIndex'>
/** A topic's UUID as 32 lower-case hex digits: names folders and Raft groups, never the topic's name. */
export type TopicId = Brand<string, 'TopicId'>
/** 0-based index of a partition in its topic. */
export type PartitionIndex = Brand<number, 'PartitionIndex'>
/** Kafka's broker id: given to each `node_id` once, by the controller. An int32, 1 or more. */
export type NodeId = Brand<number, 'NodeId'>
/**
 * One data folder of one node: what votes. A node whose disk was erased comes back under the same {@link NodeId} as another
 * member, so that it can never vote with a memory it has lost. An int32, 1 or more; 0 stands for nobody.
 */
export type MemberId = Brand<number, 'MemberId'>
/** Names a Raft group on disk and between brokers: `<topic id>-<partition>`. */
export type GroupKey = Brand<string, 'GroupKey'>
