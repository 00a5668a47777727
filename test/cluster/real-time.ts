/** What was known, to anybody, before an operation began: a log only grows at its end, so nothing sent later stands before that. */
import type { Anomalies } from './anomalies.ts'
import type { End, History, Send } from './history.ts'

/** From `since` on somebody knew that `offset` is taken. */
export interface Known {
  readonly since: number
  readonly offset: number
}

/** Goes along the known of one key; must be asked with moments that do not go back. */
class Knowledge {
  readonly #known: readonly Known[]
  #at = 0
  #highest = -1

  /** @param known  by `since` */
  constructor (known: readonly Known[]) { this.#known = known }

  /** The highest offset known before `moment`; -1: none. */
  before (moment: number): number {
    for (; this.#at < this.#known.length && this.#known[this.#at]!.since < moment; this.#at++) {
      this.#highest = Math.max(this.#highest, this.#known[this.#at]!.offset)
    }
    return this.#highest
  }
}

function byKeyAndStart<T extends { readonly key: number, readonly start: number }> (history: History, operations: readonly T[]): T[][] {
  const byKey: T[][] = history.keys.map(() => [])
  for (const operation of operations) byKey[operation.key]!.push(operation)
  for (const list of byKey) list.sort((a, b) => a.start - b.start)
  return byKey
}

/** @param offsetOf  of a send's first record; NaN: nobody knows */
export function checkRealTime (history: History, known: readonly Known[][], offsetOf: (send: Send) => number, anomalies: Anomalies): void {
  for (const [key, sends] of byKeyAndStart(history, history.sends).entries()) {
    const knowledge = new Knowledge(known[key]!)
    for (const send of sends) {
      const highest = knowledge.before(send.start)
      const offset = offsetOf(send)
      if (offset <= highest) anomalies.add('realtime-reorder', () => `${send.producer}:${send.first} stands at offset ${offset} of ${history.keys[key]}, and was sent when offset ${highest} was known`)
    }
  }
}

export function checkEnds (history: History, known: readonly Known[][], anomalies: Anomalies): void {
  for (const [key, ends] of byKeyAndStart<End>(history, history.ends).entries()) {
    const knowledge = new Knowledge(known[key]!)
    for (const { process, start, offset } of ends) {
      const highest = knowledge.before(start)
      if (offset <= highest) anomalies.add('stale-end', () => `reader ${process} was told that ${history.keys[key]} ends at ${offset}, when offset ${highest} was known`)
    }
  }
}
