/** The records of the metadata log. A record, once written, keeps its meaning for ever: new needs get new kinds or new optional fields. */
import { decode, encode } from '../../base/msgpack.ts'
import type { TopicId } from '../../base/ids.ts'
import { batchHeaderBytes, recordCountOf } from '../../record/record-batch.ts'
import { buildBatch, readRecords } from '../../record/records.ts'

export interface TopicCreated {
  readonly kind: 'topic-created'
  readonly name: string
  readonly id: TopicId
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

export interface TopicDeleted {
  readonly kind: 'topic-deleted'
  readonly id: TopicId
}

/** Every producer id below `end` may have been given out. */
export interface ProducerIdsReserved {
  readonly kind: 'producer-ids-reserved'
  readonly end: number
}

export type MetadataRecord = TopicCreated | TopicDeleted | ProducerIdsReserved

/** One batch with a record for each, in order: they become durable together or not at all. */
export function writeMetadata (records: readonly MetadataRecord[]): Uint8Array {
  return buildBatch({ records: records.map(record => ({ value: encode(record) })) })
}

export function readMetadata (batch: Uint8Array): MetadataRecord[] {
  return [...readRecords(batch.subarray(batchHeaderBytes), recordCountOf(batch, 0))].map(({ value }) => decode<MetadataRecord>(value!))
}
