/** What the broker keeps of one connected client: its connection, its requests in order, its fetch session. */
import { assert } from '../base/assert.ts'
import { writeResponse } from '../protocol/frame.ts'
import type { Writer } from '../protocol/writer.ts'
import type { Connection } from './connection.ts'
import type { Exchange } from './exchange.ts'
import type { FetchSession } from './fetch-session.ts'

/** Requests of one client that may be under way; above it the client's socket is not read. */
const exchangesMax = 128
/** Fetches of one client that are under way or whose answer has not left: each may hold megabytes, read or not. */
const fetchesMax = 2

export class Session {
  readonly connection: Connection
  readonly #writer: Writer
  #exchanges: Exchange[] = []
  #stalled = false
  #fetches = 0
  fetchSession: FetchSession | undefined
  clientId: string | null = null
  /** The first frame not yet taken waits for credit of its targets. */
  waitsForCredit = false

  constructor (connection: Connection, writer: Writer) {
    this.connection = connection
    this.#writer = writer
  }

  /** Whether one more request may begin. If not, the connection is resumed when one can. */
  admits (): boolean {
    if (this.#exchanges.length < exchangesMax) return true
    this.#stalled = true
    return false
  }

  /** As {@link admits}, for one more fetch; it lasts until {@link fetchEnded}. */
  beginFetch (): boolean {
    if (this.#fetches === fetchesMax) {
      this.#stalled = true
      return false
    }
    this.#fetches++
    return true
  }

  /** A fetch's answer has left, or never will. */
  fetchEnded (): void {
    this.#fetches--
    this.#goOn()
  }

  get openExchanges (): number { return this.#exchanges.length }

  begin (exchange: Exchange): void {
    this.#exchanges.push(exchange)
  }

  /** Takes back the exchange that began last: it was not admitted. */
  retract (exchange: Exchange): void {
    assert(this.#exchanges.pop() === exchange, 'only the last exchange can be taken back')
  }

  /** Writes every answer whose turn has come. */
  advance (): void {
    const exchanges = this.#exchanges
    let count = 0
    while (count < exchanges.length && exchanges[count]!.done) {
      const exchange = exchanges[count++]!
      if (!exchange.silent && !this.connection.closed) this.#write(exchange)
      else exchange.work?.release()
    }
    if (count === 0) return
    if (count === exchanges.length) exchanges.length = 0
    else this.#exchanges = exchanges.slice(count)
    this.#goOn()
  }

  #goOn (): void {
    if (!this.#stalled) return
    this.#stalled = false
    this.connection.resume()
  }

  /** The connection is gone: answers that come later find nobody. */
  close (): void {
    for (const exchange of this.#exchanges) {
      if (exchange.done) exchange.work?.release()
      else exchange.work?.abandoned()
    }
    this.#exchanges.length = 0
  }

  #write ({ api, version, correlationId, response, work }: Exchange): void {
    writeResponse(this.#writer, api, version, correlationId, response as never)
    const parts = this.#writer.finish()
    const last = parts.length - 1
    for (let i = 0; i <= last; i++) this.connection.write(parts[i]!, i === last ? work : undefined)
  }
}
