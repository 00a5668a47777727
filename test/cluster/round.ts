/**
 * One round: a fresh cluster, clients that work on it, faults, repair, and then the questions. Has every partition a leader again,
 * are all replicas in sync, do all clients go on, is the history sound, do all brokers stop in order, are their disks the same?
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Chance, seededChance } from '../../src/base/prng.ts'
import type { AnomalyKind } from './anomalies.ts'
import type { Report } from './checker.ts'
import { Cluster } from './cluster.ts'
import { ClusterClient, sleep } from './cluster-client.ts'
import { SlowDisk, SmallDisk } from './disks.ts'
import { Load } from './load.ts'
import { type MemoryOfBroker, MemoryWatch } from './memory.ts'
import type { Network } from './network.ts'
import { compareReplicas } from './replica-logs.ts'

export type Say = (line: string) => void

export interface RoundOptions {
  readonly network: Network
  readonly seed: number
  /** How long faults go on; one is made in any case. */
  readonly faultsMs: number
  readonly root: string | undefined
  readonly groups: boolean
  readonly say: Say
}

export interface Case {
  /** What happens, in a few words. */
  readonly about: string
  readonly needs?: 'three brokers' | 'broken network' | 'small disk'
  /** What it does breaks what a cluster promises: the round is good if that is found. */
  readonly mustFail?: boolean
  /** How brokers flush, where it matters: otherwise the seed decides. */
  readonly flush?: 'always' | 'os'
  /** Users' libraries are among the clients, whatever the seed. */
  readonly libraries?: boolean
  /** In a long run its faults go on for so long. */
  readonly faultsMs?: number
  /** Does its faults, and undoes them or leaves that to the round. */
  run (round: Round): Promise<void>
}

export interface RoundResult {
  readonly operations: number
  readonly records: number
  readonly acknowledged: number
  /** Of records whose producers gave up, those that are stored. */
  readonly unknownStored: number
  readonly faults: number
  /** Longest time in which a partition acknowledged nothing after a fault, in the order of the faults. */
  readonly gapsMs: readonly number[]
  readonly memory: readonly MemoryOfBroker[]
  readonly errors: string
  readonly userErrors: string
  readonly staleEnds: number
}

export const topic = 'faults'
const partitions = 6
const smallDiskBytes = 192 << 20
const healthyMsMax = 60_000
/** Until a cluster with a majority acknowledges again in every partition. */
const goesOnMsMax = 20_000

export class Round {
  readonly cluster: Cluster
  readonly load: Load
  readonly chance: Chance
  readonly options: RoundOptions
  readonly slowDisks: readonly SlowDisk[]
  /** By broker; a text says why there is none. */
  readonly smallDisks: ReadonlyArray<SmallDisk | string>
  readonly #startedAt = performance.now()
  #faultAt: number | undefined
  #what = ''
  readonly gapsMs: number[] = []
  faults = 0

  private constructor (cluster: Cluster, load: Load, options: RoundOptions, slowDisks: readonly SlowDisk[], smallDisks: ReadonlyArray<SmallDisk | string>) {
    this.cluster = cluster
    this.load = load
    this.options = options
    this.slowDisks = slowDisks
    this.smallDisks = smallDisks
    this.chance = seededChance(options.seed)
  }

  /** @throws with what is wrong, and the brokers' logs */
  static async run (case_: Case, options: RoundOptions): Promise<RoundResult> {
    const { network, seed, root, groups, say } = options
    const chance = seededChance(seed + 1)
    const below = (end: number): number => Math.floor(chance.next() * end)
    const folder = await mkdtemp(join(tmpdir(), 'ringmq-faults-'))
    const brokers = network.places.length
    const flags = ['--threads', String(1 + below(2)), '--log-flush', case_.flush ?? (below(2) === 0 ? 'os' : 'always'), '--log-segment-bytes', below(2) === 0 ? '1GiB' : '2MiB']
    const dataDir = (i: number): string => join(folder, `broker-${i + 1}`)
    const smallDisks = network.places.map((_, i) => case_.needs === 'small disk' ? SmallDisk.mount(dataDir(i), smallDiskBytes) : 'not asked for')
    const refused = smallDisks.find(disk => typeof disk === 'string')
    const slowDisks = network.places.map((_, i) => new SlowDisk(join(folder, `slow-${i + 1}`), dataDir(i)))
    const libraries = below(2) === 0 || case_.libraries === true
    const followerReads = brokers > 1 && below(2) === 0
    let cluster: Cluster | undefined
    let load: Load | undefined
    try {
      if (case_.needs === 'small disk' && refused !== undefined) throw new Skipped(`no small disk can be mounted here: ${refused}`)
      cluster = await Cluster.start({ network, folder, root, flags: [...flags, ...followerReads ? ['--enable-follower-read', 'true'] : []], each: i => ({ env: slowDisks[i]!.env, dataDir: join(dataDir(i), 'data') }) })
      say(`${brokers} brokers, ${flags.join(' ')}, clients: raw${libraries ? ', kafkajs, platformatic' : ''}${groups ? ', a group' : ''}${followerReads ? ', reading from followers' : ''}`)
      const client = new ClusterClient({ addresses: cluster.addresses, answerMs: 10_000 })
      await client.createTopic(topic, partitions, Math.min(3, brokers), brokers > 1 ? { 'min.insync.replicas': '2' } : {})
      await client.close()
      await cluster.isHealthy(topic, healthyMsMax)
      load = new Load({ addresses: cluster.addresses, topic, partitions, seed, libraries, groups, followerReads, giveUpMs: case_.mustFail === true ? 6000 : 60_000 })
      const round = new Round(cluster, load, options, slowDisks, smallDisks)
      const memory = new MemoryWatch(() => cluster!.memory)
      try {
        return await round.#run(case_, memory)
      } finally {
        memory.stop()
      }
    } catch (error) {
      throw error instanceof Skipped || cluster === undefined ? error : cluster.withLogs(error)
    } finally {
      await load?.close()
      await cluster?.close()
      await network.heal()
      for (const disk of smallDisks) if (typeof disk !== 'string') disk.unmount()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }

  async #run (case_: Case, memory: MemoryWatch): Promise<RoundResult> {
    const { load } = this
    await load.start()
    await load.goesOn(5, goesOnMsMax)
    do {
      await case_.run(this)
      this.#noteGap()
      // What is lost on purpose is lost once: from then on clients meet what they must not meet.
    } while (case_.mustFail !== true && performance.now() - this.#startedAt < this.options.faultsMs)
    await this.recover()
    if (case_.mustFail !== true) await load.goesOn(10, goesOnMsMax)
    const report = await load.finish(case_.mustFail)
    if (case_.mustFail === true) {
      if (!['lost-write', 'unseen', 'undone', 'inconsistent-offsets'].some(kind => report.anomalies.counts.has(kind as AnomalyKind))) throw new Error('what was lost on purpose was not missed')
      this.options.say(`found, as it must be: ${[...report.anomalies.counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
      return this.#result(report, memory.stop())
    }
    if (!report.anomalies.isEmpty) throw new Error(`the history is not sound:\n${report.anomalies}`)
    await this.#compareDisks()
    return this.#result(report, memory.stop())
  }

  #result (report: Report, memory: readonly MemoryOfBroker[]): RoundResult {
    const { records, acknowledged, unknownStored, notes } = report
    const { load } = this
    return { operations: load.history.size, records, acknowledged, unknownStored, faults: this.faults, gapsMs: this.gapsMs, memory, errors: load.errors, userErrors: load.userErrors, staleEnds: notes.counts.get('stale-end') ?? 0 }
  }

  /** A majority of three survives one of them. */
  get survivesOne (): boolean { return this.cluster.nodes.length >= 3 }

  below (end: number): number { return Math.floor(this.chance.next() * end) }
  between (least: number, most: number): number { return least + this.below(most - least + 1) }
  pick<T> (items: readonly T[]): T { return items[this.below(items.length)]! }
  async pause (leastMs: number, mostMs: number): Promise<void> { await sleep(this.between(leastMs, mostMs)) }

  /** A fault begins now. */
  begins (what: string): void {
    this.#noteGap()
    this.faults++
    this.#faultAt = performance.now()
    this.#what = what
  }

  /** Each partition must take batches although the fault lasts. */
  async goesOn (batches = 3): Promise<void> { await this.load.goesOn(batches, goesOnMsMax) }

  /** The index of the broker that leads some partition. @throws when there is none for 20 s */
  async someLeader (): Promise<number> {
    const partition = this.below(partitions)
    let leader: number | undefined
    await this.cluster.eventually(`partition ${partition} has a leader`, goesOnMsMax, async () => {
      leader = await this.cluster.leaderOf(topic, partition)
      return leader !== undefined && this.cluster.nodes[leader]!.state === 'running'
    })
    return leader!
  }

  async theController (): Promise<number> {
    let controller: number | undefined
    await this.cluster.eventually('there is a controller', goesOnMsMax, async () => {
      controller = await this.cluster.controller()
      return controller !== undefined
    })
    return controller!
  }

  /** Brokers besides one. */
  others (index: number): number[] { return this.cluster.nodes.map(({ index }) => index).filter(other => other !== index) }

  /** Everything runs again, every replica is in sync. */
  async recover (): Promise<void> {
    for (const disk of this.slowDisks) disk.heal()
    for (const disk of this.smallDisks) if (typeof disk !== 'string') disk.empty()
    await this.cluster.repair()
    await this.cluster.isHealthy(topic, healthyMsMax, Math.min(3, this.cluster.nodes.length))
    this.#noteGap()
  }

  #noteGap (): void {
    if (this.#faultAt === undefined) return
    const now = performance.now()
    const gaps = this.load.producers.map(({ pulse }) => pulse.longestGap(this.#faultAt!, now))
    const gap = Math.round(Math.max(...gaps))
    this.gapsMs.push(gap)
    const libraries = this.load.libraries.map(({ name, pulse }) => `, ${name} ${Math.round(pulse.longestGap(this.#faultAt!, now))}`)
    this.options.say(`${this.#what}: longest time without an acknowledgement ${gap} ms${libraries.join('')}`)
    this.#faultAt = undefined
  }

  /** All brokers end in order, and their logs are the same. */
  async #compareDisks (): Promise<void> {
    const { nodes } = this.cluster
    for (const { index, name } of nodes) {
      const { exit } = await this.cluster.stop(index)
      if (exit.code !== 0) throw new Error(`${name} ended with ${exit.code ?? exit.signal} after SIGTERM`)
    }
    const { compared, problems } = compareReplicas(nodes.map(({ dataDir }) => dataDir))
    if (problems.length > 0) throw new Error(`replicas differ:\n${problems.join('\n')}`)
    if (nodes.length > 1 && compared === 0) throw new Error('no batch stands on more than one disk')
  }
}

/** What is needed is not to be had here. */
export class Skipped extends Error {
  override name = 'Skipped'
}
