/**
 * One seed, from an empty world to a verdict:
 *
 * ```
 *  brokers start -> topic -> clients work while faults happen -> faults end -> all writes taken within a bound -> everything is read and checked
 * ```
 */
import { check } from '../cluster/checker.ts'
import { Admin } from './clients/admin.ts'
import { Consumer } from './clients/consumer.ts'
import { Ledger } from './clients/ledger.ts'
import { Operator } from './clients/operator.ts'
import { Producer } from './clients/producer.ts'
import { LastReader } from './clients/last-reader.ts'
import { SimClient } from './clients/sim-client.ts'
import { ClientNetwork } from './client-network.ts'
import type { Mutation } from './mutations/mutation.ts'
import { Nemesis } from './nemesis.ts'
import { PeerNetwork } from './peer-network.ts'
import { SimBroker } from './sim-broker.ts'
import { drawShape, type Shape } from './swarm.ts'
import type { Trace } from './trace.ts'
import { Watch } from './watch.ts'
import { World } from './world.ts'

export interface Outcome {
  readonly seed: number
  readonly brokers: number
  readonly virtualMs: number
  readonly operations: { readonly ok: number, readonly failed: number, readonly unknown: number }
  readonly faults: ReadonlyMap<string, number>
  readonly elections: number
  readonly records: number
  readonly events: number
  readonly digest: string
}

export interface SimulationOptions {
  readonly trace?: Trace | undefined
  /** A bug that is planted while the seed runs. */
  readonly mutation?: Mutation | undefined
}

/** Longest time from the first start to a topic with leaders: a frame that is lost before there is a cluster costs five seconds. */
const beginMs = 60_000
/** Longest time after the last fault until a partition takes a write. */
const recoveryMsMax = 15_000
/** Longest time for what is under way to be answered or given up, and for the last reading. */
const endMs = 60_000
const deliveryMs = 15_000
/** What clients ask in a run at least. */
export const operationsMin = 500

export class Simulation {
  readonly world: World
  readonly shape: Shape
  readonly brokers: readonly SimBroker[]
  readonly #clients: ClientNetwork
  readonly #peers: PeerNetwork
  readonly #ledger: Ledger
  readonly #nemesis = new Nemesis()
  readonly #watch: Watch
  readonly #mutation: Mutation | undefined

  constructor (seed: number, { trace, mutation }: SimulationOptions = {}) {
    this.#mutation = mutation
    const world = this.world = new World(seed, trace)
    const shape = this.shape = drawShape(world.chance('shape'))
    const clients = this.#clients = new ClientNetwork(world, shape.clientLatencyMs)
    const peers = this.#peers = new PeerNetwork(world, { ...shape.weather })
    const numbers = Array.from({ length: shape.brokers }, (_, i) => i + 1)
    this.brokers = numbers.map(number => new SimBroker({
      number, world, clients, peers, founders: shape.apart ? [] : numbers, config: shape.config, diskMs: shape.diskMs
    }))
    this.#watch = new Watch(world, this.brokers, shape, broker => this.#nemesis.isSound(broker))
    this.#ledger = new Ledger(world, {
      // The leader's own word counts where there is nobody else, and never will be.
      trusts: acks => acks === -1 || (acks === 1 && shape.apart),
      onAcknowledged: (topicId, partition, batch) => this.#watch.onAcknowledged(topicId, partition, batch),
      isDeposed: place => this.#watch.isDeposed(place)
    })
    if (trace !== undefined) trace.statusOf = broker => this.#watch.statusOf(broker)
  }

  /** @throws Violation */
  run (): Outcome {
    const takeOut = this.#mutation?.plant()
    this.#watch.begin()
    try {
      return this.#run()
    } finally {
      this.#watch.end()
      takeOut?.()
    }
  }

  #run (): Outcome {
    const { world, shape, brokers } = this
    for (const broker of brokers) broker.start()
    const parts = (shape.apart ? brokers.map(broker => [broker]) : [brokers]).map((members, i) => this.#populate(members, i))
    world.run(beginMs, () => parts.every(({ ready }) => ready()))
    if (!parts.every(({ ready }) => ready())) world.violate('Liveness', `no topic after ${beginMs} ms without faults`)
    for (const { start } of parts) start()
    const faultsEndMs = world.nowMs + shape.faultsMs
    this.#nemesis.unleash({
      world, brokers, clients: this.#clients, peers: this.#peers, chance: world.chance('nemesis'), kinds: shape.faults, count: shape.faultCount, withinMs: shape.faultsMs, lossesMax: shape.flush === 'always' ? Infinity : 1
    })
    world.run(faultsEndMs)
    for (const { probe } of parts) probe()
    world.run(faultsEndMs + recoveryMsMax, () => parts.every(({ takesWrites }) => takesWrites()))
    for (const { takesWrites, name } of parts) if (!takesWrites()) world.violate('Liveness', `${name}: a partition takes no writes ${recoveryMsMax} ms after the last fault`)
    world.run(faultsEndMs + shape.healMs)
    // Where faults kept the clients from asking much, they ask on for a while.
    world.run(world.nowMs + endMs, () => this.#ledger.operations >= operationsMin)
    for (const { stop } of parts) stop()
    const lastMs = world.nowMs + endMs
    world.run(lastMs, () => parts.every(({ idle }) => idle()))
    for (const { readAll } of parts) readAll()
    world.run(lastMs, () => parts.every(({ allRead }) => allRead()))
    for (const { allRead, name } of parts) if (!allRead()) world.violate('Liveness', `${name}: what is there cannot be read ${endMs} ms after the last write`)
    this.#watch.finish()
    const report = check(this.#ledger.history, { finished: true })
    if (!report.anomalies.isEmpty) world.violate('History', report.anomalies.toString())
    world.run(world.nowMs)
    const { ok, failed, unknown } = this.#ledger.counts
    return {
      seed: world.seed,
      brokers: brokers.length,
      virtualMs: world.nowMs,
      operations: { ok, failed, unknown },
      faults: this.#nemesis.counts,
      elections: this.#watch.elections,
      records: report.records,
      events: world.events,
      digest: world.digest.hex
    }
  }

  /** The clients of one cluster. */
  #populate (members: readonly SimBroker[], index: number): Part {
    const { world, shape } = this
    const ledger = this.#ledger
    const name = `cluster ${index + 1}`
    const topic = `t${index + 1}`
    const keys = Array.from({ length: shape.partitions }, (_, partition) => ledger.history.addKey(`${topic}/${partition}`))
    const client = (role: string): SimClient => new SimClient({ name: `${role}-${index + 1}`, world, net: this.#clients, servers: members, topic })
    const share = shape.apart ? this.brokers.length : 1
    const onBatch = this.#watch.onBatch
    const consumers = Array.from({ length: shape.consumers }, (_, i) => new Consumer({
      client: client(`consumer-${i}`),
      ledger,
      keys,
      partitions: keys.map((_, partition) => partition).filter(partition => partition % 2 === i % 2 || i === 0),
      followers: shape.config.enableFollowerRead === true,
      epochs: i % 2 === 0,
      pauseMs: shape.producers[0]!.pauseMs * share,
      maxWaitMs: 200,
      bytesMax: 16_384,
      onBatch
    }))
    const producers = shape.producers.map((producer, i) => new Producer({
      client: client(`producer-${i}`), ledger, keys, partitions: [...keys.keys()], ...producer, pauseMs: producer.pauseMs * share, recordsMax: shape.recordsMax, valueBytesMax: shape.valueBytesMax, batchesMax: Infinity, deliveryMs
    }))
    // With fewer than three replicas one broker that forgets what it did not sync may cost what was acknowledged.
    const movedTo = Math.max(shape.insyncMin, shape.flush === 'always' ? 1 : Math.min(3, shape.replicas))
    const operator = (changes: 'all' | 'settings', pauseMs: number): Operator[] => pauseMs === Infinity
      ? []
      : [new Operator({
          client: client(`operator-${changes}`), ledger, partitions: shape.partitions, replicasMin: movedTo, replicasMax: Math.max(movedTo, Math.min(members.length, 3)), pauseMs: pauseMs * share, changes
        })]
    const operators = [...operator('all', shape.changePauseMs), ...operator('settings', shape.settingsPauseMs)]
    let created = false
    new Admin(client('admin'), ledger).createTopic({ partitions: shape.partitions, replicas: shape.replicas, configs: [{ name: 'min.insync.replicas', value: String(shape.insyncMin) }] }, () => { created = true })
    const probes = keys.map((_, partition) => new Producer({
      client: client(`probe-${partition}`), ledger, keys, partitions: [partition], idempotent: true, acks: -1, inFlightMax: 1, pauseMs: 1, recordsMax: 1, valueBytesMax: 1, batchesMax: 1, deliveryMs: recoveryMsMax
    }))
    let last: LastReader | undefined
    return {
      name,
      ready: () => created,
      start: () => { for (const one of [...producers, ...consumers, ...operators]) one.start() },
      probe: () => {
        for (const operator of operators) operator.stop()
        for (const probe of probes) probe.start()
      },
      takesWrites: () => probes.every(probe => probe.acknowledged > 0),
      stop: () => { for (const one of [...producers, ...consumers]) one.stop() },
      idle: () => producers.every(producer => producer.underWay === 0),
      readAll: () => {
        last = new LastReader({ client: client('last'), ledger, keys, onBatch })
        last.start()
      },
      allRead: () => last?.done === true
    }
  }
}

interface Part {
  readonly name: string
  ready (): boolean
  start (): void
  probe (): void
  takesWrites (): boolean
  stop (): void
  idle (): boolean
  readAll (): void
  allRead (): boolean
}
