/**
 * Whether a voter has lost (`surely`), or may have lost (`maybe`), what it once acknowledged. While that lasts it votes for nobody: with
 * its vote somebody could lead who lacks what was committed by its word. It ends when the voter holds again what the others have.
 *
 * As all may have lost something at once, `maybe` also ends after some election timeouts in which all voters were heard of: none of them
 * holds more than the others know. Who is away may be the last one that holds what was committed: while somebody is, it takes far longer,
 * and whoever hears of less than a majority learns nothing by waiting. And whose forgetting ended by time alone does not stand itself while
 * somebody who wants to lead has more: that one may be the last who holds what was committed, and gets this vote.
 *
 * It does not end while there is a leader to learn from, or as long as a majority that has forgotten nothing wants to lead: those will
 * choose one without this vote, however long they take to reach each other. Unless they need it, by a configuration that is forgotten
 * here: after some time the one of them with the longest log gets it, which holds everything that was committed with this member's word
 * and theirs.
 */
import type { MemberId } from '../base/ids.ts'
import { type Configuration, hasQuorum, isVoter, membersOf } from './configuration.ts'
import { isLonger, type LogEnd } from './log-end.ts'

/** Of two election timeouts each: in one of them whoever hears no leader has asked all others, see {@link Raft}, and was answered. */
const windowsMax = 5
/** With somebody missing: a minute, by default. A broker that is started again is there by then. */
const patienceMax = 60

export class Forgetting {
  readonly #self: MemberId
  readonly #windowTicks: number
  #windows: number
  /** The same while somebody is missing. */
  #patience = patienceMax
  /** Ticks of the window that has begun. */
  #ticks = 0
  /** Members of which was heard in it. */
  readonly #heard = new Set<MemberId>()
  /** It has lost something, and neither got it back nor found a leader since its forgetting ended. */
  #lossy: boolean
  /** For so long it leaves it to somebody with more to lead. */
  #yieldTicks = 0
  /** Members that want to lead, with what they have, as each said last in this window; and in the one before. */
  #whole = new Map<MemberId, LogEnd>()
  #wholeBefore = new Map<MemberId, LogEnd>()
  /** Windows in a row in which a majority wanted to. */
  #wantedWindows = 0

  constructor (how: 'maybe' | 'surely' | undefined, self: MemberId, electionTicks: number) {
    this.#self = self
    this.#windowTicks = 2 * electionTicks
    this.#lossy = how !== undefined
    this.#windows = how === undefined ? 0 : how === 'surely' ? Infinity : windowsMax
  }

  get lasts (): boolean { return this.#windows > 0 && this.#patience > 0 }

  /** It may vote, if its forgetting is over, but is not to lead. */
  get yields (): boolean { return this.#yieldTicks > 0 }

  tick (configuration: Configuration): void {
    if (this.#yieldTicks > 0) this.#yieldTicks--
    if (!this.lasts || ++this.#ticks < this.#windowTicks) return
    this.#ticks = 0
    const isWanted = hasQuorum(configuration, voter => this.#whole.has(voter))
    this.#wantedWindows = isWanted ? this.#wantedWindows + 1 : 0
    this.#wholeBefore = this.#whole
    this.#whole = new Map()
    const isHeard = (voter: MemberId): boolean => voter === this.#self || this.#heard.has(voter)
    if (isWanted) this.#wait()
    else if (membersOf(configuration).every(member => isHeard(member) || !isVoter(configuration, member))) this.#windows--
    else if (this.#windows !== Infinity && hasQuorum(configuration, isHeard)) this.#patience--
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
    this.#wholeBefore.clear()
    this.#ticks = this.#wantedWindows = 0
    this.#wait()
  }

  #wait (): void {
    this.#windows = Math.max(this.#windows, windowsMax)
    this.#patience = patienceMax
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

  /** It wants to lead. @param isAhead  its log is more than is here */
  heardCandidate (member: MemberId, { lastTerm, endOffset }: LogEnd, isAhead: boolean): void {
    if (this.#lossy && isAhead) this.#yieldTicks = windowsMax * this.#windowTicks
    if (this.lasts) this.#whole.set(member, { lastTerm, endOffset })
  }

  /** Whether somebody whose log ends so gets this vote while forgetting lasts. */
  favours (end: LogEnd): boolean {
    const isShorter = (other: LogEnd): boolean => isLonger(other, end)
    return this.#windows !== Infinity && this.#wantedWindows >= windowsMax && ![...this.#wholeBefore.values(), ...this.#whole.values()].some(isShorter)
  }
}
