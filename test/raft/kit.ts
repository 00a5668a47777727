/** Members of a Raft group on logs in memory, and a bag with the messages between them. Nothing happens by itself: tests say what is durable and what arrives. */
import { assert } from '../../src/base/assert.ts'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import { type Configuration, nobody, votersOnly } from '../../src/raft/configuration.ts'
import { type ConfigurationEntry, Configurations } from '../../src/raft/configurations.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import type { LogSnapshot, RaftPort } from '../../src/raft/ports.ts'
import { Raft, type RaftLimits, type RaftTiming } from '../../src/raft/raft.ts'
import { type Batch, type BatchKind, batchOf, makeBatch, MemoryLog } from './memory-log.ts'

/** The classes under test: planted bugs come with others. */
export interface Machine {
  readonly Raft: typeof Raft
  readonly Configurations: typeof Configurations
}

export interface MemberOptions {
  readonly configuration: Configuration
  readonly timing: RaftTiming
  readonly limits: RaftLimits
  /** Without it each member always draws the same number, and no two the same. */
  readonly random?: () => number
  readonly machine: Machine
}

export interface HardState { readonly term: Term, readonly vote: MemberId }
interface Load { readonly to: MemberId, readonly offset: Offset, readonly endOffset: Offset, readonly bytesMax: number }
interface Reset { readonly offset: Offset, readonly previousTerm: Term, readonly entries: readonly ConfigurationEntry[] }

export const defaultOptions: MemberOptions = {
  configuration: votersOnly([]),
  timing: { heartbeatTicks: 2, electionTicks: 10, checkQuorum: true },
  limits: { inflightBytesMax: 10_000, inflightMessagesMax: 256, messageBytesMax: 1_000 },
  machine: { Raft, Configurations }
}

export class Member implements RaftPort {
  readonly self: MemberId
  options: MemberOptions
  log = new MemoryLog()
  raft: Raft
  /** On disk. */
  saved: HardState = { term: 0 as Term, vote: 0 as MemberId }
  /** On its way to the disk; a later one stands in for an earlier one. */
  saving: HardState | undefined
  truncating: Offset | undefined
  resetting: Reset | undefined
  loads: Load[] = []
  /** Where who lacks too much may begin; undefined: where the log does. */
  snapshotAt: Offset | undefined
  /** Sent, and not taken from here yet. */
  sent: RaftMessage[] = []
  /** The newest configuration below the log's start. */
  base: ConfigurationEntry
  crashed = false

  constructor (self: MemberId, options: MemberOptions) {
    this.self = self
    this.options = options
    this.base = { offset: -1 as Offset, configuration: options.configuration }
    this.raft = this.start(this.log.startOffset)
  }

  start (highWatermark: Offset, forgetful?: 'maybe' | 'surely'): Raft {
    const { timing, limits, machine } = this.options
    const entries = [this.base, ...this.log.batches.filter(batch => batch.kind === 'configuration' && batch.base > this.base.offset).map(batch => ({ offset: batch.base, configuration: batch.configuration! }))]
    const configurations = new machine.Configurations(entries)
    const { voters, outgoing } = configurations.current
    const single = voters.length === 1 && outgoing.length === 0 && voters[0] === this.self
    return new machine.Raft({
      self: this.self,
      log: this.log,
      port: this,
      configurations,
      term: Math.max(this.saved.term, this.log.lastTerm) as Term,
      vote: this.log.lastTerm > this.saved.term ? nobody : this.saved.vote,
      highWatermark: single ? this.log.durableEnd : highWatermark,
      timing,
      limits,
      forgetful
    })
  }

  // ---- what the machine asks for

  send (message: RaftMessage): void { this.sent.push(message) }

  persist (term: Term, vote: MemberId): void { this.saving = { term, vote } }

  isNotedForgetful (): boolean { return false }
  stray (offset: Offset): void { throw new Error(`what is committed is never cut: ${offset}`) }

  append (bytes: readonly Uint8Array[], from: Offset): void {
    assert(from === this.log.endOffset, 'batches are appended at the end')
    let configured = false
    for (const batch of bytes.map(batchOf)) {
      if (batch.base < from) continue
      this.log.append(batch)
      if (batch.configuration === undefined) continue
      this.raft.configurations.append(batch.base, batch.configuration)
      configured = true
    }
    if (configured) this.raft.configured()
  }

  appendLeaderChange (): Offset { return this.control('leader-change') }

  appendConfiguration (configuration: Configuration): Offset { return this.control('configuration', configuration) }

  control (kind: BatchKind, configuration?: Configuration): Offset {
    const { endOffset } = this.log
    this.log.append(makeBatch(endOffset, endOffset + 1, this.raft.term, kind, '', 100, configuration))
    return endOffset
  }

  truncate (end: Offset): void {
    assert(this.log.writable && end < this.log.endOffset, 'one cut at a time, of something')
    this.log.writable = false
    this.truncating = end
  }

  load (to: MemberId, offset: Offset, endOffset: Offset, bytesMax: number): void {
    // One at a time for each follower; only an earlier leadership can have left one.
    this.loads = [...this.loads.filter(load => load.to !== to), { to, offset, endOffset, bytesMax }]
  }

  snapshot (): LogSnapshot {
    const offset = this.snapshotAt ?? this.log.startOffset
    // The first one is committed, wherever it stands.
    const entries = this.raft.configurations.entries.filter((entry, index) => index === 0 || entry.offset < offset)
    return { offset, state: new TextEncoder().encode(JSON.stringify(entries)) }
  }

  reset (offset: Offset, previousTerm: Term, state: Uint8Array): void {
    assert(this.log.writable, 'nothing else is going on')
    this.log.writable = false
    this.resetting = { offset, previousTerm, entries: JSON.parse(new TextDecoder().decode(state)) as ConfigurationEntry[] }
  }

  random (): number { return this.options.random?.() ?? (this.self * 3 % 8) / 8 }

  // ---- what a test lets happen

  get canWork (): boolean {
    return this.saving !== undefined || this.truncating !== undefined || this.resetting !== undefined || this.loads.length > 0 ||
      this.log.durableEnd < this.log.endOffset
  }

  /** Term and vote are on disk. */
  persisted (): void {
    if (this.saving === undefined) return
    this.saved = this.saving
    this.saving = undefined
    this.raft.persisted(this.saved.term, this.saved.vote)
  }

  /** The log is on disk, all of it or up to `end`. */
  synced (end: Offset = this.log.endOffset): void {
    if (end <= this.log.durableEnd) return
    this.log.durableEnd = end
    this.raft.durable()
  }

  wasCut (): void {
    if (this.truncating === undefined) return
    const end = this.truncating
    this.truncating = undefined
    this.log.cutTo(end)
    this.log.writable = true
    this.raft.cut()
  }

  wasReset (): void {
    if (this.resetting === undefined) return
    const { offset, previousTerm, entries } = this.resetting
    this.resetting = undefined
    this.log.resetTo(offset, previousTerm)
    this.log.writable = true
    this.base = entries.at(-1)!
    this.raft.configurations.replace(entries)
    this.raft.wasReset()
  }

  loaded (): void {
    const { log } = this
    for (const { to, offset, endOffset, bytesMax } of this.loads.splice(0)) {
      const kept = offset >= log.startOffset && endOffset <= log.endOffset
      const entries = kept ? log.read(offset, endOffset, bytesMax) : undefined
      this.raft.loaded(to, offset, entries?.endOffset ?? endOffset, entries?.pieces)
    }
  }

  /** Everything that the disk has to do. */
  work (): void {
    this.persisted()
    this.wasCut()
    this.wasReset()
    this.loaded()
    this.synced()
  }

  /** The disk fails: what was not durable is gone, and nothing is taken until {@link ready}. */
  failDisk (): void {
    if (this.truncating !== undefined || this.resetting !== undefined) return
    this.log.writable = false
    this.log.cutTo(this.log.durableEnd)
    this.raft.cut()
  }

  /** The same for want of room. */
  fillDisk (): void {
    if (this.truncating !== undefined || this.resetting !== undefined) return
    this.log.full = true
    this.failDisk()
  }

  ready (): void {
    this.log.full = false
    if (this.truncating === undefined && this.resetting === undefined) this.log.writable = true
  }

  /** A client's batch. @returns its base offset; undefined when it cannot be appended here now */
  propose (text: string, records = 1, size = 100): Offset | undefined {
    if (!this.raft.canAppend) return undefined
    const base = this.log.endOffset
    this.log.append(makeBatch(base, base + records, this.raft.term, 'data', text, size))
    this.raft.appended()
    return base
  }

  step (message: RaftMessage): void { if (!this.crashed) this.raft.step(message) }

  crash (): void { this.crashed = true }

  /**
   * Comes back with what is on disk.
   * @param lost  with `forgetful`: what the disk had not really kept, from there on
   */
  restart (options: { readonly forgetful?: 'maybe' | 'surely', readonly lost?: Offset, readonly highWatermark?: Offset } = {}): void {
    const { log } = this
    this.crashed = false
    this.saving = this.truncating = this.resetting = undefined
    this.loads = []
    this.sent = []
    log.cutTo(Math.min(log.durableEnd, options.lost ?? log.durableEnd) as Offset)
    log.writable = true
    log.full = false
    this.raft = this.start(options.highWatermark ?? log.startOffset, options.forgetful)
  }

  /** Gives it a log, all durable, as if it had been through these terms: `1 1 2` are three batches. It starts anew with that. */
  fill (terms: string, saved: { readonly term?: number, readonly vote?: number } = {}): void {
    for (const term of terms.split(' ').filter(word => word !== '').map(Number)) {
      const base = this.log.endOffset
      this.log.append(makeBatch(base, base + 1, term, 'data', `t${term}`, 100))
    }
    this.log.durableEnd = this.log.endOffset
    this.saved = { term: (saved.term ?? this.log.lastTerm) as Term, vote: (saved.vote ?? 0) as MemberId }
    this.restart()
  }

  /** Retention gives up what ends at or before `start`; the newest configuration below it is kept in mind. */
  retainFrom (start: Offset): void {
    const last = this.log.batches.findLast(({ configuration, base }) => configuration !== undefined && base < start)
    if (last !== undefined) this.base = { offset: last.base, configuration: last.configuration! }
    this.log.startAt(start)
  }
}

export type GroupOptions = Partial<Omit<MemberOptions, 'timing' | 'limits'>> & { readonly timing?: Partial<RaftTiming>, readonly limits?: Partial<RaftLimits> }

/** Some members and what is on its way between them, oldest first. */
export class Group {
  readonly options: MemberOptions
  readonly members = new Map<MemberId, Member>()
  bag: RaftMessage[] = []

  /** @param ids  those that run; all of them are voters unless `options.configuration` says otherwise */
  constructor (ids: readonly number[], options: GroupOptions = {}) {
    this.options = {
      ...defaultOptions,
      configuration: votersOnly(ids as MemberId[]),
      ...options,
      timing: { ...defaultOptions.timing, ...options.timing },
      limits: { ...defaultOptions.limits, ...options.limits }
    }
    for (const id of ids) this.add(id)
  }

  add (id: number, configuration = this.options.configuration): Member {
    const member = this.make(id as MemberId, { ...this.options, configuration })
    this.members.set(member.self, member)
    return member
  }

  protected make (id: MemberId, options: MemberOptions): Member {
    return new Member(id, options)
  }

  at (id: number): Member { return this.members.get(id as MemberId)! }

  get leader (): Member | undefined {
    return [...this.members.values()].filter(member => member.raft.role === 'leader' && !member.crashed).sort((a, b) => b.raft.term - a.raft.term)[0]
  }

  /** Takes into the bag what was sent. */
  collect (): void {
    for (const member of this.members.values()) this.bag.push(...member.sent.splice(0))
  }

  deliver (message: RaftMessage): void {
    this.members.get(message.to)?.step(message)
    this.collect()
  }

  /** Lets disks work and messages arrive until nothing is left to do. Messages for which `arrives` does not hold are lost. */
  settle (arrives: (message: RaftMessage) => boolean = () => true): void {
    for (let round = 0; round < 1_000; round++) {
      for (const member of this.members.values()) if (!member.crashed) member.work()
      this.collect()
      const message = this.bag.shift()
      if (message === undefined) return
      if (arrives(message)) this.deliver(message)
    }
    assert(false, 'a group comes to rest')
  }

  tick (...ids: number[]): void {
    for (const member of this.members.values()) if (!member.crashed && (ids.length === 0 || ids.includes(member.self))) member.raft.tick()
    this.collect()
  }

  /** Elects `id`, and lets everybody know. */
  elect (id: number): Member {
    this.at(id).raft.campaign()
    this.settle()
    assert(this.at(id).raft.role === 'leader', 'it was elected')
    return this.at(id)
  }

  /** Some time passes, in which everything arrives. */
  run (ticks: number, arrives?: (message: RaftMessage) => boolean): void {
    for (let i = 0; i < ticks; i++) {
      this.tick()
      this.settle(arrives)
    }
  }
}

export function textsOf ({ log }: Member): string[] {
  return log.batches.filter(batch => batch.kind === 'data').map(batch => batch.text)
}

export function shapeOf ({ log }: Member): string {
  return log.batches.map((batch: Batch) => batch.key).join(' | ')
}
