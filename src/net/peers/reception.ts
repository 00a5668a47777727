/**
 * The connections that others have made to this thread, from the first frame on. That frame says what a connection is for:
 *
 * ```
 *  hello      a peer's thread sends Raft and controller messages (bulk), or its node sends beats, from here on
 *  discover   somebody who looks for a cluster asks who this is; answered at once
 *  join       the same wants to become a member; answered when the controller has
 *  (other)    refused, and the connection is closed
 * ```
 * Nothing is believed: until a hello was welcomed frames are short, and who does not say what it wants within some seconds is
 * closed. A refusal is counted, logged now and then, and answered where what came was a frame at all.
 */
import type { MemberId } from '../../base/ids.ts'
import { decodeForeign } from '../../base/msgpack.ts'
import { protocolRange } from '../../base/versions.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import {
  answerBytesMax, beatFrame, FrameKey, headerBytes, packedFrame, Purpose, readHeader, readHello, Refusal, refusalNames, refusedFrame, welcomeFrame, type Hello
} from './frames.ts'
import type { CloseReason, FrameConnection, FrameHandler } from './transport.ts'

/** From the accept to the first frame, and from a question to its answer and the asker's leaving. */
const greetingMsMax = 5000
/** The answer to a join takes a leader and a commit. */
const askingMsMax = 60_000
/** What a peer may leave unread of short answers. */
const unsentBytesMax = 64 * 1024
const questionsMax = 16

export interface ReceptionLimits {
  readonly connectionsMax: number
  /** Of a peer that was welcomed. */
  readonly frameBytesMax: number
}

/** Who this broker is to others; the hello of another broker must agree. */
export interface Identity {
  readonly clusterId: string
  readonly member: MemberId
  readonly nodeName: string
  readonly directoryId: string
  /** Another one for each process: who sees it change knows that this broker has started anew. */
  readonly incarnation: number
}

export interface ReceptionHost {
  /** Undefined: this broker belongs to no cluster yet. */
  readonly identity: Identity | undefined
  /** Monotonic milliseconds of this turn, or of the last one. */
  readonly now: number
  /** The answer to `discover`. */
  discovered (): object
  /** Asks the controller; its answer goes to {@link Incoming.joined}, or the want of one to {@link Incoming.refuse}. */
  join (from: Incoming, correlation: number, body: object): void
  welcomed (from: Incoming): void
  /** A frame of a welcomed bulk connection, `bytes[start..end)` from behind its header. @throws ProtocolError  it is malformed */
  received (from: MemberId, key: number, bytes: Uint8Array, start: number, end: number): void
  counted (connections: number): void
  traffic (received: number, sent: number): void
  /** @param kind  of {@link refusalNames} */
  complain (kind: number, fields: Readonly<Record<string, unknown>>, text: string): void
}

export class Reception {
  readonly host: ReceptionHost
  readonly limits: ReceptionLimits
  readonly reader = new Reader()
  readonly #connections = new Set<Incoming>()
  #closing = false

  constructor (host: ReceptionHost, limits: ReceptionLimits) {
    this.host = host
    this.limits = limits
  }

  get count (): number { return this.#connections.size }

  accept (connection: FrameConnection): FrameHandler {
    const incoming = new Incoming(this, connection)
    this.#connections.add(incoming)
    this.host.counted(this.#connections.size)
    if (this.#closing) connection.destroy(stopReason)
    else if (this.#connections.size > 2 * this.limits.connectionsMax) incoming.drop('too many to tell each of them')
    else if (this.#connections.size > this.limits.connectionsMax) incoming.close(Refusal.full, `${this.limits.connectionsMax} connections of other brokers are open`)
    return incoming
  }

  /** Every second or so: closes who has not said in time what it wants, or has not taken its answer. */
  sweep (): void {
    for (const incoming of this.#connections) incoming.sweep(this.host.now)
  }

  /** A thread of a peer has one connection of each purpose: the one before was lost, or is about to notice that. */
  welcome (from: Incoming): void {
    for (const other of this.#connections) if (other !== from && other.isReplacedBy(from)) other.drop('replaced by a newer one')
    this.host.welcomed(from)
  }

  leave (incoming: Incoming): void {
    this.#connections.delete(incoming)
    this.host.counted(this.#connections.size)
  }

  close (): void {
    this.#closing = true
    for (const incoming of this.#connections) incoming.drop(stopReason)
  }
}

const noAnswer: Uint8Array = new Uint8Array(0)
const stopReason = 'the broker stops'

/** One connection that somebody has made to this thread. */
export class Incoming implements FrameHandler {
  readonly #reception: Reception
  readonly #connection: FrameConnection
  /** Once it was welcomed. */
  #hello: Hello | undefined
  #version = 0
  /** When the sweep saw it first, or it asked last. */
  #since: number | undefined
  #waitMsMax = greetingMsMax
  #questions = 0
  /** To a beat with this correlation id, the same each time: nobody changes it, so the socket may keep it. */
  #answer = noAnswer
  #answered: number | undefined
  /** Or about to be: nothing more is read or written. */
  #closed = false

  constructor (reception: Reception, connection: FrameConnection) {
    this.#reception = reception
    this.#connection = connection
  }

  get remote (): string { return this.#connection.remote }
  get hello (): Hello | undefined { return this.#hello }

  opened (): void {}

  taken (): void {}

  closed ({ text, malformed }: CloseReason): void {
    this.#closed = true
    this.#reception.leave(this)
    if (malformed) this.#complain(Refusal.malformed, text)
  }

  frame (bytes: Uint8Array, start: number, end: number): void {
    if (this.#closed) return
    const { host } = this.#reception
    host.traffic(end - start + 4, 0)
    try {
      if (this.#hello === undefined) this.#open(bytes, start, end)
      else this.#receive(this.#hello, bytes, start, end)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(Refusal.malformed, error.message)
    }
  }

  #receive (hello: Hello, bytes: Uint8Array, start: number, end: number): void {
    const { host, reader } = this.#reception
    const { key, version, correlation } = readHeader(reader.reset(bytes, start, end))
    if (key === FrameKey.hello) return // once more: it was welcomed
    if (version !== this.#version) throw new ProtocolError(`a frame of version ${version}`)
    if (hello.purpose === Purpose.bulk) {
      host.received(hello.from, key, bytes, start + headerBytes, end)
      return
    }
    if (key !== FrameKey.beat) throw new ProtocolError(`key ${key} among beats`)
    reader.int64()
    reader.expectEnd()
    if (correlation !== this.#answered) {
      this.#answered = correlation
      this.#answer = beatFrame(version, correlation, host.identity!.incarnation)
    }
    this.#send(this.#answer)
  }

  // ---- what opens a connection

  #open (bytes: Uint8Array, start: number, end: number): void {
    const { host } = this.#reception
    const reader = this.#reception.reader.reset(bytes, start, end)
    const { key, version, correlation } = readHeader(reader)
    if (version !== 0 && (key === FrameKey.hello || key === FrameKey.discover || key === FrameKey.join)) {
      this.close(Refusal.version, `version ${version} of what opens a connection`, correlation)
      return
    }
    switch (key) {
      case FrameKey.hello:
        this.#greet(readHello(reader), correlation)
        break
      case FrameKey.discover:
        this.#ask()
        this.#send(packedFrame(FrameKey.discovered, correlation, host.discovered()))
        break
      case FrameKey.join: {
        this.#ask()
        const body = decodeForeign(bytes.subarray(start + headerBytes, end))
        if (typeof body !== 'object' || body === null) throw new ProtocolError('a join that says nothing')
        if (host.identity === undefined) this.refuse(correlation, Refusal.unavailable, 'this broker belongs to no cluster yet')
        else host.join(this, correlation, body)
        break
      }
      default:
        throw new ProtocolError(`key ${key} opens no connection`)
    }
  }

  #ask (): void {
    if (++this.#questions > questionsMax) throw new ProtocolError(`more than ${questionsMax} questions over one connection`)
    this.#since = undefined
    this.#waitMsMax = askingMsMax
  }

  #greet (hello: Hello | undefined, correlation: number): void {
    const { identity } = this.#reception.host
    if (hello === undefined) return this.close(Refusal.malformed, 'no hello of this protocol', correlation)
    if (this.#questions > 0) return this.close(Refusal.malformed, 'a hello behind a question', correlation)
    if (identity === undefined) return this.close(Refusal.unavailable, 'this broker belongs to no cluster yet', correlation)
    const says = `${hello.nodeName} says hello as member ${hello.from} of cluster ${hello.clusterId}`
    const version = Math.min(hello.versionMax, protocolRange.max)
    if (version < hello.versionMin || version < protocolRange.min) {
      return this.close(Refusal.version, `${says} in versions ${hello.versionMin} to ${hello.versionMax}; spoken are ${protocolRange.min} to ${protocolRange.max}`, correlation)
    }
    if (hello.clusterId !== identity.clusterId) return this.close(Refusal.cluster, `${says}; this is cluster ${identity.clusterId}`, correlation)
    if (hello.to !== identity.member) return this.close(Refusal.member, `${says} to member ${hello.to}; this is member ${identity.member}`, correlation)
    if (hello.from === identity.member) return this.close(Refusal.member, `${says}, which is this broker: two run with one data folder, or its copy`, correlation)
    if (hello.from < 1 || (hello.purpose !== Purpose.bulk && hello.purpose !== Purpose.beat)) return this.close(Refusal.malformed, `${says} for purpose ${hello.purpose}`, correlation)
    this.#hello = hello
    this.#version = version
    if (hello.purpose === Purpose.bulk) this.#connection.frameBytesMax = this.#reception.limits.frameBytesMax
    this.#send(welcomeFrame(correlation, { version, member: identity.member }))
    this.#reception.welcome(this)
  }

  isReplacedBy ({ hello }: Incoming): boolean {
    const mine = this.#hello
    return mine !== undefined && hello !== undefined && mine.from === hello.from && mine.purpose === hello.purpose && mine.thread === hello.thread
  }

  // ---- answers and ends

  /** Answers a join. */
  joined (correlation: number, body: object): void {
    if (this.#closed) return
    this.#since = undefined
    this.#waitMsMax = greetingMsMax
    const frame = packedFrame(FrameKey.joined, correlation, body)
    if (frame.length <= answerBytesMax) this.#send(frame)
    else this.refuse(correlation, Refusal.unavailable, `an answer of ${frame.length} bytes`)
  }

  /** Says no to one question. */
  refuse (correlation: number, code: Refusal, reason: string): void {
    if (this.#closed) return
    this.#complain(code, reason)
    this.#send(refusedFrame(correlation, { code, reason }))
  }

  /** Says why, and closes. */
  close (code: Refusal, reason: string, correlation = 0): void {
    if (this.#closed) return
    this.refuse(correlation, code, reason)
    this.#closed = true
    this.#connection.end(reason)
  }

  drop (reason: string): void {
    this.#closed = true
    this.#connection.destroy(reason)
  }

  sweep (now: number): void {
    if (this.#closed || this.#hello !== undefined) return
    this.#since ??= now
    if (now - this.#since <= this.#waitMsMax) return
    if (this.#questions === 0) this.close(Refusal.late, `nothing was said within ${greetingMsMax} ms`)
    else this.drop('asked and did not leave')
  }

  #send (frame: Uint8Array): void {
    if (this.#closed) return
    this.#reception.host.traffic(0, frame.length)
    this.#connection.write([frame])
    if (this.#connection.unsentBytes > unsentBytesMax + frame.length) this.drop('does not take its answers')
  }

  #complain (code: Refusal, reason: string): void {
    this.#reception.host.complain(code, { remote: this.remote }, `refused (${refusalNames[code]}): ${reason}`)
  }
}
