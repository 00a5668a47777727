/** What the broker keeps of one connected client: its connection, its requests in order, its fetch session. */
import { writeResponse } from '../protocol/frame.ts'
import type { Writer } from '../protocol/writer.ts'
import { Mailbox } from '../runtime/mailbox.ts'
import type { Connection, ConnectionOwner } from './connection.ts'
import type { Exchange } from './exchange.ts'
import type { FetchSession } from './fetch-session.ts'
import { SentAway } from './sent-away.ts'

/** Requests of one client that may be under way; above it the client's socket is not read. A power of two. */
const exchangesMax = 128
/** Fetches of one client that are under way or whose answer has not left: each may hold megabytes, read or not. */
const fetchesMax = 2

/** Loses its place in an answer with tagged fields inside. It asks for the versions on one of its connections only. */
const softwareWithoutTags = 'platformatic-kafka'

/** Who serves the requests of all sessions of a thread. */
export interface SessionHost {
  /** As {@link ConnectionOwner.handleFrame}. */
  handleFrame (session: Session, bytes: Uint8Array, start: number, end: number): boolean
  handleHttp (session: Session, first: Uint8Array): void
  handleClosed (session: Session): void
  /** Wants {@link Session.flush} at the end of this turn. Called once before each. */
  handleDirty (session: Session): void
}

export class Session implements ConnectionOwner {
  readonly connection: Connection
  readonly #host: SessionHost
  readonly #writer: Writer
  readonly #exchanges = new Mailbox<Exchange>(exchangesMax, 8)
  #dirty = false
  #stalled = false
  #fetches = 0
  #largeAnswer = false
  fetchSession: FetchSession | undefined
  readonly sentAway = new SentAway()
  clientId: string | null = null
  /** The client has said on this connection what software it is, and can be told of new leaders in tagged fields. */
  takesHints = false
  /** The first frame not yet taken waits for credit of its targets, or for room in what all clients of the thread may have under way. */
  waitsToBegin = false

  /**
   * @param writer  of the thread: it is empty between flushes
   * @param open    makes the connection that this session owns
   */
  constructor (host: SessionHost, writer: Writer, open: (owner: ConnectionOwner) => Connection) {
    this.#host = host
    this.#writer = writer
    this.connection = open(this)
  }

  /** @param software  as ApiVersions says it, '' where it does not */
  introduce (software: string): void {
    this.takesHints = software !== '' && software !== softwareWithoutTags
  }

  handleFrame (_connection: Connection, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#host.handleFrame(this, bytes, start, end)
  }

  handleHttp (_connection: Connection, first: Uint8Array): void {
    this.#host.handleHttp(this, first)
  }

  handleClosed (): void {
    this.#host.handleClosed(this)
    // Answers that come later find nobody.
    for (let exchange; (exchange = this.#exchanges.shift()) !== undefined;) {
      if (exchange.done) exchange.work?.release()
      else exchange.work?.abandoned()
    }
  }

  handleDirty (): void {
    if (this.#dirty) return
    this.#dirty = true
    this.#host.handleDirty(this)
  }

  /** Whether one more request may begin. If not, the connection is resumed when one can. */
  admits (): boolean {
    if (this.#exchanges.count < exchangesMax && !this.#largeAnswer) return true
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

  /** An answer is much larger than its request: no further one begins before it has left, or counts as unsent. */
  holdForLargeAnswer (): void {
    this.#largeAnswer = true
  }

  get openExchanges (): number { return this.#exchanges.count }

  /** Takes a request that was admitted. It may have its answer already. */
  begin (exchange: Exchange): void {
    this.#exchanges.push(exchange)
    this.advance()
  }

  /** An exchange is done: if its turn has come, its answer leaves at the end of this turn. */
  advance (): void {
    if (this.#exchanges.peek()?.done === true) this.handleDirty()
  }

  /** Writes every answer whose turn has come, in a row, and hands them to the socket. */
  flush (): void {
    const { connection } = this
    for (let exchange; (exchange = this.#exchanges.peek()) !== undefined && exchange.done; this.#exchanges.shift()) {
      if (exchange.silent || connection.closed) {
        exchange.work?.release()
      } else {
        writeResponse(this.#writer, exchange.api, exchange.version, exchange.correlationId, exchange.response as never)
        if (exchange.work !== undefined) connection.lend(exchange.work)
      }
    }
    const written = this.#writer.finish()
    for (let i = 0; i < written.length; i++) connection.write(written[i]!)
    // From here on lenders are told, and requests that waited are handled: what they answer wants a flush of its own.
    this.#dirty = false
    // A large answer is the last one in line.
    if (this.#exchanges.count === 0) this.#largeAnswer = false
    // Most often the kernel takes all of it within the call, and the same memory holds the next answers.
    if (connection.flush()) this.#writer.takeBack(written)
    this.#goOn()
  }

  /** Ends the connection behind the answers whose turn has come. `reason` is for the log. */
  end (reason: string): void {
    this.flush()
    this.connection.end(reason)
  }

  #goOn (): void {
    if (!this.#stalled) return
    this.#stalled = false
    this.connection.resume()
  }
}
