/**
 * Whether a voter has lost (`surely`), or may have lost (`maybe`), what it once acknowledged. While that lasts it votes for nobody: with
 * its vote somebody could lead who lacks what was committed by its word. It ends when the voter holds again what the others have.
 *
 * As all may have lost something at once, `maybe` also ends after some election timeouts; but not while there is a leader to learn from,
 * or as long as a majority that has forgotten nothing wants to lead: those will choose one without this vote, however long they take to
 * reach each other.
 */
import type { MemberId } from '../base/ids.ts'
import { type Configuration, hasQuorum } from './configuration.ts'

const timeouts = 10

export class Forgetting {
  readonly #ticksMax: number
  #ticks: number
  /** Members of which was heard, since the ticks began, that they want to lead with what they have. */
  readonly #whole = new Set<MemberId>()

  constructor (how: 'maybe' | 'surely' | undefined, electionTicks: number) {
    this.#ticksMax = timeouts * electionTicks
    this.#ticks = how === undefined ? 0 : how === 'surely' ? Infinity : this.#ticksMax
  }

  get lasts (): boolean { return this.#ticks > 0 }

  tick (): void {
    if (this.#ticks > 0) this.#ticks--
  }

  /** Something may be lost from now on. */
  begin (): void {
    this.#whole.clear()
    this.#ticks = Math.max(this.#ticks, this.#ticksMax)
  }

  /** Everything that was committed when this member began to listen is here. */
  end (): void {
    this.#ticks = 0
  }

  heardLeader (): void {
    if (this.lasts) this.begin()
  }

  heardCandidate (member: MemberId, configuration: Configuration): void {
    if (!this.lasts) return
    this.#whole.add(member)
    if (hasQuorum(configuration, voter => this.#whole.has(voter))) this.begin()
  }
}
