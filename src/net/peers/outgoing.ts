/**
 * The connection that this thread makes to a peer, and makes again when it ends, as long as the peer is known.
 *
 * ```
 *              connect                opened: hello            welcome
 *  waiting ---------------> connecting ---------> greeting -------------> open
 *     ^   after a while,        |                    |                      |
 *     |   or seen alive         | refused, lost,     | refused, lost,       | lost, replaced
 *     +-------------------------+--------------------+----------------------+
 *                                  too late             too late
 * ```
 * What is sent while it is not open is dropped: until the welcome nobody knows which version to write it in. So is what had not
 * left when a connection ended: nobody knows how much of that has arrived.
 */
import type { PeerAddress } from '../../actors/peers/messages.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import type { TimerId } from '../../runtime/actor.ts'
import type { FramePool } from '../frame-pool.ts'
import { FrameKey, helloFrame, Purpose, readHeader, readRefused, readWelcome, Refusal, refusalNames, type Hello } from './frames.ts'
import { type Chunk, SendQueue, type SendLimits } from './send-queue.ts'
import type { CloseReason, FrameConnection, FrameHandler } from './transport.ts'

/** From the begin of an attempt to the welcome: a peer's thread that stands still has accepted it, another one may do better. */
const openMsMax = { [Purpose.bulk]: 2000, [Purpose.beat]: 1000 } as const
const retryMsFirst = 50
const retryMsMax = 2000
/** A connection that lived this long was a good one: the next attempt counts as the first. */
const stableMs = 1000

export interface OutgoingHost {
  /** Monotonic milliseconds of this turn, or of the last one. */
  readonly now: number
  readonly pool: FramePool
  readonly sendLimits: SendLimits
  connect (peer: PeerAddress, handler: FrameHandler): FrameConnection
  hello (peer: PeerAddress, purpose: Purpose): Hello
  /** Calls `due` after a while, unless it is cancelled. */
  later (delayMs: number, due: () => void): TimerId
  cancel (timer: TimerId): void
  /** In [0, 1). */
  chance (): number
  sent (bytes: number): void
  dropped (frames: number): void
  opened (link: Outgoing): void
  /** Its connection ended, or could not be made. `absent`: nobody who could be this peer is there. Not told of what {@link Outgoing.renew} ends. */
  lost (link: Outgoing, reason: string, how: { readonly wasOpen: boolean, readonly absent: boolean }): void
  /** A frame from the other side of an open connection, from behind its header on. @throws ProtocolError  it is malformed */
  answered (link: Outgoing, key: number, body: Reader): void
}

export class Outgoing {
  readonly peer: PeerAddress
  readonly purpose: Purpose
  /** For its owner: it is to be flushed. */
  isDirty = false
  readonly #host: OutgoingHost
  readonly #chunkBytes: number
  #attempt: Attempt | undefined
  #failures = 0
  #retry: TimerId | undefined
  #closed = false

  constructor (host: OutgoingHost, peer: PeerAddress, { purpose, chunkBytes }: { purpose: Purpose, chunkBytes: number }) {
    this.#host = host
    this.peer = peer
    this.purpose = purpose
    this.#chunkBytes = chunkBytes
  }

  /** Whether it has been welcomed. */
  get isOpen (): boolean { return this.#attempt?.isOpen === true }
  /** Version that is spoken, while it is open. */
  get version (): number { return this.#attempt?.version ?? 0 }
  get openedAt (): number { return this.#attempt?.openedAt ?? 0 }

  /** Begins an attempt, unless one is under way. */
  connect (): void {
    if (this.#closed || this.#attempt !== undefined) return
    if (this.#retry !== undefined) this.#host.cancel(this.#retry)
    this.#retry = undefined
    this.#attempt = new Attempt(this, this.#host, this.#chunkBytes)
  }

  /** Makes room for a frame of `bytes`, to be written from `filled - bytes` on. @returns undefined: it is dropped */
  add (bytes: number): Chunk | undefined {
    return this.#attempt?.add(bytes)
  }

  /** Lets what was added leave, if the connection is there. */
  flush (): void {
    this.#attempt?.flush()
  }

  /** Ends the present connection, which may be dead without knowing it, and makes another at once. */
  renew (reason: string): void {
    const attempt = this.#attempt
    if (this.#closed || attempt === undefined || !attempt.isOpen) return
    this.#attempt = undefined
    attempt.abandon(reason)
    this.connect()
  }

  /** Ends it for good. */
  close (reason: string): void {
    this.#closed = true
    if (this.#retry !== undefined) this.#host.cancel(this.#retry)
    this.#attempt?.abandon(reason)
    this.#attempt = undefined
  }

  /** Told by its attempt: tries again after a time that grows, and is never the same for two. */
  ended (attempt: Attempt, reason: string, absent: boolean): void {
    if (this.#attempt !== attempt) return
    this.#attempt = undefined
    const wasOpen = attempt.isOpen
    if (wasOpen && this.#host.now - attempt.openedAt > stableMs) this.#failures = 0
    const retryMs = Math.min(retryMsFirst * 2 ** this.#failures, retryMsMax)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.#retry = this.#host.later(retryMs * (0.5 + this.#host.chance() / 2), () => {
      this.#retry = undefined
      this.connect()
    })
    this.#host.lost(this, reason, { wasOpen, absent })
  }
}

/** One connection of an {@link Outgoing}, from its begin to its end; whatever happens later on it concerns nobody any more. */
class Attempt implements FrameHandler {
  readonly #queue: SendQueue
  readonly #link: Outgoing
  readonly #host: OutgoingHost
  readonly #connection: FrameConnection
  readonly #deadline: TimerId
  readonly #reader = new Reader()
  version = 0
  isOpen = false
  openedAt = 0
  /** Its link does not want it any more. */
  #over = false
  #absent = false
  #helloLeft = false

  constructor (link: Outgoing, host: OutgoingHost, chunkBytes: number) {
    this.#link = link
    this.#host = host
    this.#queue = new SendQueue(host.pool, host.sendLimits, chunkBytes)
    const msMax = openMsMax[link.purpose]
    this.#deadline = host.later(msMax, () => { if (!this.isOpen) this.#connection.destroy(`not open after ${msMax} ms`) })
    this.#connection = host.connect(link.peer, this)
  }

  add (bytes: number): Chunk | undefined {
    return this.isOpen && !this.#over ? this.#queue.add(bytes) : undefined
  }

  flush (): void {
    if (!this.isOpen || this.#over) return
    const bytes = this.#queue.flush(this.#connection)
    if (bytes > 0) this.#host.sent(bytes)
  }

  abandon (reason: string): void {
    this.#over = true
    this.#host.cancel(this.#deadline)
    this.#connection.destroy(reason)
  }

  opened (): void {
    if (!this.#over) this.#helloLeft = this.#connection.write([helloFrame(this.#host.hello(this.#link.peer, this.#link.purpose))])
  }

  frame (bytes: Uint8Array, start: number, end: number): void {
    if (this.#over) return
    try {
      const reader = this.#reader.reset(bytes, start, end)
      const { key, version } = readHeader(reader)
      if (!this.isOpen) {
        this.#greeted(key, reader)
      } else if (key !== FrameKey.welcome) { // the welcome once more says nothing new
        if (version !== this.version) throw new ProtocolError(`a frame of version ${version}`)
        this.#host.answered(this.#link, key, reader)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#connection.destroy(`malformed frame: ${error.message}`)
    }
  }

  #greeted (key: number, reader: Reader): void {
    if (key === FrameKey.refused) {
      const { code, reason } = readRefused(reader)
      this.#absent = code === Refusal.cluster || code === Refusal.member || code === Refusal.unavailable
      this.#connection.destroy(`refused (${refusalNames[code] ?? code}): ${reason}`)
      return
    }
    if (key !== FrameKey.welcome) throw new ProtocolError(`key ${key} where a welcome was due`)
    const { version, member } = readWelcome(reader)
    const { versionMin, versionMax } = this.#host.hello(this.#link.peer, this.#link.purpose)
    if (member !== this.#link.peer.member || version < versionMin || version > versionMax) throw new ProtocolError(`welcomed by member ${member} in version ${version}`)
    this.version = version
    this.isOpen = true
    this.openedAt = this.#host.now
    this.#host.cancel(this.#deadline)
    this.#host.opened(this.#link)
  }

  taken (): void {
    if (!this.#helloLeft) {
      this.#helloLeft = true
      return
    }
    this.#queue.taken()
    this.flush()
  }

  closed ({ text, refused }: CloseReason): void {
    this.#host.cancel(this.#deadline)
    if (this.#queue.unsentFrames > 0) this.#host.dropped(this.#queue.unsentFrames)
    this.#queue.close()
    this.#link.ended(this, text, refused || this.#absent)
  }
}
