/**
 * A client that does nothing by itself: one socket, requests written and answers read as the protocol's own definitions
 * say. Several requests may be under way; an answer out of turn is an error.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { AnyApi, RequestToWrite, ResponseToRead } from '../../src/protocol/api.ts'
import { readResponse, writeRequest } from '../../src/protocol/frame.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { Writer } from '../../src/protocol/writer.ts'

/** What no answer ever takes; a test that waits longer fails instead of hanging. */
const answerMsMax = 60_000

interface Pending {
  readonly correlationId: number
  readonly api: AnyApi
  readonly version: number
  readonly resolve: (response: any) => void
  readonly reject: (error: Error) => void
}

/** The frame of a request, as it goes over the wire. */
export function requestFrame<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>, correlationId = 0): Buffer {
  const writer = new Writer()
  writeRequest(writer, api, version, { correlationId, clientId: 'raw' }, request)
  return Buffer.concat(writer.finish())
}

export class RawClient {
  readonly socket: Socket
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>
  #isClosed = false
  #pending: Pending[] = []
  #correlationNext = 1
  #chunks: Buffer[] = []
  #bytes = 0

  private constructor (socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => {})
    this.closed = new Promise(resolve => socket.once('close', () => {
      this.#isClosed = true
      for (const { reject } of this.#pending.splice(0)) reject(new Error('the broker closed the connection'))
      resolve()
    }))
  }

  /**
   * @param address   HOST:PORT
   * @param withinMs  0: as long as the system tries
   */
  static async connect (address: string, withinMs = 0): Promise<RawClient> {
    const at = address.lastIndexOf(':')
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), allowHalfOpen: true })
    const late = withinMs === 0 ? undefined : setTimeout(() => socket.destroy(new Error(`no connection to ${address} within ${withinMs} ms`)), withinMs)
    await once(socket, 'connect').finally(() => clearTimeout(late))
    socket.on('end', () => socket.end())
    return new RawClient(socket)
  }

  get isClosed (): boolean { return this.#isClosed }

  /** Requests without an answer yet. */
  get underWay (): number { return this.#pending.length }

  /** Sends a request and returns its answer. @throws when the connection ends first, or after `withinMs`; its answer may still come then */
  async call<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>, withinMs = answerMsMax): Promise<ResponseToRead<A>> {
    if (this.#isClosed) throw new Error('the connection is closed')
    const correlationId = this.#correlationNext++
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${api.name} within ${withinMs} ms`)), withinMs)
      const settled = <T>(settle: (value: T) => void) => (value: T): void => { clearTimeout(timer); settle(value) }
      this.#pending.push({ correlationId, api, version, resolve: settled(resolve), reject: settled(reject) })
      this.socket.write(requestFrame(api, version, request, correlationId))
    })
  }

  /** Sends a request that gets no answer, or whose answer nobody reads. */
  send<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>): void {
    this.socket.write(requestFrame(api, version, request, this.#correlationNext++))
  }

  close (): void {
    this.socket.destroy()
  }

  #receive (chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes >= 4) {
      if (this.#chunks.length > 1 && this.#chunks[0]!.length < 4) this.#join()
      const size = 4 + this.#chunks[0]!.readInt32BE(0)
      if (this.#bytes < size) return
      this.#join()
      const all = this.#chunks[0]!
      this.#answer(all.subarray(4, size))
      this.#chunks[0] = all.subarray(size)
      this.#bytes -= size
    }
  }

  #join (): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
  }

  #answer (frame: Buffer): void {
    const pending = this.#pending.shift()
    const correlationId = frame.readInt32BE(0)
    if (pending === undefined || pending.correlationId !== correlationId) {
      const error = new Error(`answer ${correlationId} came where ${pending?.correlationId ?? 'none'} was due`)
      pending?.reject(error)
      this.socket.destroy(error)
      return
    }
    try {
      // A copy: the frame's memory goes back to the socket's pool, and answers are kept.
      pending.resolve(readResponse(new Reader(Uint8Array.from(frame)), pending.api, pending.version).response)
    } catch (error) {
      pending.reject(error as Error)
    }
  }
}
