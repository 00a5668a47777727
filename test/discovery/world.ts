/**
 * Brokers that look for each other, in virtual time: each a process with its own data folder on a disk that can crash, on a network that
 * is slow, loses what it carries, and delivers answers of those who are dead by then. A cluster's controller is played by a table.
 */
import { formatAddress, type HostPort, parseAddress } from '../../src/base/address.ts'
import { brokerConfig, type BrokerConfig } from '../../src/base/config.ts'
import type { Logger } from '../../src/base/logger.ts'
import { ErrorCode } from '../../src/base/error-code.ts'
import { decode, encode } from '../../src/base/msgpack.ts'
import { seededChance, type Chance } from '../../src/base/prng.ts'
import { readJoinRequest } from '../../src/discovery/answers.ts'
import type { EtcdCluster } from '../../src/discovery/etcd-cluster.ts'
import { findMembership } from '../../src/discovery/find-membership.ts'
import '../../src/discovery/listed.ts'
import { discoveredOf, joinedOf, type Membership } from '../../src/discovery/membership.ts'
import { raftAddresses } from '../../src/discovery/newcomer.ts'
import type { Discovered, PeerCalls } from '../../src/discovery/peer-calls.ts'
import { DataDirectory } from '../../src/log/data-directory.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'

const eventsMax = 200_000

interface Planned { readonly at: number, readonly order: number, readonly run: () => void }

export interface Network {
  /** One way, from address to address. */
  delayMs (from: string, to: string): number
  loses (from: Machine, to: string): boolean
}

/** What a cluster's controller knows. */
export interface Table {
  readonly clusterId: string
  readonly nodes: Map<string, number>
  readonly members: Map<string, number>
  /** Folders of the metadata group's voters. */
  voters: Set<string>
  readonly founders: Discovered['founders']
  readonly addresses: Map<number, HostPort & { readonly nodeId: number }>
}

export class World {
  now = 0
  readonly chance: Chance
  readonly tables = new Map<string, Table>()
  readonly machines: Machine[] = []
  readonly lines: string[] = []
  /** The controller takes nobody in. */
  refuses = false
  network: Network = { delayMs: () => 1, loses: () => false }
  /** Called after every event. */
  check: () => void = () => {}
  readonly #planned: Planned[] = []
  #order = 0

  constructor (seed = 1) {
    this.chance = seededChance(seed)
  }

  machine (options: MachineOptions): Machine {
    const machine = new Machine(this, options)
    this.machines.push(machine)
    return machine
  }

  later (delayMs: number, run: () => void): void {
    const planned = { at: this.now + delayMs, order: this.#order++, run }
    let index = this.#planned.length
    while (index > 0 && this.#planned[index - 1]!.at > planned.at) index--
    this.#planned.splice(index, 0, planned)
  }

  /** Lets time pass until `until` holds, or so much has passed. */
  async run (ms: number, until: () => boolean = () => false): Promise<void> {
    const end = this.now + ms
    for (let left = eventsMax; ; left--) {
      await new Promise(resolve => setImmediate(resolve))
      this.check()
      const next = this.#planned[0]
      if (until() || next === undefined || next.at > end) break
      if (left === 0) throw new Error('events do not end')
      this.#planned.shift()
      this.now = next.at
      next.run()
    }
    if (!until()) this.now = end
  }

  /** Who listens at an address. */
  at (address: string): Process | undefined {
    return this.machines.find(machine => machine.process?.listensAt === address)?.process
  }

  /** The cluster's voters that run, and so could make a decision. */
  hasQuorum ({ clusterId, voters }: Table): boolean {
    const running = this.machines.filter(({ process }) => process?.membership?.clusterId === clusterId && voters.has(process.directoryId!))
    return running.length > voters.size >> 1
  }

  /** A member passes it on to the controller's leader. */
  register (clusterId: string, request: unknown): object {
    const { name, directoryId, raftHost, raftPort } = readJoinRequest(request)
    const table = this.tables.get(clusterId)!
    const refused = (errorCode: number, errorMessage: string): object => ({ kind: 'joined', errorCode, errorMessage, clusterId: '', nodeId: -1, member: 0, initialVoters: [], peers: [] })
    if (!this.hasQuorum(table)) return refused(ErrorCode.NOT_CONTROLLER, 'no leader')
    if (this.refuses) return refused(ErrorCode.UNSUPPORTED_VERSION, 'too old')
    const rival = this.machines.find(({ process }) => process?.membership?.clusterId === clusterId && process.config.nodeId === name && process.directoryId !== directoryId)
    if (rival !== undefined) return refused(ErrorCode.DUPLICATE_RESOURCE, `node_id ${name} is used by another broker that runs`)
    const nodeId = table.nodes.get(name) ?? table.nodes.size + 1
    table.nodes.set(name, nodeId)
    const member = table.members.get(directoryId) ?? table.members.size + 1
    table.members.set(directoryId, member)
    const before = [...table.addresses].find(([other, address]) => address.nodeId === nodeId && other !== member)
    if (before !== undefined) {
      // The new folder of a node takes the place of the old one, in time.
      const folder = [...table.members].find(([, other]) => other === before[0])![0]
      table.addresses.delete(before[0])
      if (table.voters.delete(folder)) table.voters.add(directoryId)
    }
    table.addresses.set(member, { nodeId, host: raftHost, port: raftPort })
    const peers = [...table.addresses].map(([member, address]) => ({ member, ...address }))
    return { kind: 'joined', errorCode: 0, errorMessage: null, clusterId, nodeId, member, initialVoters: table.founders.map(({ member }) => member), peers }
  }

  /** A member runs: its cluster's controller may begin with it. */
  begin ({ clusterId, metadataInitialVoters: founders }: Membership): void {
    if (this.tables.has(clusterId)) return
    this.tables.set(clusterId, {
      clusterId,
      founders,
      nodes: new Map(founders.map(founder => [founder.nodeName, founder.nodeId])),
      members: new Map(founders.map(founder => [founder.directoryId, founder.member])),
      voters: new Set(founders.map(({ directoryId }) => directoryId)),
      addresses: new Map(founders.map(({ member, nodeId, host, port }) => [member, { nodeId, host, port }]))
    })
  }
}

export interface MachineOptions {
  readonly address: string
  readonly config: Parameters<typeof brokerConfig>[0]
  readonly etcd?: EtcdCluster
}

/** One broker's place: a disk, and at most one process at a time. */
export class Machine {
  readonly world: World
  readonly address: string
  readonly etcd: EtcdCluster | undefined
  config: BrokerConfig
  disk: FaultyDisk
  process: Process | undefined
  /** Why a process stopped by itself. */
  lastError: Error | undefined

  constructor (world: World, { address, config, etcd }: MachineOptions) {
    this.world = world
    this.address = address
    this.config = brokerConfig({ raftAddr: address, dataDir: '/data', ...config })
    this.etcd = etcd
    this.disk = this.#newDisk()
  }

  start (): Process {
    if (this.process !== undefined) throw new Error('it runs already')
    this.process = new Process(this)
    return this.process
  }

  /** kill -9, or the loss of power. */
  kill (powerLost = false): void {
    if (this.process === undefined) return
    this.process.dead = true
    this.process = undefined
    this.disk = powerLost ? this.disk.crash() : this.disk.kill()
  }

  erase (): void {
    this.kill()
    this.disk = this.#newDisk()
  }

  #newDisk (): FaultyDisk {
    const { world } = this
    return new FaultyDisk({ chance: world.chance, schedule: (delayMs, work) => world.later(delayMs, work), delayMs: () => world.chance.next() * 3 })
  }
}

export class Process implements PeerCalls {
  readonly machine: Machine
  readonly config: BrokerConfig
  readonly stopping = new AbortController()
  readonly found: Promise<Membership>
  dead = false
  directoryId: string | undefined
  membership: Membership | undefined
  /** Why it stopped. */
  error: Error | undefined
  listensAt: string | undefined
  #answer: (() => Discovered) | undefined

  constructor (machine: Machine) {
    this.machine = machine
    this.config = machine.config
    this.found = this.#run()
    this.found.catch(() => {})
  }

  async #run (): Promise<Membership> {
    const { machine } = this
    const { world } = machine
    const say = (level: string) => (_fields: unknown, message: string): void => {
      if (!this.dead) world.lines.push(`${this.config.nodeId} ${level} ${message}`)
    }
    const logger = { info: say('info'), warn: say('warn'), error: say('error') } as unknown as Logger
    try {
      const directory = await DataDirectory.open({ path: '/data', disk: machine.disk, chance: world.chance, lock: false })
      this.directoryId = directory.identity.directoryId
      const membership = await findMembership({
        config: this.config,
        directory,
        calls: this,
        logger,
        signal: this.stopping.signal,
        chance: world.chance,
        client: { host: parseAddress(machine.address)!.host, port: 9092 },
        features: { min: 1, max: 1 },
        sleep: async (ms, signal) => await this.#sleep(ms, signal),
        etcd: machine.etcd
      })
      const joined = joinedOf(directory.identity)
      this.membership = membership
      world.begin(membership)
      const addresses = raftAddresses(this.config)
      if (addresses !== undefined) this.#listen(formatAddress(addresses.bind), () => discoveredOf(joined!, { nodeName: this.config.nodeId, directoryId: directory.identity.directoryId, address: addresses.address }))
      return membership
    } catch (error) {
      this.error = error as Error
      machine.lastError = this.error
      if (machine.process === this) machine.kill()
      throw error
    }
  }

  /** A promise that a dead process never hears of. */
  #promise<T> (start: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      start(value => { if (!this.dead) resolve(value) }, error => { if (!this.dead) reject(error) })
    })
  }

  async #sleep (ms: number, signal: AbortSignal): Promise<void> {
    await this.#promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      this.machine.world.later(ms, () => resolve())
    })
  }

  #listen (address: string, answer: () => Discovered): void {
    if (this.machine.world.at(address) !== undefined) throw new Error(`${address} is in use`)
    this.listensAt = address
    this.#answer = answer
  }

  async answer (at: HostPort, answer: () => Discovered): ReturnType<PeerCalls['answer']> {
    this.#listen(formatAddress(at), answer)
    return {
      close: async () => {
        this.listensAt = undefined
        this.#answer = undefined
      }
    }
  }

  async discover (to: HostPort, timeoutMs: number): Promise<unknown> {
    return await this.#call(to, timeoutMs, process => process.#answer?.())
  }

  async join (to: HostPort, request: object, timeoutMs: number): Promise<unknown> {
    const { world } = this.machine
    const sent = decode(encode(request))
    return await this.#call(to, timeoutMs, ({ membership }) => membership === undefined ? undefined : world.register(membership.clusterId, sent))
  }

  /** The question travels, is answered by whoever is there then, and the answer travels, whether or not who gave it is still there. */
  async #call (to: HostPort, timeoutMs: number, ask: (process: Process) => object | undefined): Promise<unknown> {
    const { machine } = this
    const { world } = machine
    const address = formatAddress(to)
    return await this.#promise<unknown>((resolve, reject) => {
      world.later(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)))
      if (world.network.loses(machine, address)) return
      world.later(world.network.delayMs(machine.address, address), () => {
        const process = world.at(address)
        const answer = process === undefined ? undefined : ask(process)
        if (process !== undefined && world.network.loses(process.machine, machine.address)) return
        const bytes = answer === undefined ? undefined : encode(answer)
        world.later(world.network.delayMs(address, machine.address), () => bytes === undefined ? reject(new Error('connection refused')) : resolve(decode(bytes)))
      })
    })
  }
}

/** Brokers a, b, c … that all have the same list of first brokers. */
export function listedMachines (world: World, count: number, more: MachineOptions['config'] = {}): Machine[] {
  const addresses = Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}:7001`)
  return addresses.map((address, index) => world.machine({
    address,
    config: { nodeId: 'abcdefgh'[index]!, discoveryEndpoints: addresses, ...more }
  }))
}
