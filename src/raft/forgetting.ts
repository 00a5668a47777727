/**
 * Whether a voter has lost (`surely`), or may have lost (`maybe`), what it once acknowledged. While that lasts it votes for nobody: with
 * its vote somebody could lead who lacks what was committed by its word. It ends when the voter holds again what the others have.
 *
 * As all may have lost something at once, `maybe` also ends after some election timeouts in which a majority was heard of: who is cut off
 * learns nothing by waiting. But not while there is a leader to learn from, or as long as a majority that has forgotten nothing wants to lead: those will choose one without this vote, however long they take to
 * reach each other. And whose forgetting ended by time alone does not stand itself while somebody who wants to lead has more: that one may
 * be the last who holds what was committed, and gets this vote.
 */
import type { MemberId } from '../base/ids.ts'
import { type Configuration, hasQuorum } from './configuration.ts'

/** Of two election timeouts each: in one of them whoever hears no leader has asked all others, see {@link Raft}, and was answered. */
const windowsMax = 5

export class Forgetting {
  readonly #self: MemberId
  readonly #windowTicks: number
  #windows: number
  /** Ticks of the window that has begun. */
  #ticks = 0
  /** Members of which was heard in it. */
  readonly #heard = new Set<MemberId>()
  /** It has lost something, and neither got it back nor found a leader since its forgetting ended. */
  #lossy: boolean
  /** For so long it leaves it to somebody with more to lead. */
  #yieldTicks = 0
  /** Members of which was heard, since the ticks began, that they want to lead with what they have. */
  readonly #whole = new Set<MemberId>()

  constructor (how: 'maybe' | 'surely' | undefined, self: MemberId, electionTicks: number) {
    this.#self = self
    this.#windowTicks = 2 * electionTicks
    this.#lossy = how !== undefined
    this.#windows = how === undefined ? 0 : how === 'surely' ? Infinity : windowsMax
  }

  get lasts (): boolean { return this.#windows > 0 }

  /** It may vote, if its forgetting is over, but is not to lead. */
  get yields (): boolean { return this.#yieldTicks > 0 }

  tick (configuration: Configuration): void {
    if (this.#yieldTicks > 0) this.#yieldTicks--
    if (!this.lasts || ++this.#ticks < this.#windowTicks) return
    this.#ticks = 0
    if (hasQuorum(configuration, voter => voter === this.#self || this.#heard.has(voter))) this.#windows--
    this.#heard.clear()
  }

  /** A message came from it. */
  heard (member: MemberId): void {
    if (this.lasts) this.#heard.add(member)
  }

  /** Something may be lost from now on. */
  begin (): void {
    this.#lossy = true
    this.#whole.clear()
    this.#ticks = 0
    this.#windows = Math.max(this.#windows, windowsMax)
  }

  /** Everything that was committed when this member began to listen is here. */
  end (): void {
    this.#windows = this.#yieldTicks = 0
    this.#lossy = false
  }

  heardLeader (): void {
    if (this.lasts) this.begin()
    else this.end()
  }

  /** @param isAhead  its log is more than is here */
  heardCandidate (member: MemberId, isAhead: boolean, configuration: Configuration): void {
    if (this.#lossy && isAhead) this.#yieldTicks = windowsMax * this.#windowTicks
    if (!this.lasts) return
    this.#whole.add(member)
    if (hasQuorum(configuration, voter => this.#whole.has(voter))) this.begin()
  }
}
