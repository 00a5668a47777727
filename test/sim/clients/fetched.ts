/** What one fetch brought: whole batches, of which the first may begin before the offset that was asked for. */
import type { ResponseToRead } from '../../../src/protocol/api.ts'
import type { fetch } from '../../../src/protocol/apis/fetch.ts'
import { baseOffsetOf, batchBytesOf, batchHeaderBytes, crcOf, isControl, nextOffsetOf, recordCountOf } from '../../../src/record/record-batch.ts'
import { readRecords } from '../../../src/record/records.ts'
import { valueIn } from '../../cluster/history.ts'
import type { SimClient } from './sim-client.ts'

/** Told of each batch that a client was given. */
export type OnBatch = (topicId: string, partition: number, baseOffset: number, crc: number) => void

export type PartitionAnswer = ResponseToRead<typeof fetch>['topics'][number]['partitions'][number]

export interface Fetched {
  readonly offsets: readonly number[]
  readonly values: readonly number[]
  /** Where to read on. */
  readonly next: number
}

const decoder = new TextDecoder()
const nothing = new Uint8Array(0)

export function readBatches (client: SimClient, partition: number, from: number, { records, highWatermark }: PartitionAnswer, onBatch: OnBatch): Fetched {
  const bytes = records ?? nothing
  const offsets: number[] = []
  const values: number[] = []
  let next = from
  const end = bytes.length
  // What is cut short at the end is left out, as clients do.
  for (let at = 0; at + batchHeaderBytes <= end && at + batchBytesOf(bytes, at) <= end; at += batchBytesOf(bytes, at)) {
    const base = baseOffsetOf(bytes, at)
    next = nextOffsetOf(bytes, at)
    if (next > highWatermark) {
      client.world.violate('ReadsBelowHighWatermarkStable', `${client.name} got offset ${next - 1} of partition ${partition} with a high watermark of ${highWatermark}`)
    }
    onBatch(client.topicId, partition, base, crcOf(bytes, at))
    if (isControl(bytes, at)) continue
    const payload = bytes.subarray(at + batchHeaderBytes, at + batchBytesOf(bytes, at))
    for (const { offsetDelta, value } of readRecords(payload, recordCountOf(bytes, at))) {
      if (base + offsetDelta < from) continue
      offsets.push(base + offsetDelta)
      values.push(valueIn(decoder.decode(value ?? nothing)))
    }
  }
  return { offsets, values, next }
}
