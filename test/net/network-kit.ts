/** A network actor with real sockets and real clients, in front of partitions that do what the test says. */
import type { Test } from 'tap'
import { partitionCodecs } from '../../src/actors/partition/codec.ts'
import type { Message } from '../../src/base/effect.ts'
import { type BrokerImage, type ClusterImage, noActor, type PartitionImage } from '../../src/actors/controller/messages.ts'
import type { ActorId, NodeId, Term, ThreadIndex } from '../../src/base/ids.ts'
import { createMetrics, MetricRow } from '../../src/base/metrics.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { FetchReader } from '../../src/net/fetch-reader.ts'
import { Listener } from '../../src/net/listener.ts'
import { Network, type NetworkOptions } from '../../src/net/network.ts'
import type { Actor, Outbox } from '../../src/runtime/actor.ts'
import { ActorSystem } from '../../src/runtime/actor-system.ts'
import { Codecs } from '../../src/runtime/codec.ts'
import { Credits } from '../../src/runtime/credit.ts'
import { createPlacement, Placement } from '../../src/runtime/placement.ts'
import type { RuntimeEvent } from '../../src/runtime/runtime-event.ts'
import { RawClient } from '../broker/raw-client.ts'

export const networkId = 0 as ActorId
export const partitionId = 5 as ActorId
/** Actors for the topic's partitions, from {@link partitionId} on; all do the same. */
const partitionActors = 3
export const topic = 't'
export const topicId = '0123456789abcdef0123456789abcdef'
export const controllerId = 3 as ActorId
export const groupsId = 4 as ActorId
/** The broker that the network actor belongs to. */
export const ownNode = 1 as NodeId

/** What the partition is told, without types: tests look at what they need. */
export type AnyMessage = Message & Record<string, any>
export type React = (message: AnyMessage, out: Outbox) => void

/** A broker that lives, on `host-<id>`. */
export function brokerImage (nodeId: number, fields: Partial<BrokerImage> = {}): BrokerImage {
  return {
    nodeId: nodeId as NodeId, member: nodeId + 100 as never, name: `broker-${nodeId}`, host: `host-${nodeId}`, port: 9000 + nodeId, raftHost: `raft-${nodeId}`, raftPort: 8000 + nodeId, rack: null, fenced: false, ...fields
  }
}

export function clusterImage (brokers: readonly BrokerImage[], fields: Partial<ClusterImage> = {}): ClusterImage {
  return { brokers, controller: ownNode, self: ownNode, featureLevel: 1, ...fields }
}

type PartitionFields = { readonly [K in keyof PartitionImage]?: PartitionImage[K] extends readonly NodeId[] ? readonly number[] : number }

/** Led by this broker in term 1, its only replica, unless the fields say otherwise. */
export function partitionImage (fields: PartitionFields = {}): PartitionImage {
  return { actor: noActor, term: 1 as Term, leader: ownNode, replicas: [ownNode], isr: [ownNode], adding: [], removing: [], offline: [], ...fields as Partial<PartitionImage> }
}

const noReader: FetchReader = {
  read: (_directory, _plan, _bytesMax, _minOneBatch, done) => done(undefined, undefined),
  copy: bytes => ({ bytes: new Uint8Array(bytes), release: () => {} }),
  forget: () => {},
  findTimestamp: () => {}
}

export class NetworkKit {
  readonly placement = new Placement(createPlacement(64))
  readonly events: RuntimeEvent[] = []
  readonly metrics = new MetricRow(createMetrics(2), 1)
  readonly system = new ActorSystem({ placement: this.placement, codecs: new Codecs(partitionCodecs), onEvent: event => this.events.push(event) })
  /** One per life of the actor. */
  readonly networks: Network[] = []
  #listener!: Listener

  /** The topic's partitions share a few actors. */
  static async open (t: Test, options: {
    react?: React
    idle?: () => boolean
    partitions?: number
    reader?: Partial<FetchReader>
    /** In place of what `partitions` makes. */
    images?: readonly PartitionImage[]
    cluster?: ClusterImage
    /** What the controller and the groups do; subscriptions are answered already. */
    controller?: React
    groups?: React
    network?: Partial<NetworkOptions>
  }): Promise<NetworkKit> {
    const kit = new NetworkKit()
    await kit.#open(options)
    t.teardown(async () => {
      kit.#listener.close()
      await kit.system.close()
    })
    return kit
  }

  async #open (options: Parameters<typeof NetworkKit.open>[1]): Promise<void> {
    const { react = () => {}, idle = () => true, partitions = 1, reader = {}, cluster = clusterImage([brokerImage(ownNode)]), groups } = options
    const images = options.images ?? Array.from({ length: partitions }, (_, i) => partitionImage({ actor: partitionId + i % partitionActors }))
    const topics = [{ name: topic, id: topicId, config: {}, partitions: images }]
    const controller: Actor = {
      receive: (message, out) => {
        const { kind, replyTo, correlation } = message as AnyMessage
        if (kind === 'subscribe-metadata') out.tell(replyTo, { kind: 'metadata-image', correlation, topics, cluster } as Message)
        else options.controller?.(message, out)
      }
    }
    await this.system.start(controllerId, async () => controller)
    if (groups !== undefined) await this.system.start(groupsId, async () => ({ receive: groups }))
    for (let i = 0; i < partitionActors; i++) await this.system.start(partitionId + i as ActorId, async () => ({ receive: react, idle }))
    await this.system.start(networkId, async ({ self, life }) => {
      const network = new Network({
        broker: { nodeId: ownNode, clusterId: 'c', host: '127.0.0.1', port: 1 },
        controller: controllerId,
        groups: groupsId,
        limits: { requestBytesMax: 32 << 20, unsentBytesMax: 16 << 20 },
        connectionsMax: 1000,
        idleMs: 600_000,
        requestMemoryBytes: 32 << 20,
        autoCreateTopics: false,
        brokerSettings: {},
        topicDefaults: {},
        partitionDirectory: () => '/x',
        ...options.network
      }, {
        self,
        life,
        runtime: this.system,
        credits: new Credits({ countMax: 8192, bytesMax: 8 << 20 }),
        reader: { ...noReader, ...reader },
        http: { serve: connection => connection.destroy('http') },
        metrics: this.metrics,
        logger: silentLogger
      })
      this.networks.push(network)
      return network
    })
    this.#listener = await Listener.listen({ host: '127.0.0.1', port: 0, reusePort: false, onError: () => {}, accept: (handle, remote) => this.network.accept(handle, remote) })
  }

  /** Of the present life. */
  get network (): Network { return this.networks.at(-1)! }

  get address (): string { return `127.0.0.1:${this.#listener.port}` }

  async connect (t: Test): Promise<RawClient> {
    const client = await RawClient.connect(this.address)
    t.teardown(() => client.close())
    return client
  }

  /** Ends the present life of the network actor; resolves when the next one serves. */
  async crash (): Promise<void> {
    const lives = this.networks.length
    this.system.tell(networkId, { kind: 'network-timer', waiter: { timeUp: () => { throw new Error('a defect') } } } as Message)
    await until(() => this.networks.length > lives && this.network.metadata.ready)
  }

  /** As the supervisor moves an actor away; its thread never has it again. */
  async leavePartition (moving: number): Promise<void> {
    this.placement.set(partitionId, 1 as ThreadIndex, moving as never)
    await this.system.leave(partitionId)
  }
}

/** Resolves when `condition` holds; a test in which it never does runs into its own time limit. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1))
}

export function appended (to: AnyMessage, out: Outbox, fields: { errorCode?: number, baseOffset?: number } = {}): void {
  out.tell(to.replyTo, { kind: 'appended', correlation: to.correlation, errorCode: 0, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0, ...fields } as Message)
}

export function fetched (to: AnyMessage, out: Outbox, fields: object = {}): void {
  out.tell(to.replyTo, { kind: 'fetched', correlation: to.correlation, errorCode: 0, highWatermark: 0, logStartOffset: 0, plan: null, ...fields } as Message)
}
