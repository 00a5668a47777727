/** An idempotent producer's batch is committed once, and its sequences have no gaps: the batches of one id follow each other. */
import type { Entry, GroupView, ReplicaView } from '../group-view.ts'
import type { Invariant, Violate } from '../invariant.ts'

interface Producer {
  epoch: number
  next: number
}

interface Progress {
  readonly producers: Map<number, Producer>
  /** How many of the committed entries were looked at. */
  seen: number
}

export class NoDuplicateSequence implements Invariant {
  readonly #violate: Violate
  readonly #progress = new WeakMap<GroupView, Progress>()

  constructor (violate: Violate) {
    this.#violate = violate
  }

  moved (group: GroupView, _replica: ReplicaView): void {
    let progress = this.#progress.get(group)
    if (progress === undefined) this.#progress.set(group, progress = { producers: new Map(), seen: 0 })
    for (; progress.seen < group.committed.length; progress.seen++) this.#look(group, progress.producers, group.committed[progress.seen]!)
  }

  #look (group: GroupView, producers: Map<number, Producer>, { base, end, control, producerId, producerEpoch, baseSequence }: Entry): void {
    if (producerId < 0 || control) return
    const count = end - base
    const producer = producers.get(producerId)
    if (producer === undefined || producerEpoch > producer.epoch) {
      producers.set(producerId, { epoch: producerEpoch, next: baseSequence + count })
      return
    }
    if (producerEpoch < producer.epoch || baseSequence !== producer.next) {
      this.#violate('NoDuplicateSequence', `${group.name}: offset ${base} has sequence ${baseSequence} of producer ${producerId}, where ${producer.next} was due`)
    }
    producer.next = baseSequence + count
  }
}
