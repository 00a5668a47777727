/**
 * What a broker without a cluster does on the raft port: asks others who they are, answers the same question, and asks a member
 * for a place. Each question has a connection of its own. What comes back is as the other side made it: whoever asked checks it.
 */
import { formatAddress, type HostPort } from '../../base/address.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeForeign } from '../../base/msgpack.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import type { Scheduler } from '../../runtime/scheduler.ts'
import { Complaints } from './complaints.ts'
import { answerBytesMax, FrameKey, headerBytes, openingBytesMax, packedFrame, readHeader, readRefused, Refusal, refusalNames } from './frames.ts'
import { Reception } from './reception.ts'
import type { CloseReason, FrameConnection, FrameHandler, Transport } from './transport.ts'

const connectionsMax = 256
const sweepMs = 1000

export interface PeerCallsOptions {
  readonly transport: Transport
  readonly scheduler: Scheduler
  readonly logger: Logger
}

export class PeerCalls {
  readonly #options: PeerCallsOptions

  constructor (options: PeerCallsOptions) {
    this.#options = options
  }

  /** Asks who listens at `to`. @throws when there was no answer within the time; the message says why */
  async discover (to: HostPort, timeoutMs: number): Promise<unknown> {
    return await this.#call(to, packedFrame(FrameKey.discover, 1, undefined), FrameKey.discovered, timeoutMs)
  }

  /** Asks the cluster, through the member at `to`, for a place in it. @throws as {@link discover}; when the request is too large too */
  async join (to: HostPort, request: object, timeoutMs: number): Promise<unknown> {
    const frame = packedFrame(FrameKey.join, 1, request)
    if (frame.length > openingBytesMax) throw new Error(`a request of ${frame.length} bytes, at most ${openingBytesMax} are taken`)
    return await this.#call(to, frame, FrameKey.joined, timeoutMs)
  }

  /** Listens for `discover` alone: everything else is refused as not available yet. @throws the system's error when it cannot listen */
  async answer (at: HostPort, discovered: () => object): Promise<{ readonly port: number, close: () => Promise<void> }> {
    const { transport, scheduler, logger } = this.#options
    const complaints = new Complaints(logger)
    const reception = new Reception({
      identity: undefined,
      get now () { return scheduler.clock.monotonicMs() },
      discovered,
      join: (from, correlation) => from.refuse(correlation, Refusal.unavailable, 'this broker belongs to no cluster yet'),
      welcomed: () => {},
      received: () => {},
      counted: () => {},
      traffic: () => {},
      complain: (kind, fields, text) => complaints.say(String(kind), scheduler.clock.monotonicMs(), fields, text)
    }, { connectionsMax, frameBytesMax: openingBytesMax })
    const listener = await transport.listen({ ...at, reusePort: false }, connection => reception.accept(connection))
    let stop = scheduler.later(sweepMs, function sweep () {
      reception.sweep()
      stop = scheduler.later(sweepMs, sweep)
    })
    return {
      port: listener.port,
      close: async () => {
        stop()
        reception.close()
        await listener.close()
      }
    }
  }

  async #call (to: HostPort, question: Uint8Array, answerKey: number, timeoutMs: number): Promise<unknown> {
    const { transport, scheduler } = this.#options
    return await new Promise((resolve, reject) => {
      const call: Call = new Call(question, answerKey, resolve, reason => reject(new Error(`${formatAddress(to)}: ${reason}`)))
      call.begin(handler => transport.connect(to, handler), expired => scheduler.later(timeoutMs, () => expired(`no answer within ${timeoutMs} ms`)))
    })
  }
}

/** One question, its connection, and what became of it. */
class Call implements FrameHandler {
  readonly #question: Uint8Array
  readonly #answerKey: number
  readonly #resolve: (answer: unknown) => void
  readonly #reject: (reason: string) => void
  #connection!: FrameConnection
  #cancel!: () => void
  #settled = false

  constructor (question: Uint8Array, answerKey: number, resolve: (answer: unknown) => void, reject: (reason: string) => void) {
    this.#question = question
    this.#answerKey = answerKey
    this.#resolve = resolve
    this.#reject = reject
  }

  begin (connect: (handler: FrameHandler) => FrameConnection, later: (expired: (reason: string) => void) => () => void): void {
    this.#connection = connect(this)
    this.#connection.frameBytesMax = answerBytesMax
    this.#cancel = later(reason => this.#fail(reason))
  }

  opened (): void {
    if (!this.#settled) this.#connection.write([this.#question])
  }

  taken (): void {}

  frame (bytes: Uint8Array, start: number, end: number): void {
    if (this.#settled) return
    try {
      const reader = new Reader(bytes, start, end)
      const { key } = readHeader(reader)
      if (key === FrameKey.refused) {
        const { code, reason } = readRefused(reader)
        this.#fail(`refused (${refusalNames[code] ?? code}): ${reason}`)
        return
      }
      const body = key === this.#answerKey ? decodeForeign(bytes.subarray(start + headerBytes, end)) : undefined
      if (body === undefined) throw new ProtocolError(`key ${key}, ${end - start - headerBytes} bytes`)
      this.#settle()
      this.#resolve(body)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#fail(`malformed answer: ${error.message}`)
    }
  }

  closed ({ text }: CloseReason): void {
    this.#fail(text)
  }

  #fail (reason: string): void {
    if (this.#settled) return
    this.#settle()
    this.#reject(reason)
  }

  #settle (): void {
    this.#settled = true
    this.#cancel()
    this.#connection.destroy('answered')
  }
}
