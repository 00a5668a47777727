/**
 * What is derived from a group's log besides the log itself: who is in the group, and the state of whoever owns the replica. It
 * is rebuilt when the log is opened, from the newest snapshot and the batches behind it.
 */
import { decode, encode } from '../base/msgpack.ts'
import type { MemberId, Offset } from '../base/ids.ts'
import type { LogReplay } from '../log/log.ts'
import type { Configuration } from '../raft/configuration.ts'
import { type ConfigurationEntry, Configurations } from '../raft/configurations.ts'
import { baseOffsetOf, isControl } from '../record/record-batch.ts'
import { ControlType, controlRecordOf } from '../record/control-record.ts'

/** What the owner of a replica derives from the batches of the log, on leader and follower alike. */
export interface DerivedState {
  /** A batch stands in the log. Borrowed. Raft's own control batches are not told. */
  apply (batch: Uint8Array): void
  /** @param below  what batches at and behind it have made is left out: whoever gets this gets them too, or they are never committed */
  snapshot (below?: Offset): Uint8Array
  restore (bytes: Uint8Array): void
  /** Exclusive, for who takes in only what is committed: up to here it has. Undefined: what stands in the log, committed or not. */
  readonly appliedEnd?: Offset
  /** Turns another member's snapshot into the one that is kept here. */
  adopt? (bytes: Uint8Array): Uint8Array
}

/** Marks the form of a snapshot; what is older holds the owner's state alone. */
const form = 'group-1'
type Snapshot = readonly [form: typeof form, entries: readonly ConfigurationEntry[], owner: Uint8Array]

export class GroupState {
  readonly configurations: Configurations
  readonly #owner: DerivedState

  /** @param initial  the configuration that the group was made with; a log that was made before knows it by itself, see {@link replay} */
  constructor (initial: Configuration, owner: DerivedState) {
    this.configurations = Configurations.initial(initial)
    this.#owner = owner
  }

  /**
   * For the opening of the log. What was told of the group when its log was made holds for good: a start may be told something older,
   * by which this member would be the only voter of a group that it left, and that took it back, long ago.
   */
  replay (): LogReplay {
    return { first: () => this.snapshot(), snapshot: bytes => this.restore(bytes), batch: bytes => this.apply(bytes) }
  }

  /** Takes in a batch of the log: at its opening, and as follower. @returns whether it changed who is in the group */
  apply (batch: Uint8Array): boolean {
    const control = isControl(batch, 0) ? controlRecordOf(batch) : undefined
    if (control?.type === ControlType.leaderChange) return false
    if (control?.type !== ControlType.configuration) {
      this.#owner.apply(batch)
      return false
    }
    const { type: _type, ...configuration } = control
    this.configurations.append(baseOffsetOf(batch, 0) as Offset, configuration as Configuration)
    return true
  }

  /** See {@link DerivedState.appliedEnd}. */
  get appliedEnd (): Offset | undefined { return this.#owner.appliedEnd }

  /** The state as of the log's end; with `below`, an offset that is committed, as far as a log that begins there needs it. */
  snapshot (below?: Offset): Uint8Array {
    // The first one is committed, and the only one known up to where it stands.
    const entries = this.configurations.entries.filter(({ offset }, index) => index === 0 || below === undefined || offset < below)
    return encode([form, entries, this.#owner.snapshot(below)] satisfies Snapshot)
  }

  /**
   * Batches from here on must stay in the log: only they, and no snapshot, say who is in the group.
   * @param snapshotOffset  everything below is in a snapshot
   */
  neededFrom (snapshotOffset: Offset): Offset {
    return this.configurations.entries.find(({ offset }) => offset >= Math.max(snapshotOffset, 0))?.offset ?? Infinity as Offset
  }

  /** What is kept here of another member's snapshot, in memory of its own. */
  adopt (bytes: Uint8Array): Uint8Array {
    const owner = this.#owner
    const snapshot = decode<Snapshot | unknown[]>(bytes)
    if (owner.adopt === undefined || snapshot[0] !== form) return new Uint8Array(bytes)
    const [, entries, state] = snapshot as Snapshot
    return encode([form, entries, owner.adopt(state)] satisfies Snapshot)
  }

  restore (bytes: Uint8Array): void {
    const snapshot = decode<Snapshot | unknown[]>(bytes)
    if (snapshot[0] !== form) return this.#owner.restore(bytes)
    const [, entries, owner] = snapshot as Snapshot
    this.configurations.replace(entries)
    this.#owner.restore(owner)
  }
}

export function onlyMember (self: MemberId): Configuration {
  return { voters: [self], outgoing: [], learners: [] }
}
