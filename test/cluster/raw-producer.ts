/**
 * An idempotent producer of one partition that goes on through everything: batches that were not answered well are sent again,
 * as they were, to whoever leads now. Several may be under way. Now and then it tempts the cluster: with a batch whose checksum
 * is wrong, which must never be stored, and with one that was acknowledged already, which must not be stored again.
 */
import { ErrorCode, errorName, isRetriable } from '../../src/base/error-code.ts'
import type { Chance } from '../../src/base/prng.ts'
import { initProducerId } from '../../src/protocol/apis/init-producer-id.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { batchOf } from '../broker/requests.ts'
import { type ClusterClient, sleep } from './cluster-client.ts'
import { type History, textOf } from './history.ts'
import { Pulse } from './pulse.ts'

export interface RawProducerOptions {
  readonly client: ClusterClient
  readonly history: History
  readonly topic: string
  readonly partition: number
  readonly key: number
  readonly chance: Chance
  /** Batches under way, 1 to 5. */
  readonly window: number
  /** Pause between two rounds that went well. */
  readonly paceMs: number
  /** Most records of a batch. */
  readonly recordsMax?: number
  /** Whether it tempts. */
  readonly tempts?: boolean
  /** Pause after a round that did not; default 10. */
  readonly retryMs?: number
  /** How long one batch is tried, until nobody knows what became of it. */
  readonly giveUpMs?: number
}

interface Batch {
  readonly bytes: Uint8Array
  readonly first: number
  readonly count: number
  readonly start: number
}

interface Identity {
  readonly producer: number
  readonly producerId: number
  readonly epoch: number
  /** Next number in the history, and next sequence for the cluster: what tempts takes numbers only. */
  number: number
  sequence: number
}

/** Stands among error codes for no answer in time. */
const noAnswer = -999
const hastyMs = 10
/** After so many rounds in vain it is in no hurry any more. */
const hastyRounds = 200
const patientMs = 200
const temptEvery = 50
/** Of a batch, behind its header, within the first record's text. */
const fillingBytes = 40

export class RawProducer {
  readonly pulse = new Pulse()
  /** What no producer may meet, whatever is broken. */
  readonly faults: string[] = []
  /** Answers by error; also those that did not come. */
  readonly errors = new Map<string, number>()
  readonly #options: RawProducerOptions
  #identity: Identity | undefined
  #unanswered: Batch[] = []
  #acknowledged: { batch: Batch, offset: number } | undefined
  #lastCode = 0
  #rounds = 0
  #stopping = false
  #done: Promise<void> = Promise.resolve()

  constructor (options: RawProducerOptions) { this.#options = options }

  start (): void {
    this.#done = this.#run().catch((error: Error) => { this.faults.push(`producer of ${this.#where}: ${error.stack ?? error.message}`) })
  }

  /** Sends nothing new, and resolves when everything is answered or given up. */
  async stop (): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  get #where (): string { return `${this.#options.topic}/${this.#options.partition}` }

  async #run (): Promise<void> {
    const { client, topic, partition, paceMs, retryMs = hastyMs, giveUpMs = 60_000 } = this.#options
    let failedRounds = 0
    while (!this.#stopping || this.#unanswered.length > 0) {
      const identity = this.#identity ??= await this.#begin()
      const now = performance.now()
      if (this.#unanswered.some(({ start }) => now - start > giveUpMs)) {
        // Refused for good by every leader there is: what came before it, and was acknowledged, is not known to the cluster.
        if (this.#lastCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) this.faults.push(`producer of ${this.#where}: the cluster has lost its place in the sequence`)
        this.#giveUp(identity)
        continue
      }
      const address = await client.leaderOf(topic, partition)
      if (address === undefined) {
        await sleep(retryMs)
        continue
      }
      if (!this.#stopping) while (this.#unanswered.length < this.#options.window) this.#unanswered.push(this.#next(identity))
      const wentWell = await this.#round(identity, address)
      if (wentWell && this.#options.tempts === true && ++this.#rounds % temptEvery === 0) await this.#tempt(identity, address)
      failedRounds = wentWell ? 0 : failedRounds + 1
      await sleep(wentWell ? paceMs : failedRounds < hastyRounds ? retryMs : patientMs)
    }
  }

  async #begin (): Promise<Identity> {
    const { client, history } = this.#options
    const { producerId, producerEpoch } = await client.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 },
      response => response.errorCode === 0 ? response : undefined, 120_000)
    return { producer: history.addProducer({ atomic: true }), producerId, epoch: producerEpoch, number: 0, sequence: 0 }
  }

  #giveUp (identity: Identity): void {
    for (const batch of this.#unanswered.splice(0)) this.#record(identity, batch, 'info', -1)
    this.#identity = undefined
    this.#acknowledged = undefined
  }

  #next (identity: Identity): Batch {
    const { chance, recordsMax = 5 } = this.#options
    const below = (end: number): number => Math.floor(chance.next() * end)
    const count = 1 + below(recordsMax)
    const filling = '.'.repeat(fillingBytes + (below(12) === 0 ? below(20_000) : below(200)))
    const first = identity.number
    const bytes = this.#build(identity, first, count, filling)
    identity.number += count
    identity.sequence += count
    return { bytes, first, count, start: performance.now() }
  }

  #build ({ producer, producerId, epoch, sequence }: Identity, first: number, count: number, filling: string): Uint8Array {
    const values = Array.from({ length: count }, (_, i) => textOf(producer, first + i, filling))
    return batchOf(values, { producerId, producerEpoch: epoch, baseSequence: sequence, timestamp: Date.now() })
  }

  #record ({ producer }: Identity, { first, count, start }: Batch, outcome: 'ok' | 'info' | 'fail', offset: number): void {
    const end = outcome === 'info' ? Infinity : performance.now()
    this.#options.history.sends.push({ producer, key: this.#options.key, first, count, start, end, outcome, offset })
  }

  /** Sends all that is not answered, in order, at once. @returns whether all of it is now */
  async #round (identity: Identity, address: string): Promise<boolean> {
    const { client, topic, partition } = this.#options
    const round = this.#unanswered.slice()
    const codes = await Promise.all(round.map(async batch => {
      const { errorCode, baseOffset } = await this.#append(address, batch.bytes)
      if (errorCode === 0 || errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
        this.#unanswered.splice(this.#unanswered.indexOf(batch), 1)
        const offset = errorCode === 0 ? baseOffset : -1
        this.#record(identity, batch, 'ok', offset)
        this.#acknowledged = { batch, offset }
        this.pulse.beat()
        return 0
      }
      return errorCode
    }))
    const failed = codes.findIndex(code => code !== 0)
    if (failed === -1) return true
    client.forget(topic, partition, address)
    // Behind one that failed the others are out of order; so is the first, where a deposed leader lacks what came before it.
    const code = this.#lastCode = codes[failed]!
    if (!isRetriable(code) && code !== noAnswer && code !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) {
      this.faults.push(`producer of ${this.#where}: ${errorName(code)} from ${address}`)
      this.#giveUp(identity)
    }
    return false
  }

  async #append (address: string, bytes: Uint8Array): Promise<{ errorCode: number, baseOffset: number }> {
    const { client, topic, partition } = this.#options
    try {
      const response = await client.call(address, produce, 10, { acks: -1, timeoutMs: client.answerMs * 2, topics: [{ name: topic, partitions: [{ index: partition, records: bytes }] }] })
      const { errorCode, baseOffset, currentLeader } = response.topics[0]!.partitions[0]!
      if (errorCode !== 0) this.#count(errorName(errorCode))
      for (const { nodeId, host, port } of response.nodeEndpoints ?? []) client.learnNode(nodeId, host, port)
      if (currentLeader != null && currentLeader.leaderId >= 0) client.learn(topic, partition, currentLeader.leaderId, currentLeader.leaderEpoch)
      return { errorCode, baseOffset }
    } catch {
      this.#count('no answer')
      return { errorCode: noAnswer, baseOffset: -1 }
    }
  }

  #count (error: string): void { this.errors.set(error, (this.errors.get(error) ?? 0) + 1) }

  /** @throws never: what is wrong becomes a fault or shows in the history */
  async #tempt (identity: Identity, address: string): Promise<void> {
    const last = this.#acknowledged
    if (last !== undefined && this.#options.chance.next() < 0.5) {
      const { errorCode, baseOffset } = await this.#append(address, last.batch.bytes)
      if (errorCode === 0 && last.offset !== -1 && baseOffset !== -1 && baseOffset !== last.offset) {
        this.faults.push(`producer of ${this.#where}: a batch acknowledged at ${last.offset} was sent again and acknowledged at ${baseOffset}`)
      }
      return
    }
    const start = performance.now()
    const broken = this.#build(identity, identity.number, 1, '.'.repeat(fillingBytes))
    broken[broken.length - 5]! ^= 0xff
    const { errorCode } = await this.#append(address, broken)
    if (errorCode === 0) this.faults.push(`producer of ${this.#where}: a batch with a wrong checksum was acknowledged`)
    // Nobody may store it, whether or not the refusal came back.
    this.#record(identity, { bytes: broken, first: identity.number, count: 1, start }, 'fail', -1)
    identity.number++
  }
}
