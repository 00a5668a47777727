/**
 * A reader of one partition that goes on through everything, from the leader or from any broker, and now and then goes back
 * on purpose. Also asks where the partition ends.
 */
import { ErrorCode, errorName, isRetriable } from '../../src/base/error-code.ts'
import type { Chance } from '../../src/base/prng.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { baseOffsetOf, batchBytesOf, batchHeaderBytes, isControl, nextOffsetOf, recordCountOf } from '../../src/record/record-batch.ts'
import { readRecords } from '../../src/record/records.ts'
import { type ClusterClient, sleep } from './cluster-client.ts'
import { type History, valueIn } from './history.ts'

export interface RawConsumerOptions {
  readonly client: ClusterClient
  readonly history: History
  readonly topic: string
  readonly partition: number
  readonly key: number
  readonly chance: Chance
  /** Asks any broker, not only the leader: they may read from followers. */
  readonly asksAnyone: boolean
  /** Now and then goes back. */
  readonly wanders: boolean
  /**
   * Says which leader epoch it knows, as the Java client does: a deposed leader then cannot take an offset that it lacks for one
   * that is out of range. Others, as kafkajs, say nothing; to them that may happen.
   */
  readonly namesEpoch: boolean
}

const maxWaitMs = 100
const fetchBytes = 1 << 18
const pauseMs = 10
const wanderBack = 500
const every = 40

/** What a fetch brought. */
export interface Fetched {
  readonly errorCode: number
  readonly offsets: number[]
  readonly values: number[]
  /** The next offset to ask for. */
  readonly next: number
}

/** The records of whole batches at and behind `from`, without those of control batches, as clients give them to their users. */
export function recordsFrom (bytes: Uint8Array | null, from: number): Omit<Fetched, 'errorCode'> {
  const offsets: number[] = []
  const values: number[] = []
  let next = from
  if (bytes === null) return { offsets, values, next }
  for (let at = 0; at + batchHeaderBytes <= bytes.length && at + batchBytesOf(bytes, at) <= bytes.length; at += batchBytesOf(bytes, at)) {
    next = Math.max(next, nextOffsetOf(bytes, at))
    if (isControl(bytes, at)) continue
    for (const { offsetDelta, value } of readRecords(bytes.subarray(at + batchHeaderBytes, at + batchBytesOf(bytes, at)), recordCountOf(bytes, at))) {
      const offset = baseOffsetOf(bytes, at) + offsetDelta
      if (offset < from) continue
      offsets.push(offset)
      values.push(valueIn(Buffer.from(value ?? []).toString('latin1')))
    }
  }
  return { offsets, values, next }
}

/** @throws when there is no answer in time */
export async function fetchOnce (client: ClusterClient, address: string, topic: string, partition: number, from: number, leaderEpoch = -1): Promise<Fetched> {
  const response = await client.call(address, fetch, 12, {
    maxWaitMs,
    minBytes: 1,
    maxBytes: fetchBytes * 2,
    topics: [{ name: topic, partitions: [{ index: partition, fetchOffset: from, partitionMaxBytes: fetchBytes, currentLeaderEpoch: leaderEpoch }] }]
  }, client.answerMs + maxWaitMs)
  const { errorCode, records, currentLeader } = response.topics[0]!.partitions[0]!
  if (currentLeader != null && currentLeader.leaderId >= 0) client.learn(topic, partition, currentLeader.leaderId, currentLeader.leaderEpoch)
  return { errorCode, ...recordsFrom(errorCode === 0 ? records : null, from) }
}

export class RawConsumer {
  readonly faults: string[] = []
  readonly errors = new Map<string, number>()
  readonly #options: RawConsumerOptions
  readonly #process: number
  #position = 0
  #stopping = false
  #done: Promise<void> = Promise.resolve()

  constructor (options: RawConsumerOptions) {
    this.#options = options
    this.#process = options.history.addProcess()
  }

  start (): void {
    this.#done = this.#run().catch((error: Error) => { this.faults.push(`reader of ${this.#where}: ${error.stack ?? error.message}`) })
  }

  async stop (): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  get #where (): string { return `${this.#options.topic}/${this.#options.partition}` }

  async #run (): Promise<void> {
    const { client, chance, topic, partition, wanders, asksAnyone } = this.#options
    while (!this.#stopping) {
      const address = asksAnyone ? client.nextAddress() : await client.leaderOf(topic, partition)
      if (address === undefined || !await this.#poll(address)) {
        await sleep(pauseMs)
        // Who asks followers learns of a new leader epoch only this way.
        if (asksAnyone) await client.metadata([topic]).catch(() => {})
      }
      const dice = Math.floor(chance.next() * every)
      if (dice === 0 && wanders) this.#wander(Math.max(0, this.#position - Math.floor(chance.next() * wanderBack)))
      else if (dice === 1 && !asksAnyone) await this.#askEnd()
    }
  }

  /** @returns whether there was an answer to work with */
  async #poll (address: string): Promise<boolean> {
    const { client, history, topic, partition, key, namesEpoch } = this.#options
    const start = performance.now()
    let fetched: Fetched
    try {
      fetched = await fetchOnce(client, address, topic, partition, this.#position, namesEpoch ? client.epochOf(topic, partition) : -1)
    } catch {
      this.#failed('no answer', address)
      return false
    }
    const { errorCode, offsets, values, next } = fetched
    if (errorCode !== 0) {
      this.#failed(errorName(errorCode), address)
      // It asks only for what it was led to: that is never out of range.
      if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE ? namesEpoch : !isRetriable(errorCode)) this.faults.push(`reader of ${this.#where}: ${errorName(errorCode)} from ${address} at offset ${this.#position}`)
      return false
    }
    if (offsets.length > 0) history.reads.push({ process: this.#process, key, start, end: performance.now(), offsets, values })
    this.#position = next
    return true
  }

  #failed (error: string, address: string): void {
    this.errors.set(error, (this.errors.get(error) ?? 0) + 1)
    this.#options.client.forget(this.#options.topic, this.#options.partition, address)
  }

  #wander (from: number): void {
    this.#position = from
    this.#options.history.reads.push({ process: this.#process, key: this.#options.key, start: performance.now(), from })
  }

  async #askEnd (): Promise<void> {
    const { client, history, topic, partition, key } = this.#options
    const start = performance.now()
    try {
      const offset = await client.endOf(topic, partition)
      history.ends.push({ process: this.#process, key, start, end: performance.now(), offset })
    } catch { /* no leader just now */ }
  }
}

/** Reads a whole partition, by a reader of its own, as the last thing of a history. @throws when it is not read within `withinMs` */
export async function readEverything ({ client, history, topic, partition, key }: Pick<RawConsumerOptions, 'client' | 'history' | 'topic' | 'partition' | 'key'>, withinMs = 60_000): Promise<void> {
  const process = history.addProcess()
  history.lastReaders.add(process)
  const deadline = performance.now() + withinMs
  let end: number | undefined
  let position = 0
  let last = ''
  while (end === undefined || position < end) {
    if (performance.now() > deadline) throw new Error(`${topic}/${partition} could not be read: at ${position} of ${end ?? 'an unknown end'} after ${withinMs} ms: ${last}`)
    const start = performance.now()
    const address = await client.leaderOf(topic, partition)
    try {
      if (address === undefined) throw new Error('no leader')
      end ??= await client.endOf(topic, partition)
      if (position >= end) break
      const { errorCode, offsets, values, next } = await fetchOnce(client, address, topic, partition, position)
      if (errorCode !== 0) throw new Error(errorName(errorCode))
      if (offsets.length > 0) history.reads.push({ process, key, start, end: performance.now(), offsets, values })
      position = next
    } catch (error) {
      last = (error as Error).message
      if (address !== undefined) client.forget(topic, partition, address)
      await sleep(pauseMs)
    }
  }
}
