/** The shape of requests off the hot path that ask each of their partitions one thing: the answers are gathered into one. */
import { noActor } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { Reply, Undeliverable } from '../../runtime/actor.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Asker } from '../open-requests.ts'
import type { Question } from '../questions.ts'
import { distinctBy, mergedBy } from './distinct.ts'
import { undeliverableCode } from './undeliverable.ts'

const deadlineMs = 30_000

export interface PartitionQuestions<Asked extends { readonly index: number }, Answer extends { errorCode: number }> {
  readonly topics: ReadonlyArray<{ readonly name: string, readonly partitions: readonly Asked[] }>
  question (asked: Asked): Question
  /** A partition's part of the response before it is known; `errorCode` is set when it never will be. */
  unanswered (asked: Asked): Answer
  /** Fills in a reply, and calls `done` now or later. */
  answered (reply: Reply, answer: Answer, done: () => void): void
}

/** Asks every partition once and answers the exchange with `{ topics: [{ name, partitions }] }`, in the order of the request. */
export function askPartitions<Asked extends { readonly index: number }, Answer extends { errorCode: number }> (
  exchange: Exchange, network: Network, questions: PartitionQuestions<Asked, Answer>
): void {
  const asked = mergedBy(questions.topics, ({ name }) => name, same => ({ ...same[0]!, partitions: same.flatMap(({ partitions }) => partitions) }))
    .map(({ name, partitions }) => ({ name, partitions: distinctBy(partitions, ({ index }) => index) }))
  const answers: Answer[] = []
  let open = 1
  const settle = (): void => {
    if (--open > 0) return
    let next = 0
    const topics = asked.map(({ name, partitions }) => {
      const start = next
      next += partitions.length
      return { name, partitions: answers.slice(start, next) }
    })
    exchange.answer({ topics })
  }
  const asker: Asker = {
    answered: (part, reply) => {
      const answer = answers[part]!
      if (reply.kind !== 'undeliverable') return questions.answered(reply, answer, settle)
      answer.errorCode = undeliverableCode(reply as Undeliverable)
      settle()
    }
  }
  const correlations: number[] = []
  exchange.work = { abandoned: () => { for (const correlation of correlations) network.forget(correlation) }, release: () => {} }
  for (const { name, partitions } of asked) {
    const image = network.metadata.byName(name)
    for (const one of partitions) {
      const answer = questions.unanswered(one)
      const part = answers.push(answer) - 1
      const target = image?.partitions[one.index]
      if (target === undefined) answer.errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      else if (target.actor === noActor) answer.errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER
      else {
        open++
        correlations.push(network.ask(asker, part, target.actor, questions.question(one), 0, deadlineMs))
      }
    }
  }
  settle()
}
