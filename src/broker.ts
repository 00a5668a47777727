/**
 * A whole broker: starts the threads, places the actors that are there once, and stops everything in order.
 *
 * ```
 *  data folder locked -> port reserved --+-> votes -> controller, groups -> partitions (placed by the controller) -> listeners
 *  threads spawned -> modules loaded ----+
 * ```
 */
import { availableParallelism, hostname } from 'node:os'
import { brokerConfig, type BrokerConfig, type SettingName } from './base/config.ts'
import type { HostPort } from './base/address.ts'
import type { ThreadIndex } from './base/ids.ts'
import { loggerOptions, openLog, type Logger } from './base/logger.ts'
import { createMetrics, MetricRow, metrics } from './base/metrics.ts'
import { cryptoChance, uuidHex } from './base/prng.ts'
import { featureRange } from './base/versions.ts'
import { type Discovery, openDiscovery } from './discovery/discovery.ts'
import type { DiscoveryMetrics } from './discovery/etcd-registration.ts'
import { findMembership } from './discovery/find-membership.ts'
import type { Membership } from './discovery/membership.ts'
import { raftAddresses } from './discovery/newcomer.ts'
import type { DataDirectory } from './log/data-directory.ts'
import { canSharePort, reservePort } from './net/listener.ts'
import { PeerCalls } from './net/peers/peer-calls.ts'
import { SocketTransport } from './net/peers/socket-transport.ts'
import { controllerName, groupsName, listenerName, peersName, votesName, type ReactorInit, type ReactorSpec } from './places.ts'
import { nodeScheduler } from './runtime/scheduler.ts'
import type { LocalRuntime } from './runtime/local-runtime.ts'
import type { ActorSpec, Placer } from './runtime/program.ts'
import { logRuntimeEvents } from './runtime-log.ts'
import type { OnRuntimeEvent } from './runtime/runtime-event.ts'
import { Supervisor } from './runtime/supervisor.ts'

/**
 * A thread whose heap grows beyond this is ended and replaced, before the machine runs out of memory. Nearly all that a thread
 * allocates is garbage within milliseconds, so its nursery need not grow to the 48 MiB that V8 would let it have.
 */
const resourceLimits = { maxOldGenerationSizeMb: 2048, maxYoungGenerationSizeMb: 12 }
const reserveMs = 60_000

export interface BrokerHooks {
  /** A thread hangs and cannot even be ended: only the end of the process helps, which is for the program around the broker to decide. */
  readonly onStuck?: () => void
  /** Ends a start that waits for the other brokers of its cluster. */
  readonly signal?: AbortSignal
}

/** Frames of brokers that look for their cluster. */
const callBytesMax = 1024 * 1024
const edge: ReactorSpec = { type: 'network' }

export interface Broker {
  readonly host: string
  readonly port: number
  /** `host:port`, as clients take it. */
  readonly address: string
  readonly clusterId: string
  readonly threads: number
  /** Answers what is in flight, syncs, writes checkpoints, frees the folder and the port. */
  close (): Promise<void>
}

export type BrokerOptions = Partial<Record<SettingName, unknown>> & {
  /** Short for `bindPort`. */
  readonly port?: number
}

/**
 * Starts a broker in this process.
 *
 * `dataDir: 'memory'` keeps everything in memory, on this very thread; any other one is a folder that no other broker may use.
 *
 * @throws ConfigError  a setting is wrong
 * @throws Error        the port or the folder is in use, or cannot be used: the message says which and why
 *
 * @example
 * const broker = await startBroker({ dataDir: 'memory', port: 0 })
 * // … new Kafka({ brokers: [broker.address] }) …
 * await broker.close()
 */
export async function startBroker (options: BrokerOptions | BrokerConfig = {}, hooks: BrokerHooks = {}): Promise<Broker> {
  const { port: portOption, ...settings } = options as BrokerOptions
  const config = brokerConfig(portOption === undefined ? settings : { ...settings, bindPort: portOption })
  const log = openLog(loggerOptions(config), { node: config.nodeId })
  const inMemory = config.dataDir === 'memory'
  const threads = inMemory ? 1 : threadsOf(config)
  const words = createMetrics(1 + threads)
  const logEvent = logRuntimeEvents(log.logger, new MetricRow(words, 0))
  const onEvent: OnRuntimeEvent = event => {
    logEvent(event)
    if (event.kind !== 'thread-stuck') return
    log.flush()
    hooks.onStuck?.()
  }
  const stopped = new AbortController()
  const place = findPlace(config, inMemory, log.logger, AbortSignal.any([stopped.signal, ...hooks.signal === undefined ? [] : [hooks.signal]]))
  const init = place.then(found => reactorInit(config, threads, words, found))
  try {
    const runtime = inMemory
      ? await startHere(await init)
      : await Supervisor.start({ threads, program: reactorUrl(), init, edge, resourceLimits, onEvent })
    const [{ directory, port, membership }, { broker, directoryId, raftAddress }] = await Promise.all([place, init])
    let discovery: Discovery
    try {
      await placeActors(runtime, config, port, threads)
      discovery = await openDiscovery({
        config, membership, directoryId, address: raftAddress ?? { host: '', port: 0 }, logger: log.logger, metrics: discoveryMetrics(new MetricRow(words, 0))
      })
    } catch (error) {
      await runtime.close()
      throw error
    }
    const reserve = directory === undefined ? undefined : keepReserve(directory, log.logger)
    let closing: Promise<void> | undefined
    return {
      host: broker.host,
      port,
      address: `${config.bindAddr}:${port}`,
      clusterId: broker.clusterId,
      threads,
      close: () => {
        closing ??= (async () => {
          clearInterval(reserve)
          await discovery.close()
          await runtime.close()
          await directory?.close(true)
          await log.close()
        })()
        return closing
      }
    }
  } catch (error) {
    stopped.abort(error)
    // Not a clean stop: whatever the last run left stays as it was found.
    await place.then(async ({ directory }) => await directory?.close(false), () => {})
    await log.close()
    throw error
  }
}

/** What a broker has for itself: on its machine, and in its cluster. */
interface Place {
  readonly directory: DataDirectory | undefined
  readonly port: number
  readonly membership: Membership
}

/** Locks the folder, makes sure of the port, then finds the cluster. Threads that have been spawned load their modules meanwhile. */
async function findPlace (config: BrokerConfig, inMemory: boolean, logger: Logger, signal: AbortSignal): Promise<Place> {
  const directory = inMemory ? undefined : await openDirectory(config)
  try {
    const port = await reservePort(config.bindAddr, config.bindPort)
    const membership = await findMembership({
      config, directory, calls: peerCalls(logger), logger, signal, chance: cryptoChance, client: advertised(config, port), features: featureRange
    })
    return { directory, port, membership }
  } catch (error) {
    await directory?.close(false)
    throw error
  }
}

function peerCalls (logger: Logger): PeerCalls {
  return new PeerCalls({ transport: new SocketTransport({ assemblyBytesMax: callBytesMax }), scheduler: nodeScheduler, logger })
}

function reactorInit (config: BrokerConfig, threads: number, words: SharedArrayBuffer, { directory, port, membership }: Place): ReactorInit {
  return {
    config,
    metrics: words,
    threads,
    logger: loggerOptions(config),
    poolSize: poolSize(),
    broker: { nodeId: membership.nodeId, clusterId: membership.clusterId, ...advertised(config, port) },
    bootId: directory?.bootId ?? '',
    membership,
    directoryId: directory?.identity.directoryId ?? uuidHex(cryptoChance),
    raftAddress: raftAddresses(config)?.address,
    incarnation: cryptoChance.uint32(),
    // Of a machine that went down in the middle of a run; what was synced write by write is there all the same.
    forgetful: directory !== undefined && !directory.cleanStop && !directory.sameBoot
  }
}

/** Runs everything on this thread. Only then does it load what reactors run. */
async function startHere (init: ReactorInit): Promise<LocalRuntime> {
  const [{ LocalRuntime }, { program }] = await Promise.all([import('./runtime/local-runtime.ts'), import('./reactor.ts')])
  return await LocalRuntime.start({ program, init, edge })
}

async function openDirectory (config: BrokerConfig): Promise<DataDirectory> {
  const [{ DataDirectory }, { diskQuotas, RealDisk }] = await Promise.all([import('./log/data-directory.ts'), import('./log/disk.ts')])
  const disk = new RealDisk(diskQuotas(poolSize(), threadsOf(config)))
  return await DataDirectory.open({ path: config.dataDir, disk, chance: cryptoChance, lock: true })
}

/** Keeps the space that a full disk gives up for votes filled again, once there is room. */
function keepReserve (directory: DataDirectory, logger: Logger): NodeJS.Timeout {
  const fill = (): void => { directory.fillReserve().catch(error => logger.warn({ error }, 'no room for the reserve of disk space')) }
  fill()
  return setInterval(fill, reserveMs).unref()
}

function threadsOf ({ threads }: BrokerConfig): number {
  return threads > 0 ? threads : availableParallelism()
}

/** What libuv was told when the process began; embedded in another program it may be the default. */
function poolSize (): number {
  return Number(process.env.UV_THREADPOOL_SIZE ?? 4)
}

/** The order of the calls gives the actors the ids that the reactors know: behind those of the network actors. */
async function placeActors (placer: Placer, config: BrokerConfig, port: number, threads: number): Promise<void> {
  const listeners = canSharePort ? threads : 1
  const raft = raftAddresses(config)
  const place = async (name: string, spec: ReactorSpec, thread = 0): Promise<void> => {
    await placer.place(name, spec as ActorSpec, thread as ThreadIndex)
  }
  // The controller asks for its vote as soon as it runs. Listeners wait for the controller by themselves.
  await place(votesName, { type: 'votes' })
  await Promise.all([
    place(controllerName, { type: 'controller' }),
    place(groupsName, { type: 'groups' }),
    ...raft === undefined
      ? []
      : Array.from({ length: threads }, (_, thread) =>
        place(peersName(thread), { type: 'peers', listen: thread < listeners ? { ...raft.bind, reusePort: listeners > 1 } : undefined }, thread)),
    ...Array.from({ length: listeners }, (_, thread) =>
      place(listenerName(thread), { type: 'listener', host: config.bindAddr, port, reusePort: listeners > 1 }, thread))
  ])
}

/** Where clients are told to connect. */
function advertised ({ advertisedAddr, advertisedPort, bindAddr }: BrokerConfig, port: number): HostPort {
  const here = bindAddr === '0.0.0.0' || bindAddr === '::' ? hostname() : bindAddr
  return { host: advertisedAddr !== '' ? advertisedAddr : here, port: advertisedPort !== 0 ? advertisedPort : port }
}

function discoveryMetrics (row: MetricRow): DiscoveryMetrics {
  return { registered: yes => row.set(metrics.discoveryRegistered, yes ? 1 : 0), failed: () => row.add(metrics.discoveryFailures) }
}

/** The module that threads run, with this file's own ending: `.ts` from a checkout, `.js` when built. */
function reactorUrl (): string {
  return new URL(`./reactor${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url).href
}
