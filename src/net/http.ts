/**
 * HTTP on the broker's port: a connection whose first bytes are an HTTP request is handed to node:http.
 *
 * GET /health, /metrics, /cluster/status, each as a monitoring system or a person with curl asks for them.
 */
import type http from 'node:http'
import { Duplex } from 'node:stream'
import type { Connection } from './connection.ts'

export interface HttpPages {
  /** Whether this broker serves; the text says why not. */
  health (): { readonly healthy: boolean, readonly text: object }
  metrics (): Promise<{ readonly contentType: string, readonly text: string }>
  clusterStatus (): object
}

export interface HttpLimits {
  /** From the first byte until the client has taken its answer. */
  readonly requestMsMax: number
  /** Answers that clients have not taken, of all connections together: above it only short ones are given. */
  readonly unsentBytesMax: number
}

const defaultLimits: HttpLimits = { requestMsMax: 10_000, unsentBytesMax: 16 * 1024 * 1024 }
const headerBytesMax = 8 * 1024
/** Of one client: room for the headers with what node does not count in them. */
const receivedBytesMax = 2 * headerBytesMax
/** A broker's health is told however much is unsent. */
const shortAnswerBytes = 1024

export class HttpServer {
  #server: Promise<http.Server> | undefined
  #unsentBytes = 0
  readonly #pages: HttpPages
  readonly #limits: HttpLimits

  constructor (pages: HttpPages, limits: HttpLimits = defaultLimits) {
    this.#pages = pages
    this.#limits = limits
  }

  /** Serves a connection from its first bytes on, which are borrowed. */
  serve (connection: Connection, first: Uint8Array): void {
    const stream = new ConnectionStream(connection, this.#limits.requestMsMax)
    connection.takeOver(chunk => stream.receive(chunk))
    stream.receive(first)
    this.#server ??= this.#open()
    this.#server.then(server => server.emit('connection', stream), () => connection.destroy('HTTP cannot be served'))
  }

  /**
   * node:http is loaded with the first request: a thread that nobody asks does not pay for it. The server never listens,
   * so node does not look after its timeouts: each stream has its own.
   */
  async #open (): Promise<http.Server> {
    const { createServer } = await import('node:http')
    const server = createServer({ maxHeaderSize: headerBytesMax }, (request, response) => {
      // Requests that were sent without waiting for the first answer get none: it ends the connection, and each page costs memory.
      if (streamOf(request.socket).begin()) this.#answer(request, response).catch(() => response.destroy())
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => streamOf(socket).refuse(error.code))
    return server
  }

  async #answer (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const send = (status: number, contentType: string, text: string): void => {
      if (response.destroyed) return
      const bytes = Buffer.byteLength(text)
      if (bytes > shortAnswerBytes && this.#unsentBytes > this.#limits.unsentBytesMax) {
        json(503, { error: 'too many answers wait for their clients' })
        return
      }
      this.#unsentBytes += bytes
      response.once('close', () => { this.#unsentBytes -= bytes })
      response.writeHead(status, { 'content-type': contentType, 'content-length': bytes, connection: 'close' })
      response.end(text) // an answer to HEAD leaves without it
    }
    const json = (status: number, value: object): void => send(status, 'application/json', JSON.stringify(value) + '\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      json(405, { error: 'only GET is served here' })
      return
    }
    try {
      switch (request.url?.split('?')[0]) {
        case '/health': {
          const { healthy, text } = this.#pages.health()
          json(healthy ? 200 : 503, text)
          break
        }
        case '/metrics': {
          const { contentType, text } = await this.#pages.metrics()
          send(200, contentType, text)
          break
        }
        case '/cluster/status':
          json(200, this.#pages.clusterStatus())
          break
        default:
          json(404, { error: 'there are /health, /metrics and /cluster/status' })
      }
    } catch {
      json(500, { error: 'the page could not be made' })
    }
  }
}

/** What node:http calls a socket is what it was given. */
const streamOf = (socket: Duplex): ConnectionStream => socket as ConnectionStream

/** A connection as the stream that node:http wants, for one request. What a client sends beyond a small one is not kept. */
class ConnectionStream extends Duplex {
  readonly #connection: Connection
  readonly #timer: NodeJS.Timeout
  #received = 0
  #taken = false

  constructor (connection: Connection, requestMsMax: number) {
    super({ allowHalfOpen: false })
    this.#connection = connection
    this.#timer = setTimeout(() => connection.destroy(`an HTTP request was not over after ${requestMsMax} ms`), requestMsMax)
    connection.onClosed = () => this.destroy()
  }

  receive (chunk: Uint8Array): void {
    const room = receivedBytesMax - this.#received
    this.#received += chunk.length
    if (room > 0) this.push(Buffer.from(chunk.subarray(0, room))) // a copy: the chunk is borrowed
  }

  /** @returns whether this is the connection's first request */
  begin (): boolean {
    const first = !this.#taken
    this.#taken = true
    return first
  }

  /** Ends the connection of a client that does not speak HTTP. What follows a request is not looked at: its answer is under way. */
  refuse (errorCode: string | undefined): void {
    if (this.#taken || !this.writable) return
    const status = errorCode === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    this.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#connection.closed) done()
    else {
      this.#connection.lend({ release: done })
      this.#connection.write(chunk)
    }
  }

  override _final (done: (error?: Error | null) => void): void {
    done()
    this.#connection.end('')
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#connection.destroy('')
    done(error)
  }
}
