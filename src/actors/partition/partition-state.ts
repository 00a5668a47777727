/** The part of a partition's state that its log's batches make: the producers' sequences, and the log's start as deletions set it. */
import { decode, encode } from '../../base/msgpack.ts'
import type { Offset } from '../../base/ids.ts'
import { ControlType, controlRecordOf } from '../../record/control-record.ts'
import { baseOffsetOf, baseSequenceOf, isControl, lastOffsetDeltaOf, maxTimestampOf, producerEpochOf, producerIdOf } from '../../record/record-batch.ts'
import type { DerivedState } from '../group-state.ts'
import { LogStarts, type LogStartsSnapshot } from './log-starts.ts'
import { ProducerState } from './producer-state.ts'

/** Marks the form of a snapshot; what is older holds the producers alone. */
const form = 'partition-1'
type Snapshot = readonly [form: typeof form, producers: Uint8Array, starts: LogStartsSnapshot]

export class PartitionState implements DerivedState {
  readonly producers = new ProducerState()
  readonly starts = new LogStarts()

  apply (batch: Uint8Array): void {
    if (isControl(batch, 0)) {
      const control = controlRecordOf(batch)
      if (control?.type === ControlType.logStart) this.starts.stands(baseOffsetOf(batch, 0), control.offset)
      return
    }
    const id = producerIdOf(batch, 0)
    if (id < 0) return
    this.producers.update(id, producerEpochOf(batch, 0), baseSequenceOf(batch, 0), baseOffsetOf(batch, 0), lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
  }

  /** The log was cut: sequences of batches that are gone must not make their repetition a duplicate. */
  truncate (end: Offset): void {
    this.producers.truncate(end)
    this.starts.truncate(end)
  }

  snapshot (below = Infinity): Uint8Array {
    return encode([form, this.producers.snapshot(below), this.starts.snapshot(below)] satisfies Snapshot)
  }

  restore (bytes: Uint8Array): void {
    const snapshot = decode<Snapshot | unknown[]>(bytes)
    if (snapshot[0] !== form) return this.producers.restore(bytes)
    const [, producers, starts] = snapshot as Snapshot
    this.producers.restore(producers)
    this.starts.restore(starts)
  }
}
