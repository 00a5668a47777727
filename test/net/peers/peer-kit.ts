/** Brokers that are links and nothing else, with real sockets on 127.0.0.1, and actors that write down what they are told. */
import net from 'node:net'
import type { Test } from 'tap'
import { peersCodecs } from '../../../src/actors/peers/codec.ts'
import type { PeerAddress, RaftIn } from '../../../src/actors/peers/messages.ts'
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId, GroupKey, MemberId, NodeId, ThreadIndex } from '../../../src/base/ids.ts'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import { createMetrics, type Metric, MetricRow } from '../../../src/base/metrics.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { peerLimits, type PeerLinksOptions } from '../../../src/net/peers/peer-links-options.ts'
import { PeerLinks } from '../../../src/net/peers/peer-links.ts'
import { SocketTransport } from '../../../src/net/peers/socket-transport.ts'
import type { Transport } from '../../../src/net/peers/transport.ts'
import type { RaftMessage } from '../../../src/raft/messages.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'
import { ActorSystem } from '../../../src/runtime/actor-system.ts'
import { Codecs } from '../../../src/runtime/codec.ts'
import { createPlacement, Placement } from '../../../src/runtime/placement.ts'
import type { Scheduler } from '../../../src/runtime/scheduler.ts'
import type { RuntimeEvent } from '../../../src/runtime/runtime-event.ts'

export const clusterId = 'cluster-1'
const linksId = (thread: number): ActorId => 10 + thread as ActorId
export const controllerId = 2 as ActorId
export const groupIds = [20, 21, 22] as ActorId[]
export const groups = ['a', 'b', 'c'].map((digit, i) => `${digit.repeat(32)}-${i}` as GroupKey)

export type AnyMessage = Message & Record<string, any>
export interface Received { readonly actor: ActorId, readonly message: AnyMessage }
export interface Line { readonly level: string, readonly text: string, readonly fields: Record<string, unknown> }

export interface BrokerOptions {
  readonly member: number
  readonly threads?: number
  readonly clusterId?: string
  readonly port?: number
  readonly limits?: Partial<PeerLinksOptions['limits']>
  readonly transport?: Transport
  readonly scheduler?: Scheduler
  readonly readJoin?: (body: object) => object
  /** What the controller does with what it is told, besides writing it down. */
  readonly controller?: (message: AnyMessage, out: Outbox) => void
}

export class Broker {
  readonly member: MemberId
  readonly metrics = new MetricRow(createMetrics(2), 1)
  readonly events: RuntimeEvent[] = []
  readonly lines: Line[] = []
  /** Of the present lives, by thread. */
  readonly links: PeerLinks[] = []
  readonly transports: Transport[] = []
  /** All that groups and controller were told, in order; bytes are copies. */
  readonly received: Received[] = []
  system!: ActorSystem
  port = 0
  peers: PeerAddress[] = []
  #incarnation: number
  readonly #options: BrokerOptions

  private constructor (options: BrokerOptions) {
    this.#options = options
    this.member = options.member as MemberId
    this.#incarnation = options.member * 1000
  }

  static async open (t: Test, options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.start()
    t.teardown(async () => await broker.stop())
    return broker
  }

  async start (): Promise<void> {
    const { threads = 1, controller = () => {}, scheduler } = this.#options
    this.port = this.#options.port ?? (this.port === 0 ? await freePort() : this.port)
    this.system = new ActorSystem({ placement: new Placement(createPlacement(64)), codecs: new Codecs(peersCodecs), onEvent: event => this.events.push(event), ...(scheduler && { scheduler }) })
    for (const id of [controllerId, ...groupIds]) {
      await this.system.start(id, async () => ({
        receive: (message, out) => {
          this.received.push({ actor: id, message: structuredClone(message) as AnyMessage })
          if (id !== controllerId) return
          if (message.kind === 'subscribe-peers') this.tellAll((message as AnyMessage).actor)
          controller(message as AnyMessage, out)
        }
      }))
    }
    for (let thread = 0; thread < threads; thread++) await this.#startLinks(thread, threads)
  }

  async #startLinks (thread: number, threads: number): Promise<void> {
    const transport = this.#options.transport ?? new SocketTransport({ assemblyBytesMax: 32 << 20 })
    this.transports[thread] = transport
    await this.system.start(linksId(thread), async ({ self }) => {
      const links = await PeerLinks.open({
        identity: {
          clusterId: this.#options.clusterId ?? clusterId,
          member: this.member,
          nodeName: `node-${this.member}`,
          directoryId: String(this.member).padStart(32, '0'),
          incarnation: this.#incarnation
        },
        thread: thread as ThreadIndex,
        links: Array.from({ length: threads }, (_, i) => linksId(i)),
        controller: controllerId,
        listen: { host: '127.0.0.1', port: this.port, reusePort: true },
        discovered: () => ({ nodeName: `node-${this.member}` }),
        ...this.#options.readJoin === undefined ? {} : { readJoin: this.#options.readJoin },
        limits: { ...peerLimits(1 << 20), ...this.#options.limits }
      }, { self, runtime: this.system, transport, chance: seededChance(this.member), metrics: this.metrics, logger: this.#logger() })
      this.links[thread] = links
      return links
    })
  }

  #logger (): Logger {
    const line = (level: string) => (fields: Record<string, unknown>, text: string): void => { this.lines.push({ level, text, fields }) }
    return { ...silentLogger, debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') } as unknown as Logger
  }

  async stop (): Promise<void> {
    await this.system.close()
  }

  /** As after the end of its process: with new links, that know nothing. */
  async restart (incarnation: number): Promise<void> {
    await this.stop()
    this.#incarnation = incarnation
    this.received.length = 0
    this.lines.length = 0
    await this.start()
  }

  /** The present life of the links ends by a defect. */
  crash (thread = 0): void {
    this.tell({ kind: 'link-timer', due: () => { throw new Error('a defect') } } as Message, thread)
  }

  get address (): PeerAddress {
    return { member: this.member, nodeId: this.member as number as NodeId, host: '127.0.0.1', port: this.port }
  }

  /** What a controller tells the links: the groups here, and who else there is. */
  tellAll (links: ActorId): void {
    this.system.tell(links, { kind: 'peers-changed', peers: this.peers } as Message)
    this.system.tell(links, { kind: 'groups-changed', placed: groups.map((group, i) => ({ group, actor: groupIds[i]! })), removed: [] } as Message)
  }

  know (...others: Broker[]): void {
    this.knowAddresses(...others.map(({ address }) => address))
  }

  knowAddresses (...peers: PeerAddress[]): void {
    this.peers = peers
    this.links.forEach((_, thread) => this.tell({ kind: 'peers-changed', peers: this.peers } as Message, thread))
  }

  tell (message: Message, thread = 0): void {
    this.system.tell(linksId(thread), message)
  }

  raft (message: Partial<RaftMessage> & { to: MemberId }, group: GroupKey = groups[0]!, thread = 0): void {
    this.tell({ kind: 'raft-out', group, message: { from: this.member, term: 1, ...message } } as Message, thread)
  }

  /** What one actor, or all, were told of a kind. */
  got (kind: string, actor?: ActorId): AnyMessage[] {
    return this.received.filter(told => told.message.kind === kind && (actor === undefined || told.actor === actor)).map(({ message }) => message)
  }

  raftOf (actor: ActorId): RaftMessage[] {
    return this.got('raft-in', actor).map(message => (message as unknown as RaftIn).message)
  }

  /** Of actors: none is expected. */
  get crashes (): RuntimeEvent[] {
    return this.events.filter(({ kind }) => /crashed|failed|given-up|lost/.test(kind))
  }

  count (metric: Metric, index = 0): number {
    return this.metrics.at(metric, index)
  }

  said (pattern: RegExp): Line[] {
    return this.lines.filter(({ text }) => pattern.test(text))
  }
}

/** Two brokers whose links are open, both ways. */
export async function openPair (t: Test, first: Partial<BrokerOptions> = {}, second: Partial<BrokerOptions> = {}): Promise<[Broker, Broker]> {
  const a = await Broker.open(t, { member: 1, ...first })
  const b = await Broker.open(t, { member: 2, ...second })
  a.know(b)
  b.know(a)
  await until(() => a.said(/peer is up/).length > 0 && b.said(/peer is up/).length > 0)
  await until(() => [a, b].every(broker => broker.said(/link to a peer is open/).length >= broker.links.length + 1))
  return [a, b]
}

/** Resolves when `condition` holds; a test in which it never does runs into its own time limit. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1))
}

export async function freePort (): Promise<number> {
  const server = net.createServer()
  return await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}
