/** Reads partitions of a topic straight from their leaders, without a group: batches first, records out of them second. */
import { setTimeout } from 'node:timers/promises'
import { decompress } from '../record/compression.ts'
import { baseOffsetOf, baseTimestampOf, batchBytesOf, batchHeaderBytes, codecOf, isControl, isLogAppendTime, maxTimestampOf, nextOffsetOf, recordCountOf } from '../record/record-batch.ts'
import { readRecords, type RecordHeader } from '../record/records.ts'
import { BrokerError } from './broker-error.ts'
import { type Cluster, retrying } from './cluster.ts'
import { fetchBatches, type FetchedPartition, type FetchPosition } from './wire.ts'

export interface ReadPosition {
  readonly partition: number
  /** First offset wanted. */
  readonly offset: number
  /** Exclusive; Infinity to go on as messages arrive. */
  readonly end: number
}

export interface FetchedBatches { readonly partition: number, readonly offset: number, readonly end: number, readonly bytes: Uint8Array }

export interface ReceivedMessage {
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

const maxWaitMs = 500
const limits = { maxBytes: 16 * 2 ** 20, partitionMaxBytes: 4 * 2 ** 20 }
/** What one batch may unpack to: far above what producers send, and no danger to a command line. */
const unpackedBytesMax = 2 ** 30

/** Before the leaders are asked for again: an election takes a while. */
const movePauseMs = 100

interface Answer { readonly node: number, readonly partitions: readonly FetchedPartition[] }

/**
 * Yields what the partitions hold, in order within each, until all ends are reached or `signal` says stop. One request per
 * broker is on its way while the consumer works on the last answer, so at most two answers a broker are in memory.
 *
 * @throws BrokerError  OFFSET_OUT_OF_RANGE and whatever else a broker refuses for good
 */
export async function * readBatches (cluster: Cluster, topic: string, positions: readonly ReadPosition[], signal: AbortSignal): AsyncGenerator<FetchedBatches> {
  const next = new Map(positions.filter(({ offset, end }) => offset < end).map(position => [position.partition, position]))
  let leaders = await leadersOf(cluster, topic)
  const pending = new Map<number, Promise<Answer>>()
  const ask = (): void => {
    for (const [node, wanted] of Map.groupBy(next.values(), ({ partition }) => leaders.get(partition) ?? -1)) {
      if (!pending.has(node)) pending.set(node, fetchFrom(cluster, node, topic, wanted))
    }
  }
  try {
    while (next.size > 0 && !signal.aborted) {
      ask()
      const answer = await firstOf(pending.values(), signal)
      if (answer === undefined) break
      pending.delete(answer.node)
      const chunks: FetchedBatches[] = []
      let moved = false
      for (const { partition, errorCode, records } of answer.partitions) {
        const position = next.get(partition)
        if (position === undefined) continue
        if (errorCode !== 0) {
          const error = new BrokerError(errorCode)
          if (!error.canRetry || error.code === 'OFFSET_OUT_OF_RANGE') throw error
          moved = true
        } else if (records.length > 0) {
          chunks.push({ partition, offset: position.offset, end: position.end, bytes: records })
          const offset = endOf(records, position.offset)
          if (offset >= position.end) next.delete(partition)
          else next.set(partition, { ...position, offset })
        }
      }
      if (moved) {
        await setTimeout(movePauseMs)
        leaders = await leadersOf(cluster, topic)
      }
      ask()
      yield * chunks
    }
  } finally {
    for (const answer of pending.values()) answer.catch(() => {}) // nobody waits for these any more
  }
}

/** Settles as the first of the promises does, or with undefined at the signal. Leaves nothing behind on the signal. */
async function firstOf<T> (promises: Iterable<Promise<T>>, signal: AbortSignal): Promise<T | undefined> {
  let onAbort = (): void => {}
  const aborted = new Promise<undefined>(resolve => { onAbort = () => resolve(undefined) })
  signal.addEventListener('abort', onAbort, { once: true })
  return Promise.race([...promises, aborted]).finally(() => signal.removeEventListener('abort', onAbort))
}

async function leadersOf (cluster: Cluster, topic: string): Promise<Map<number, number>> {
  const { partitions } = await cluster.topic(topic)
  return new Map(partitions.map(({ index, leader }) => [index, leader]))
}

/** A broken connection is tried again within the timeout: a broker that restarts is back soon. */
async function fetchFrom (cluster: Cluster, node: number, topic: string, wanted: readonly FetchPosition[]): Promise<Answer> {
  return retrying(cluster.timeoutMs, async () => {
    const { errorCode, partitions } = await fetchBatches.async(await cluster.to(node), topic, wanted, { ...limits, maxWaitMs: Math.min(maxWaitMs, cluster.timeoutMs / 2) })
    if (errorCode !== 0) throw new BrokerError(errorCode)
    return { node, partitions }
  }, error => !(error instanceof BrokerError) || error.canRetry)
}

/** Yields where each whole batch begins; one cut short at the end is left for the next fetch. */
function * batchesIn (bytes: Uint8Array): Generator<number> {
  for (let at = 0; bytes.length - at >= batchHeaderBytes;) {
    const size = batchBytesOf(bytes, at)
    if (size < batchHeaderBytes || size > bytes.length - at) return
    yield at
    at += size
  }
}

function endOf (bytes: Uint8Array, offset: number): number {
  for (const at of batchesIn(bytes)) offset = Math.max(offset, nextOffsetOf(bytes, at))
  return offset
}

/** Yields the messages of fetched batches from the wanted offset on; control batches hold none. @throws RecordError or CompressionError for a batch that is damaged inside */
export function * messagesIn ({ bytes, offset: start, end }: FetchedBatches): Generator<ReceivedMessage> {
  for (const at of batchesIn(bytes)) {
    if (isControl(bytes, at)) continue
    const base = baseOffsetOf(bytes, at)
    const payload = decompress(codecOf(bytes, at), bytes.subarray(at + batchHeaderBytes, at + batchBytesOf(bytes, at)), unpackedBytesMax)
    const appendTime = isLogAppendTime(bytes, at) ? maxTimestampOf(bytes, at) : undefined
    const baseTimestamp = baseTimestampOf(bytes, at)
    for (const { offsetDelta, timestampDelta, key, value, headers } of readRecords(payload, recordCountOf(bytes, at))) {
      const offset = base + offsetDelta
      if (offset < start) continue
      if (offset >= end) return
      yield { offset, timestamp: appendTime ?? baseTimestamp + timestampDelta, key, value, headers }
    }
  }
}
