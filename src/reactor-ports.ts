/**
 * Everything outside of a reactor thread that its parts reach: time, chance, files, sockets, other threads, the log. The
 * daemon's are made here; a simulator passes its own and runs the very same parts.
 */
import type { BrokerConfig } from './base/config.ts'
import type { Clock } from './base/clock.ts'
import { openLog, type LogOutput } from './base/logger.ts'
import { cryptoChance, type Chance } from './base/prng.ts'
import type { PeerCalls as PeerCallsPort } from './discovery/peer-calls.ts'
import { diskQuotas, RealDisk, type Disk } from './log/disk.ts'
import { FaultyDisk } from './log/faulty-disk.ts'
import { type ClientSockets, nodeSockets } from './net/client-socket.ts'
import { HttpServer, type HttpPages } from './net/http.ts'
import { Listener, type ListenOptions } from './net/listener.ts'
import type { HttpPort } from './net/network.ts'
import { SocketTransport } from './net/peers/socket-transport.ts'
import type { Transport } from './net/peers/transport.ts'
import { PeerCalls } from './net/peers/peer-calls.ts'
import type { ReactorInit } from './places.ts'
import type { ThreadContext } from './runtime/program.ts'
import { nodeScheduler } from './runtime/scheduler.ts'

/** Memory for frames from other brokers that do not end within a read, all threads together. */
const peerAssemblyBytes = 256 * 1024 * 1024

/** As `decompress` of record/compression. */
export type Decompress = (codec: number, bytes: Uint8Array, bytesMax: number) => Uint8Array

export interface ReactorPorts {
  readonly clock: Clock
  readonly chance: Chance
  readonly disk: Disk
  /** Whether other threads see the same disk: they can then make the large scans. */
  readonly diskIsShared: boolean
  readonly log: LogOutput
  readonly sockets: ClientSockets
  /** To and from other brokers. */
  readonly transport: Transport
  /** To brokers that may not know this one. */
  readonly calls: PeerCallsPort
  listen (options: ListenOptions): Promise<{ close (): void }>
  http (pages: HttpPages): HttpPort
  decompress (): Promise<Decompress>
  /** Calls back again and again, until the returned function is called; the process does not stay for it. */
  every (periodMs: number, callback: () => void): () => void
  sleep (delayMs: number): Promise<void>
  /** Share of the time since the last call in which this thread had something to do. */
  utilization (): number
}

export function nodePorts ({ init, thread, threads }: ThreadContext<ReactorInit>): ReactorPorts {
  const { config } = init
  const log = openLog(init.logger, { node: config.nodeId, thread }, false)
  const transport = new SocketTransport({
    assemblyBytesMax: Math.floor(peerAssemblyBytes / threads),
    onAcceptError: error => log.logger.warn({ reason: error.message }, 'another broker\'s connection could not be accepted')
  })
  let last = performance.eventLoopUtilization()
  return {
    clock: nodeScheduler.clock,
    chance: cryptoChance,
    disk: openDisk(config, init.poolSize, threads),
    diskIsShared: config.dataDir !== 'memory',
    log,
    sockets: nodeSockets,
    transport,
    calls: new PeerCalls({ transport, scheduler: nodeScheduler, logger: log.logger }),
    listen: async options => await Listener.listen(options),
    http: pages => new HttpServer(pages),
    // The codecs are loaded by the first search in a batch: a broker that never opens one does not pay for them.
    decompress: async () => (await import('./record/compression.ts')).decompress,
    every: (periodMs, callback) => {
      const timer = setInterval(callback, periodMs).unref()
      return () => clearInterval(timer)
    },
    sleep: async delayMs => await new Promise(resolve => setTimeout(resolve, delayMs)),
    utilization: () => {
      const { utilization } = performance.eventLoopUtilization(last)
      last = performance.eventLoopUtilization()
      return utilization
    }
  }
}

function openDisk (config: BrokerConfig, poolSize: number, threads: number): Disk {
  return config.dataDir === 'memory' ? new FaultyDisk() : new RealDisk(diskQuotas(poolSize, threads))
}
