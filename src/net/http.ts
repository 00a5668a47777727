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

const requestTimeoutMs = 10_000
const headerBytesMax = 8 * 1024

export class HttpServer {
  #server: Promise<http.Server> | undefined
  readonly #pages: HttpPages

  constructor (pages: HttpPages) {
    this.#pages = pages
  }

  /** Serves a connection from its first bytes on, which are borrowed. */
  serve (connection: Connection, first: Uint8Array): void {
    const stream = new ConnectionStream(connection)
    connection.takeOver(chunk => stream.receive(chunk))
    stream.receive(first)
    this.#server ??= this.#open()
    this.#server.then(server => server.emit('connection', stream), () => connection.destroy('HTTP cannot be served'))
  }

  /** node:http is loaded with the first request: a thread that nobody asks does not pay for it. The server never listens. */
  async #open (): Promise<http.Server> {
    const { createServer } = await import('node:http')
    const server = createServer({ maxHeaderSize: headerBytesMax, requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
      (request, response) => { this.#answer(request, response).catch(() => response.destroy()) })
    server.on('clientError', (_error, socket) => socket.destroy())
    return server
  }

  async #answer (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const send = (status: number, contentType: string, text: string): void => {
      response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text), connection: 'close' })
      response.end(request.method === 'HEAD' ? undefined : text)
    }
    const json = (status: number, value: object): void => send(status, 'application/json', JSON.stringify(value) + '\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
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

/** A connection as the stream that node:http wants. What a client sends beyond one small request is not kept. */
class ConnectionStream extends Duplex {
  readonly #connection: Connection
  #received = 0

  constructor (connection: Connection) {
    super({ allowHalfOpen: false })
    this.#connection = connection
    connection.onClosed = () => this.destroy()
  }

  receive (chunk: Uint8Array): void {
    this.#received += chunk.length
    if (this.#received > headerBytesMax * 8) {
      this.#connection.destroy('an HTTP request without end')
      return
    }
    this.push(Buffer.from(chunk)) // a copy: the chunk is borrowed
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
    if (!this.#connection.closed && error !== null) this.#connection.destroy('')
    done(error)
  }
}
