/**
 * A member's way to become leader, in two questions: would a majority vote for it, and do they? The second one's answers count as
 * long as its term is the present one, also when the timeout has ended and the first is being asked again: where disks are slow,
 * votes come late.
 */
import type { MemberId, Term } from '../base/ids.ts'
import { type Configuration, hasQuorum, isVoter, membersOf } from './configuration.ts'
import type { PreVoted, Voted } from './messages.ts'
import type { Raft } from './raft.ts'

/** Each election that somebody's vote was missing from in the end makes the next one wait twice as long, up to eight times. */
const undecidedMax = 3
/** As large as messages can say. */
const roundMax = 65535

export class Candidacy {
  readonly #raft: Raft
  readonly #preVotes = new Tally()
  /** Of the question whether it could win. A promise that comes when it was asked again is of a time when the voter may have heard no leader. */
  #round = 0
  readonly #votes = new Tally()
  /** It asks to be elected in the present term, with the log it has. */
  #stands = false
  #transferred = false
  /** Elections in a row that its timeout ended before all votes were there. */
  #undecided = 0

  constructor (raft: Raft) {
    this.#raft = raft
  }

  /** Asks first whether it could win. */
  prepare (): void {
    this.#round = this.#round % roundMax + 1
    this.#preVotes.clear()
    this.#preVotes.add(this.#raft.self, true)
  }

  /**
   * Stands in a term that begins now.
   * @param transferred  the leader wants it
   * @returns how many times as long as usual to wait for votes: the voters' disks may be slower than that, and a newer term makes all votes void
   */
  stand (transferred: boolean): number {
    if (this.#stands && this.#isOpen) this.#undecided = Math.min(this.#undecided + 1, undecidedMax)
    this.#stands = true
    this.#transferred = transferred
    this.#votes.clear()
    return 2 ** this.#undecided
  }

  /** Somebody else leads or may, or its log has lost something: votes for it count for nothing. */
  withdraw (): void {
    this.#stands = false
  }

  /** There is a leader. */
  decided (): void {
    this.#stands = false
    this.#undecided = 0
  }

  /** Asks those who have not answered. Asking twice is no harm: an answer counts once. */
  ask (): void {
    const { self, role, term, log, configurations: { current } } = this.#raft
    const { lastTerm, endOffset } = log
    const answers = role === 'pre-candidate' ? this.#preVotes : this.#votes
    for (const to of membersOf(current)) {
      if (to === self || !isVoter(current, to) || answers.has(to)) continue
      if (role === 'pre-candidate') this.#raft.send({ kind: 'pre-vote', from: self, to, term: term + 1 as Term, round: this.#round, lastTerm, endOffset })
      else this.#raft.send({ kind: 'vote', from: self, to, term, lastTerm, endOffset, transfer: this.#transferred })
    }
  }

  /** Its vote for itself is on disk. */
  voteSaved (): void {
    this.#votes.add(this.#raft.self, true)
  }

  /** An answer of the present term, or a promise for the next one. */
  count (message: PreVoted | Voted): void {
    const { kind, from, term, granted } = message
    if (kind === 'voted') this.#votes.add(from, granted)
    else if (message.round === this.#round && (!granted || term === this.#raft.term + 1)) this.#preVotes.add(from, granted)
  }

  /** Somebody who is there has not answered yet. */
  get #isOpen (): boolean {
    const { configurations: { current } } = this.#raft
    return membersOf(current).some(member => isVoter(current, member) && !this.#votes.has(member) && !this.#raft.isDown(member))
  }

  /** What came of it: `electable` would be elected if it stood now; undefined: nothing yet. */
  get outcome (): 'elected' | 'electable' | 'lost' | undefined {
    const { role, configurations: { current } } = this.#raft
    if (this.#stands && this.#votes.isWon(current)) return 'elected'
    if (role === 'candidate') return this.#votes.isLost(current) ? 'lost' : undefined
    if (role !== 'pre-candidate') return undefined
    return this.#preVotes.isLost(current) ? 'lost' : this.#preVotes.isWon(current) ? 'electable' : undefined
  }
}

/** Answers to one question. */
class Tally {
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
