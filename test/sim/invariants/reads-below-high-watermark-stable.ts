/** What a client was given once is what every client is given there, and it is what was committed. */
import { entryAt, type GroupView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

export class ReadsBelowHighWatermarkStable implements Invariant {
  readonly #violate: Violate

  constructor (violate: Violate) {
    this.#violate = violate
  }

  read (group: GroupView, baseOffset: number, crc: number): void {
    const entry = entryAt(group.committed, baseOffset)
    if (entry === undefined) {
      this.#violate('ReadsBelowHighWatermarkStable', `${group.name}: a client was given offset ${baseOffset}, which nobody has committed`)
    } else if (entry.base !== baseOffset || entry.crc !== crc) {
      this.#violate('ReadsBelowHighWatermarkStable', `${group.name}: a client was given something else at offset ${baseOffset} than what was committed there`)
    }
  }
}
