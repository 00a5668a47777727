/**
 * A broker that starts with its folder and hears of no leader: the others may look for it where it was before, or not at all any more. It asks
 * to join, again and again, until it hears one.
 */
import type { Message } from '../../base/effect.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { PeerAddress } from '../peers/messages.ts'
import type { ControllerOptions } from './options.ts'

const delayMsMin = 1000
const delayMsMax = 4000

/** What came of asking everybody once. */
export interface JoinAsked extends Message {
  readonly kind: 'join-asked'
  /** Where everybody is, by the active controller's word; none: nobody could say. */
  readonly peers: readonly PeerAddress[]
  /** Why the place is not this broker's any more. */
  readonly refusal: string | undefined
}

export class ComingBack {
  readonly #options: Pick<ControllerOptions, 'comeBack' | 'note'>
  #isBack: boolean
  #asking = false
  #dueAt = 0
  #delayMs = delayMsMin
  /** The cluster has given the place of this broker to another folder, or to nobody: what is known here is not the cluster's word any more. */
  #refusal: string | undefined

  constructor (options: Pick<ControllerOptions, 'comeBack' | 'note'>) {
    this.#options = options
    this.#isBack = options.comeBack === undefined
  }

  get isRefused (): boolean {
    return this.#refusal !== undefined
  }

  /** @param isBack  a leader is known, and what it has committed */
  tick (isBack: boolean, peers: () => readonly PeerAddress[], out: Outbox, now: number): void {
    this.#isBack ||= isBack
    if (this.#isBack || this.#asking || now < this.#dueAt) return
    this.#asking = true
    out.effect(this.#options.comeBack!(peers()))
  }

  asked ({ peers, refusal }: JoinAsked, now: number): void {
    this.#asking = false
    this.#dueAt = now + this.#delayMs
    this.#delayMs = Math.min(delayMsMax, this.#delayMs * 2)
    if (refusal !== undefined && refusal !== this.#refusal) this.#options.note({ refusal }, 'the cluster does not take this broker back: it serves nobody until it does')
    // Nobody in reach says nothing: then the last word counts.
    if (peers.length > 0 || refusal !== undefined) this.#refusal = refusal
  }
}
