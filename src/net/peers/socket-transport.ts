/** The {@link Transport} of the daemon: node's sockets. One per thread. */
import net from 'node:net'
import { formatAddress, type HostPort } from '../../base/address.ts'
import { FramePool } from '../frame-pool.ts'
import { Listener } from '../listener.ts'
import { FrameCutter } from './frame-cutter.ts'
import { openingBytesMax } from './frames.ts'
import type { FrameConnection, FrameHandler, ListenAt, Transport, TransportListener } from './transport.ts'

/** One read of any connection goes here; frames within it are handled without a copy. */
const sharedReadBytes = 256 * 1024
/** What was written before an end gets so much time to leave. */
const lingerMs = 2000
/** Notices a peer whose machine went away while nothing is being sent to it. */
const keepAliveMs = 10_000

/** Memory for frames in pieces that is kept for the next: brokers send each other messages of up to 1 MiB unless batches are larger. */
const assemblyIdleBytesMax = 4 * 1024 * 1024

const nothing = new Uint8Array(0)

export interface SocketTransportOptions {
  /** Memory for frames that do not end within a read, of all connections together. */
  readonly assemblyBytesMax: number
  /** A peer that takes nothing for so long while there is something for it is gone, or may as well be. */
  readonly stalledMs?: number
  /** A connection of another broker could not be accepted. */
  readonly onAcceptError?: (error: Error) => void
}

export class SocketTransport implements Transport {
  // Of plain memory: who keeps a part of a frame relies on `slice` to copy.
  readonly #shared = new Uint8Array(Buffer.allocUnsafeSlow(sharedReadBytes).buffer)
  readonly #pool: FramePool
  readonly #stalledMs: number
  readonly #onAcceptError: (error: Error) => void

  constructor ({ assemblyBytesMax, stalledMs = 10_000, onAcceptError = () => {} }: SocketTransportOptions) {
    this.#pool = new FramePool(assemblyBytesMax, assemblyIdleBytesMax)
    this.#stalledMs = stalledMs
    this.#onAcceptError = onAcceptError
  }

  /** Memory lent to frames that are not whole, for tests. */
  get lentBytes (): number { return this.#pool.lentBytes }

  async listen (at: ListenAt, accept: (connection: FrameConnection) => FrameHandler): Promise<TransportListener> {
    const listener = await Listener.listen({
      host: at.host,
      port: at.port,
      reusePort: at.reusePort,
      onError: this.#onAcceptError,
      accept: (handle, remote) => {
        const socket = new SocketConnection(this.#shared, this.#pool, remote, this.#stalledMs)
        socket.accept(handle)
        socket.handler = accept(socket)
      }
    })
    return { port: listener.port, close: async () => listener.close() }
  }

  connect (to: HostPort, handler: FrameHandler): FrameConnection {
    const socket = new SocketConnection(this.#shared, this.#pool, formatAddress(to), this.#stalledMs)
    socket.handler = handler
    socket.connect(to)
    return socket
  }
}

class SocketConnection implements FrameConnection {
  readonly remote: string
  handler!: FrameHandler
  #socket!: net.Socket
  readonly #cutter: FrameCutter
  readonly #stalledMs: number
  #reason: string | undefined
  #refused = false
  #malformed = false
  #ending = false

  constructor (shared: Uint8Array, pool: FramePool, remote: string, stalledMs: number) {
    this.remote = remote
    this.#stalledMs = stalledMs
    this.#cutter = new FrameCutter({ shared, pool, frameBytesMax: openingBytesMax, owner: this })
  }

  get #onread (): net.OnReadOpts {
    return {
      buffer: () => this.#cutter.buffer,
      callback: (count, buffer) => this.#ending || this.#cutter.take(count, buffer)
    }
  }

  accept (handle: unknown): void {
    // As for clients: node:net documents `onread` for connect() only, test/net/peers/socket-transport.test.ts notices if that changes.
    this.#take(new net.Socket({ handle, onread: this.#onread } as unknown as net.SocketConstructorOpts))
    this.#socket.resume()
  }

  connect (to: HostPort): void {
    this.#take(net.connect({ host: to.host, port: to.port, onread: this.#onread }, () => this.handler.opened()))
  }

  #take (socket: net.Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMs)
    // Node counts a part of a write that left as activity.
    socket.setTimeout(this.#stalledMs, () => { if (socket.writableLength > 0) this.destroy(`nothing was taken for ${this.#stalledMs} ms`) })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason ??= error.code ?? error.message
      this.#refused ||= error.code === 'ECONNREFUSED'
    })
    socket.on('close', () => {
      this.#cutter.close()
      this.handler.closed({ text: this.#reason ?? 'closed by the other side', refused: this.#refused, malformed: this.#malformed })
    })
  }

  // ---- what comes in

  frame (bytes: Uint8Array, start: number, end: number): boolean {
    this.handler.frame(bytes, start, end)
    return !this.#ending && !this.#socket.destroyed
  }

  broken (reason: string): void {
    this.#malformed = true
    this.destroy(reason)
  }

  resume (): void {
    this.#socket.resume()
  }

  // ---- what goes out

  get frameBytesMax (): number { return this.#cutter.frameBytesMax }
  set frameBytesMax (bytes: number) { this.#cutter.frameBytesMax = bytes }

  get unsentBytes (): number { return this.#socket.writableLength }

  write (pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (this.#ending || socket.destroyed) return false // told with its end
    if (pieces.length === 1) {
      socket.write(pieces[0]!)
    } else {
      socket.cork()
      for (let i = 0; i < pieces.length; i++) socket.write(pieces[i]!)
      socket.uncork()
    }
    if (socket.writableLength === 0) return true
    // The kernel has not taken everything: an empty write behind it tells when it has.
    socket.write(nothing, error => { if (error == null) this.handler.taken() })
    return false
  }

  end (reason: string): void {
    if (this.#ending || this.#socket.destroyed) return
    this.#ending = true
    this.#reason ??= reason
    // The cutter keeps its memory until the close: the socket's next read goes there.
    this.#socket.end()
    this.#socket.destroySoon()
    const linger = setTimeout(() => this.#socket.destroy(), lingerMs).unref()
    this.#socket.once('close', () => clearTimeout(linger))
  }

  destroy (reason: string): void {
    this.#reason ??= reason
    this.#socket.destroy()
  }
}
