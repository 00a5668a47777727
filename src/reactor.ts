/**
 * What one reactor thread runs: the parts that all its actors share (disk, append memory, readers, logger), and how each
 * kind of actor is made from its spec. With broker.ts the only file that sees everything.
 */
import { join } from 'node:path'
import { Controller, type Placer as PartitionPlacer } from './actors/controller/controller.ts'
import type { PartitionSpec, PartitionsPlaced, PlacementFailed } from './actors/controller/messages.ts'
import { GroupCoordinator } from './actors/group/group-coordinator.ts'
import { partitionCodecs } from './actors/partition/codec.ts'
import { Partition, partitionReplay } from './actors/partition/partition.ts'
import { ProducerState } from './actors/partition/producer-state.ts'
import { Traffic } from './actors/partition/traffic.ts'
import { QuarantinedPartition } from './actors/partition/quarantined.ts'
import { Replica } from './actors/replica.ts'
import { Votes } from './actors/votes/votes.ts'
import { systemClock } from './base/clock.ts'
import type { BrokerConfig } from './base/config.ts'
import type { Effect, Post } from './base/effect.ts'
import type { ActorId, ThreadIndex, TopicId } from './base/ids.ts'
import { openLog, type Logger } from './base/logger.ts'
import { metricRows, MetricRow, metrics, type Metric } from './base/metrics.ts'
import { cryptoChance } from './base/prng.ts'
import { BlockPool } from './log/block-pool.ts'
import { diskQuotas, RealDisk, type Disk } from './log/disk.ts'
import { FaultyDisk } from './log/faulty-disk.ts'
import { spendReserve } from './log/data-directory.ts'
import { HardStateStore } from './log/hard-state-store.ts'
import { Log, type LogConfig } from './log/log.ts'
import { SegmentReader } from './log/segment-reader.ts'
import { findTimestamp } from './log/timestamp-search.ts'
import type { FetchReader } from './net/fetch-reader.ts'
import { HttpServer } from './net/http.ts'
import { Listener } from './net/listener.ts'
import { metricsPage } from './net/metrics-page.ts'
import { Network } from './net/network.ts'
import { controllerId, groupsId, partitionName, votesId, type ReactorInit, type ReactorSpec } from './places.ts'
import { apis } from './protocol/apis.ts'
import { Scans } from './scans.ts'
import type { Actor } from './runtime/actor.ts'
import { type ActorContext, Unstartable } from './runtime/cell.ts'
import { systemLimits, type SystemStats } from './runtime/system-options.ts'
import { Credits } from './runtime/credit.ts'
import type { Placer, Program, RunningProgram, ThreadContext } from './runtime/program.ts'
import { logRuntimeEvents } from './runtime-log.ts'

/** The metadata log lies among the others, under an id that no topic can get. */
const metadataTopicId = '0'.repeat(31) + '1'

/** Bytes that one partition may have from one thread's connections at a time; requests: its share of the partition's mailbox. */
const creditBytesMax = 8 * 1024 * 1024
/** What a partition refuses above, whoever sends: several threads' credit together. */
const pendingBytesMax = 64 * 1024 * 1024
const requestMemoryBytes = 64 * 1024 * 1024
const unsentBytesMax = 16 * 1024 * 1024
/** A segment is closed at this age, so that retention by time can reach it. */
const segmentMsMax = 7 * 24 * 3600 * 1000
const partitionsMax = 50_000
const listenPollMs = 5
const observeMs = 1000
/** A thread this busy gets no further partitions, however close their clients are. */
const utilizationMax = 0.8
const drainMs = 3000
/** A batch that is opened to find a timestamp may become this large. */
const decompressedBytesMax = 64 * 1024 * 1024

export const program: Program<ReactorInit> = {
  codecs: partitionCodecs,
  open: async context => new Reactor(context).program()
}

class Reactor {
  readonly #context: ThreadContext<ReactorInit>
  readonly #config: BrokerConfig
  readonly #metrics: MetricRow
  readonly #log: ReturnType<typeof openLog>
  readonly #logger: Logger
  readonly #disk: Disk
  readonly #pool: BlockPool
  readonly #reader: SegmentReader
  readonly #scans: Scans
  readonly #topicsDirectory: string
  #network: Network | undefined
  #listener: Listener | undefined
  /** On the one thread that runs it. */
  #groups: GroupCoordinator | undefined
  #partitions = 0
  #draining = false

  constructor (context: ThreadContext<ReactorInit>) {
    const { init, thread, threads } = context
    const { config } = init
    this.#context = context
    this.#config = config
    this.#metrics = new MetricRow(init.metrics, 1 + thread)
    this.#topicsDirectory = join(config.dataDir, 'topics')
    this.#log = openLog(init.logger, { node: config.nodeId, thread }, false)
    this.#logger = this.#log.logger
    this.#disk = config.dataDir === 'memory' ? new FaultyDisk() : new RealDisk(diskQuotas(init.poolSize, threads))
    this.#pool = new BlockPool(Math.floor(config.performanceWriteCacheBytes / threads))
    this.#reader = new SegmentReader({ disk: this.#disk, bufferBytesMax: Math.floor(config.performanceReadCacheBytes / threads) })
    this.#scans = new Scans({
      disk: this.#disk,
      offloads: config.dataDir !== 'memory',
      logger: this.#logger,
      onDamage: () => this.#metrics.add(metrics.damagedSegments)
    })
  }

  program (): RunningProgram {
    const observer = this.#observeLoop()
    return {
      factories: {
        network: async (_spec: unknown, context: ActorContext) => this.#makeNetwork(context),
        listener: async (spec: Extract<ReactorSpec, { type: 'listener' }>) => await this.#makeListener(spec),
        votes: async () => await this.#makeVotes(),
        controller: async () => await this.#makeController(),
        groups: async () => (this.#groups = new GroupCoordinator({ chance: cryptoChance })),
        partition: async (spec: PartitionSpec, { fresh }: ActorContext) => await this.#makePartition(spec, fresh)
      },
      onEvent: logRuntimeEvents(this.#logger, this.#metrics),
      stats: () => ({ partitions: this.#partitions, connections: this.#metrics.at(metrics.connections) }),
      drain: async () => await this.#drain(),
      close: async () => {
        clearInterval(observer)
        await this.#scans.close()
        await this.#reader.close()
        await this.#log.close()
      }
    }
  }

  // ---- edge

  #makeNetwork (context: ActorContext): Actor {
    const { init, system, threads } = this.#context
    const config = this.#config
    const rows = metricRows(init.metrics)
    const total = (metric: Metric): number => rows.reduce((sum, row) => sum + row.at(metric), 0)
    const http = new HttpServer({
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
      brokerSettings: brokerSettings(config),
      topicDefaults: topicDefaults(config),
      partitionDirectory: (topicId, partition) => this.#partitionDirectory(topicId, partition)
    }, { self: context.self, life: context.life, runtime: system, credits, reader: this.#fetchReader(), http, metrics: this.#metrics, logger: this.#logger })
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
        // The codecs are loaded by the first search: a broker that never opens a batch does not pay for them.
        import('./record/compression.ts')
          .then(async ({ decompress }) => await findTimestamp(this.#disk, plan, (codec, payload) => decompress(codec, payload, decompressedBytesMax)))
          .then(found => done(undefined, found), error => done(error, undefined))
      }
    }
  }

  /** Listens once this thread knows the topics: a client that came earlier would be told that they do not exist. */
  async #makeListener ({ host, port, reusePort }: Extract<ReactorSpec, { type: 'listener' }>): Promise<Actor> {
    while (this.#network?.metadata.ready !== true) {
      if (this.#draining) throw new Error('the broker stops before it listens')
      await new Promise(resolve => setTimeout(resolve, listenPollMs))
    }
    const listener = await Listener.listen({ host, port, reusePort, accept: (handle, remote) => this.#network!.accept(handle, remote) })
    this.#listener = listener
    return { receive: () => {}, close: async () => listener.close() }
  }

  async #drain (): Promise<void> {
    this.#draining = true
    this.#listener?.close()
    this.#network?.quiesce()
    const end = systemClock.monotonicMs() + drainMs
    while ((this.#network?.openExchanges ?? 0) > 0 && systemClock.monotonicMs() < end) await new Promise(resolve => setTimeout(resolve, 5))
  }

  #clusterStatus (): object {
    const { broker } = this.#context.init
    const topics = [...this.#network?.metadata.topics() ?? []].map(({ name, id, partitions }) => ({
      name, id, partitions: partitions.map(({ term }, index) => ({ index, term, leader: term === 0 ? null : broker.nodeId }))
    }))
    return { clusterId: broker.clusterId, controller: broker.nodeId, brokers: [broker], topics }
  }

  // ---- state

  async #makeVotes (): Promise<Actor> {
    const folder = join(this.#config.dataDir, 'meta')
    return new Votes(await HardStateStore.open(this.#disk, folder), async () => await spendReserve(this.#disk, folder))
  }

  async #makeController (): Promise<Actor> {
    const batches: Uint8Array[] = []
    const opened = await this.#openLog(metadataTopicId, 0, { ...this.#logConfig({}), flush: 'always', retentionMs: -1, retentionBytes: -1 }, {
      snapshot: () => {},
      batch: bytes => { batches.push(new Uint8Array(bytes)) }
    })
    if (opened.state === 'damaged') throw new Unstartable(`the metadata log is damaged: ${opened.damage.reason}`)
    const controller = new Controller({
      replica: new Replica({ log: opened.log, group: `${metadataTopicId}-0`, votes: votesId(this.#context.threads) }),
      placer: partitionPlacer(this.#context.placer, this.#logger, async (topicId, partitions) => {
        for (let partition = 0; partition < partitions; partition++) await this.#disk.removeFolder(this.#partitionDirectory(topicId, partition))
        await this.#disk.syncFolder(this.#topicsDirectory)
      }),
      groups: groupsId(this.#context.threads),
      edges: Array.from({ length: this.#context.threads }, (_, thread) => thread as ActorId),
      chance: cryptoChance,
      defaultPartitions: this.#config.numPartitions,
      partitionsMax
    })
    for (const batch of batches) controller.restore(batch)
    return controller
  }

  async #makePartition (spec: PartitionSpec, fresh: boolean): Promise<Actor> {
    const { topicId, topic, partition } = spec
    const producers = new ProducerState()
    const config = this.#logConfig(spec.config)
    const opened = await this.#openLog(topicId, partition, config, partitionReplay(producers))
    if (opened.state === 'damaged') {
      this.#metrics.add(metrics.quarantinedPartitions)
      this.#logger.error({ topic, partition, ...opened.damage }, 'partition quarantined: its log is damaged')
      return new QuarantinedPartition(() => this.#metrics.add(metrics.quarantinedPartitions, -1))
    }
    if (opened.cutBytes > 0) {
      this.#logger.info({ topic, partition, bytes: opened.cutBytes }, 'cut what lay behind the last whole batch: space written ahead, or a write that was never acknowledged')
    }
    this.#countPartitions(1)
    const actor = new Partition({
      topicId,
      partition,
      replica: new Replica({ log: opened.log, group: `${topicId}-${partition}`, votes: votesId(this.#context.threads) }),
      producers,
      config: { ...config, batchBytesMax: Number(spec.config['max.message.bytes'] ?? this.#config.messageMaxBytes) },
      controller: controllerId(this.#context.threads),
      metrics: {
        appended: (records, bytes) => {
          this.#metrics.add(metrics.appendedBatches)
          this.#metrics.add(metrics.appendedRecords, records)
          this.#metrics.add(metrics.appendedBytes, bytes)
        },
        duplicate: () => this.#metrics.add(metrics.duplicateBatches),
        refusing: (reason, error) => {
          this.#metrics.add(metrics.refusingPartitions)
          this.#logger.error({ topic, partition, reason, error }, 'partition takes no writes; reads go on')
        },
        accepting: () => {
          this.#metrics.add(metrics.refusingPartitions, -1)
          this.#logger.info({ topic, partition }, 'partition takes writes again')
        }
      },
      pendingBytesMax,
      traffic: new Traffic({ own: this.#context.thread, threads: this.#context.threads, now: systemClock.monotonicMs(), fresh }),
      move: thread => this.#move(topicId, partition, thread),
      wallMs: now => systemClock.wallMs() + now - systemClock.monotonicMs()
    })
    this.#scans.add(`${topic}-${partition}`, opened.log)
    const close = actor.close.bind(actor)
    actor.close = async () => {
      this.#countPartitions(-1)
      this.#scans.remove(opened.log)
      await close()
    }
    return actor
  }

  #move (topicId: TopicId, partition: number, thread: ThreadIndex): Effect | undefined {
    if (new MetricRow(this.#context.init.metrics, 1 + thread).at(metrics.loopUtilization) > utilizationMax) return undefined
    return {
      run: () => {
        this.#context.placer.move(partitionName(topicId, partition), thread).then(
          () => this.#metrics.add(metrics.partitionMoves),
          error => this.#logger.warn({ topicId, partition, to: thread, error }, 'partition did not move')
        )
      }
    }
  }

  /** How busy this thread is, and how late its timers are. */
  #observeLoop (): NodeJS.Timeout {
    let last = performance.eventLoopUtilization()
    let due = systemClock.monotonicMs() + observeMs
    let sent = this.#context.system.stats()
    return setInterval(() => {
      const now = systemClock.monotonicMs()
      this.#metrics.set(metrics.loopUtilization, performance.eventLoopUtilization(last).utilization)
      this.#metrics.set(metrics.loopLagSeconds, Math.max(0, now - due) / 1000)
      this.#metrics.set(metrics.openFiles, this.#reader.openFiles)
      this.#metrics.set(metrics.groupMembers, this.#groups?.memberCount ?? 0)
      sent = this.#countRuntime(sent)
      last = performance.eventLoopUtilization()
      due = now + observeMs
    }, observeMs).unref()
  }

  /** The runtime counts from its own start, and its links anew when a thread is replaced: what was counted since is added. */
  #countRuntime (before: SystemStats): SystemStats {
    const now = this.#context.system.stats()
    const add = (metric: Metric, name: 'framesSent' | 'framesWaited' | 'doorbellRings' | 'refused'): void => {
      this.#metrics.add(metric, now[name] >= before[name] ? now[name] - before[name] : now[name])
    }
    add(metrics.ringMessages, 'framesSent')
    add(metrics.ringFull, 'framesWaited')
    add(metrics.doorbellRings, 'doorbellRings')
    add(metrics.mailboxRefusals, 'refused')
    return now
  }

  async #openLog (topicId: string, partition: number, config: LogConfig, replay: Parameters<typeof Log.open>[1]): ReturnType<typeof Log.open> {
    return await Log.open({
      directory: this.#partitionDirectory(topicId, partition),
      disk: this.#disk,
      pool: this.#pool,
      clock: systemClock,
      config,
      bootId: this.#context.init.bootId,
      scan: this.#scans.scan,
      onGroup: (bytes, tookMs, synced) => {
        this.#metrics.observe(metrics.groupCommitBytes, bytes)
        if (synced) this.#metrics.observe(metrics.syncSeconds, tookMs / 1000)
      }
    }, replay)
  }

  /** A plain string: fetches of cold bytes ask for it, and `join` costs more than the rest of such a request. */
  #partitionDirectory (topicId: string, partition: number): string {
    return `${this.#topicsDirectory}/${topicId}-${partition}`
  }

  #logConfig (topic: Readonly<Record<string, string>>): LogConfig {
    const config = this.#config
    const number = (name: string, fallback: number): number => topic[name] === undefined ? fallback : Number(topic[name])
    return {
      flush: (topic['ringmq.flush'] ?? config.logFlush) as LogConfig['flush'],
      flushIntervalMs: config.logFlushIntervalMs,
      segmentBytesMax: number('segment.bytes', config.logSegmentBytes),
      segmentMs: segmentMsMax,
      indexIntervalBytes: config.logIndexIntervalBytes,
      retentionMs: number('retention.ms', config.logRetentionMs),
      retentionBytes: number('retention.bytes', config.logRetentionBytes)
    }
  }

  #countPartitions (change: number): void {
    this.#partitions += change
    this.#metrics.set(metrics.partitions, this.#partitions)
  }
}

/** The controller's way to the supervisor, as effects. */
function partitionPlacer (placer: Placer, logger: Logger, removeFiles: (topicId: TopicId, partitions: number) => Promise<void>): PartitionPlacer {
  const effect = (work: (post: Post) => Promise<void>): Effect => ({ run: post => { work(post).catch(error => logger.error({ error }, 'an effect of the controller failed')) } })
  return {
    place: (topicId, partitions) => effect(async post => {
      try {
        const actors = await Promise.all(partitions.map(async spec =>
          await placer.place(partitionName(topicId, spec.partition), { type: 'partition', ...spec } as ReactorSpec)))
        post({ kind: 'partitions-placed', topicId, actors } as PartitionsPlaced)
      } catch (error) {
        logger.error({ topicId, error }, 'partitions could not be placed')
        post({ kind: 'placement-failed', topicId, reason: String(error) } as PlacementFailed)
      }
    }),
    remove: (topicId, partitions) => effect(async () => {
      try {
        for (let partition = 0; partition < partitions; partition++) await placer.remove(partitionName(topicId, partition))
        await removeFiles(topicId, partitions)
      } catch (error) {
        logger.error({ topicId, error }, 'the files of a deleted topic could not be removed; the next start tries again')
      }
    })
  }
}

function apiName (key: number): string | undefined {
  return Object.values(apis).find(api => api.key === key)?.name
}

function topicDefaults (config: BrokerConfig): Record<string, string> {
  return {
    'retention.ms': String(config.logRetentionMs),
    'retention.bytes': String(config.logRetentionBytes),
    'segment.bytes': String(config.logSegmentBytes),
    'max.message.bytes': String(config.messageMaxBytes),
    'ringmq.flush': config.logFlush,
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'message.timestamp.type': 'CreateTime',
    'min.insync.replicas': '1'
  }
}

function brokerSettings (config: BrokerConfig): Record<string, string> {
  return {
    'auto.create.topics.enable': String(config.autoCreateTopics),
    'num.partitions': String(config.numPartitions),
    'default.replication.factor': '1',
    'log.flush': config.logFlush,
    'log.retention.ms': String(config.logRetentionMs),
    'log.retention.bytes': String(config.logRetentionBytes),
    'log.segment.bytes': String(config.logSegmentBytes),
    'message.max.bytes': String(config.messageMaxBytes),
    'socket.request.max.bytes': String(config.maxRequestBytes)
  }
}
