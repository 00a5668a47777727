/**
 * The metadata as their log makes them on this broker: what is committed, and what follows that and may still be taken back. Snapshots
 * hold what is committed alone.
 */
import { assert } from '../../base/assert.ts'
import type { Founder } from '../../base/address.ts'
import type { Offset, TopicId } from '../../base/ids.ts'
import type { DerivedState } from '../group-state.ts'
import { MetadataEntries } from './metadata-entries.ts'
import { readSnapshot, writeSnapshot, type Held } from './metadata-snapshot.ts'
import { MetadataState, type TopicState } from './metadata-state.ts'

export class Metadata implements DerivedState {
  /** As it is committed. */
  readonly state: MetadataState
  readonly entries = new MetadataEntries()
  /** Partitions whose files may be on this broker. Until its owner knows better: what the snapshot said. */
  held: () => Held = () => this.#held
  #held: Held = []
  #opening = true
  #before: ReadonlyMap<TopicId, TopicState> | undefined

  /** @param founders  see {@link MetadataState} */
  constructor (founders: readonly Founder[]) {
    this.state = new MetadataState(founders)
  }

  /** All of the log has been read: from now on what comes is news. */
  opened (): void {
    this.#opening = false
    this.#before = undefined
  }

  get appliedEnd (): Offset { return this.entries.replayedEnd }

  /** A batch of the log as it is read at a start, or as a follower gets it. */
  apply (batch: Uint8Array): void {
    this.entries.add(batch, this.#opening)
  }

  snapshot (below = this.appliedEnd): Uint8Array {
    assert(below === this.appliedEnd, 'earlier states are not kept')
    return writeSnapshot({ offset: below, tables: this.state.tables(), held: this.held() })
  }

  /** Another broker's holds nothing of what is here. */
  adopt (bytes: Uint8Array): Uint8Array {
    const snapshot = readSnapshot(bytes)
    return snapshot === undefined ? new Uint8Array(bytes) : writeSnapshot({ ...snapshot, held: this.held() })
  }

  restore (bytes: Uint8Array): void {
    const snapshot = readSnapshot(bytes)
    if (snapshot === undefined) return
    this.#held = snapshot.held
    // What was replayed stays so, though the log here may have lost some of it; it is committed, and comes again.
    if (!this.entries.begin(snapshot.offset) && !this.#opening) return
    this.#before = new Map(this.state.topics)
    this.state.load(snapshot.tables)
  }

  /** Once, after the log has begun anew with another broker's state: the topics as they were before. */
  takeReplaced (): ReadonlyMap<TopicId, TopicState> | undefined {
    const before = this.#before
    this.#before = undefined
    return before
  }
}
