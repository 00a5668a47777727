/**
 * What producers were told and what a partition holds: says where the two disagree.
 *
 * A record is known by its producer and its number in that producer's order; its value is `PRODUCER:NUMBER` and filling.
 */

export interface Stored { readonly offset: number, readonly value: string }

export type Promised =
  /** Every record sent is stored exactly once: an idempotent producer that sent again until it was answered. */
  | 'exactly-once'
  /** Every acknowledged record is stored, and no record twice: a producer that never sends again. */
  | 'at-most-once'

interface Producer {
  readonly promised: Promised
  sent: number
  /** Offset that the broker gave each acknowledged record, by its number. */
  readonly acknowledged: Map<number, number>
}

const problemsMax = 20

/** The history of one partition. */
export class History {
  readonly #producers = new Map<string, Producer>()

  get acknowledged (): number {
    let count = 0
    for (const { acknowledged } of this.#producers.values()) count += acknowledged.size
    return count
  }

  /** A producer is about to send `count` more records; the number of the first is returned. */
  sends (name: string, promised: Promised, count: number): number {
    let producer = this.#producers.get(name)
    if (producer === undefined) this.#producers.set(name, producer = { promised, sent: 0, acknowledged: new Map() })
    const first = producer.sent
    producer.sent += count
    return first
  }

  /** The broker said that records `first` to `first + count - 1` stand at `baseOffset` and behind it. */
  isTold (name: string, first: number, count: number, baseOffset: number): void {
    const { acknowledged } = this.#producers.get(name)!
    for (let i = 0; i < count; i++) acknowledged.set(first + i, baseOffset + i)
  }

  /**
   * Returns what is wrong, worst first, at most 20 lines; nothing for a sound history.
   * @param stored    everything in the partition, in the order in which it was read
   * @param finished  whether all producers are done: before that, records on their way may be missing
   */
  problems (stored: readonly Stored[], finished: boolean): string[] {
    const problems: string[] = []
    const offsets = new Map<string, number>()
    const last = new Map<string, number>()
    for (const [i, { offset, value }] of stored.entries()) {
      if (problems.length >= problemsMax) return problems.slice(0, problemsMax)
      if (offset !== i) problems.push(`gap: offset ${offset} stands where ${i} is due`)
      const [name, digits] = value.split(':', 2) as [string, string]
      const number = Number(digits)
      const producer = this.#producers.get(name)
      if (producer === undefined || !(number < producer.sent)) {
        problems.push(`foreign: nobody sent what stands at offset ${offset}: ${value.slice(0, 40)}`)
        continue
      }
      const key = `${name}:${number}`
      const before = offsets.get(key)
      if (before !== undefined) problems.push(`doubled: ${key} stands at offsets ${before} and ${offset}`)
      else if (number < (last.get(name) ?? -1)) problems.push(`reordered: ${key} at offset ${offset} comes after ${name}:${last.get(name)}`)
      offsets.set(key, offset)
      last.set(name, Math.max(number, last.get(name) ?? -1))
    }
    for (const [name, { promised, sent, acknowledged }] of this.#producers) {
      for (const [number, offset] of acknowledged) {
        const found = offsets.get(`${name}:${number}`)
        if (found === undefined) problems.push(`lost: ${name}:${number} was acknowledged at offset ${offset}`)
        else if (found !== offset) problems.push(`moved: ${name}:${number} was acknowledged at offset ${offset} and stands at ${found}`)
        if (problems.length >= problemsMax) return problems
      }
      if (!finished || promised !== 'exactly-once') continue
      for (let number = 0; number < sent && problems.length < problemsMax; number++) {
        if (!offsets.has(`${name}:${number}`)) problems.push(`lost: ${name}:${number} was sent until it was answered`)
      }
    }
    return problems
  }
}
