/** Somebody who talks to a broker's raft port byte by byte, well or badly. */
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'
import type { MemberId } from '../../../src/base/ids.ts'
import { FrameKey, type Hello, helloFrame, Purpose, readHeader, readRefused, readWelcome } from '../../../src/net/peers/frames.ts'
import { Reader } from '../../../src/protocol/reader.ts'
import { Writer } from '../../../src/protocol/writer.ts'
import { type Broker, clusterId } from './peer-kit.ts'

export interface RawFrame { readonly key: number, readonly version: number, readonly correlation: number, readonly body: Buffer }

export class RawPeer {
  readonly socket: net.Socket
  readonly frames: RawFrame[] = []
  closed = false
  #bytes = Buffer.alloc(0)
  #onChange: () => void = () => {}

  private constructor (socket: net.Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readInt32BE(0)) {
        const end = 4 + this.#bytes.readInt32BE(0)
        const reader = new Reader(this.#bytes, 4, end)
        this.frames.push({ ...readHeader(reader), body: Buffer.from(this.#bytes.subarray(reader.position, end)) })
        this.#bytes = this.#bytes.subarray(end)
      }
      this.#onChange()
    })
    socket.on('close', () => {
      this.closed = true
      this.#onChange()
    })
  }

  static async connect (t: Test, { port }: { port: number }): Promise<RawPeer> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return new RawPeer(socket)
  }

  write (bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  async until (condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => { this.#onChange = resolve })
  }

  /** The next frame that was not taken yet. */
  async frame (): Promise<RawFrame> {
    await this.until(() => this.frames.length > 0)
    return this.frames.shift()!
  }

  /** What a refusal says, once the connection is closed; undefined: it was closed without a word. */
  async refusal (): Promise<{ code: number, reason: string } | undefined> {
    await this.until(() => this.closed)
    const frame = this.frames.at(-1)
    return frame?.key === FrameKey.refused ? readRefused(new Reader(frame.body)) : undefined
  }

  /** Says hello as a peer that the broker may or may not know, and returns once it was welcomed. */
  async greet (to: Broker, changes: Partial<Hello> = {}): Promise<this> {
    this.write(helloFrame(hello(to, changes)))
    const { key, body } = await this.frame()
    if (key !== FrameKey.welcome) throw new Error(`not welcomed: ${readRefused(new Reader(body)).reason}`)
    if (readWelcome(new Reader(body)).member !== to.member) throw new Error('welcomed by somebody else')
    return this
  }
}

export function hello (to: Broker, changes: Partial<Hello> = {}): Hello {
  return {
    versionMin: 1, versionMax: 1, clusterId, from: 7 as MemberId, nodeName: 'raw', directoryId: '7'.padStart(32, '0'), to: to.member, purpose: Purpose.bulk, thread: 0, ...changes
  }
}

/** A frame around any body. */
export function frameOf (key: number, version: number, body: Uint8Array, correlation = 0): Buffer {
  const writer = new Writer()
  writer.beginFrame()
  writer.int16(key)
  writer.int16(version)
  writer.int32(correlation)
  writer.splice(body)
  writer.endFrame()
  return Buffer.concat(writer.finish())
}
