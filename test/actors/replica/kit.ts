/**
 * Brokers of one Raft group in virtual time: each an actor system with its own disk, votes and links; the links carry Raft messages
 * as bytes, and lose, double or delay them as a test says. Which actor owns the replica is for the test to choose.
 */
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId, GroupKey, MemberId } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { BlockPool } from '../../../src/log/block-pool.ts'
import { FaultyDisk } from '../../../src/log/faulty-disk.ts'
import { HardStateStore } from '../../../src/log/hard-state-store.ts'
import { defaultLogConfig, Log, type LogConfig } from '../../../src/log/log.ts'
import { LossNotes } from '../../../src/log/loss-notes.ts'
import { ReadThrottle } from '../../../src/log/read-throttle.ts'
import { SegmentReader } from '../../../src/log/segment-reader.ts'
import { segmentPath } from '../../../src/log/segment.ts'
import { GroupState, type DerivedState } from '../../../src/actors/group-state.ts'
import type { PeersMessage } from '../../../src/actors/peers/messages.ts'
import { entriesReader } from '../../../src/actors/replica-entries.ts'
import { Replica, type ReplicaTiming } from '../../../src/actors/replica.ts'
import { Votes } from '../../../src/actors/votes/votes.ts'
import { type Configuration, votersOnly } from '../../../src/raft/configuration.ts'
import type { RaftMessage } from '../../../src/raft/messages.ts'
import type { RaftLimits } from '../../../src/raft/raft.ts'
import { raftMessageBytes, readRaftMessage, writeRaftMessage } from '../../../src/raft/wire.ts'
import { ActorSystem } from '../../../src/runtime/actor-system.ts'
import type { Actor } from '../../../src/runtime/actor.ts'
import { VirtualScheduler } from '../../runtime/virtual-scheduler.ts'
import { type BatchSeen, splitBatches } from '../../log/kit.ts'

export const groupId = 1 as ActorId
export const votesId = 2 as ActorId
export const peersId = 3 as ActorId
export const controllerId = 4 as ActorId
export const clientId = 5 as ActorId

const group = '000102030405060708090a0b0c0d0e0f-0' as GroupKey
const directory = '/data/topics/t-0'

export interface ClusterOptions {
  readonly seed?: number
  readonly initial?: readonly number[]
  readonly config?: Partial<LogConfig>
  readonly timing?: Partial<ReplicaTiming>
  readonly limits?: Partial<RaftLimits>
  /** Memory for the newest bytes of a log; small, so that followers that lag are served from the files. */
  readonly poolBytes?: number
  readonly meant?: readonly MemberId[]
  /** Bytes a second for followers that lag. */
  readonly throttle?: number
  readonly forgetful?: (node: { readonly member: number, readonly starts: number }) => 'maybe' | 'surely' | undefined
}

/** What an owner's actor is made of. */
export interface Parts<State extends DerivedState> {
  readonly replica: Replica
  readonly state: State
  readonly node: Node<State>
  readonly config: LogConfig
}

export interface Owner<State extends DerivedState> {
  state (): State
  actor (parts: Parts<State>): Actor
}

export class Node<State extends DerivedState = DerivedState> {
  readonly member: MemberId
  readonly cluster: Cluster<State>
  disk: FaultyDisk
  running = false
  crashes: Error[] = []
  /** Counts the starts of its processes. */
  starts = 0
  elections = 0
  /** Reads of its files for others. */
  loads = 0
  /** What controller and client of this node got. */
  told: Message[] = []
  answers: Array<Message & { readonly correlation: number }> = []
  system!: ActorSystem
  replica!: Replica
  state!: State
  /** Counts losses of power. */
  #boot = 1
  /** The start whose replica this is. */
  #made = 0

  constructor (member: MemberId, cluster: Cluster<State>) {
    this.member = member
    this.cluster = cluster
    const { scheduler, seed } = cluster
    this.disk = new FaultyDisk({
      chance: seededChance(seed * 100 + member),
      schedule: (delayMs, work) => { scheduler.later(delayMs, work) },
      delayMs: operation => operation === 'sync' ? 0.3 : 0.05,
      wallMs: () => scheduler.clock.wallMs()
    })
  }

  get log (): Log { return this.replica.log }

  /** It runs, and has opened its log. */
  get isUp (): boolean { return this.running && this.#made === this.starts }

  start (): void {
    const { scheduler, options, owner } = this.cluster
    const { disk } = this
    this.running = true
    const own = ++this.starts
    const system = this.system = new ActorSystem({
      scheduler,
      onEvent: event => { if (event.kind === 'actor-crashed' || event.kind === 'actor-given-up' || event.kind === 'actor-close-failed') this.crashes.push(event.error) }
    })
    const started = (promise: Promise<void>): void => { promise.catch(error => { if (this.starts === own && this.running) this.crashes.push(error) }) }
    const pool = new BlockPool(options.poolBytes ?? 1 << 20, 4096, () => system.turn)
    const { throttle } = options
    const readEntries = entriesReader(directory, new SegmentReader({ disk, clock: scheduler.clock }), throttle === undefined
      ? undefined
      : new ReadThrottle({ bytesPerSecond: throttle, clock: scheduler.clock, every: (periodMs, callback) => scheduler.every(periodMs, callback) }))
    started(system.start(peersId, async () => ({ receive: message => this.cluster.links.take(this.member, message as PeersMessage) })))
    started(system.start(controllerId, async () => ({ receive: message => { this.told.push(message) } })))
    started(system.start(clientId, async () => ({ receive: message => { this.answers.push(message as Message & { correlation: number }) } })))
    started(system.start(votesId, async () => new Votes(await HardStateStore.open(disk, '/data/meta'), async () => { disk.capacity += 1 << 20 })))
    started(system.start(groupId, async () => {
      const state = owner.state()
      const groupState = new GroupState(this.cluster.initial, state)
      const config = { ...defaultLogConfig, ...options.config }
      const notes = new LossNotes(disk, directory, error => { this.crashes.push(error as Error) })
      if (await notes.isAstray()) {
        await notes.write('surely')
        await disk.removeFolder(directory)
        await notes.removeAstray()
      }
      const opened = await Log.open({ directory, disk, pool, clock: scheduler.clock, config, bootId: `boot ${this.#boot}` }, groupState.replay())
      if (opened.state === 'damaged') throw new Error(opened.damage.reason)
      const loss = await notes.read()
      const replica = new Replica({
        log: opened.log,
        state: groupState,
        group,
        self: this.member,
        votes: votesId,
        peers: peersId,
        chance: seededChance(this.cluster.seed * 1000 + this.member * 10 + this.starts),
        timing: { tickMs: 50, heartbeatTicks: 2, electionTicks: 10, checkQuorum: true, lagMsMax: 2000, ...options.timing },
        limits: { inflightBytesMax: 64 << 10, inflightMessagesMax: 2, messageBytesMax: 4 << 10, ...options.limits },
        readEntries: (plan, bytesMax, lags, done) => {
          this.loads++
          readEntries(plan, bytesMax, lags, done)
        },
        forgetful: options.forgetful?.(this) ?? loss,
        notes,
        noted: loss !== undefined,
        onElection: () => { this.elections++ },
        meant: options.meant ?? [this.member]
      })
      this.#made = own
      this.replica = replica
      this.state = state
      return owner.actor({ replica, state, node: this, config })
    }))
  }

  /** `power`: of the machine, so that what was not synced may be gone. */
  crash (power: boolean): void {
    const before = this.disk
    this.disk = power ? before.crash() : before.kill()
    if (power) this.#boot++
    this.running = false
    this.system.close().catch(() => {})
  }

  /** Ends as it should: what is under way is finished. */
  async stop (): Promise<void> {
    this.running = false
    await this.cluster.within(this.system.close())
  }

  /** Its log is gone, as when it was damaged and given up. Not while it runs. */
  async loseLog (): Promise<void> {
    await this.cluster.within(this.disk.removeFolder(directory))
  }

  tell (message: object): void {
    this.system.tell(groupId, message as Message)
  }

  /** The batches in its files, from where they begin. */
  batches (): BatchSeen[] {
    const bytes = this.log.segments.map(({ base, writtenSize }) => writtenSize === 0 ? new Uint8Array(0) : this.disk.peek(segmentPath(directory, base, 'log')).subarray(0, writtenSize))
    return splitBatches(Buffer.concat(bytes))
  }
}

/** What is on its way between the nodes. */
export class Links {
  /** A message that is lost. */
  lose: (message: RaftMessage) => boolean = () => false
  double: (message: RaftMessage) => boolean = () => false
  delayMs: (message: RaftMessage) => number = () => 0.5
  /** Members that hear of nobody, and whom nobody hears. */
  readonly apart = new Set<MemberId>()
  /** Kinds of what was sent. */
  readonly sent = new Map<string, number>()
  readonly #cluster: Pick<Cluster, 'scheduler' | 'nodes'>

  constructor (cluster: Pick<Cluster, 'scheduler' | 'nodes'>) {
    this.#cluster = cluster
  }

  take (from: MemberId, told: PeersMessage): void {
    if (told.kind !== 'raft-out') return
    const { message } = told
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1)
    const bytes = new Uint8Array(raftMessageBytes(message))
    writeRaftMessage(message, bytes, new DataView(bytes.buffer), 0)
    if (this.lose(message)) return
    for (let copies = this.double(message) ? 2 : 1; copies > 0; copies--) {
      this.#cluster.scheduler.later(this.delayMs(message), () => this.#arrive(from, message.to, new Uint8Array(bytes)))
    }
  }

  #arrive (from: MemberId, to: MemberId, bytes: Uint8Array): void {
    const node = this.#cluster.nodes.get(to)
    if (node?.running !== true || this.apart.has(from) || this.apart.has(to)) return
    const message = readRaftMessage(bytes, new DataView(bytes.buffer), 0, bytes.length)
    if (message === undefined) throw new Error('a message that cannot be read')
    node.tell({ kind: 'raft-in', message })
    bytes.fill(0xdd) // borrowed: nobody may look at it any more
  }
}

export class Cluster<State extends DerivedState = DerivedState> {
  readonly scheduler = new VirtualScheduler()
  readonly options: ClusterOptions
  readonly owner: Owner<State>
  readonly seed: number
  readonly initial: Configuration
  readonly nodes = new Map<MemberId, Node<State>>()
  readonly links = new Links(this)

  constructor (owner: Owner<State>, options: ClusterOptions = {}) {
    this.owner = owner
    this.options = options
    this.seed = options.seed ?? 1
    this.initial = votersOnly((options.initial ?? [1, 2, 3]) as MemberId[])
    for (const member of this.initial.voters) this.add(member).start()
  }

  add (member: number): Node<State> {
    const node = new Node(member as MemberId, this)
    this.nodes.set(node.member, node)
    return node
  }

  at (member: number): Node<State> { return this.nodes.get(member as MemberId)! }

  get live (): Node<State>[] { return [...this.nodes.values()].filter(({ isUp }) => isUp) }

  get leader (): Node<State> | undefined {
    return this.live.filter(({ replica }) => replica.role === 'leader').sort((a, b) => b.replica.term - a.replica.term)[0]
  }

  get followers (): Node<State>[] { return this.live.filter(node => node !== this.leader) }

  /** Lets time pass until `work` is done. */
  async within<T> (work: Promise<T>): Promise<T> {
    const state = { over: false }
    const done = (): void => { state.over = true }
    work.then(done, done)
    for (let i = 0; i < 5000 && !state.over; i++) await this.run(1)
    if (!state.over) throw new Error('it takes for ever')
    return await work
  }

  async run (ms: number): Promise<void> {
    await this.scheduler.advance(ms)
  }

  /** Lets time pass until something holds. */
  async until (holds: () => boolean, what: string, msMax = 30_000): Promise<void> {
    for (let ms = 0; ms < msMax; ms += 10) {
      await this.run(10)
      if (holds()) return
    }
    throw new Error(`${what}: not within ${msMax} ms\n${this.toString()}`)
  }

  /** Waits for a leader that may append. */
  async elected (): Promise<Node<State>> {
    await this.until(() => this.leader?.replica.canAppend === true && this.leader.replica.established, 'a leader')
    return this.leader!
  }

  /** Everybody who runs holds what the leader holds, and knows that it is committed. */
  get isEven (): boolean {
    const end = this.leader?.log.logEndOffset
    return this.live.every(({ log, replica }) => log.logEndOffset === end && log.durableEndOffset === end && replica.highWatermark === end && log.refusal === undefined)
  }

  async even (): Promise<void> {
    await this.until(() => this.isEven, 'all hold the same')
  }

  /** The links of the others notice. */
  tellPeers (member: MemberId, up: boolean): void {
    for (const node of this.live) if (node.member !== member) node.tell({ kind: 'peer-status', member, up })
  }

  /** Where the logs of two members differ, from where both begin up to where both end; undefined: nowhere. */
  difference (): string | undefined {
    const [first, ...others] = this.live.map(node => ({ node, batches: node.batches() }))
    for (const other of others) {
      const from = Math.max(first!.node.log.firstOffset, other.node.log.firstOffset)
      const left = first!.batches.filter(({ base }) => base >= from)
      const right = other.batches.filter(({ base }) => base >= from)
      if (left.length !== right.length) return `${first!.node.member} has ${left.length} batches from ${from} on, ${other.node.member} has ${right.length}`
      const index = left.findIndex(({ bytes }, i) => !Buffer.from(bytes).equals(right[i]!.bytes))
      if (index >= 0) return `${first!.node.member} and ${other.node.member} differ at ${left[index]!.base}`
    }
    return undefined
  }

  get crashes (): string[] {
    return [...this.nodes.values()].flatMap(({ member, crashes }) => crashes.map(error => `${member}: ${error.stack}`))
  }

  toString (): string {
    return this.live.map(({ member, replica, log, crashes }) =>
      `${member} ${replica.role} term ${replica.term} leader ${replica.leader} log ${log.firstOffset}..${log.durableEndOffset}..${log.logEndOffset} hw ${replica.highWatermark} ${log.refusal ?? ''} ` +
      `${JSON.stringify(replica.configuration)} ${crashes.at(-1)?.stack ?? ''}`).join('\n')
  }

  async close (): Promise<void> {
    for (const node of this.nodes.values()) if (node.running) await node.stop()
  }
}
