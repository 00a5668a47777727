/** Somebody who listens as a broker would, and welcomes, reads and answers as a test says. */
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'
import type { PeerAddress } from '../../../src/actors/peers/messages.ts'
import type { MemberId, NodeId } from '../../../src/base/ids.ts'
import { FrameKey, type Hello, readHeader, readHello, Refusal, refusedFrame, welcomeFrame } from '../../../src/net/peers/frames.ts'
import { Reader } from '../../../src/protocol/reader.ts'

export interface FakeFrame { readonly key: number, readonly correlation: number, readonly bytes: Buffer }

/** What came over one connection, behind its hello. */
export class FakeConnection {
  readonly socket: net.Socket
  hello: Hello | undefined
  readonly frames: FakeFrame[] = []
  closed = false
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (socket: net.Socket, answer: (connection: FakeConnection, frame: FakeFrame) => void) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('close', () => { this.closed = true })
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
      if (this.#bytes < 4) return
      let all = this.#chunks[0]!.length >= 4 ? this.#chunks[0]! : this.#join()
      while (all.length >= 4 && this.#bytes >= 4 + all.readInt32BE(0)) {
        all = this.#join()
        const end = 4 + all.readInt32BE(0)
        const reader = new Reader(all, 4, end)
        const { key, correlation } = readHeader(reader)
        if (key === FrameKey.hello) this.hello = readHello(reader)
        const frame = { key, correlation, bytes: Buffer.from(all.subarray(reader.position, end)) }
        if (key !== FrameKey.hello) this.frames.push(frame)
        answer(this, frame)
        all = all.subarray(end)
        this.#chunks = [all]
        this.#bytes = all.length
      }
    })
  }

  #join (): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}

export class FakeBroker {
  readonly connections: FakeConnection[] = []
  readonly member: MemberId
  readonly #server: net.Server
  /** What is answered to a hello or a question; by default it is welcomed. */
  onFrame = (connection: FakeConnection, { key, correlation }: FakeFrame): void => {
    if (key === FrameKey.hello) connection.socket.write(welcomeFrame(correlation, { version: 1, member: this.member }))
  }

  private constructor (member: number) {
    this.member = member as MemberId
    this.#server = net.createServer(socket => { this.connections.push(new FakeConnection(socket, (connection, frame) => this.onFrame(connection, frame))) })
  }

  static async listen (t: Test, member: number): Promise<FakeBroker> {
    const fake = new FakeBroker(member)
    fake.#server.listen({ host: '127.0.0.1', port: 0 })
    await once(fake.#server, 'listening')
    t.teardown(() => fake.close())
    return fake
  }

  get address (): PeerAddress {
    return { member: this.member, nodeId: this.member as number as NodeId, host: '127.0.0.1', port: (this.#server.address() as net.AddressInfo).port }
  }

  of (purpose: number): FakeConnection[] {
    return this.connections.filter(({ hello }) => hello?.purpose === purpose)
  }

  refuse (connection: FakeConnection, correlation: number, reason: string): void {
    connection.socket.end(refusedFrame(correlation, { code: Refusal.unavailable, reason }))
  }

  close (): void {
    this.#server.close()
    for (const { socket } of this.connections) socket.destroy()
  }
}
