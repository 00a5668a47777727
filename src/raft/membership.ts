/**
 * How a leader changes who is in its group, one committed step after the other:
 *
 * ```
 *   voters 1 2 3                            target: 1 2 4
 *   voters 1 2 3   learning 4               4 gets the log, and counts for nothing
 *   voters 1 2 4   outgoing 1 2 3           joint: both majorities must agree
 *   voters 1 2 4                            3 is out
 * ```
 * Each step is a control batch in the log, which counts as soon as it is there. A new leader goes on where its log stands. Before
 * the first step a leader has committed an entry of its own term: else two of them could change the same configuration apart. A target
 * older than the one that the group has followed already is passed over: a new leader may not have heard of the newer one, and whoever
 * left by that has given up its log.
 *
 * Source: Ongaro 2014, section 4.3; the raft-dev note on single-server changes of 2015.
 */
import type { MemberId } from '../base/ids.ts'
import { type Configuration, isJoint, nobody } from './configuration.ts'
import type { Leader } from './leader.ts'
import type { Raft } from './raft.ts'

export interface Target {
  readonly voters: readonly MemberId[]
  readonly learners: readonly MemberId[]
  /** Counts the targets of a group; left out: the leader alone knows what it wants, and for how long. */
  readonly generation?: number
}

export class Membership {
  readonly #raft: Raft
  readonly #leader: Leader
  #target: Target | undefined

  constructor (raft: Raft, leader: Leader) {
    this.#raft = raft
    this.#leader = leader
  }

  /** There is nothing to do. */
  get settled (): boolean {
    const { configurations, highWatermark } = this.#raft
    return configurations.isCommitted(highWatermark) && this.#next(configurations.current) === undefined
  }

  setTarget (target: Target): void {
    this.#target = target
    if (this.settled) return
    this.#raft.wake()
    this.converge()
  }

  /** Goes one step further if it can. Called whenever something was committed, and at each heartbeat. */
  converge (): void {
    const raft = this.#raft
    const { configurations, log, port, self } = raft
    const present = configurations.current
    if (!configurations.isCommitted(raft.highWatermark) || !log.writable || this.#leader.transferee !== nobody) return
    if (!isJoint(present) && !present.voters.includes(self)) return this.#leader.stepAside()
    const next = this.#next(present)
    if (next === undefined || !this.#isReady(present, next)) return
    if (this.#leader.hasCommitted) {
      configurations.append(port.appendConfiguration(next), next)
      this.#leader.configured()
    } else if (log.endOffset === this.#leader.termStart) {
      port.appendLeaderChange()
      this.#leader.replicate()
    }
  }

  /** The step after `present`; undefined when it is the target. */
  #next (present: Configuration): Configuration | undefined {
    const { voters, learners } = present
    if (isJoint(present)) return from(present, { voters, outgoing: [], learners })
    const target = this.#target
    if (target === undefined || isOlder(target, present)) return undefined
    const learning = [...new Set([...target.voters, ...target.learners])].filter(member => !voters.includes(member))
    if (!same(learning, learners)) return from(target, { voters, outgoing: [], learners: learning })
    if (same(target.voters, voters)) return undefined
    return from(target, { voters: target.voters, outgoing: voters, learners: target.learners.filter(member => !target.voters.includes(member)) })
  }

  /**
   * Nobody becomes a voter who does not hold the log yet: the group could not commit while it catches up. Nor who has forgotten something,
   * or does not hold on its disk that it is a member: both vote for nobody.
   */
  #isReady (present: Configuration, next: Configuration): boolean {
    return next.voters.every(member => present.voters.includes(member) || this.#isWhole(member))
  }

  #isWhole (member: MemberId): boolean {
    const { whole, match } = this.#leader.progress.get(member)!
    return whole && match > this.#raft.configurations.offset && this.#leader.isCaughtUp(member)
  }
}

/** A configuration on the way to what `source` is of. */
function from ({ generation }: { readonly generation?: number }, configuration: Configuration): Configuration {
  return generation === undefined ? configuration : { ...configuration, generation }
}

function isOlder ({ generation }: Target, present: Configuration): boolean {
  return generation !== undefined && present.generation !== undefined && generation < present.generation
}

function same (left: readonly MemberId[], right: readonly MemberId[]): boolean {
  return left.length === right.length && left.every(member => right.includes(member))
}
