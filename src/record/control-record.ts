/**
 * Control batches: what brokers write into a log among the clients' batches. Clients skip them. The key of their one record says
 * which kind it is: version int16, type int16.
 *
 * | type | value |
 * |---|---|
 * | 2 | Kafka's LeaderChangeMessage, version 0: a leader's term begins |
 * | 100 | MessagePack {voters, outgoing, learners, generation?}: who is in the Raft group from here on |
 * | 101 | MessagePack {offset}: records below are deleted |
 */
import { decode, encode } from '../base/msgpack.ts'
import { batchHeaderBytes, isControl, recordCountOf } from './record-batch.ts'
import { buildBatch, readRecords } from './records.ts'

export const ControlType = { leaderChange: 2, configuration: 100, logStart: 101 } as const

const controlAttribute = 0x20
const keyVersion = 0

interface GroupConfiguration {
  readonly voters: readonly number[]
  readonly outgoing: readonly number[]
  readonly learners: readonly number[]
  readonly generation?: number
}

export type ControlRecord =
  | { readonly type: typeof ControlType.leaderChange }
  | GroupConfiguration & { readonly type: typeof ControlType.configuration }
  | { readonly type: typeof ControlType.logStart, readonly offset: number }

function controlBatch (type: number, value: Uint8Array): Uint8Array {
  const key = new Uint8Array(4)
  const view = new DataView(key.buffer)
  view.setInt16(0, keyVersion)
  view.setInt16(2, type)
  return buildBatch({ attributes: controlAttribute, records: [{ key, value }] })
}

/** @param leader, voters  Kafka's broker ids, as its tools show them */
export function leaderChangeBatch (leader: number, voters: readonly number[]): Uint8Array {
  // version int16, leaderId int32, voters and grantingVoters as compact arrays of (int32, no tags), no tags
  const bytes = new Uint8Array(2 + 4 + 2 * (1 + voters.length * 5) + 1)
  const view = new DataView(bytes.buffer)
  view.setInt32(2, leader)
  let at = 6
  for (let array = 0; array < 2; array++) {
    bytes[at++] = voters.length + 1
    for (const voter of voters) {
      view.setInt32(at, voter)
      at += 5
    }
  }
  return controlBatch(ControlType.leaderChange, bytes)
}

export function configurationBatch ({ voters, outgoing, learners, generation }: GroupConfiguration): Uint8Array {
  return controlBatch(ControlType.configuration, encode({ voters, outgoing, learners, ...generation === undefined ? {} : { generation } }))
}

export function logStartBatch (offset: number): Uint8Array {
  return controlBatch(ControlType.logStart, encode({ offset }))
}

/** What a stored batch tells the broker; undefined for a client's batch, and for kinds that only others know. */
export function controlRecordOf (batch: Uint8Array): ControlRecord | undefined {
  if (!isControl(batch, 0)) return undefined
  const [record] = readRecords(batch.subarray(batchHeaderBytes), recordCountOf(batch, 0))
  const key = record?.key
  if (key === undefined || key === null || key.length < 4) return undefined
  const type = new DataView(key.buffer, key.byteOffset).getInt16(2)
  switch (type) {
    case ControlType.leaderChange: return { type }
    case ControlType.configuration: return { type, ...decode<GroupConfiguration>(record!.value!) }
    case ControlType.logStart: return { type, offset: decode<{ offset: number }>(record!.value!).offset }
    default: return undefined
  }
}
