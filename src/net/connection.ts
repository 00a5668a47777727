/**
 * One client connection: cuts the byte stream into frames and writes answers in the order of their requests.
 *
 * Reading copies nothing where it can: all connections of a thread read into one shared buffer and requests are
 * handled in place. A frame that does not end within a read moves to a buffer of its own, into which the socket
 * then reads directly.
 *
 * ```
 *  socket --read--> [ shared read buffer | frame | frame | begin of a fr ]
 *                                                          | copied once
 *                                                          v
 *         --read-----------------------------> [ begin of a frame ........ ]  from the frame pool
 * ```
 */
import { assert } from '../base/assert.ts'
import { type ClientSocket, type ClientSockets, nodeSockets } from './client-socket.ts'
import type { FramePool, FrameWaiter } from './frame-pool.ts'
import type { Joiner } from './joiner.ts'

/** A frame grows in steps of this size at first, so that a length that lies costs no memory. */
const assemblyBytesStart = 1024 * 1024 + 64 * 1024

/**
 * A frame that has begun holds memory that others wait for. It has a minute, as a lost packet may cost half of one; by then and from
 * then on as much of it must have come as the slowest line brings that is of use, or its connection is closed.
 */
const frameGraceMs = 60_000
const frameBytesPerSecondMin = 16 * 1024

/** A client that does not take what was sent before its connection ended gets so much time for it. */
const lingerMs = 5000

const nothing = new Uint8Array(0)

/** Whoever lent bytes to a connection. */
export interface Lender {
  /** The bytes have left, or never will. Called once. */
  release (): void
}

/** What the owner of a connection does with what it brings. */
export interface ConnectionOwner {
  /**
   * Handles one request frame, `bytes[start..end)` without its length prefix. Borrowed: valid until this returns.
   * @returns false: not now. The connection keeps the frame, stops reading, and offers it again after {@link Connection.resume}.
   */
  handleFrame (connection: Connection, bytes: Uint8Array, start: number, end: number): boolean
  /** The stream is not Kafka frames but begins like an HTTP request. `first` is borrowed. */
  handleHttp (connection: Connection, first: Uint8Array): void
  /** Called once, whoever closed. */
  handleClosed (connection: Connection): void
  /** Something was queued: {@link Connection.flush} wants to be called at the end of this turn. Called for each write. */
  handleDirty (connection: Connection): void
}

export interface ConnectionLimits {
  /** Largest frame, length prefix excluded; a larger one closes the connection. */
  readonly requestBytesMax: number
  /** Answers not yet taken by the client; above it nothing more is read from the client. */
  readonly unsentBytesMax: number
}

export class Connection implements FrameWaiter {
  readonly id: number
  readonly remote: string
  /** Monotonic milliseconds of the last byte in either direction, as the owner's sweep has seen it. */
  lastActiveMs = 0
  closed = false
  /** Why the connection was closed, for the log line; undefined while open or when the client left. */
  closeReason: string | undefined
  /** Told after the owner. */
  onClosed: (() => void) | undefined

  readonly #sockets: ClientSockets
  readonly #socket: ClientSocket
  readonly #owner: ConnectionOwner
  readonly #limits: ConnectionLimits
  readonly #shared: Uint8Array
  readonly #pool: FramePool
  readonly #joiner: Joiner

  /** The frame being put together, its length prefix included; undefined while reads go to the shared buffer. */
  #assembly: Uint8Array | undefined
  #filled = 0
  /** Bytes of the whole frame with its prefix; 0 while the prefix itself is incomplete. */
  #frameBytes = 0
  /** For so long the present frame has been read, as the owner's sweep counts; -1: it has not seen it. */
  #frameMs = -1
  /** A frame was not admitted. It stands in `#assembly` at `#stalledAt`, what came behind it follows; it is offered again on resume. */
  #stalled = false
  #stalledAt = 0
  /** The begin of a frame for which there is no memory yet: a copy outside of the pool, in which nothing more is read meanwhile. */
  #apart: Uint8Array | undefined
  #paused = false
  #sniffed = false
  #http: ((chunk: Uint8Array) => void) | undefined

  /** Since the last {@link takeTraffic}. */
  #bytesRead = 0
  #bytesWritten = 0
  readonly #out: Uint8Array[] = []
  #lenders: Lender[] = []
  #draining = false
  /** What was queued leaves; nothing more is read or written. */
  #ending = false
  /** Frames are being handed on: an order to resume that comes from there waits until that is over. */
  #consuming = false
  #resumeWanted = false

  constructor (options: {
    id: number,
    handle: unknown,
    remote: string,
    owner: ConnectionOwner,
    limits: ConnectionLimits
    shared: Uint8Array,
    pool: FramePool,
    joiner: Joiner,
    /** Undefined: the system's. */
    sockets?: ClientSockets | undefined
  }) {
    this.id = options.id
    this.remote = options.remote
    this.#owner = options.owner
    this.#limits = options.limits
    this.#shared = options.shared
    this.#pool = options.pool
    this.#joiner = options.joiner
    this.#sockets = options.sockets ?? nodeSockets
    this.#socket = this.#sockets.open(options.handle, {
      buffer: () => this.#nextBuffer(),
      callback: (count, buffer) => this.#handleRead(count, buffer)
    })
    this.#socket.on('error', error => { this.closeReason ??= (error as NodeJS.ErrnoException).code ?? error.message })
    this.#socket.on('close', () => this.#handleClose())
    this.#socket.resume()
  }

  /** Queues bytes for this connection; they leave with the next {@link flush}. They must stay as they are until written. */
  write (bytes: Uint8Array): void {
    if (this.closed || this.#ending) return
    this.#out.push(bytes)
    this.#owner.handleDirty(this)
  }

  /** Names who lent bytes of what is queued, or will be before the next {@link flush}. */
  lend (lender: Lender): void {
    if (this.closed) lender.release()
    else this.#lenders.push(lender)
  }

  /**
   * Hands everything queued to the socket.
   * @returns true when the kernel has taken all of it: the memory of the bytes is free again
   */
  flush (): boolean {
    const out = this.#out
    if (this.closed || out.length === 0) {
      out.length = 0
      this.#releaseAll()
      return true
    }
    let bytes = 0
    for (let i = 0; i < out.length; i++) bytes += out[i]!.length
    this.#bytesWritten += bytes
    if (out.length === 1) {
      this.#socket.write(out[0]!)
    } else if (bytes <= this.#joiner.bytesMax) {
      this.#socket.write(this.#joiner.join(out))
      if (this.#socket.writableLength > 0) this.#joiner.keep()
    } else {
      this.#socket.cork()
      for (let i = 0; i < out.length; i++) this.#socket.write(out[i]!)
      this.#socket.uncork()
    }
    out.length = 0
    if (this.#socket.writableLength === 0) {
      this.#releaseAll()
      return true
    }
    this.#releaseWhenWritten()
    if (this.#socket.writableLength > this.#limits.unsentBytesMax && !this.#draining) {
      this.#draining = true
      this.pause()
      this.#socket.once('drain', () => {
        this.#draining = false
        this.resume()
      })
    }
    return false
  }

  /** Stops reading from the client until {@link resume}. */
  pause (): void {
    if (this.#paused || this.closed) return
    this.#paused = true
    this.#socket.pause()
  }

  /** Offers the frame that was not admitted again, if there is one, and reads on. */
  resume (): void {
    if (this.#consuming) {
      this.#resumeWanted = true
      return
    }
    if (this.#socket.destroyed || this.#ending || this.#apart !== undefined || this.#draining) return
    if (this.#stalled) {
      this.#stalled = false
      const assembly = this.#assembly!
      this.#assembly = undefined
      this.#consume(assembly, this.#stalledAt, this.#filled, true)
      // Within a `receive` the requests just handed on still wait in mailboxes, as views of these bytes, until it is over.
      if (this.#assembly !== assembly) this.#sockets.afterTurn(() => this.#pool.release(assembly))
    }
    if (this.#paused && this.#canRead()) {
      this.#paused = false
      this.#socket.resume()
    }
  }

  /** Writes what is queued, then ends the connection; what the client sends from now on is not looked at. `reason` is for the log. */
  end (reason: string): void {
    if (this.#ending || this.closed) return
    this.closeReason ??= reason
    this.flush()
    this.#ending = true
    this.pause()
    this.#socket.end()
    // A client that never closes its side would keep the socket half open.
    this.#socket.destroySoon()
    this.#socket.once('close', this.#sockets.later(lingerMs, () => this.#socket.destroy()))
  }

  /** Drops the connection at once. `reason` is for the log. */
  destroy (reason: string): void {
    this.closeReason ??= reason
    this.#socket.destroy()
  }

  /** True while a frame has begun and not ended: what the sweep of slow clients looks for. */
  get midFrame (): boolean { return this.#assembly !== undefined && !this.#stalled }

  /**
   * Whether the frame that has begun comes so slowly that its client may only want to hold memory. While nothing is read from the
   * client, its time stands still.
   *
   * @param elapsedMs  since the last call
   */
  isFrameLate (elapsedMs: number): boolean {
    if (!this.midFrame || this.#paused) return false
    this.#frameMs = this.#frameMs === -1 ? 0 : this.#frameMs + elapsedMs
    return this.#filled < (this.#frameMs - frameGraceMs) / 1000 * frameBytesPerSecondMin
  }

  /** Returns how many bytes came and went since the last call. */
  takeTraffic (): { read: number, written: number } {
    const traffic = { read: this.#bytesRead, written: this.#bytesWritten }
    this.#bytesRead = 0
    this.#bytesWritten = 0
    return traffic
  }

  /** Gives the read side to another protocol: every later chunk goes to `receive`, which must copy what it keeps. */
  takeOver (receive: (chunk: Uint8Array) => void): void {
    this.#http = receive
  }

  #nextBuffer (): Uint8Array {
    const assembly = this.#assembly
    if (assembly === undefined || this.#stalled) return this.#shared
    return assembly.subarray(this.#filled, this.#frameBytes === 0 ? assembly.length : Math.min(this.#frameBytes, assembly.length))
  }

  #handleRead (count: number, buffer: Uint8Array): boolean {
    this.#bytesRead += count
    if (this.#http !== undefined) {
      this.#http(buffer.subarray(0, count))
      return true
    }
    const assembly = this.#assembly
    if (assembly === undefined) {
      this.#consume(buffer, 0, count, false)
    } else if (buffer !== this.#shared) {
      this.#assembly = undefined
      this.#consume(assembly, 0, this.#filled + count, true)
      if (this.#assembly !== assembly) this.#pool.release(assembly)
    } else {
      // The first read after a pause: its buffer was chosen before the frame began to be put together. Joined by a copy.
      const joined = new Uint8Array(this.#filled + count)
      joined.set(assembly.subarray(0, this.#filled))
      joined.set(buffer.subarray(0, count), this.#filled)
      this.#assembly = undefined
      this.#pool.release(assembly)
      this.#consume(joined, 0, joined.length, false)
    }
    return this.#canRead() || this.#stop()
  }

  #canRead (): boolean {
    return !this.#stalled && this.#apart === undefined && !this.#draining && !this.#ending && !this.#socket.destroyed
  }

  #stop (): boolean {
    this.#paused = true
    return false
  }

  /** Handles the whole frames in `bytes[start..end)` and keeps the rest; in place, where `pooled` bytes suffice. */
  #consume (bytes: Uint8Array, start: number, end: number, pooled: boolean): void {
    this.#consuming = true
    this.#handOn(bytes, start, end, pooled)
    this.#consuming = false
    if (!this.#resumeWanted) return
    this.#resumeWanted = false
    if (this.#stalled) this.#sockets.afterTurn(() => this.resume())
  }

  #handOn (bytes: Uint8Array, start: number, end: number, pooled: boolean): void {
    if (!this.#sniffed && end >= 4) {
      this.#sniffed = true
      if (isHttp(bytes)) {
        this.#owner.handleHttp(this, bytes.subarray(0, end))
        return
      }
    }
    while (end - start >= 4) {
      const size = (bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!
      if (size < 0 || size > this.#limits.requestBytesMax) {
        this.destroy(`a frame of ${size} bytes (max_request_bytes is ${this.#limits.requestBytesMax})`)
        return
      }
      if (end - start < size + 4) {
        this.#keep(bytes, start, end, size + 4, pooled)
        return
      }
      this.#frameMs = -1
      const taken = this.#owner.handleFrame(this, bytes, start + 4, start + 4 + size)
      if (this.#socket.destroyed || this.#ending) return
      if (!taken) {
        this.#stalled = true
        this.#stall(bytes, start, end, pooled)
        return
      }
      start += 4 + size
    }
    if (start < end) this.#keep(bytes, start, end, 0, pooled)
  }

  /** Keeps frames that must wait. Pooled bytes stay where they are: with many clients waiting, each would be moved again and again. */
  #stall (bytes: Uint8Array, start: number, end: number, pooled: boolean): void {
    if (pooled) {
      this.#assembly = bytes
      this.#stalledAt = start
      this.#filled = end
    } else {
      this.#stalledAt = 0
      this.#keep(bytes, start, end, end - start, false)
    }
  }

  /** Moves `bytes[start..end)`, the begin of a frame, to a buffer of its own: the copy that a split frame costs. */
  #keep (bytes: Uint8Array, start: number, end: number, frameBytes: number, pooled: boolean): void {
    const kept = end - start
    const wanted = Math.max(kept + 1, Math.min(frameBytes, Math.max(assemblyBytesStart, kept * 2)))
    this.#frameBytes = frameBytes
    this.#filled = kept
    if (pooled && start === 0 && bytes.length >= wanted) {
      this.#assembly = bytes
      return
    }
    const assembly = this.#pool.acquire(wanted)
    if (assembly !== undefined) {
      assembly.set(bytes.subarray(start, end))
      this.#assembly = assembly
      return
    }
    // No memory to lend: what has come already is kept apart, and the client waits.
    if (this.#pool.wait(this, wanted, kept)) this.#apart = bytes.slice(start, end)
    else this.destroy('no memory left for its request: too many clients send large ones at once')
  }

  memoryFree (): void {
    const apart = this.#apart!
    this.#apart = undefined
    this.#keep(apart, 0, apart.length, this.#frameBytes, false)
    this.resume()
  }

  #releaseAll (): void {
    if (this.#lenders.length === 0) return
    const lenders = this.#lenders
    this.#lenders = []
    for (const lender of lenders) lender.release()
  }

  /** The kernel has not taken everything: an empty write behind it tells when it has. */
  #releaseWhenWritten (): void {
    if (this.#lenders.length === 0) return
    const lenders = this.#lenders
    this.#lenders = []
    this.#socket.write(nothing, () => { for (const lender of lenders) lender.release() })
  }

  #handleClose (): void {
    assert(!this.closed, 'a socket closes once')
    this.closed = true
    this.#pool.leave(this)
    this.#apart = undefined
    this.#out.length = 0
    this.#releaseAll()
    if (this.#assembly !== undefined) {
      this.#pool.release(this.#assembly)
      this.#assembly = undefined
    }
    this.#owner.handleClosed(this)
    this.onClosed?.()
  }
}

/** 'GET ', 'HEAD', 'POST', 'PUT ', 'DELE', 'OPTI': read as a frame length each is over a gigabyte. */
function isHttp (bytes: Uint8Array): boolean {
  const word = String.fromCharCode(bytes[0]!, bytes[1]!, bytes[2]!, bytes[3]!)
  return word === 'GET ' || word === 'HEAD' || word === 'POST' || word === 'PUT ' || word === 'DELE' || word === 'OPTI'
}
