/**
 * What was committed once stays: no replica commits anything else in its place, every later leader has it, and nobody who has
 * it cuts it off.
 */
import { indexAt, type Entry, type GroupView, type Moving, type ReplicaView } from '../group-view.ts'
import type { Invariant, Promises, Violate } from '../invariant.ts'

export class CommittedNeverLost implements Invariant {
  readonly #violate: Violate
  readonly #promises: Promises

  constructor (violate: Violate, promises: Promises) {
    this.#violate = violate
    this.#promises = promises
  }

  moved (group: GroupView, replica: ReplicaView, before: Moving): void {
    // A leader that commits the configuration it is not in steps aside with that.
    const led = replica.role === 'leader' || before.role === 'leader'
    if (replica.highWatermark > before.highWatermark) this.#commit(group, replica, before.highWatermark, led)
    if (replica.role === 'leader' && before.role !== 'leader') this.#checkLeader(group, replica)
    // What a leader has committed with the disks of others, it may lose when its own disk fails.
    if (this.#promises.alwaysSynced && replica.logEnd < Math.min(before.highWatermark, before.durableEnd, group.committedEnd)) {
      this.#violate('CommittedNeverLost', `${group.name}: broker ${replica.broker} cut its log at ${replica.logEnd}, below its high watermark ${before.highWatermark}`)
    }
  }

  #commit (group: GroupView, replica: ReplicaView, from: number, led: boolean): void {
    const { entries, highWatermark } = replica
    for (let i = indexAt(entries, from); i < entries.length && entries[i]!.base < highWatermark; i++) {
      const entry = entries[i]!
      if (entry.end > highWatermark) {
        this.#violate('CommittedNeverLost', `${group.name}: the high watermark ${highWatermark} of broker ${replica.broker} is within a batch`)
        return
      }
      const known = group.committed[indexAt(group.committed, entry.base)]
      if (known === undefined) {
        if (!led && !isAlone(replica)) {
          this.#violate('CommittedNeverLost', `${group.name}: broker ${replica.broker} does not lead and calls ${named(entry)} committed, which no leader did`)
          return
        }
        group.committed.push(entry)
        group.committedIn.push(replica.term)
      }
      if (known !== undefined && !isSame(known, entry)) {
        this.#violate('CommittedNeverLost', `${group.name}: broker ${replica.broker} commits ${named(entry)}, where ${named(known)} was committed`)
        return
      }
    }
  }

  /**
   * Raft, figure 3: what is committed in a term is in the logs of the leaders of all higher terms. Who wins an election late, of a term
   * that is over, need not have it, and commits nothing.
   */
  #checkLeader (group: GroupView, replica: ReplicaView): void {
    const { committed, committedIn } = group
    const from = indexAt(committed, replica.log.logStartOffset)
    let i = indexAt(replica.entries, replica.log.logStartOffset)
    for (let c = from; c < committed.length && committedIn[c]! < replica.term; c++, i++) {
      const held = replica.entries[i]
      if (held !== undefined && isSame(held, committed[c]!)) continue
      this.#violate('CommittedNeverLost', `${group.name}: broker ${replica.broker} leads in term ${replica.term} without ${named(committed[c]!)}, which was committed${held === undefined ? '' : `; it holds ${named(held)}`}`)
      return
    }
  }
}

/** What the log of a single voter holds when it is opened is committed, before it leads. */
function isAlone ({ configurations }: ReplicaView): boolean {
  const configuration = configurations.at(-1)?.configuration
  return configuration !== undefined && configuration.voters.length === 1 && configuration.outgoing.length === 0
}

function isSame (a: Entry, b: Entry): boolean {
  return a.base === b.base && a.end === b.end && a.term === b.term && a.crc === b.crc
}

function named ({ base, end, term }: Entry): string {
  return `offsets ${base} to ${end - 1} of term ${term}`
}
