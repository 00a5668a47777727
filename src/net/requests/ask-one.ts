/** The shape of most requests off the hot path: one question to one actor, one answer to the client. */
import type { ActorId } from '../../base/ids.ts'
import type { Reply, Undeliverable } from '../../runtime/actor.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Question } from '../questions.ts'
import { undeliverableCode } from './undeliverable.ts'

/**
 * Asks `target` and answers the exchange with what it says.
 *
 * @param failed     makes the response when the actor gave no answer, from Kafka's error code for that
 * @param succeeded  makes the response from the answer
 */
export function askOne<R extends Reply, Response> (
  exchange: Exchange, network: Network, target: ActorId, question: Question, deadlineMs: number,
  failed: (errorCode: number) => Response, succeeded: (reply: R) => Response
): void {
  askForClient(exchange, network, target, question, deadlineMs, reply =>
    reply.kind === 'undeliverable' ? failed(undeliverableCode(reply as Undeliverable)) : succeeded(reply as R))
}

/** As {@link askOne}, with one way to make the response. A client that leaves takes its question with it: others need the place, and a join may wait for minutes. */
export function askForClient (
  exchange: Exchange, network: Network, target: ActorId, question: Question, deadlineMs: number, respond: (reply: Reply) => unknown
): void {
  let correlation = 0
  exchange.work = { abandoned: () => network.forget(correlation), release: () => {} }
  const asker = {
    answered: (_part: number, reply: Reply): void => {
      exchange.work = undefined
      exchange.answer(respond(reply))
    }
  }
  correlation = network.ask(asker, 0, target, question, 0, deadlineMs)
}
