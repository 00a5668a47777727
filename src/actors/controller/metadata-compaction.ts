/**
 * Keeps the metadata log short: a snapshot now and then, and what lies below the older of the two that are kept may go, but for an
 * overhead that spares those who lag a little the whole of it.
 */
import type { EffectSink } from '../../base/effect.ts'
import type { Offset } from '../../base/ids.ts'
import type { Metadata } from './metadata.ts'
import type { MetadataReplica } from './metadata-replica.ts'

export interface CompactionLimits {
  /** Changes from one snapshot to the next. */
  readonly changesMax: number
  /** Changes kept below the older snapshot. */
  readonly overhead: number
}

export class MetadataCompaction {
  readonly #replica: MetadataReplica
  readonly #metadata: Metadata
  readonly #limits: CompactionLimits

  constructor (replica: MetadataReplica, metadata: Metadata, limits: CompactionLimits) {
    this.#replica = replica
    this.#metadata = metadata
    this.#limits = limits
  }

  /** Writes a checkpoint, and a snapshot if one is due. @returns whether there is more to do soon */
  run (out: EffectSink): boolean {
    const { log } = this.#replica
    const isDue = this.#isDue
    log.checkpoint(out, isDue ? { offset: this.#metadata.appliedEnd, bytes: this.#replica.snapshot() } : undefined)
    const start = Math.min(log.oldestSnapshotOffset - this.#limits.overhead, this.#replica.highWatermark) as Offset
    const moves = start > log.logStartOffset
    if (moves) log.deleteBefore(start, out)
    return isDue || moves
  }

  get #isDue (): boolean {
    const { log } = this.#replica
    const { appliedEnd } = this.#metadata
    // What a majority has may be ahead of this disk.
    return appliedEnd - log.snapshotOffset >= this.#limits.changesMax && appliedEnd <= Math.min(log.durableEndOffset, this.#replica.highWatermark)
  }
}
