/** A write that is acknowledged to its client, with acks=all, is committed by then: the very batch, at the very offset. */
import { entryAt, type GroupView } from '../group-view.ts'
import type { Acknowledged, Invariant, Violate } from '../invariant.ts'

export class AcknowledgedIsCommitted implements Invariant {
  readonly #violate: Violate

  constructor (violate: Violate) {
    this.#violate = violate
  }

  acknowledged (group: GroupView, { baseOffset, crc }: Acknowledged): void {
    const entry = entryAt(group.committed, baseOffset)
    if (entry === undefined) this.#violate('AcknowledgedIsCommitted', `${group.name}: a batch at offset ${baseOffset} is acknowledged, and nobody has committed it`)
    else if (entry.base !== baseOffset || entry.crc !== crc) this.#violate('AcknowledgedIsCommitted', `${group.name}: a batch is acknowledged at offset ${baseOffset}, where another one was committed`)
  }
}
