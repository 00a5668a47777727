/** Short words for what most tests at the protocol's level do. */
import type { ResponseToRead } from '../../src/protocol/api.ts'
import { createTopics } from '../../src/protocol/apis/create-topics.ts'
import { deleteTopics } from '../../src/protocol/apis/delete-topics.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { listOffsets } from '../../src/protocol/apis/list-offsets.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { baseOffsetOf, batchBytesOf, batchHeaderBytes, recordCountOf } from '../../src/record/record-batch.ts'
import { buildBatch, type BatchInput, readRecords } from '../../src/record/records.ts'
import type { RawClient } from './raw-client.ts'

export type ProducedPartition = ResponseToRead<typeof produce>['topics'][number]['partitions'][number]
export type FetchedPartition = ResponseToRead<typeof fetch>['topics'][number]['partitions'][number]
export type FetchResponse = ResponseToRead<typeof fetch>

/** @returns the topic's id */
export async function createTopic (client: RawClient, name: string, partitions = 1, config: Readonly<Record<string, string>> = {}): Promise<string> {
  const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
  const response = await client.call(createTopics, 7, { topics: [{ name, numPartitions: partitions, replicationFactor: -1, configs }], timeoutMs: 30_000 })
  const { errorCode, errorMessage, topicId } = response.topics[0]!
  if (errorCode !== 0) throw new Error(`topic ${name}: error ${errorCode} ${errorMessage ?? ''}`)
  return topicId
}

/** @returns the error code */
export async function deleteTopic (client: RawClient, name: string): Promise<number> {
  return (await client.call(deleteTopics, 6, { topics: [{ name }], timeoutMs: 30_000 })).topics[0]!.errorCode
}

/** A batch of these values, or of what `more` says. */
export function batchOf (values: readonly string[], more: Partial<BatchInput> = {}): Uint8Array {
  return buildBatch({ records: values.map(value => ({ value })), timestamp: 1_700_000_000_000, ...more })
}

export interface ProduceOptions {
  readonly version?: number
  readonly acks?: number
  readonly topicId?: string
}

export async function append (client: RawClient, topic: string, partition: number, records: Uint8Array | null, { version = 9, acks = -1, topicId }: ProduceOptions = {}): Promise<ProducedPartition> {
  const named = topicId === undefined ? { name: topic } : { topicId }
  const response = await client.call(produce, version, { acks, timeoutMs: 30_000, topics: [{ ...named, partitions: [{ index: partition, records }] }] })
  return response.topics[0]!.partitions[0]!
}

export interface FetchOptions {
  readonly version?: number
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly sessionId?: number
  readonly sessionEpoch?: number
  readonly forgotten?: ReadonlyArray<{ name: string, partitions: readonly number[] }>
}

export interface FetchFrom {
  readonly topic?: string
  readonly topicId?: string
  readonly partition?: number
  readonly offset?: number
  readonly bytes?: number
  readonly leaderEpoch?: number
}

export async function fetchFrom (client: RawClient, from: readonly FetchFrom[], options: FetchOptions = {}): Promise<FetchResponse> {
  const { version = 12, maxWaitMs = 0, minBytes = 1, maxBytes = 50 << 20, sessionId = 0, sessionEpoch = -1, forgotten = [] } = options
  return await client.call(fetch, version, {
    maxWaitMs,
    minBytes,
    maxBytes,
    sessionId,
    sessionEpoch,
    topics: from.map(({ topic = '', topicId, partition = 0, offset = 0, bytes = 1 << 20, leaderEpoch = -1 }) => ({
      ...(topicId === undefined ? { name: topic } : { topicId }),
      partitions: [{ index: partition, fetchOffset: offset, partitionMaxBytes: bytes, currentLeaderEpoch: leaderEpoch }]
    })),
    forgottenTopics: forgotten
  })
}

/** All partitions of an answer, by topic's name or id and index. */
export function partitionsOf (response: FetchResponse): Map<string, FetchedPartition> {
  return new Map(response.topics.flatMap(({ name, topicId, partitions }) =>
    partitions.map(partition => [`${name === '' ? topicId : name}/${partition.index}`, partition] as const)))
}

export interface ReadRecord { readonly offset: number, readonly value: string }

/** The records of whole uncompressed batches; what is cut short at the end is left out, as clients do. */
export function recordsIn (bytes: Uint8Array | null): ReadRecord[] {
  const records: ReadRecord[] = []
  if (bytes === null) return records
  for (let at = 0; at + batchHeaderBytes <= bytes.length && at + batchBytesOf(bytes, at) <= bytes.length; at += batchBytesOf(bytes, at)) {
    const payload = bytes.subarray(at + batchHeaderBytes, at + batchBytesOf(bytes, at))
    for (const { offsetDelta, value } of readRecords(payload, recordCountOf(bytes, at))) {
      records.push({ offset: baseOffsetOf(bytes, at) + offsetDelta, value: Buffer.from(value ?? []).toString() })
    }
  }
  return records
}

/** Everything in a partition from `offset` to its high watermark. */
export async function readAll (client: RawClient, topic: string, partition = 0, offset = 0): Promise<ReadRecord[]> {
  const records: ReadRecord[] = []
  for (;;) {
    const fetched = partitionsOf(await fetchFrom(client, [{ topic, partition, offset }])).get(`${topic}/${partition}`)!
    if (fetched.errorCode !== 0) throw new Error(`fetch of ${topic}/${partition} at ${offset}: error ${fetched.errorCode}`)
    const more = recordsIn(fetched.records).filter(record => record.offset >= offset)
    if (more.length === 0) {
      if (offset < fetched.highWatermark) throw new Error(`nothing at ${offset} of ${topic}/${partition}, though the high watermark is ${fetched.highWatermark}`)
      return records
    }
    records.push(...more)
    offset = more[more.length - 1]!.offset + 1
  }
}

/** Asks for one partition's offset. -1 latest, -2 earliest, … */
export async function offsetAt (client: RawClient, topic: string, timestamp: number, options: { partition?: number, version?: number, leaderEpoch?: number } = {}): Promise<{ errorCode: number, offset: number, timestamp: number, leaderEpoch: number }> {
  const { partition = 0, version = 7, leaderEpoch = -1 } = options
  const response = await client.call(listOffsets, version, { topics: [{ name: topic, partitions: [{ index: partition, timestamp, currentLeaderEpoch: leaderEpoch }] }] })
  const { index: _index, ...answer } = response.topics[0]!.partitions[0]!
  return answer
}

/** Resolves when every partition of a topic has a leader: right after a start clients are told to try again. */
export async function whenLed (client: RawClient, topic: string): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    const { topics } = await client.call(metadata, 12, { topics: [{ name: topic }], allowAutoTopicCreation: false })
    const { errorCode, partitions } = topics[0]!
    if (errorCode === 0 && partitions.every(partition => partition.errorCode === 0)) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`topic ${topic} has partitions without leaders`)
}
