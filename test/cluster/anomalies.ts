/** What can be wrong with a history, by the names that Jepsen's Kafka workload has for it, and a list of what was found. */
export const anomalyKinds = {
  'inconsistent-offsets': 'two records at one offset',
  duplicate: 'one record at two offsets',
  'lost-write': 'an acknowledged record that nobody could read, though something behind it was read',
  unseen: 'an acknowledged record that a last reading of everything did not bring',
  undone: 'a record that was read is not there any more when everything is read at last',
  'sequence-gap': 'a record is not there, though a later one of the same producer and key is',
  G1a: 'a record was read whose producer was told that it is refused',
  'foreign-read': 'a record was read that nobody sent there',
  'read-before-send': 'a record was read before it was sent',
  'int-nonmonotonic-poll': 'one fetch brought records out of order',
  'int-poll-skip': 'one fetch left out a record between two others',
  'nonmonotonic-poll': 'a reader got what is before the place it had come to',
  'poll-skip': 'a reader was led past a record',
  'int-nonmonotonic-send': 'the records of one batch stand out of order',
  'int-send-skip': 'the records of one batch do not stand side by side',
  'nonmonotonic-send': 'a producer\'s record stands before an earlier one of its own',
  'realtime-reorder': 'a record stands before one that was known before it was sent',
  'stale-end': 'the end of a key was named that is before what was known already',
  'wild-offset': 'an offset that cannot be'
} as const

export type AnomalyKind = keyof typeof anomalyKinds

export interface Anomaly {
  readonly kind: AnomalyKind
  /** Begins with the kind. */
  readonly message: string
}

const examplesMax = 8

export class Anomalies {
  readonly counts = new Map<AnomalyKind, number>()
  readonly #examples = new Map<AnomalyKind, Anomaly[]>()

  /** The details are asked for only when this is one of the examples that are kept. */
  add (kind: AnomalyKind, details: () => string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    const examples = this.#examples.get(kind) ?? []
    this.#examples.set(kind, examples)
    if (examples.length < examplesMax) examples.push({ kind, message: `${kind}: ${anomalyKinds[kind]}: ${details()}` })
  }

  /** The first few of each kind. */
  get examples (): Anomaly[] { return [...this.#examples.values()].flat() }

  get isEmpty (): boolean { return this.counts.size === 0 }

  /** The first few of each kind and how many more there are, a line each. */
  toString (): string {
    return [...this.#examples].flatMap(([kind, examples]) => {
      const more = this.counts.get(kind)! - examples.length
      return [...examples.map(({ message }) => message), ...more > 0 ? [`${kind}: ${more} more`] : []]
    }).join('\n')
  }
}
