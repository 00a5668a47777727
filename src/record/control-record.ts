/** Control batches: written by brokers, never by clients, and skipped by consumers. One record whose key is (version, type). */
import { batchHeaderBytes, isControl, codecOf, recordCountOf } from './record-batch.ts'
import { buildBatch, readRecords } from './records.ts'

export const ControlType = { abort: 0, commit: 1, leaderChange: 2 } as const
export type ControlType = typeof ControlType[keyof typeof ControlType]

const controlBit = 0x20
const transactionalBit = 0x10

export interface ControlInput {
  readonly type: number
  readonly value: Uint8Array
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** Present for transaction markers. */
  readonly producer?: { readonly id: number, readonly epoch: number }
}

/** Returns a control batch of one record; the log stamps its offset and term. */
export function buildControlBatch (input: ControlInput): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(4)
  new DataView(key.buffer).setInt16(2, input.type)
  return buildBatch({
    records: [{ key, value: input.value }],
    timestamp: input.timestamp,
    attributes: controlBit | (input.producer === undefined ? 0 : transactionalBit),
    producerId: input.producer?.id ?? -1,
    producerEpoch: input.producer?.epoch ?? -1
  })
}

/** Returns type and value of the control batch at `at`, or undefined if it is not one. `bytes` must hold it whole. */
export function readControlBatch (bytes: Uint8Array, at: number, end: number): { type: number, value: Uint8Array } | undefined {
  if (!isControl(bytes, at) || codecOf(bytes, at) !== 0) return undefined
  const [record] = readRecords(bytes.subarray(at + batchHeaderBytes, end), recordCountOf(bytes, at))
  if (record?.key === null || record?.key === undefined || record.key.length < 4) return undefined
  return { type: (record.key[2]! << 8) | record.key[3]!, value: record.value ?? new Uint8Array(0) }
}
