/**
 * Sees what every replica does, at the moment it does it: wraps the few methods through which a log grows and a replica changes,
 * tells the invariants, and takes the wrapping off again. Costs nothing where nothing changes, and the product nothing at all.
 */
import { Replica } from '../../src/actors/replica.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { Log } from '../../src/log/log.ts'
import { segmentPath } from '../../src/log/segment.ts'
import {
  baseOffsetOf, baseSequenceOf, batchBytesOf, batchPrefixBytes, crcOf, isControl, leaderEpochOf, lastOffsetDeltaOf, producerEpochOf,
  producerIdOf, validateStoredBatch
} from '../../src/record/record-batch.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Mailbox } from '../../src/runtime/mailbox.ts'
import type { OnBatch } from './clients/fetched.ts'
import type { OnAcknowledged, Place } from './clients/ledger.ts'
import { GroupView, ReplicaView, type Entry } from './group-view.ts'
import { invariants } from './invariants.ts'
import type { Invariant } from './invariant.ts'
import type { IsSound } from './invariants/leader-stays.ts'
import type { SimBroker } from './sim-broker.ts'
import type { Shape } from './swarm.ts'
import type { World } from './world.ts'

export class Watch {
  readonly onBatch: OnBatch
  readonly onAcknowledged: OnAcknowledged
  readonly #world: World
  readonly #brokers: readonly SimBroker[]
  readonly #apart: boolean
  readonly #invariants: readonly Invariant[]
  readonly #groups = new Map<string, GroupView>()
  readonly #byLog = new WeakMap<Log, ReplicaView>()
  #restore: () => void = () => {}

  constructor (world: World, brokers: readonly SimBroker[], shape: Shape, isSound: IsSound) {
    this.#world = world
    this.#brokers = brokers
    this.#apart = shape.apart
    this.#invariants = invariants((name, message) => world.violate(name, message), {
      alwaysSynced: shape.flush === 'always', apart: shape.apart, isSound: shape.leadersStay ? isSound : undefined
    })
    this.onAcknowledged = (topicId, partition, batch) => {
      const group = this.#byKey.get(`${topicId}-${partition}`)
      if (group !== undefined) for (const invariant of this.#invariants) invariant.acknowledged?.(group, batch)
    }
    this.onBatch = (topicId, partition, baseOffset, crc) => {
      this.#kept.add(topicId)
      const group = this.#byKey.get(`${topicId}-${partition}`)
      if (group !== undefined) for (const invariant of this.#invariants) invariant.read?.(group, baseOffset, crc)
    }
  }

  /** Topics that nobody deletes. */
  readonly #kept = new Set<string>()
  /** Groups of topics by their key alone: topic ids are unique. */
  readonly #byKey = new Map<string, GroupView>()

  get elections (): number {
    let count = 0
    for (const { leaders } of this.#groups.values()) count += leaders.size
    return count
  }

  /** Whether a replica believes to lead, while another one leads in a newer term. */
  isDeposed ({ topicId, partition, broker }: Place): boolean {
    const group = this.#byKey.get(`${topicId}-${partition}`)
    const replica = group?.replicas.get(broker)
    return replica?.role === 'leader' && replica.term < Math.max(...group!.leaders.keys())
  }

  statusOf (broker: number): string {
    const states: string[] = []
    let index = 0
    for (const group of this.#groups.values()) {
      const replica = group.replicas.get(broker)
      if (replica !== undefined) states.push(`${index} ${replica.role[0]!.toUpperCase()}${replica.term} ${replica.highWatermark}/${replica.logEnd}`)
      index++
    }
    return states.join('  ')
  }

  begin (): void {
    const watch = this
    const { open } = Log
    const { append, truncate, restart } = Log.prototype
    const { receive, takeLead } = Replica.prototype
    const { rename } = FaultyDisk.prototype
    Log.open = async function (options, replay) {
      const opened = await open.call(Log, options, replay)
      if (opened.state === 'ready') watch.#opened(opened.log, options.disk)
      return opened
    }
    Log.prototype.append = function (batch, term, lastOffsetDelta, maxTimestamp) {
      const view = watch.#byLog.get(this)
      const base = append.call(this, batch, term, lastOffsetDelta, maxTimestamp)
      if (view !== undefined) watch.#appended(view, entryOf(batch, 0, base, term))
      return base
    }
    Log.prototype.truncate = function (offset, out) {
      watch.#cuts(this, offset)
      truncate.call(this, offset, out)
    }
    Log.prototype.restart = function (point, out) {
      watch.#cuts(this, 0)
      restart.call(this, point, out)
    }
    Replica.prototype.receive = function (message, out) {
      if (message.kind === 'raft-in') watch.#raftIn(this, message.message)
      const event = receive.call(this, message, out)
      watch.#observe(this)
      return event
    }
    Replica.prototype.takeLead = function (term, out) {
      if (this.term === term) watch.#asksForElection(this)
      takeLead.call(this, term, out)
    }
    FaultyDisk.prototype.rename = async function (from, to) {
      if (to.endsWith('.gone')) watch.#removed(this, from)
      return await rename.call(this, from, to)
    }
    const { push } = Mailbox.prototype
    const queued = this.#invariants.filter(invariant => invariant.queued !== undefined)
    Mailbox.prototype.push = function (item) {
      const fits = push.call(this, item)
      for (let i = 0; i < queued.length; i++) queued[i]!.queued!(this.count, fits)
      return fits
    }
    this.#restore = () => {
      Mailbox.prototype.push = push
      FaultyDisk.prototype.rename = rename
      Log.open = open
      Object.assign(Log.prototype, { append, truncate, restart })
      Object.assign(Replica.prototype, { receive, takeLead })
    }
  }

  end (): void {
    this.#restore()
  }

  /** When all is over, and nobody asks anything any more. */
  finish (): void {
    for (const { number, runtime } of this.#brokers) {
      if (runtime !== undefined) for (const invariant of this.#invariants) invariant.idle?.(number, runtime.system.stats())
    }
  }

  /** A broker gives up its replica: it belongs to another one now, or its topic is gone. What it held is no promise any more. */
  #removed (disk: FaultyDisk, path: string): void {
    const broker = this.#brokers.find(broker => broker.disk === disk)
    if (broker === undefined) return
    this.#world.note('removed', broker.number, () => path)
    const group = this.#groups.get(this.#nameOf(broker, path))
    if (group === undefined) return
    if (!this.#apart && this.#kept.has(path.slice(path.lastIndexOf('/') + 1, path.lastIndexOf('-')))) {
      for (const invariant of this.#invariants) invariant.removed?.(group, broker.number)
    }
    group.replicas.delete(broker.number)
  }

  #nameOf (broker: SimBroker, directory: string): string {
    const key = directory.slice(directory.lastIndexOf('/') + 1)
    return this.#apart ? `${broker.number}/${key}` : key
  }

  #opened (log: Log, disk: unknown): void {
    const broker = this.#brokers.find(broker => broker.disk === disk)
    if (broker === undefined || broker.life === undefined) return
    const name = this.#nameOf(broker, log.directory)
    let group = this.#groups.get(name)
    if (group === undefined) {
      this.#groups.set(name, group = new GroupView(name))
      this.#byKey.set(log.directory.slice(log.directory.lastIndexOf('/') + 1), group)
    }
    const before = group.replicas.get(broker.number)
    const view = new ReplicaView(group, broker.number, log)
    for (const segment of log.segments) {
      const bytes = broker.disk.peek(segmentPath(log.directory, segment.base, 'log'))
      for (let at = 0; at < segment.writtenSize; at += batchBytesOf(bytes, at)) {
        // Zeros that were written ahead may stay behind the last batch of a closed segment.
        if (batchBytesOf(bytes, at) === batchPrefixBytes) break
        if (validateStoredBatch(bytes, at, segment.writtenSize) !== 0) {
          this.#world.violate('DiskIsSound', `broker ${broker.number}, ${name}: segment ${segment.base} holds no sound batch at ${at}`)
          return
        }
        view.add(entryOf(bytes, at, baseOffsetOf(bytes, at), leaderEpochOf(bytes, at)))
      }
    }
    group.replicas.set(broker.number, view)
    this.#byLog.set(log, view)
    for (const invariant of this.#invariants) invariant.opened?.(group, view, before)
    for (const entry of view.entries) for (const invariant of this.#invariants) invariant.appended?.(group, view, entry)
  }

  #appended (view: ReplicaView, entry: Entry): void {
    view.truncateTo(entry.base)
    view.add(entry)
    for (const invariant of this.#invariants) invariant.appended?.(view.group, view, entry)
  }

  #cuts (log: Log, from: number): void {
    const view = this.#byLog.get(log)
    if (view !== undefined) view.cutFrom = Math.min(view.cutFrom, from)
  }

  /** The active controller wants another leader than one that it cannot reach. */
  #asksForElection ({ log }: Replica): void {
    const view = this.#byLog.get(log)
    if (view !== undefined) view.group.transferred = true
  }

  #raftIn ({ log }: Replica, message: RaftMessage): void {
    const view = this.#byLog.get(log)
    if (view === undefined) return
    if (message.kind === 'timeout-now') view.group.transferred = true
    this.#world.tell('raft', view.broker, () => `${view.group.name} ${JSON.stringify(message, (key, value) => key === 'batches' || key === 'state' ? value.length : value)}`)
  }

  #observe (replica: Replica): void {
    const view = this.#byLog.get(replica.log)
    if (view === undefined) return
    const { configurations } = replica.state
    const before = view.configurations
    if (view.version !== configurations.version) {
      view.version = configurations.version
      view.configurations = [...configurations.entries]
      const { voters, outgoing, learners } = configurations.current
      this.#world.note('members', view.broker, () => `${view.group.name} voters ${voters.join(' ')}${outgoing.length > 0 ? `, outgoing ${outgoing.join(' ')}` : ''}${learners.length > 0 ? `, learners ${learners.join(' ')}` : ''} at ${configurations.offset}`)
    }
    if (!view.hasMoved(replica)) return
    const { role, term, highWatermark, durableEnd } = view
    view.take(replica)
    for (const invariant of this.#invariants) invariant.moved?.(view.group, view, { role, term, highWatermark, durableEnd, configurations: before })
    if (view.role === 'leader' && role !== 'leader') view.group.transferred = false
  }
}

function entryOf (bytes: Uint8Array, at: number, base: number, term: number): Entry {
  return {
    base,
    end: base + lastOffsetDeltaOf(bytes, at) + 1,
    term,
    crc: crcOf(bytes, at),
    control: isControl(bytes, at),
    producerId: producerIdOf(bytes, at),
    producerEpoch: producerEpochOf(bytes, at),
    baseSequence: baseSequenceOf(bytes, at)
  }
}
