/** Brokers as processes that form one cluster: started, killed, frozen, stopped, erased, and looked at from outside. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BrokerProcess, type Exit } from '../crash/broker-process.ts'
import { ClusterClient, type Metadata, sleep } from './cluster-client.ts'
import type { Sample } from './memory.ts'
import type { Network, Place } from './network.ts'

export interface ClusterOptions {
  readonly network: Network
  /** Of the data of all brokers. */
  readonly folder: string
  /** For all brokers, behind those that make the cluster. */
  readonly flags?: readonly string[]
  /** More of some brokers, by index. */
  readonly each?: (broker: number) => { readonly env?: Readonly<Record<string, string>>, readonly dataDir?: string }
  /** Of the checkout whose brokers these are; this one unless said. */
  readonly root?: string | undefined
}

const readyMsMax = 60_000
const lookAnswerMs = 1000

/** One broker through all its processes. */
export class BrokerNode {
  readonly index: number
  readonly place: Place
  readonly dataDir: string
  state: 'down' | 'running' | 'paused' = 'down'
  process: BrokerProcess | undefined
  /** Ends of its log output of processes that are gone. */
  readonly logs: string[] = []

  constructor (index: number, place: Place, dataDir: string) {
    this.index = index
    this.place = place
    this.dataDir = dataDir
  }

  get address (): string { return `${this.place.host}:${this.place.clientPort}` }
  get name (): string { return `broker-${this.index + 1}` }
}

export class Cluster {
  readonly nodes: readonly BrokerNode[]
  readonly #options: ClusterOptions
  readonly #client: ClusterClient
  #isClosed = false

  private constructor (options: ClusterOptions) {
    this.#options = options
    this.nodes = options.network.places.map((place, index) => new BrokerNode(index, place, options.each?.(index).dataDir ?? join(options.folder, `broker-${index + 1}`)))
    this.#client = new ClusterClient({ addresses: this.addresses, answerMs: lookAnswerMs })
  }

  /** Starts all brokers at once on empty folders. @throws with the output of one that does not come up */
  static async start (options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      for (const { dataDir } of cluster.nodes) await mkdir(dataDir, { recursive: true })
      await Promise.all(cluster.nodes.map(async ({ index }) => await cluster.start(index)))
      await cluster.isWhole()
      return cluster
    } catch (error) {
      await cluster.close()
      throw cluster.withLogs(error)
    }
  }

  get addresses (): string[] { return this.nodes.map(({ address }) => address) }
  get network (): Network { return this.#options.network }
  get running (): BrokerNode[] { return this.nodes.filter(({ state }) => state === 'running') }

  #flags (node: BrokerNode): string[] {
    const { place } = node
    const alone = ['--node-id', node.name, '--bind-addr', place.host]
    const all = this.nodes.map(({ place }) => place.toldRaftAddress).join()
    const told = place.toldRaftAddress === place.raftAddress ? [] : ['--advertised-raft-addr', place.toldRaftAddress]
    const joined = this.nodes.length === 1 ? [] : ['--raft-addr', place.raftAddress, ...told, '--discovery-type', 'memory', '--discovery-endpoints', all]
    return [...alone, ...joined, '--logging-level', 'warn', ...this.#options.flags ?? []]
  }

  /** Starts a broker that is down, on what its folder holds. Resolves when it says that it is ready. */
  async start (index: number): Promise<void> {
    const node = this.nodes[index]!
    const { network, root, each } = this.#options
    const env = each?.(index).env
    node.process = BrokerProcess.spawn({
      dataDir: node.dataDir,
      port: node.place.clientPort,
      flags: this.#flags(node),
      wrapper: network.wrapper(index),
      ...env === undefined ? {} : { env },
      ...root === undefined ? {} : { root }
    })
    network.runs(index, node.process.pid)
    node.state = 'running'
    await node.process.ready().catch((error: unknown) => {
      node.state = 'down'
      throw error
    })
  }

  async kill (index: number): Promise<void> {
    const node = this.nodes[index]!
    await node.process?.kill()
    this.#isGone(node)
  }

  /** SIGTERM. @returns how and after how long it ended; one that does not within 30 s is killed */
  async stop (index: number): Promise<{ exit: Exit, tookMs: number }> {
    const node = this.nodes[index]!
    const began = performance.now()
    const late = setTimeout(() => { node.process?.kill().catch(() => {}) }, 30_000)
    const exit = await node.process!.signal('SIGTERM')
    clearTimeout(late)
    this.#isGone(node)
    return { exit, tookMs: performance.now() - began }
  }

  #isGone (node: BrokerNode): void {
    if (node.process !== undefined) node.logs.push(node.process.errors.slice(-20_000))
    if (node.logs.length > 20) node.logs.shift()
    node.process = undefined
    node.state = 'down'
  }

  pause (index: number): void {
    process.kill(this.nodes[index]!.process!.pid, 'SIGSTOP')
    this.nodes[index]!.state = 'paused'
  }

  resume (index: number): void {
    process.kill(this.nodes[index]!.process!.pid, 'SIGCONT')
    this.nodes[index]!.state = 'running'
  }

  /** The disk of a broker that is down is replaced by an empty one. */
  async erase (index: number): Promise<void> {
    await rm(this.nodes[index]!.dataDir, { recursive: true, force: true })
    await mkdir(this.nodes[index]!.dataDir, { recursive: true })
  }

  /** Everybody runs and reaches everybody. */
  async repair (): Promise<void> {
    await this.network.heal()
    for (const { index, state } of this.nodes) if (state === 'paused') this.resume(index)
    await Promise.all(this.nodes.filter(({ state }) => state === 'down').map(async ({ index }) => await this.start(index)))
  }

  /** What a broker says that runs and can be reached. @throws when none answers */
  async look (topics: readonly string[] | null): Promise<Metadata> {
    return (await this.views(topics))[0] ?? (() => { throw new Error('no broker answers') })()
  }

  /** What each broker that answers says, by index; the one whose leaders are newest first. */
  async views (topics: readonly string[] | null): Promise<Metadata[]> {
    const views = await Promise.all(this.running.map(async ({ address }) => await this.#client.metadataFrom(address, topics).catch(() => undefined)))
    const age = ({ topics }: Metadata): number => topics.reduce((sum, { partitions }) => sum + partitions.reduce((sum, { leaderEpoch, leaderId }) => sum + leaderEpoch * 2 + (leaderId >= 0 ? 1 : 0), 0), 0)
    return views.filter(view => view !== undefined).toSorted((a, b) => age(b) - age(a))
  }

  /** Index of the broker that leads a partition, as the newest view has it; undefined: none. */
  async leaderOf (topic: string, partition: number): Promise<number | undefined> {
    const view = await this.look([topic])
    return this.#indexOf(view, view.topics[0]?.partitions.find(({ index }) => index === partition)?.leaderId ?? -1)
  }

  /** Index of the broker that is the controller; undefined: none. */
  async controller (): Promise<number | undefined> {
    const views = await this.views([])
    for (const view of views) {
      const found = this.#indexOf(view, view.controllerId)
      if (found !== undefined) return found
    }
    return undefined
  }

  #indexOf (view: Metadata, nodeId: number): number | undefined {
    const broker = view.brokers.find(broker => broker.nodeId === nodeId)
    const index = this.nodes.findIndex(({ place }) => place.host === broker?.host && place.clientPort === broker.port)
    return index === -1 ? undefined : index
  }

  /** Every broker lists every broker and the same controller. */
  async isWhole (withinMs = readyMsMax): Promise<void> {
    await this.eventually('all brokers know each other and one controller', withinMs, async () => {
      const views = await this.views([])
      return views.length === this.nodes.length && views.every(({ brokers, controllerId }) => brokers.length === this.nodes.length && controllerId === views[0]!.controllerId && controllerId >= 0)
    })
  }

  /** Every partition has a leader and all its replicas in sync, in the eyes of every broker. */
  async isHealthy (topic: string, withinMs: number, replicas = this.nodes.length): Promise<void> {
    let last = ''
    await this.eventually(() => `all replicas of ${topic} are in sync: ${last}`, withinMs, async () => {
      const views = await this.views([topic])
      const bad = views.flatMap(({ topics }, i) => (topics[0]?.partitions ?? []).filter(({ leaderId, isrNodes, replicaNodes, errorCode }) => leaderId < 0 || errorCode !== 0 || isrNodes.length < replicas || replicaNodes.length < replicas)
        .map(({ index, leaderId, isrNodes, replicaNodes, errorCode }) => `view ${i} partition ${index} error ${errorCode} leader ${leaderId} in sync ${isrNodes.join()} of ${replicaNodes.join()}`))
      last = `${views.length} of ${this.nodes.length} brokers answer; ${bad.slice(0, 3).join('; ')}`
      return views.length === this.nodes.length && bad.length === 0 && views.every(({ topics }) => topics[0]?.errorCode === 0)
    })
  }

  /** @throws with `what` and the brokers' logs when it does not hold in time */
  async eventually (what: string | (() => string), withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + withinMs
    while (!await holds().catch(() => false)) {
      if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`)
      await sleep(50)
    }
  }

  /** Resident bytes of each broker's process; undefined: it does not run. */
  get memory (): Array<Sample | undefined> {
    return this.nodes.map(({ process }) => {
      try { return process === undefined ? undefined : { pid: process.pid, bytes: process.rssBytes } } catch { return undefined }
    })
  }

  /** The same error with what the brokers last logged. */
  withLogs (error: unknown): Error {
    const logs = this.nodes.map(({ name, state, process, logs }) => `--- ${name} (${state})\n${[...logs.slice(-1), process?.errors ?? ''].join('').slice(-3000)}`)
    return new Error(`${(error as Error).stack ?? String(error)}\n${logs.join('\n')}`)
  }

  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#client.close()
    await Promise.all(this.nodes.map(async ({ process }) => await process?.kill()))
  }
}
