/** The moments of what went well, for the gaps between them. */
export class Pulse {
  readonly #times: number[] = []

  beat (moment = performance.now()): void { this.#times.push(moment) }

  get count (): number { return this.#times.length }

  /**
   * The longest time without a success of those that touch `from` to `end`, each in full: from the last success before to the
   * first one after it. Where none followed yet it counts to `end`.
   */
  longestGap (from: number, end: number): number {
    let before = from
    let longest = 0
    for (const time of this.#times) {
      if (time > from) longest = Math.max(longest, time - before)
      before = time
      if (time >= end) return longest
    }
    return Math.max(longest, end - before)
  }

  /** The first success after `moment`; undefined: none yet. */
  firstAfter (moment: number): number | undefined {
    return this.#times.find(time => time > moment)
  }
}
