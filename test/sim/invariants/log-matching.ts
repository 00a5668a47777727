/**
 * Raft's log matching: two logs that hold an entry of the same offset and term are the same up to there. Checked entry by entry:
 * what has the same offset and term must be the same batch behind the same batch, and so on down by induction.
 */
import type { Entry, GroupView, ReplicaView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

interface Seen {
  readonly entry: Entry
  /** Term of the entry before; undefined: it is the first of its log. */
  readonly previousTerm: number | undefined
  readonly broker: number
}

/** More terms than a run has. */
const termsMax = 2 ** 16

export class LogMatching implements Invariant {
  readonly #violate: Violate
  readonly #seen = new WeakMap<GroupView, Map<number, Seen>>()

  constructor (violate: Violate) {
    this.#violate = violate
  }

  appended (group: GroupView, replica: ReplicaView, entry: Entry): void {
    let seen = this.#seen.get(group)
    if (seen === undefined) this.#seen.set(group, seen = new Map())
    const at = replica.entries.at(-1) === entry ? replica.entries.length - 1 : replica.entries.indexOf(entry)
    const previous = at > 0 ? replica.entries[at - 1]! : undefined
    if (previous !== undefined && previous.end !== entry.base) {
      this.#violate('LogMatching', `${group.name}: broker ${replica.broker} has offset ${entry.base} behind ${previous.end - 1}`)
    }
    if (previous !== undefined && previous.term > entry.term) {
      this.#violate('LogMatching', `${group.name}: broker ${replica.broker} has term ${entry.term} at ${entry.base} behind term ${previous.term}`)
    }
    const key = entry.base * termsMax + entry.term
    const other = seen.get(key)
    if (other === undefined) {
      seen.set(key, { entry, previousTerm: previous?.term, broker: replica.broker })
      return
    }
    const sameBatch = other.entry.crc === entry.crc && other.entry.end === entry.end
    const samePast = other.previousTerm === undefined || previous === undefined || other.previousTerm === previous.term
    if (!sameBatch || !samePast) {
      this.#violate('LogMatching', `${group.name}: brokers ${other.broker} and ${replica.broker} hold different ${sameBatch ? 'pasts' : 'batches'} at offset ${entry.base}, term ${entry.term}`)
    }
  }
}
