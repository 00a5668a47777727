/** ListOffsets: the offset of a point in time, of the start or of the end of each partition. */
import { noActor } from '../../actors/controller/messages.ts'
import type { ListedOffset } from '../../actors/partition/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { listOffsets } from '../../protocol/apis/list-offsets.ts'
import type { Reply, Undeliverable } from '../../runtime/actor.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Asker } from '../open-requests.ts'
import { undeliverableCode } from './undeliverable.ts'

type Request = RequestOf<typeof listOffsets>
type Response = ResponseOf<typeof listOffsets>
type PartitionResponse = { index: number, errorCode: number, timestamp: number, offset: number, leaderEpoch: number }

const deadlineMs = 30_000

export function handleListOffsets (exchange: Exchange, request: Request, network: Network): boolean {
  new ListOffsetsRequest(exchange, request, network).dispatch()
  return true
}

class ListOffsetsRequest implements Asker {
  readonly #exchange: Exchange
  readonly #request: Request
  readonly #network: Network
  readonly #results: PartitionResponse[] = []
  #open = 1

  constructor (exchange: Exchange, request: Request, network: Network) {
    this.#exchange = exchange
    this.#request = request
    this.#network = network
  }

  dispatch (): void {
    const network = this.#network
    for (const topic of this.#request.topics) {
      const image = network.metadata.byName(topic.name)
      for (const { index, timestamp, currentLeaderEpoch } of topic.partitions) {
        const result: PartitionResponse = { index, errorCode: ErrorCode.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 }
        const part = this.#results.push(result) - 1
        const target = image?.partitions[index]
        if (target === undefined) {
          result.errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          continue
        }
        if (target.actor === noActor) {
          result.errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER
          continue
        }
        this.#open++
        network.ask(this, part, target.actor, { kind: 'list-offset', timestamp, leaderEpoch: currentLeaderEpoch }, 0, deadlineMs)
      }
    }
    this.#settle()
  }

  answered (part: number, reply: Reply): void {
    const result = this.#results[part]!
    if (reply.kind !== 'listed-offset') {
      result.errorCode = undeliverableCode(reply as Undeliverable)
      this.#settle()
      return
    }
    const { errorCode, offset, leaderEpoch, plan } = reply as ListedOffset
    result.errorCode = errorCode
    result.leaderEpoch = leaderEpoch
    if (plan === null) {
      result.offset = offset
      this.#settle()
      return
    }
    this.#network.reader.findTimestamp(plan, (error, found) => {
      if (error !== undefined) result.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
      if (found !== undefined) {
        result.offset = found.offset
        result.timestamp = found.timestamp
      }
      this.#settle()
    })
  }

  #settle (): void {
    if (--this.#open > 0) return
    let next = 0
    const topics = this.#request.topics.map(({ name, partitions }) => {
      const start = next
      next += partitions.length
      return { name, partitions: this.#results.slice(start, next) }
    })
    this.#exchange.answer({ topics } satisfies Response)
  }
}
