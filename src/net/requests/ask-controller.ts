/** Requests that change the cluster are asked of this broker's own controller, which passes them on to the active one: clients may ask any broker. */
import { ErrorCode } from '../../base/error-code.ts'
import type { Reply, Undeliverable } from '../../runtime/actor.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import type { Question } from '../questions.ts'
import { askForClient } from './ask-one.ts'

const timeoutMsMax = 120_000
/** The controller answers by the client's deadline; past this much more it is gone. */
const graceMs = 5000

/** A client's timeout as far as it is a sensible one. */
export const clientTimeoutMs = (timeoutMs: number): number => Math.min(Math.max(0, timeoutMs), timeoutMsMax)

export const controllerDeadlineMs = (timeoutMs: number): number => clientTimeoutMs(timeoutMs) + graceMs

/**
 * Asks the controller and answers the exchange with what it says.
 *
 * @param failed     makes the response when there was no answer, from an error on which clients ask again, and its reason
 * @param succeeded  makes the response from the answer
 */
export function askController<R extends Reply, Response> (
  exchange: Exchange, network: Network, question: Question, deadlineMs: number,
  failed: (errorCode: number, errorMessage: string) => Response, succeeded: (reply: R) => Response
): void {
  askForClient(exchange, network, network.controller, question, deadlineMs, reply =>
    reply.kind === 'undeliverable' ? failed(...refusal(reply as Undeliverable)) : succeeded(reply as R))
}

function refusal ({ reason }: Undeliverable): [errorCode: number, errorMessage: string] {
  return reason === 'expired'
    ? [ErrorCode.REQUEST_TIMED_OUT, 'the controller did not answer in time']
    : [ErrorCode.NOT_CONTROLLER, 'the controller cannot be asked at this moment']
}
