/** One request of a client on its way to an answer. Answers leave in the order of the requests, whatever order they are ready in. */
import type { AnyApi } from '../protocol/api.ts'
import type { Lender } from './connection.ts'
import type { Session } from './session.ts'

/** Work behind an exchange that lends memory to the answer, or waits for others before there is one. */
export interface Work extends Lender {
  /** The client has left before there is an answer: what only waits can stop. */
  abandoned (): void
}

export class Exchange {
  readonly session: Session
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  /** Monotonic milliseconds when the request was read. */
  readonly startedAt: number
  /** The answer's fields, once there is one. */
  response: unknown
  /** Ready to be written, or to be passed over. */
  done = false
  /** A request that wants no answer (acks 0). */
  silent = false
  /** Set by work that needs to know how its exchange ends. */
  work: Work | undefined

  constructor (session: Session, api: AnyApi, version: number, correlationId: number, startedAt: number) {
    this.session = session
    this.api = api
    this.version = version
    this.correlationId = correlationId
    this.startedAt = startedAt
  }

  /** Ends the exchange with an answer. */
  answer (response: unknown): void {
    if (this.session.connection.closed) {
      this.work?.release()
      return
    }
    this.response = response
    this.done = true
    this.session.advance()
  }

  /** Ends the exchange without an answer. */
  pass (): void {
    this.silent = true
    this.done = true
    this.session.advance()
  }
}
