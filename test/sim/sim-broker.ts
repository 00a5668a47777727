/**
 * One broker: a machine with clocks and a disk, and on it one run of the broker after the other. What runs is the daemon's
 * own program (src/reactor.ts) with this world's ports in place of the system's.
 */
import { formatAddress } from '../../src/base/address.ts'
import { brokerConfig, type BrokerConfig } from '../../src/base/config.ts'
import { createMetrics } from '../../src/base/metrics.ts'
import type { Chance } from '../../src/base/prng.ts'
import { featureRange } from '../../src/base/versions.ts'
import { findMembership } from '../../src/discovery/find-membership.ts'
import { raftAddresses } from '../../src/discovery/newcomer.ts'
import { DataDirectory } from '../../src/log/data-directory.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { PeerCalls } from '../../src/net/peers/peer-calls.ts'
import { controllerName, groupsName, listenerName, peersName, votesName, type ReactorInit, type ReactorSpec } from '../../src/places.ts'
import { reactorProgram } from '../../src/reactor.ts'
import type { ReactorPorts } from '../../src/reactor-ports.ts'
import { decompress } from '../../src/record/compression.ts'
import { LocalRuntime } from '../../src/runtime/local-runtime.ts'
import type { ActorSpec } from '../../src/runtime/program.ts'
import type { Scheduler } from '../../src/runtime/scheduler.ts'
import { BrokerClock } from './broker-clock.ts'
import type { ClientNetwork, ServerSocket } from './client-network.ts'
import { DiskFaults } from './disk-faults.ts'
import { Life } from './life.ts'
import type { PeerNetwork } from './peer-network.ts'
import { simLogger } from './sim-logger.ts'
import type { World } from './world.ts'
// What the product loads late is to be there from the start: loading takes real time.
import '../../src/discovery/listed.ts'

export const dataDir = '/d'
const clientPort = 9092
const raftPort = 7000
/** How long a process takes from its start to its first line of code, and a machine from power to that. */
const bootMs = 50
const actorsMax = 1024
const asksMax = 1024
/** After a start that failed (its disk failed), so much later it is tried again: by whoever looks after services there. */
const startAgainMs = 500

export interface SimBrokerOptions {
  readonly number: number
  readonly world: World
  readonly clients: ClientNetwork
  readonly peers: PeerNetwork
  /** Numbers of the brokers that found the cluster; none: it is alone. */
  readonly founders: readonly number[]
  readonly config: Partial<BrokerConfig>
  /** What an operation of a sound disk takes. */
  readonly diskMs: number
}

export function raftAddress (broker: number): string {
  return formatAddress({ host: `b${broker}`, port: raftPort })
}

export class SimBroker {
  readonly number: number
  readonly clock: BrokerClock
  readonly faults: DiskFaults
  disk: FaultyDisk
  life: Life | undefined
  accept: ((handle: unknown, remote: string) => void) | undefined
  runtime: LocalRuntime | undefined
  readonly #world: World
  readonly #clients: ClientNetwork
  readonly #peers: PeerNetwork
  readonly #config: BrokerConfig
  readonly #chance: Chance
  #directory: DataDirectory | undefined
  #lives = 0
  #boots = 1

  constructor ({ number, world, clients, peers, founders, config, diskMs }: SimBrokerOptions) {
    this.number = number
    this.#world = world
    this.#clients = clients
    this.#peers = peers
    this.#config = brokerConfig({
      ...config,
      nodeId: `b${number}`,
      dataDir,
      bindAddr: `b${number}`,
      bindPort: clientPort,
      ...founders.length === 0 ? {} : { raftAddr: raftAddress(number), discoveryEndpoints: founders.map(raftAddress) }
    })
    this.#chance = world.chance(`broker-${number}`)
    this.clock = new BrokerClock(world, 1000 + Math.floor(this.#chance.next() * 1e6))
    this.faults = new DiskFaults(world, number, diskMs)
    this.disk = this.#adopt(new FaultyDisk({
      chance: world.chance(`disk-${number}`),
      schedule: (delayMs, work) => { world.plan(delayMs, 'disk', this.life, work) },
      wallMs: () => this.clock.wallMs()
    }))
  }

  get runs (): boolean {
    return this.life !== undefined
  }

  // ---- what happens to it

  start (): void {
    if (this.life !== undefined) return
    const life = this.life = new Life(this.number, ++this.#lives)
    this.#world.note('start', this.number, () => `run ${life.number}`)
    this.#world.plan(bootMs * (1 + this.#chance.next()), 'boot', life, () => {
      this.#begin(life).catch((error: unknown) => {
        if (!life.alive) return
        this.#world.note('start-failed', this.number, () => String((error as Error).stack ?? error))
        this.kill()
        this.#world.plan(startAgainMs, 'start-again', undefined, () => this.start())
      })
    })
  }

  /** The process ends at once; what it handed to its disk stays. */
  kill (): void {
    this.#end(true)
    this.disk = this.#adopt(this.disk.kill())
  }

  /** The machine loses its power. */
  crash (): void {
    this.#end(false)
    this.#boots++
    this.disk = this.#adopt(this.disk.crash())
  }

  /** As by SIGTERM. `stopped` is called when the process has ended by itself. */
  stop (stopped: () => void): void {
    const { life, runtime } = this
    if (life === undefined || runtime === undefined) return stopped()
    const end = (): void => {
      if (!life.alive) return
      this.kill()
      stopped()
    }
    runtime.close().then(async () => await this.#directory!.close(true)).then(end, end)
  }

  pause (): void {
    if (this.life !== undefined) this.life.paused = true
  }

  goOn (): void {
    if (this.life?.paused === true) this.#world.goOn(this.life)
  }

  /** Lets its disk take so many bytes more. */
  room (bytes: number): void {
    this.disk.capacity = this.disk.usedBytes + bytes
  }

  // ---- a run

  #end (told: boolean): void {
    const { life } = this
    if (life === undefined) return
    life.alive = false
    this.life = undefined
    this.accept = undefined
    this.runtime = undefined
    this.#clients.lifeOver(life, told)
    this.#peers.lifeOver(life, told)
    this.#world.note('end', this.number, () => `run ${life.number}`)
  }

  #adopt (disk: FaultyDisk): FaultyDisk {
    disk.fault = (operation, path) => this.faults.fault(operation, path)
    disk.delayMs = (operation, path) => this.faults.delayMs(operation, path)
    return disk
  }

  async #begin (life: Life): Promise<void> {
    const { disk } = this
    const config = this.#config
    const chance = this.#chance
    const { logger } = simLogger(this.#world, this.number)
    const client = { host: config.bindAddr, port: clientPort }
    const directory = this.#directory = await DataDirectory.open({ path: dataDir, disk, chance, lock: false, bootId: `boot-${this.#boots}` })
    const transport = this.#peers.transport(life)
    const scheduler = this.#scheduler(life)
    const membership = await findMembership({
      config,
      directory,
      calls: new PeerCalls({ transport, scheduler, logger }),
      logger,
      signal: new AbortController().signal,
      chance,
      client,
      features: featureRange,
      sleep: async delayMs => await new Promise(resolve => { this.#later(life, delayMs, () => resolve(undefined)) })
    })
    const raft = raftAddresses(config)
    const init: ReactorInit = {
      config,
      metrics: createMetrics(2),
      threads: 1,
      logger: { level: 'silent', file: undefined },
      poolSize: 4,
      broker: { nodeId: membership.nodeId, clusterId: membership.clusterId, ...client },
      bootId: directory.bootId!,
      membership,
      directoryId: directory.identity.directoryId,
      raftAddress: raft?.address,
      incarnation: chance.uint32(),
      forgetful: !directory.cleanStop && !directory.sameBoot
    }
    const ports = this.#ports(life)
    const runtime = await LocalRuntime.start({ program: reactorProgram(() => ports), init, edge: { type: 'network' }, scheduler, actorsMax, limits: { asksMax } })
    this.runtime = runtime
    const place = async (name: string, spec: ReactorSpec): Promise<void> => { await runtime.place(name, spec as ActorSpec) }
    await place(votesName, { type: 'votes' })
    await Promise.all([
      place(controllerName, { type: 'controller' }),
      place(groupsName, { type: 'groups' }),
      ...raft === undefined ? [] : [place(peersName(0), { type: 'peers', listen: { ...raft.bind, reusePort: false } })],
      place(listenerName(0), { type: 'listener', ...client, reusePort: false })
    ])
    this.#world.note('runs', this.number, () => `run ${life.number}`)
  }

  #scheduler (life: Life): Scheduler {
    return {
      clock: this.clock,
      afterTurn: callback => life.afterTurn(callback),
      later: (delayMs, callback) => this.#later(life, delayMs, callback)
    }
  }

  #ports (life: Life): ReactorPorts {
    const later = (delayMs: number, callback: () => void): () => void => this.#later(life, delayMs, callback)
    return {
      clock: this.clock,
      chance: this.#chance,
      disk: this.disk,
      diskIsShared: false,
      log: simLogger(this.#world, this.number),
      transport: this.#peers.transport(life),
      calls: new PeerCalls({ transport: this.#peers.transport(life), scheduler: this.#scheduler(life), logger: simLogger(this.#world, this.number).logger }),
      sockets: {
        open: (handle, read) => {
          const socket = handle as ServerSocket
          socket.readInto(read)
          return socket
        },
        afterTurn: callback => life.afterTurn(callback),
        later
      },
      listen: async ({ accept }) => {
        this.accept = accept
        return { close: () => { if (this.life === life) this.accept = undefined } }
      },
      http: () => ({ serve: connection => connection.destroy('no HTTP here') }),
      decompress: async () => decompress,
      every: (periodMs, callback) => {
        let cancel = (): void => {}
        const again = (): void => {
          cancel = later(periodMs, () => {
            again()
            callback()
          })
        }
        again()
        return () => cancel()
      },
      sleep: async delayMs => await new Promise(resolve => { later(delayMs, resolve) }),
      utilization: () => 0
    }
  }

  #later (life: Life, delayMs: number, callback: () => void): () => void {
    const planned = this.#world.plan(this.clock.worldMs(delayMs), 'timer', life, callback)
    return () => { planned.work = undefined }
  }
}
