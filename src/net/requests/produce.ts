/** Produce: hands each batch to its partition and answers when all of them have. */
import { noActor } from '../../actors/controller/messages.ts'
import type { Appended } from '../../actors/partition/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { metrics } from '../../base/metrics.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { produce } from '../../protocol/apis/produce.ts'
import type { Reply, Undeliverable } from '../../runtime/actor.ts'
import type { CreditWanted } from '../../runtime/credit.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Asker } from '../open-requests.ts'
import { LeaderHints } from './leader-hints.ts'
import { undeliverableCode } from './undeliverable.ts'

type Request = RequestOf<typeof produce>
type Response = ResponseOf<typeof produce>
type PartitionResponse = Response['topics'][number]['partitions'][number]

/** A client that names no timeout, or a silly one, waits at most this long. */
const timeoutMsMax = 120_000

/** @returns false: no credit at a partition; offered again when there is */
export function handleProduce (exchange: Exchange, request: Request, network: Network): boolean {
  const produce = new ProduceRequest(exchange, request, network)
  if (!produce.admit()) return false
  produce.dispatch()
  return true
}

class ProduceRequest implements Asker {
  readonly #exchange: Exchange
  readonly #request: Request
  readonly #network: Network
  /** What will be answered; each partition's part is filled in when its answer comes. */
  readonly #response: { readonly topics: Array<{ readonly name: string, readonly topicId: string, readonly partitions: PartitionResponse[] }> } = { topics: [] }
  /** The same parts, in the order of the questions. */
  readonly #results: PartitionResponse[] = []
  /** Answers to come, and one more while requests are still being sent. */
  #open = 1

  constructor (exchange: Exchange, request: Request, network: Network) {
    this.#exchange = exchange
    this.#request = request
    this.#network = network
  }

  /** Takes credit of every target, or of none. */
  admit (): boolean {
    const network = this.#network
    const { topics } = this.#request
    if (topics.length === 1 && topics[0]!.partitions.length === 1) {
      const topic = topics[0]!
      const { index, records } = topic.partitions[0]!
      const target = network.metadata.find(topic.name, topic.topicId)?.partitions[index]
      return target === undefined || target.actor === noActor || records === null || network.admit(target.actor, records.length, this.#exchange.session)
    }
    const wanted: CreditWanted[] = []
    for (const topic of topics) {
      const image = network.metadata.find(topic.name, topic.topicId)
      for (const { index, records } of topic.partitions) {
        const target = image?.partitions[index]
        if (target !== undefined && target.actor !== noActor && records !== null) wanted.push({ target: target.actor, bytes: records.length })
      }
    }
    return network.admitAll(wanted, this.#exchange.session)
  }

  dispatch (): void {
    const { acks, timeoutMs } = this.#request
    const deadlineMs = Math.min(timeoutMs > 0 ? timeoutMs : timeoutMsMax, timeoutMsMax)
    const refusal = acks < -1 || acks > 1 ? ErrorCode.INVALID_REQUIRED_ACKS : this.#exchange.api.serves(this.#exchange.version) ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_VERSION
    for (const topic of this.#request.topics) {
      const image = this.#network.metadata.find(topic.name, topic.topicId)
      const partitions: PartitionResponse[] = []
      this.#response.topics.push({ name: topic.name, topicId: topic.topicId, partitions })
      for (const { index, records } of topic.partitions) {
        const result = { index, errorCode: ErrorCode.NONE as number, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
        partitions.push(result)
        const part = this.#results.push(result) - 1
        const target = image?.partitions[index]
        if (target === undefined || target.actor === noActor) {
          result.errorCode = target !== undefined
            ? ErrorCode.NOT_LEADER_OR_FOLLOWER
            : image === undefined && topic.name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        } else if (records === null) {
          result.errorCode = ErrorCode.INVALID_RECORD
        } else if (refusal !== ErrorCode.NONE) {
          this.#network.giveBack(target.actor, records.length)
          result.errorCode = refusal
        } else {
          this.#open++
          const append = { kind: 'append' as const, replyTo: 0, correlation: 0, acks, records }
          this.#network.ask(this, part, target.actor, append, records.length, deadlineMs)
        }
      }
    }
    this.#settle()
  }

  answered (part: number, reply: Reply): void {
    const result = this.#results[part]! as { -readonly [K in keyof PartitionResponse]: PartitionResponse[K] }
    if (reply.kind === 'appended') {
      const appended = reply as Appended
      result.errorCode = appended.errorCode
      result.baseOffset = appended.baseOffset
      result.logAppendTimeMs = appended.logAppendTimeMs
      result.logStartOffset = appended.logStartOffset
    } else {
      result.errorCode = undeliverableCode(reply as Undeliverable)
    }
    this.#settle()
  }

  #settle (): void {
    if (--this.#open > 0) return
    let failed = false
    for (const { errorCode } of this.#results) {
      if (errorCode === ErrorCode.NONE) continue
      failed = true
      this.#network.countError(errorCode)
    }
    this.#network.countLatency(metrics.produceSeconds, this.#exchange)
    if (this.#request.acks === 0) {
      // Nobody reads an answer; a closed connection is how such a client learns of an error.
      this.#exchange.pass()
      if (failed) this.#exchange.session.end('a batch without acknowledgement was refused')
      return
    }
    this.#exchange.answer((failed && this.#exchange.session.takesHints ? this.#withHints() : this.#response) satisfies Response)
  }

  /** The answer with the leaders of partitions that are led elsewhere. */
  #withHints (): Response {
    const { metadata } = this.#network
    const hints = new LeaderHints(metadata)
    const topics = this.#response.topics.map(topic => ({
      ...topic,
      partitions: topic.partitions.map(partition => ({
        ...partition, currentLeader: hints.of(partition.errorCode, metadata.find(topic.name, topic.topicId)?.partitions[partition.index])
      }))
    }))
    return { topics, nodeEndpoints: hints.endpoints }
  }
}
