/** The records of the metadata log. A record, once written, keeps its meaning for ever: new needs get new kinds or new optional fields. */
import { decode, encode } from '../../base/msgpack.ts'
import type { MemberId, NodeId, PartitionIndex, TopicId } from '../../base/ids.ts'
import { batchHeaderBytes, recordCountOf } from '../../record/record-batch.ts'
import { buildBatch, readRecords } from '../../record/records.ts'
import type { BrokerRegistration } from './messages.ts'

/** Who holds a partition, the preferred leader first. */
export type Members = readonly MemberId[]

export interface TopicCreated {
  readonly kind: 'topic-created'
  readonly name: string
  readonly id: TopicId
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
  /** Of each partition. Left out by brokers that knew no others: member 1 holds them all. */
  readonly assignments?: readonly Members[]
}

export interface TopicDeleted {
  readonly kind: 'topic-deleted'
  readonly id: TopicId
}

export interface PartitionsAdded {
  readonly kind: 'partitions-added'
  readonly id: TopicId
  /** Of the new partitions, behind those that the topic has. */
  readonly assignments: readonly Members[]
}

export interface TopicConfigChanged {
  readonly kind: 'topic-config-changed'
  readonly id: TopicId
  /** All settings that the topic has of its own. */
  readonly config: Readonly<Record<string, string>>
}

/** A partition begins to move, goes elsewhere, or has arrived: the whole of what is meant now. */
export interface PartitionReassigned {
  readonly kind: 'partition-reassigned'
  readonly id: TopicId
  readonly partition: PartitionIndex
  /** As they are to be, and behind them those that leave. */
  readonly replicas: Members
  readonly adding: Members
  /** Those that leave, once the others have everything. */
  readonly removing: Members
  /** As they were before the move, for who takes it back. Left out when nothing moves. */
  readonly origin?: Members
}

/** A broker's first registration, or one that says something new. */
export interface BrokerRegistered extends BrokerRegistration {
  readonly kind: 'broker-registered'
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly fenced: boolean
}

export interface BrokerFenced {
  readonly kind: 'broker-fenced'
  readonly nodeId: NodeId
}

export interface BrokerUnfenced {
  readonly kind: 'broker-unfenced'
  readonly nodeId: NodeId
}

export interface BrokerDraining {
  readonly kind: 'broker-draining'
  readonly nodeId: NodeId
  readonly draining: boolean
}

/** Its ids are never given to another one. */
export interface BrokerStruckOff {
  readonly kind: 'broker-struck-off'
  readonly nodeId: NodeId
}

/** All brokers can work at this level, and from now on do. */
export interface FeatureFinalized {
  readonly kind: 'feature-finalized'
  readonly level: number
}

/** Every producer id below `end` may have been given out. */
export interface ProducerIdsReserved {
  readonly kind: 'producer-ids-reserved'
  readonly end: number
}

export type MetadataRecord =
  | TopicCreated | TopicDeleted | PartitionsAdded | TopicConfigChanged | PartitionReassigned
  | BrokerRegistered | BrokerFenced | BrokerUnfenced | BrokerDraining | BrokerStruckOff
  | FeatureFinalized | ProducerIdsReserved

/** One batch with a record for each, in order: they become durable together or not at all. */
export function writeMetadata (records: readonly MetadataRecord[]): Uint8Array {
  return buildBatch({ records: records.map(record => ({ value: encode(record) })) })
}

export function readMetadata (batch: Uint8Array): MetadataRecord[] {
  return [...readRecords(batch.subarray(batchHeaderBytes), recordCountOf(batch, 0))].map(({ value }) => decode<MetadataRecord>(value!))
}
