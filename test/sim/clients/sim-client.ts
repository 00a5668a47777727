/**
 * What all clients here share: connections that speak real Kafka frames, patience that ends, and a picture of who leads what. In
 * callbacks rather than promises: a client's step is then part of the event that caused it.
 */
import type { Chance } from '../../../src/base/prng.ts'
import type { AnyApi, RequestToWrite, ResponseToRead } from '../../../src/protocol/api.ts'
import { metadata } from '../../../src/protocol/apis/metadata.ts'
import { readResponse, writeRequest } from '../../../src/protocol/frame.ts'
import { Reader } from '../../../src/protocol/reader.ts'
import { Writer } from '../../../src/protocol/writer.ts'
import type { ClientConnection, ClientNetwork, Server } from '../client-network.ts'
import type { Planned } from '../event-queue.ts'
import type { World } from '../world.ts'

const requestMs = 3000
/** A client asks for metadata at most so often. */
const refreshPauseMs = 100
const metadataVersion = 12

interface Pending {
  readonly correlationId: number
  readonly api: AnyApi
  readonly version: number
  readonly done: (response: any) => void
  readonly patience: Planned
}

/** Undefined: no answer, and nobody knows what became of the request. */
export type Answer<A extends AnyApi> = ResponseToRead<A> | undefined

export interface ClientOptions {
  readonly name: string
  readonly world: World
  readonly net: ClientNetwork
  /** All brokers of the cluster. */
  readonly servers: readonly Server[]
  readonly topic: string
}

export class SimClient {
  readonly name: string
  readonly world: World
  readonly chance: Chance
  readonly servers: readonly Server[]
  readonly topic: string
  /** '' until the first metadata came. */
  topicId = ''
  readonly #net: ClientNetwork
  readonly #lines = new Map<Server, Line>()
  /** Who leads each partition, as far as this client knows; undefined: it does not. */
  #leaders: Array<Server | undefined> = []
  #epochs: number[] = []
  #replicas: Server[][] = []
  /** Of all brokers of the cluster, as last heard. */
  nodeIds: readonly number[] = []
  #refreshing = false
  #waiters: Array<() => void> = []

  constructor ({ name, world, net, servers, topic }: ClientOptions) {
    this.name = name
    this.world = world
    this.servers = servers
    this.topic = topic
    this.#net = net
    this.chance = world.chance(`client-${name}`)
  }

  below (end: number): number {
    return Math.floor(this.chance.next() * end)
  }

  later (delayMs: number, work: () => void): Planned {
    return this.world.plan(delayMs, 'client', undefined, work)
  }

  leaderOf (partition: number): Server | undefined {
    return this.#leaders[partition]
  }

  /** Of the leader that is known. */
  epochOf (partition: number): number {
    return this.#epochs[partition] ?? -1
  }

  replicasOf (partition: number): readonly Server[] {
    return this.#replicas[partition] ?? []
  }

  anyServer (): Server {
    return this.servers[this.below(this.servers.length)]!
  }

  /** Asks one broker; `done` is called exactly once, never within this call. */
  call<A extends AnyApi> (server: Server, api: A, version: number, request: RequestToWrite<A>, done: (response: Answer<A>) => void, patienceMs = requestMs): void {
    let line = this.#lines.get(server)
    if (line === undefined || line.over) this.#lines.set(server, line = new Line(this, this.#net, server))
    line.call(api, version, request, done, patienceMs)
  }

  /** Sends a request that has no answer. */
  send<A extends AnyApi> (server: Server, api: A, version: number, request: RequestToWrite<A>): void {
    let line = this.#lines.get(server)
    if (line === undefined || line.over) this.#lines.set(server, line = new Line(this, this.#net, server))
    line.send(api, version, request)
  }

  /** Learns anew who leads; `done` is called after that was tried once. */
  refresh (done: () => void): void {
    this.#waiters.push(done)
    if (this.#refreshing) return
    this.#refreshing = true
    const asked = this.anyServer()
    this.call(asked, metadata, metadataVersion, { topics: [{ name: this.topic }], allowAutoTopicCreation: false }, response => {
      const found = response?.topics[0]
      if (found !== undefined && found.errorCode === 0) {
        this.topicId = found.topicId
        const byId = new Map(response!.brokers.map(({ nodeId, host }) => [nodeId, this.servers.find(server => host === `b${server.number}`)]))
        this.nodeIds = response!.brokers.map(({ nodeId }) => nodeId)
        this.#leaders = found.partitions.map(({ leaderId }) => byId.get(leaderId))
        this.#epochs = found.partitions.map(({ leaderEpoch }) => leaderEpoch)
        this.world.note('metadata', 0, () => `${this.name} of ${asked.number}: ${found.partitions.map(({ leaderId, leaderEpoch, replicaNodes }) => `${leaderId}@${leaderEpoch} [${replicaNodes.join(' ')}]`).join('  ')}`)
        this.#replicas = found.partitions.map(({ replicaNodes }) => replicaNodes.map(id => byId.get(id)).filter(server => server !== undefined))
      }
      this.later(refreshPauseMs * (0.5 + this.chance.next()), () => {
        this.#refreshing = false
        for (const waiter of this.#waiters.splice(0)) waiter()
      })
    })
  }
}

/** One connection. When anything goes wrong on it, it ends, and all its requests with it. */
class Line {
  readonly #client: SimClient
  readonly #net: ClientNetwork
  readonly #connection: ClientConnection
  readonly #pending: Pending[] = []
  #correlationNext = 1
  #kept: Uint8Array = nothing
  over = false

  constructor (client: SimClient, net: ClientNetwork, server: Server) {
    this.#client = client
    this.#net = net
    this.#connection = net.connect(server, { received: bytes => this.#received(bytes), closed: () => this.#end() })
  }

  call<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>, done: (response: Answer<A>) => void, patienceMs: number): void {
    const correlationId = this.send(api, version, request)
    const patience = this.#client.later(patienceMs, () => {
      this.#connection.close()
      this.#end()
    })
    this.#pending.push({ correlationId, api, version, done, patience })
  }

  send<A extends AnyApi> (api: A, version: number, request: RequestToWrite<A>): number {
    const correlationId = this.#correlationNext++
    writeRequest(writer, api, version, { correlationId, clientId: this.#client.name }, request)
    const pieces = writer.finish()
    this.#connection.send(this.#net.arena.copy(pieces))
    writer.takeBack(pieces)
    return correlationId
  }

  #received (bytes: Uint8Array): void {
    let all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes])
    while (all.length >= 4 && !this.over) {
      const end = 4 + new DataView(all.buffer, all.byteOffset).getInt32(0)
      if (all.length < end) break
      this.#answer(all.subarray(4, end))
      all = all.subarray(end)
    }
    this.#kept = all
  }

  #answer (frame: Uint8Array): void {
    const pending = this.#pending.shift()
    if (pending === undefined) return this.#client.world.violate('AnswersInOrder', `${this.#client.name} got an answer that it did not ask for`)
    const { correlationId, response } = readResponse(new Reader(frame), pending.api, pending.version)
    if (correlationId !== pending.correlationId) {
      return this.#client.world.violate('AnswersInOrder', `${this.#client.name} got answer ${correlationId} where ${pending.correlationId} was due`)
    }
    pending.patience.work = undefined
    pending.done(response)
  }

  #end (): void {
    if (this.over) return
    this.over = true
    for (const { patience, done } of this.#pending.splice(0)) {
      patience.work = undefined
      done(undefined)
    }
  }
}

const nothing = new Uint8Array(0)
/** Empty between requests. */
const writer = new Writer()
