/** Frames between brokers without sockets, in virtual time: whole frames are delivered late, twice or never, as a test says. */
import type { HostPort } from '../../../src/base/address.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { eachFrame, lengthBytes } from '../../../src/net/peers/frames.ts'
import type { CloseReason, FrameConnection, FrameHandler, ListenAt, Transport, TransportListener } from '../../../src/net/peers/transport.ts'
import type { VirtualScheduler } from '../../runtime/virtual-scheduler.ts'

type Accept = (connection: FrameConnection) => FrameHandler

export class MemoryNetwork {
  readonly scheduler: VirtualScheduler
  readonly chance = seededChance(11)
  delayMs = 1
  /** Of frames, in [0, 1]. */
  loss = 0
  twice = 0
  /** Pairs `from>to` of ports between which nothing arrives, not even the end of a connection. */
  readonly cut = new Set<string>()
  connects = 0
  /** All that was opened. */
  readonly sides = new Set<Side>()
  readonly #listeners = new Map<number, Accept[]>()

  constructor (scheduler: VirtualScheduler) {
    this.scheduler = scheduler
  }

  /** What one broker, known by its port, has of the network. */
  transport (port: number): Transport {
    return {
      listen: async (at, accept) => this.#listen(at, accept),
      connect: (to, handler) => this.#connect(port, to, handler)
    }
  }

  /** Connections of now lead nowhere from now on, and nobody is told: their routes have changed, or a thread at their end stands still. */
  lose (which: (side: Side) => boolean = () => true): void {
    for (const side of this.sides) if (which(side)) side.lost = true
  }

  cutOff (a: number, b: number): void {
    this.cut.add(`${a}>${b}`).add(`${b}>${a}`)
  }

  #listen ({ port }: ListenAt, accept: Accept): TransportListener {
    const accepts = this.#listeners.get(port) ?? []
    this.#listeners.set(port, [...accepts, accept])
    return { port, close: async () => { this.#listeners.set(port, this.#listeners.get(port)!.filter(other => other !== accept)) } }
  }

  #connect (from: number, { port }: HostPort, handler: FrameHandler): FrameConnection {
    this.connects++
    const near = new Side(this, from, port, handler)
    this.scheduler.later(this.delayMs, () => {
      const accepts = this.#listeners.get(port) ?? []
      if (near.closed || this.cut.has(`${from}>${port}`)) return
      if (accepts.length === 0) return near.close('ECONNREFUSED', true)
      const far = new Side(this, port, from)
      near.other = far
      far.other = near
      far.handler = accepts[this.chance.uint32() % accepts.length]!(far)
      handler.opened()
    })
    return near
  }
}

export class Side implements FrameConnection {
  readonly remote: string
  readonly unsentBytes = 0
  frameBytesMax = Infinity
  handler!: FrameHandler
  other: Side | undefined
  closed = false
  lost = false
  /** Keys of the frames that it sent. */
  readonly keys = new Set<number>()
  readonly #network: MemoryNetwork
  readonly #way: string

  constructor (network: MemoryNetwork, from: number, to: number, handler?: FrameHandler) {
    this.#network = network
    this.#way = `${from}>${to}`
    this.remote = `memory:${to}`
    if (handler !== undefined) this.handler = handler
    network.sides.add(this)
  }

  write (pieces: readonly Uint8Array[]): boolean {
    const { scheduler, chance, delayMs, loss, twice } = this.#network
    for (const piece of pieces) {
      eachFrame(piece, (start, end) => {
        this.keys.add(piece[start]! << 8 | piece[start + 1]!)
        for (let times = chance.next() < loss ? 0 : chance.next() < twice ? 2 : 1; times > 0; times--) {
          const frame = piece.slice(start - lengthBytes, end)
          scheduler.later(delayMs, () => { if (!this.#isCut) this.other?.deliver(frame) })
        }
      })
    }
    // As a kernel that is busy: copied, but told later.
    if (chance.next() < 0.5) return true
    scheduler.later(delayMs, () => { if (!this.closed) this.handler.taken() })
    return false
  }

  get #isCut (): boolean { return this.lost || this.other?.lost === true || this.#network.cut.has(this.#way) }

  deliver (frame: Uint8Array): void {
    if (this.closed) return
    this.handler.frame(frame, lengthBytes, frame.length)
    frame.fill(0) // borrowed until now
  }

  end (reason: string): void {
    this.#network.scheduler.later(this.#network.delayMs, () => this.destroy(reason))
  }

  destroy (reason: string): void {
    this.#network.scheduler.later(this.#network.delayMs, () => {
      this.close(reason)
      if (!this.#isCut) this.other?.close('closed by the other side')
    })
  }

  close (text: string, refused = false): void {
    if (this.closed) return
    this.closed = true
    this.#network.sides.delete(this)
    this.handler.closed({ text, refused, malformed: false } satisfies CloseReason)
  }
}
