/**
 * Connections between clients and brokers, in memory. Bytes of one direction arrive in order, after a while, in pieces; while
 * the way is cut they wait, as TCP sends them again, so that what a client gave up long ago can still reach the broker.
 */
import type { Chance } from '../../src/base/prng.ts'
import type { ClientSocket, ReadInto } from '../../src/net/client-socket.ts'
import { Arena } from './arena.ts'
import type { Life } from './life.ts'
import type { World } from './world.ts'

/** How often is looked whether a cut way is whole again. */
const retryMs = 100
/** A piece may be cut in two anywhere. */
const cutChance = 0.05

/** A broker as its clients reach it. */
export interface Server {
  readonly number: number
  readonly life: Life | undefined
  /** Undefined: nobody listens. */
  readonly accept: ((handle: unknown, remote: string) => void) | undefined
}

/** What the client does with what comes. */
export interface ClientSide {
  received (bytes: Uint8Array): void
  /** Called once, unless the client itself closes. */
  closed (): void
}

export class ClientNetwork {
  readonly world: World
  readonly chance: Chance
  readonly #latencyMs: number
  /** Brokers that no client reaches now. */
  readonly cut = new Set<number>()
  readonly #open = new Set<ClientConnection>()
  readonly arena = new Arena()

  /** @param latencyMs  the shortest time that a piece takes */
  constructor (world: World, latencyMs: number) {
    this.world = world
    this.chance = world.chance('client-network')
    this.#latencyMs = latencyMs
  }

  latency (): number {
    const { chance } = this
    // Now and then a packet is lost and sent again.
    return this.#latencyMs * (1 + chance.next()) + (chance.next() < 0.005 ? 200 * chance.next() : 0)
  }

  connect (server: Server, side: ClientSide): ClientConnection {
    const connection = new ClientConnection(this, server, side)
    this.#open.add(connection)
    return connection
  }

  forget (connection: ClientConnection): void {
    this.#open.delete(connection)
  }

  /** A broker's run is over. @param told  its clients notice; else their connections are silent from now on */
  lifeOver (life: Life, told: boolean): void {
    for (const connection of this.#open) connection.lifeOver(life, told)
  }
}

/** One direction of a connection. */
class Way {
  readonly #net: ClientNetwork
  readonly #server: Server
  readonly #name: string
  readonly #life: () => Life | undefined
  /** `null`: the end. */
  readonly #deliver: (bytes: Uint8Array | null) => void
  readonly #waiting: Array<Uint8Array | null> = []
  #lastAtMs = 0
  closed = false

  constructor (net: ClientNetwork, server: Server, name: string, life: () => Life | undefined, deliver: (bytes: Uint8Array | null) => void) {
    this.#net = net
    this.#server = server
    this.#name = name
    this.#life = life
    this.#deliver = deliver
  }

  /** @param bytes  kept: nobody changes them any more */
  send (bytes: Uint8Array): void {
    const { chance } = this.#net
    if (bytes.length > 1 && chance.next() < cutChance) {
      const at = 1 + Math.floor(chance.next() * (bytes.length - 1))
      this.#sendPiece(bytes.subarray(0, at))
      this.#sendPiece(bytes.subarray(at))
    } else this.#sendPiece(bytes)
  }

  /** Nothing follows. */
  finish (): void {
    this.#sendPiece(null)
  }

  #sendPiece (bytes: Uint8Array | null): void {
    this.#waiting.push(bytes)
    const { world } = this.#net
    this.#lastAtMs = Math.max(this.#lastAtMs, world.nowMs + this.#net.latency())
    this.#plan(this.#lastAtMs - world.nowMs)
  }

  #plan (delayMs: number): void {
    this.#net.world.plan(delayMs, this.#name, this.#life(), () => this.#arrive())
  }

  /** There is one such event for each piece, and each brings the oldest one: their order is kept whatever the delays. */
  #arrive (): void {
    if (this.closed) return
    if (this.#net.cut.has(this.#server.number)) return this.#plan(retryMs)
    const bytes = this.#waiting.shift()
    if (bytes !== undefined) this.#deliver(bytes)
  }
}

export class ClientConnection {
  readonly #net: ClientNetwork
  readonly #server: Server
  readonly #side: ClientSide
  /** The run that it was begun with. */
  readonly #life: Life | undefined
  readonly #up: Way
  readonly #down: Way
  #socket: ServerSocket | undefined
  #closed = false
  /** What was sent before the broker took the connection. */
  #early: Uint8Array[] = []

  constructor (net: ClientNetwork, server: Server, side: ClientSide) {
    this.#net = net
    this.#server = server
    this.#side = side
    this.#life = server.life
    this.#up = new Way(net, server, 'request', () => this.#life, bytes => {
      if (bytes === null) this.#socket?.destroy()
      else this.#socket?.deliver(bytes)
    })
    this.#down = new Way(net, server, 'answer', () => undefined, bytes => { if (!this.#closed && bytes !== null) this.#side.received(bytes) })
    net.world.plan(net.latency(), 'connect', undefined, () => this.#connect())
  }

  send (bytes: Uint8Array): void {
    if (this.#closed) return
    if (this.#socket === undefined) this.#early.push(bytes)
    else this.#up.send(bytes)
  }

  /** By the client: it hears nothing more of it. What it sent still arrives, sooner or later, and then the end. */
  close (): void {
    if (this.#closed) return
    this.#end()
    if (this.#socket !== undefined) this.#up.finish()
  }

  lifeOver (life: Life, told: boolean): void {
    if (life !== this.#life) return
    this.#up.closed = this.#down.closed = true
    if (told) this.#refused(this.#net.latency())
  }

  /** By the broker, as its client hears of it. */
  serverClosed (): void {
    this.#refused(this.#net.latency())
  }

  copyOf (bytes: Uint8Array): Uint8Array {
    return this.#net.arena.copy([bytes])
  }

  answer (bytes: Uint8Array): void {
    this.#down.send(bytes)
  }

  #connect (): void {
    if (this.#closed) return
    // Silence: the client's own patience ends it.
    if (this.#net.cut.has(this.#server.number) || this.#life === undefined) {
      if (this.#life === undefined) this.#refused(0)
      return
    }
    const { accept } = this.#server
    const life = this.#life
    if (!life.alive || accept === undefined) return this.#refused(this.#net.latency())
    this.#net.world.plan(0, 'accept', life, () => {
      if (this.#closed) return
      this.#socket = new ServerSocket(this.#net.world, life, this)
      accept(this.#socket, `client of broker ${this.#server.number}`)
      for (const bytes of this.#early) this.#up.send(bytes)
      this.#early = []
    })
  }

  #refused (delayMs: number): void {
    this.#net.world.plan(delayMs, 'closed', undefined, () => {
      if (this.#closed) return
      this.#end()
      this.#side.closed()
    })
  }

  #end (): void {
    this.#closed = true
    this.#net.forget(this)
  }
}

/** The broker's end: what {@link ClientSocket} says, with a kernel that always has room. */
export class ServerSocket implements ClientSocket {
  readonly writableLength = 0
  destroyed = false
  readonly #world: World
  readonly #life: Life
  readonly #connection: ClientConnection
  #read: ReadInto | undefined
  #buffer: Uint8Array | undefined
  #paused = true
  #planned = false
  readonly #waiting: Uint8Array[] = []
  readonly #onClose: Array<() => void> = []
  #corked: Uint8Array[] | undefined

  constructor (world: World, life: Life, connection: ClientConnection) {
    this.#world = world
    this.#life = life
    this.#connection = connection
  }

  /** As node does it: a buffer is asked for before the read that fills it. */
  readInto (read: ReadInto): void {
    this.#read = read
  }

  deliver (bytes: Uint8Array): void {
    if (this.destroyed) return
    this.#waiting.push(bytes)
    this.#pump()
  }

  #pump (): void {
    const read = this.#read!
    for (let piece; !this.#paused && !this.destroyed && (piece = this.#waiting[0]) !== undefined;) {
      const into = this.#buffer ??= read.buffer()
      const count = Math.min(into.length, piece.length)
      into.set(piece.subarray(0, count))
      if (count === piece.length) this.#waiting.shift()
      else this.#waiting[0] = piece.subarray(count)
      if (!read.callback(count, into)) this.#paused = true
      this.#buffer = read.buffer()
    }
  }

  write (bytes: Uint8Array, written?: () => void): boolean {
    // The broker uses the memory again once it was taken.
    const copy = this.#connection.copyOf(bytes)
    if (this.#corked !== undefined) this.#corked.push(copy)
    else if (!this.destroyed && copy.length > 0) this.#connection.answer(copy)
    written?.()
    return true
  }

  cork (): void {
    this.#corked ??= []
  }

  uncork (): void {
    const pieces = this.#corked
    this.#corked = undefined
    if (pieces !== undefined && !this.destroyed) for (const piece of pieces) this.#connection.answer(piece)
  }

  pause (): void {
    this.#paused = true
  }

  resume (): void {
    if (!this.#paused || this.destroyed) return
    this.#paused = false
    if (this.#planned) return
    this.#planned = true
    this.#world.plan(0, 'read', this.#life, () => {
      this.#planned = false
      this.#pump()
    })
  }

  end (): void {}

  destroySoon (): void {
    this.destroy()
  }

  destroy (): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#connection.serverClosed()
    this.#world.plan(0, 'socket-closed', this.#life, () => { for (const listener of this.#onClose) listener() })
  }

  on (event: string, listener: (error: Error) => void): this {
    if (event === 'close') this.#onClose.push(listener as () => void)
    return this
  }

  once (event: string, listener: () => void): this {
    return this.on(event, listener)
  }
}
