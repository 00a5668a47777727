/**
 * The way between brokers: whole frames, in memory. Each direction between two brokers has a state of its own, so that a
 * partition may be one-way. What a cut way holds back arrives late, or never: then the connection ends, and a new one comes.
 */
import type { HostPort } from '../../src/base/address.ts'
import type { Chance } from '../../src/base/prng.ts'
import type { CloseReason, FrameConnection, FrameHandler, ListenAt, Transport, TransportListener } from '../../src/net/peers/transport.ts'
import { Arena } from './arena.ts'
import type { Life } from './life.ts'
import type { World } from './world.ts'

/** A connection whose way is cut for so long, or up to twice as long, is given up by who sends. */
const givenUpMs = 4000
const brokersMax = 16
const lengthBytes = 4

/** How bad the network is, from now on. */
export interface Weather {
  /** Shortest time that a frame takes. */
  latencyMs: number
  /** Chance of a frame to be lost, to come twice, and to come late, behind others that were sent after it. */
  loses: number
  doubles: number
  delays: number
}

/** A broker as the others reach it: at host `b<number>`. */
interface Listening {
  readonly life: Life
  readonly accept: (connection: FrameConnection) => FrameHandler
}

export class PeerNetwork {
  readonly world: World
  readonly chance: Chance
  readonly weather: Weather
  readonly arena = new Arena()
  readonly #cut = new Map<number, number>()
  /** What waits for a cut way to be mended, in order. */
  readonly #waiting = new Map<number, Array<() => void>>()
  readonly #listening = new Map<number, Listening>()
  readonly #open = new Set<Line>()

  constructor (world: World, weather: Weather) {
    this.world = world
    this.chance = world.chance('peer-network')
    this.weather = weather
  }

  transport (life: Life): Transport {
    return {
      listen: async (at, accept) => this.#listen(life, at, accept),
      connect: (to, handler) => new Line(this, life, numberOf(to), handler).dialer
    }
  }

  /** From now on nothing gets from one broker to the other. Cuts add up: each is to be mended. */
  cut (from: number, to: number): void {
    const way = from * brokersMax + to
    this.#cut.set(way, (this.#cut.get(way) ?? 0) + 1)
  }

  mend (from: number, to: number): void {
    const way = from * brokersMax + to
    const left = (this.#cut.get(way) ?? 0) - 1
    if (left > 0) {
      this.#cut.set(way, left)
      return
    }
    this.#cut.delete(way)
    const waiting = this.#waiting.get(way) ?? []
    this.#waiting.delete(way)
    for (const goOn of waiting) goOn()
  }

  /** Calls back once the way is whole. */
  whenMended (from: number, to: number, goOn: () => void): void {
    const way = from * brokersMax + to
    const waiting = this.#waiting.get(way)
    if (waiting === undefined) this.#waiting.set(way, [goOn])
    else waiting.push(goOn)
  }

  isCut (from: number, to: number): boolean {
    return this.#cut.size > 0 && this.#cut.has(from * brokersMax + to)
  }

  listeningAt (broker: number): Listening | undefined {
    const listening = this.#listening.get(broker)
    return listening?.life.alive === true ? listening : undefined
  }

  add (line: Line): void {
    this.#open.add(line)
  }

  forget (line: Line): void {
    this.#open.delete(line)
  }

  /** @param told  the other side's kernel hears of it; else it finds out by writing to somebody new */
  lifeOver (life: Life, told: boolean): void {
    if (this.#listening.get(life.broker)?.life === life) this.#listening.delete(life.broker)
    for (const line of this.#open) line.lifeOver(life, told)
  }

  #listen (life: Life, at: ListenAt, accept: (connection: FrameConnection) => FrameHandler): TransportListener {
    const listening = { life, accept }
    if (this.listeningAt(life.broker) !== undefined) throw Object.assign(new Error(`EADDRINUSE: b${life.broker}:${at.port}`), { code: 'EADDRINUSE' })
    this.#listening.set(life.broker, listening)
    return {
      port: at.port,
      close: async () => { if (this.#listening.get(life.broker) === listening) this.#listening.delete(life.broker) }
    }
  }
}

function numberOf ({ host }: HostPort): number {
  return Number(host.slice(1))
}

/** One connection: its two ends. */
class Line {
  readonly net: PeerNetwork
  readonly dialer: End
  readonly to: number
  acceptor: End | undefined

  constructor (net: PeerNetwork, life: Life, to: number, handler: FrameHandler) {
    this.net = net
    this.to = to
    this.dialer = new End(this, life, to, handler)
    net.add(this)
    net.world.plan(this.latency(), 'peer-connect', undefined, () => this.#connect())
  }

  latency (): number {
    return this.net.weather.latencyMs * (1 + this.net.chance.next())
  }

  #connect (): void {
    const { net, dialer, to } = this
    const from = dialer.life.broker
    if (dialer.closed || !dialer.life.alive) return net.forget(this)
    // Silence: whoever dials gives up by itself.
    if (net.isCut(from, to) || net.isCut(to, from)) return
    const listening = net.listeningAt(to)
    if (listening === undefined) return dialer.lose({ text: 'ECONNREFUSED', refused: true, malformed: false })
    net.world.plan(0, 'peer-accept', listening.life, () => {
      const acceptor = this.acceptor = new End(this, listening.life, from, undefined)
      acceptor.handler = listening.accept(acceptor)
      net.world.plan(this.latency(), 'peer-opened', dialer.life, () => { if (!dialer.closed) dialer.handler!.opened() })
    })
  }

  otherOf (end: End): End | undefined {
    return end === this.dialer ? this.acceptor : this.dialer
  }

  /** One end is gone: the other one hears of it when its kernel does, behind what was sent before. */
  ended (end: End): void {
    this.net.forget(this)
    this.#tell(this.otherOf(end), end.life.broker, end.leavesMs)
  }

  #tell (other: End | undefined, from: number, delayMs: number): void {
    if (other === undefined) return
    this.net.world.plan(delayMs + this.latency(), 'peer-closed', undefined, () => {
      if (other.closed) return
      const to = other.life.broker
      if (this.net.isCut(from, to)) this.net.whenMended(from, to, () => this.#tell(other, from, 0))
      else other.lose({ text: 'closed by the other side', refused: false, malformed: false })
    })
  }

  lifeOver (life: Life, told: boolean): void {
    for (const end of [this.dialer, this.acceptor]) {
      if (end === undefined || end.life !== life || end.closed) continue
      end.closed = true
      if (told) this.ended(end)
    }
  }
}

class End implements FrameConnection {
  readonly unsentBytes = 0
  frameBytesMax = Infinity
  closed = false
  handler: FrameHandler | undefined
  readonly remote: string
  readonly life: Life
  readonly #line: Line
  /** Number of the broker on the other side. */
  readonly #other: number
  #lastAtMs = 0
  #isStuck = false

  constructor (line: Line, life: Life, other: number, handler: FrameHandler | undefined) {
    this.#line = line
    this.life = life
    this.#other = other
    this.handler = handler
    this.remote = `b${other}`
  }

  /** How long until the last that was sent arrives. */
  get leavesMs (): number {
    return Math.max(0, this.#lastAtMs - this.#line.net.world.nowMs)
  }

  write (pieces: readonly Uint8Array[]): boolean {
    if (this.closed) return false
    // The sender's memory is free again when this returns.
    const { net } = this.#line
    const bytes = net.arena.copy(pieces)
    const { loses, doubles, delays } = net.weather
    if (loses + doubles + delays === 0) this.#send(bytes)
    else this.#sendEach(bytes)
    return true
  }

  /** Frame by frame: what happens to one need not happen to the next. */
  #sendEach (bytes: Uint8Array): void {
    const { net } = this.#line
    const { loses, doubles, delays } = net.weather
    for (let at = 0; at < bytes.length;) {
      const end = frameEnd(bytes, at)
      const frame = bytes.subarray(at, end)
      at = end
      const chance = net.chance.next()
      if (chance < loses) continue
      if (chance < loses + doubles) this.#send(frame)
      if (chance > 1 - delays) this.#plan(frame, this.#line.latency() * (1 + 20 * net.chance.next()))
      else this.#send(frame)
    }
  }

  /** In order behind what was sent before. */
  #send (frames: Uint8Array): void {
    const { nowMs } = this.#line.net.world
    this.#lastAtMs = Math.max(this.#lastAtMs, nowMs + this.#line.latency())
    this.#plan(frames, this.#lastAtMs - nowMs)
  }

  #plan (frames: Uint8Array, delayMs: number): void {
    const other = this.#line.otherOf(this)
    // To a process that is gone, its machine may have something to say.
    this.#line.net.world.plan(delayMs, 'frames', other?.life.alive === true ? other.life : undefined, () => this.#arrive(frames))
  }

  #arrive (frames: Uint8Array): void {
    const other = this.#line.otherOf(this)
    if (other === undefined) return
    const { net } = this.#line
    if (net.isCut(this.life.broker, this.#other)) return this.#stuck(frames)
    if (other.closed) return this.#unknown()
    this.#isStuck = false
    for (let at = 0; at < frames.length && !other.closed;) {
      const end = frameEnd(frames, at)
      if (end - at - lengthBytes > other.frameBytesMax) return other.destroy('a frame that is too large')
      other.handler!.frame(frames, at + lengthBytes, end)
      at = end
    }
  }

  /** A machine that was away knows nothing of this connection: it says so (RFC 9293, 3.10.7.1) as soon as it is there again and is sent something. */
  #unknown (): void {
    const { net } = this.#line
    if (net.listeningAt(this.#other) === undefined) return
    net.world.plan(this.#line.latency(), 'peer-reset', undefined, () => {
      if (!net.isCut(this.#other, this.life.broker)) this.lose({ text: 'ECONNRESET', refused: false, malformed: false })
    })
  }

  /** It waits, as TCP sends again and again; in the end the sender loses patience, unless the way is whole before that. */
  #stuck (frames: Uint8Array): void {
    const { net } = this.#line
    net.whenMended(this.life.broker, this.#other, () => { if (!this.closed) this.#send(frames) })
    if (this.#isStuck) return
    this.#isStuck = true
    net.world.plan(givenUpMs * (1 + net.chance.next()), 'peer-patience', undefined, () => {
      if (!this.#isStuck || this.closed) return
      this.lose({ text: 'ETIMEDOUT', refused: false, malformed: false })
      this.#line.ended(this)
    })
  }

  end (reason: string): void {
    this.destroy(reason)
  }

  destroy (reason: string): void {
    if (this.closed) return
    this.lose({ text: reason, refused: false, malformed: false })
    this.#line.ended(this)
  }

  /** Its own side is told. */
  lose (why: CloseReason): void {
    if (this.closed) return
    this.closed = true
    this.#line.net.world.plan(0, 'peer-lost', this.life, () => this.handler?.closed(why))
  }
}

function frameEnd (bytes: Uint8Array, at: number): number {
  return at + lengthBytes + ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
}
