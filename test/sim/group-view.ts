/** A Raft group and its replicas, as they are seen from outside: what they hold, entry by entry, and what they say of themselves. */
import type { Replica } from '../../src/actors/replica.ts'
import type { Log } from '../../src/log/log.ts'
import type { ConfigurationEntry } from '../../src/raft/configurations.ts'

/** One batch in a log. */
export interface Entry {
  readonly base: number
  /** Exclusive. */
  readonly end: number
  readonly term: number
  readonly crc: number
  readonly control: boolean
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** What changes when a replica moves. */
export interface Moving {
  readonly role: string
  readonly term: number
  readonly highWatermark: number
  readonly durableEnd: number
  readonly configurations: readonly ConfigurationEntry[]
}

/** One replica in one run of its broker. */
export class ReplicaView implements Moving {
  readonly group: GroupView
  readonly broker: number
  readonly log: Log
  /** In the order of the log. */
  readonly entries: Entry[] = []
  role = 'follower'
  term = 0
  highWatermark = 0
  durableEnd = 0
  /** As this replica has them. */
  configurations: readonly ConfigurationEntry[] = []
  /** Of them. */
  version = -1
  /** A replica was made for the log; before that it says nothing. */
  speaks = false
  /** What is here and behind it is being cut off, as Raft wants it: it may be there or not when the run ends in the middle of that. */
  cutFrom = Infinity

  constructor (group: GroupView, broker: number, log: Log) {
    this.group = group
    this.broker = broker
    this.log = log
    this.durableEnd = log.durableEndOffset
  }

  get logEnd (): number {
    return this.entries.at(-1)?.end ?? this.log.logEndOffset
  }

  add (entry: Entry): void {
    this.cutFrom = Infinity
    this.entries.push(entry)
  }

  truncateTo (end: number): void {
    // A log that began anew behind what it held.
    if (this.entries.length > 0 && this.log.logStartOffset > this.entries.at(-1)!.end) this.entries.length = 0
    while (this.entries.length > 0 && this.entries.at(-1)!.end > end) this.entries.pop()
  }

  /** The entry that holds `offset`; undefined: none here does. */
  entryAt (offset: number): Entry | undefined {
    return entryAt(this.entries, offset)
  }

  hasMoved ({ role, term, highWatermark, log }: Replica): boolean {
    return role !== this.role || term !== this.term || highWatermark !== this.highWatermark || log.durableEndOffset !== this.durableEnd ||
      log.logEndOffset < this.logEnd || log.logStartOffset > this.logEnd || !this.speaks
  }

  take ({ role, term, highWatermark, log }: Replica): void {
    this.role = role
    this.term = term
    this.highWatermark = highWatermark
    this.durableEnd = log.durableEndOffset
    this.truncateTo(log.logEndOffset)
    this.speaks = true
  }
}

export class GroupView {
  readonly name: string
  /** By broker: of its present run, or of its last. */
  readonly replicas = new Map<number, ReplicaView>()
  /** By term. */
  readonly leaders = new Map<number, number>()
  /** A leader, or the active controller in its place, has asked for an election since the last one. */
  transferred = false
  /** What some replica called committed, whole and in order. */
  readonly committed: Entry[] = []
  /** In which term each of them was: that of the leader who did. */
  readonly committedIn: number[] = []

  constructor (name: string) {
    this.name = name
  }

  /** The last one that is committed, as far as some replica knows. */
  newestConfiguration (): ConfigurationEntry | undefined {
    let newest: ConfigurationEntry | undefined
    for (const replica of this.replicas.values()) {
      for (const entry of replica.configurations) {
        if ((newest === undefined || entry.offset > newest.offset) && this.#isCommitted(replica, entry.offset)) newest = entry
      }
    }
    return newest
  }

  /** At an offset that is committed a leader that was deposed may hold something else: its own last change of members, which nobody else has. */
  #isCommitted (replica: ReplicaView, offset: number): boolean {
    if (offset >= this.committedEnd) return false
    const held = replica.entryAt(offset)
    const committed = entryAt(this.committed, offset)
    // What is not in the log any more lies below its start, where all is committed.
    return held === undefined || committed === undefined || (held.term === committed.term && held.crc === committed.crc)
  }

  get committedEnd (): number {
    return this.committed.at(-1)?.end ?? 0
  }
}

/** By binary search among entries in order. */
export function entryAt (entries: readonly Entry[], offset: number): Entry | undefined {
  const entry = entries[indexAt(entries, offset)]
  return entry !== undefined && entry.base <= offset ? entry : undefined
}

/** Index of the first entry that ends above `offset`. */
export function indexAt (entries: readonly Entry[], offset: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.end <= offset) low = middle + 1
    else high = middle
  }
  return low
}
