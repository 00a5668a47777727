/** Answers of voters to one question; each counts once, however often it comes. */
import type { MemberId } from '../base/ids.ts'
import { type Configuration, hasQuorum } from './configuration.ts'

export class Tally {
  readonly #granted = new Set<MemberId>()
  readonly #denied = new Set<MemberId>()

  clear (): void {
    this.#granted.clear()
    this.#denied.clear()
  }

  add (member: MemberId, granted: boolean): void {
    (granted ? this.#granted : this.#denied).add(member)
  }

  has (member: MemberId): boolean {
    return this.#granted.has(member) || this.#denied.has(member)
  }

  isWon (configuration: Configuration): boolean {
    return hasQuorum(configuration, member => this.#granted.has(member))
  }

  /** Whatever the others say, it cannot be won any more. */
  isLost (configuration: Configuration): boolean {
    return this.#denied.size > 0 && !hasQuorum(configuration, member => !this.#denied.has(member))
  }
}
