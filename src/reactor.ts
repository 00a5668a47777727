/**
 * What one reactor thread runs: the parts that all its actors share (disk, append memory, readers, logger), and how each
 * kind of actor is made from its spec. With broker.ts the only file that sees everything.
 */
import { join } from 'node:path'
import { Controller } from './actors/controller/controller.ts'
import type { JoinAsked } from './actors/controller/coming-back.ts'
import type { BrokerLeft, BrokerRegistration, PartitionSpec } from './actors/controller/messages.ts'
import { controllerTiming, metadataGroupKey, metadataTopicId } from './actors/controller/options.ts'
import { TooOld } from './actors/controller/registration.ts'
import { GroupCoordinator } from './actors/group/group-coordinator.ts'
import { partitionCodecs } from './actors/partition/codec.ts'
import { peersCodecs } from './actors/peers/codec.ts'
import { Votes } from './actors/votes/votes.ts'
import type { BrokerConfig } from './base/config.ts'
import type { ActorId } from './base/ids.ts'
import type { Logger } from './base/logger.ts'
import { metricRows, MetricRow, metrics, type Metric } from './base/metrics.ts'
import { featureRange } from './base/versions.ts'
import { brokerSettings, topicDefaults } from './broker-settings.ts'
import { spendReserve } from './log/data-directory.ts'
import { HardStateStore } from './log/hard-state-store.ts'
import { ReadThrottle } from './log/read-throttle.ts'
import { SegmentReader } from './log/segment-reader.ts'
import { findTimestamp } from './log/timestamp-search.ts'
import { watchLoop } from './loop-watch.ts'
import type { FetchReader } from './net/fetch-reader.ts'
import { clusterStatus } from './net/cluster-status.ts'
import { metricsPage } from './net/metrics-page.ts'
import { Network } from './net/network.ts'
import { readJoinRequest } from './discovery/answers.ts'
import { comeBack, type CameBack } from './discovery/come-back.ts'
import { discoveredOf } from './discovery/membership.ts'
import { PeerLinks } from './net/peers/peer-links.ts'
import { peerLimits } from './net/peers/peer-links-options.ts'
import type { ListenAt } from './net/peers/transport.ts'
import { PartitionFactory } from './partition-factory.ts'
import { openMetadata, type OpenedMetadata } from './metadata-opening.ts'
import { partitionPlacer } from './partition-placer.ts'
import { controllerId, groupsId, peersId, type ReactorInit, type ReactorSpec } from './places.ts'
import { apis } from './protocol/apis.ts'
import { ReactorLogs } from './reactor-logs.ts'
import { nodePorts, type ReactorPorts } from './reactor-ports.ts'
import type { Actor, Reply } from './runtime/actor.ts'
import { type ActorContext, Unstartable } from './runtime/cell.ts'
import { Credits } from './runtime/credit.ts'
import type { Program, RunningProgram, ThreadContext } from './runtime/program.ts'
import { systemLimits } from './runtime/system-options.ts'
import { logRuntimeEvents } from './runtime-log.ts'
import { Replicas } from './replicas.ts'
import { Scans } from './scans.ts'

/** Bytes that one partition may have from one thread's connections at a time; requests: its share of the partition's mailbox. */
const creditBytesMax = 8 * 1024 * 1024
const requestMemoryBytes = 64 * 1024 * 1024
const unsentBytesMax = 16 * 1024 * 1024
const partitionsMax = 50_000
const listenPollMs = 5
/** Each leadership takes some milliseconds to go elsewhere, and many go at a time. */
const leaveMs = 3000
/** From the hand-over to the end of the connections: clients find the new leaders, and what is under way is answered. With {@link leaveMs} it leaves a third of a stop's 10 s for closing logs. */
const drainMs = 3000
/** Of that, clients that do not go quiet have so much: a second is left for answers that are still due. */
const lingerMsMax = 2000
/** Clients that are told of a new leader ask for the metadata and go there within a few round trips. */
const quietMs = 300
const drainPollMs = 5
/** A batch that is opened to find a timestamp may become this large. */
const decompressedBytesMax = 64 * 1024 * 1024

/** What a thread runs whose outside is what `openPorts` says. */
export function reactorProgram (openPorts: (context: ThreadContext<ReactorInit>) => ReactorPorts): Program<ReactorInit> {
  return {
    codecs: [...partitionCodecs, ...peersCodecs],
    open: async context => new Reactor(context, openPorts(context)).program()
  }
}

export const program: Program<ReactorInit> = reactorProgram(nodePorts)

class Reactor {
  readonly #context: ThreadContext<ReactorInit>
  readonly #ports: ReactorPorts
  readonly #config: BrokerConfig
  readonly #metrics: MetricRow
  readonly #logger: Logger
  readonly #reader: SegmentReader
  readonly #throttle: ReadThrottle | undefined
  readonly #scans: Scans
  readonly #logs: ReactorLogs
  readonly #replicas: Replicas
  readonly #partitions: PartitionFactory
  /** Of all threads. */
  readonly #total: (metric: Metric) => number
  #network: Network | undefined
  #listener: { close (): void } | undefined
  /** On the one thread that runs it. */
  #groups: GroupCoordinator | undefined
  #draining = false
  /** Why this program must not take part in its cluster. */
  #unfit: Unstartable | undefined

  constructor (context: ThreadContext<ReactorInit>, ports: ReactorPorts) {
    const { init, thread, threads } = context
    const { config } = init
    const { disk, clock } = ports
    this.#context = context
    this.#ports = ports
    this.#config = config
    this.#metrics = new MetricRow(init.metrics, 1 + thread)
    const rows = metricRows(init.metrics)
    this.#total = metric => rows.reduce((sum, row) => sum + row.at(metric), 0)
    this.#logger = ports.log.logger
    this.#reader = new SegmentReader({ disk, clock, bufferBytesMax: Math.floor(config.performanceReadCacheBytes / threads) })
    this.#scans = new Scans({
      disk,
      offloads: ports.diskIsShared,
      every: ports.every,
      logger: this.#logger,
      onDamage: () => this.#metrics.add(metrics.damagedSegments)
    })
    this.#logs = new ReactorLogs({
      dataDir: config.dataDir,
      disk,
      clock,
      bootId: init.bootId,
      turn: () => context.system.turn,
      writeCacheBytes: Math.floor(config.performanceWriteCacheBytes / threads),
      scans: this.#scans,
      metrics: this.#metrics,
      logger: this.#logger
    })
    const throttled = config.replicationThrottleBytes === -1 ? undefined : config.replicationThrottleBytes / threads
    this.#throttle = throttled === undefined ? undefined : new ReadThrottle({ bytesPerSecond: throttled, clock, every: ports.every })
    this.#replicas = new Replicas({ init, thread, chance: ports.chance, reader: this.#reader, throttle: this.#throttle, metrics: this.#metrics })
    this.#partitions = new PartitionFactory({
      context, clock, logs: this.#logs, replicas: this.#replicas, scans: this.#scans, metrics: this.#metrics, logger: this.#logger
    })
  }

  program (): RunningProgram {
    const endWatch = watchLoop(this.#ports, this.#context.system, this.#metrics, () => {
      this.#metrics.set(metrics.openFiles, this.#reader.openFiles)
      this.#metrics.set(metrics.logBytes, this.#scans.logBytes)
      this.#metrics.set(metrics.groupMembers, this.#groups?.memberCount ?? 0)
    })
    return {
      factories: {
        network: async (_spec: unknown, context: ActorContext) => this.#makeNetwork(context),
        listener: async (spec: Extract<ReactorSpec, { type: 'listener' }>) => await this.#makeListener(spec),
        votes: async () => await this.#makeVotes(),
        controller: async () => await this.#makeController(),
        peers: async ({ listen }: Extract<ReactorSpec, { type: 'peers' }>, context: ActorContext) => await this.#openPeers(listen, context),
        groups: async () => (this.#groups = new GroupCoordinator({ chance: this.#ports.chance })),
        partition: async (spec: PartitionSpec, { fresh }: ActorContext) => await this.#partitions.make(spec, fresh)
      },
      onEvent: logRuntimeEvents(this.#logger, this.#metrics),
      stats: () => ({ partitions: this.#partitions.count, connections: this.#metrics.at(metrics.connections) }),
      drain: async () => await this.#drain(),
      close: async () => {
        endWatch()
        await this.#scans.close()
        this.#throttle?.close()
        await this.#reader.close()
        await this.#ports.log.close()
      }
    }
  }

  // ---- edge

  #makeNetwork (context: ActorContext): Actor {
    const { init, system, threads } = this.#context
    const config = this.#config
    const total = this.#total
    const http = this.#ports.http({
      health: () => {
        const quarantinedPartitions = total(metrics.quarantinedPartitions)
        const refusingPartitions = total(metrics.refusingPartitions)
        const healthy = this.#network?.metadata.ready === true && quarantinedPartitions + refusingPartitions === 0
        return { healthy, text: { status: healthy ? 'ok' : 'degraded', node: config.nodeId, quarantinedPartitions, refusingPartitions } }
      },
      metrics: async () => await metricsPage(init.metrics, apiName),
      clusterStatus: () => this.#clusterStatus()
    })
    const credits = new Credits({ countMax: Math.floor(systemLimits.mailboxRequestsMax / this.#context.threads), bytesMax: creditBytesMax })
    const network = new Network({
      broker: init.broker,
      controller: controllerId(threads),
      groups: groupsId(threads),
      limits: { requestBytesMax: config.maxRequestBytes, unsentBytesMax },
      connectionsMax: Math.ceil(config.maxConnections / threads),
      idleMs: config.connectionIdleTimeoutMs,
      requestMemoryBytes: Math.floor(requestMemoryBytes / threads),
      autoCreateTopics: config.autoCreateTopics,
      enableFollowerRead: config.enableFollowerRead,
      wallMs: () => this.#ports.clock.wallMs(),
      brokerSettings: brokerSettings(config),
      topicDefaults: topicDefaults(config),
      partitionDirectory: (topicId, partition) => this.#logs.directory(topicId, partition)
    }, {
      self: context.self,
      life: context.life,
      runtime: system,
      credits,
      reader: this.#fetchReader(),
      http,
      metrics: this.#metrics,
      logger: this.#logger,
      sockets: this.#ports.sockets
    })
    this.#network = network
    return network
  }

  #fetchReader (): FetchReader {
    const reader = this.#reader
    return {
      read: (directory, plan, bytesMax, minOneBatch, done) => reader.read(directory, plan, bytesMax, minOneBatch, done),
      copy: bytes => reader.copy(bytes),
      forget: directory => reader.forget(directory),
      findTimestamp: (plan, done) => {
        this.#ports.decompress()
          .then(async decompress => await findTimestamp(this.#ports.disk, plan, (codec, payload) => decompress(codec, payload, decompressedBytesMax)))
          .then(found => done(undefined, found), error => done(error, undefined))
      }
    }
  }

  /** Listens once this thread knows the topics: a client that came earlier would be told that they do not exist. */
  async #makeListener ({ host, port, reusePort }: Extract<ReactorSpec, { type: 'listener' }>): Promise<Actor> {
    while (this.#network?.metadata.ready !== true) {
      if (this.#unfit !== undefined) throw this.#unfit
      if (this.#draining) throw new Error('the broker stops before it listens')
      await this.#ports.sleep(listenPollMs)
    }
    const listener = await this.#ports.listen({
      host,
      port,
      reusePort,
      accept: (handle, remote) => this.#network!.accept(handle, remote),
      onError: error => this.#logger.warn({ reason: error.message }, 'a client\'s connection could not be accepted')
    })
    this.#listener = listener
    return { receive: () => {}, close: async () => listener.close() }
  }

  async #drain (): Promise<void> {
    const { clock } = this.#ports
    this.#draining = true
    const given = this.#context.init.raftAddress === undefined ? 0 : await this.#leave()
    const end = clock.monotonicMs() + drainMs
    if (given > 0) await this.#linger()
    this.#listener?.close()
    this.#network?.quiesce()
    while ((this.#network?.openExchanges ?? 0) > 0 && clock.monotonicMs() < end) await this.#ports.sleep(drainPollMs)
  }

  /** Others lead on what is led here; until they do, clients are served. @returns how many partitions were given to them */
  async #leave (): Promise<number> {
    const network = this.#network
    if (network === undefined) return 0
    return await new Promise<number>(resolve => {
      const asker = { answered: (_part: number, reply: Reply) => resolve(reply.kind === 'broker-left' ? (reply as BrokerLeft).partitionsGiven : 0) }
      network.ask(asker, 0, network.controller, { kind: 'broker-leaving', timeoutMs: leaveMs }, 0, leaveMs + drainMs)
    })
  }

  /**
   * Goes on answering after others lead, mostly that somebody else leads and who: a client that loses its connection instead takes that for a broker
   * that died, and waits before it looks who leads now. Ends when nobody wants to write or read here any more.
   */
  async #linger (): Promise<void> {
    const { clock } = this.#ports
    const network = this.#network!
    const end = clock.monotonicMs() + lingerMsMax
    let requests = network.recordRequests
    let quietSince = clock.monotonicMs()
    while (network.connections > 0 && clock.monotonicMs() < end) {
      if (network.recordRequests !== requests) {
        requests = network.recordRequests
        quietSince = clock.monotonicMs()
      } else if (clock.monotonicMs() - quietSince >= quietMs) return
      await this.#ports.sleep(drainPollMs)
    }
  }

  #clusterStatus (): object {
    const { nodeId, clusterId } = this.#context.init.broker
    const { metadata } = this.#network!
    return { clusterId, nodeId, ...clusterStatus(metadata.cluster, metadata.topics()) }
  }

  async #openPeers (listen: ListenAt | undefined, { self }: ActorContext): Promise<Actor> {
    const { init, system, thread, threads } = this.#context
    const { membership, directoryId, raftAddress, incarnation } = init
    const { clusterId, member, nodeId, metadataInitialVoters: founders, peers } = membership
    const me = { nodeName: this.#config.nodeId, directoryId, address: raftAddress! }
    return await PeerLinks.open({
      identity: { clusterId, member, nodeName: this.#config.nodeId, directoryId, incarnation },
      thread,
      links: Array.from({ length: threads }, (_, index) => peersId(threads, index)),
      controller: controllerId(threads),
      listen,
      discovered: () => discoveredOf({ clusterId, nodeId, member, founders, peers }, me),
      readJoin: readJoinRequest,
      limits: peerLimits(this.#config.messageMaxBytes)
    }, {
      self,
      runtime: system,
      transport: this.#ports.transport,
      chance: this.#ports.chance,
      metrics: this.#metrics,
      logger: this.#logger
    })
  }

  // ---- state

  async #makeVotes (): Promise<Actor> {
    const folder = join(this.#config.dataDir, 'meta')
    return new Votes(await HardStateStore.open(this.#ports.disk, folder), async () => await spendReserve(this.#ports.disk, folder))
  }

  async #makeController (): Promise<Actor> {
    const { init, thread, threads } = this.#context
    const { membership, broker, raftAddress, directoryId } = init
    const config = this.#config
    const ofThreads = <Id>(idOf: (thread: number) => Id): Id[] => Array.from({ length: threads }, (_, index) => idOf(index))
    const registration: BrokerRegistration = {
      name: config.nodeId,
      directoryId,
      host: broker.host,
      port: broker.port,
      raftHost: raftAddress?.host ?? '',
      raftPort: raftAddress?.port ?? 0,
      rack: config.rack === '' ? null : config.rack,
      features: featureRange
    }
    const notes = this.#logs.notes(metadataTopicId, 0)
    const { log, state, metadata } = await this.#openMetadata(registration)
    return new Controller({
      replica: this.#replicas.make(metadataGroupKey, log, state, { loss: await notes.read(), notes }),
      metadata,
      compaction: {
        changesMax: Math.min(config.raftControllerSnapshotFreq, config.raftSnapshotEntries > 0 ? config.raftSnapshotEntries : Infinity),
        overhead: config.raftCompactionOverhead
      },
      placer: partitionPlacer(this.#context.placer, this.#logger, this.#logs),
      groups: groupsId(threads),
      edges: ofThreads(index => index as ActorId),
      peers: raftAddress === undefined ? [] : [peersId(threads, thread), ...ofThreads(index => peersId(threads, index)).filter(id => id !== peersId(threads, thread))],
      clusterId: membership.clusterId,
      nodeId: membership.nodeId,
      member: membership.member,
      registration,
      founders: membership.metadataInitialVoters,
      knownPeers: membership.peers,
      comeBack: raftAddress === undefined || membership.fresh
        ? undefined
        : peers => ({
          run: post => {
            comeBack({ config, membership, request: registration, calls: this.#ports.calls }, peers)
              .catch((): CameBack => ({ peers: [], refusal: undefined }))
              .then(back => post({ kind: 'join-asked', ...back } as JoinAsked))
          }
        }),
      chance: this.#ports.chance,
      defaultPartitions: config.numPartitions,
      defaultReplicas: config.defaultReplicationFactor,
      controllerVoters: config.controllerVoters,
      partitionsMax,
      timing: { ...controllerTiming, sessionMs: config.brokerSessionMs },
      usedBytes: () => this.#total(metrics.logBytes),
      note: (fields, text) => this.#logger.info(fields, text)
    })
  }

  async #openMetadata (registration: BrokerRegistration): Promise<OpenedMetadata> {
    try {
      return await openMetadata({
        config: this.#config, membership: this.#context.init.membership, registration, logs: this.#logs, replicas: this.#replicas, logger: this.#logger
      })
    } catch (error) {
      if (error instanceof TooOld) throw this.#unfit = new Unstartable(error.message)
      throw error
    }
  }
}

function apiName (key: number): string | undefined {
  return Object.values(apis).find(api => api.key === key)?.name
}
