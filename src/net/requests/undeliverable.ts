/** What a client is told when an actor could not answer: always an error on which it asks for fresh metadata and tries again. */
import { ErrorCode } from '../../base/error-code.ts'
import type { Undeliverable } from '../../runtime/actor.ts'

export function undeliverableCode ({ reason }: Undeliverable): ErrorCode {
  switch (reason) {
    case 'expired': return ErrorCode.REQUEST_TIMED_OUT
    case 'mailbox-full': return ErrorCode.NOT_ENOUGH_REPLICAS
    case 'dead':
    case 'moved':
    case 'restarting': return ErrorCode.NOT_LEADER_OR_FOLLOWER
  }
}
