/** The links of a thread to all others, and when sleeping peers are woken. */
import type { Message } from '../base/effect.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import type { Link } from './link.ts'

export class Links {
  readonly #links: (Link | undefined)[] = []
  readonly #delayTurnsMax: number
  /** Turns since something was published and its receivers were not woken yet. */
  #unrungTurns = 0

  /** @param delayTurnsMax  busy turns that a sleeping peer may have to wait to be woken */
  constructor (delayTurnsMax: number) {
    this.#delayTurnsMax = delayTurnsMax
  }

  get (thread: ThreadIndex): Link | undefined {
    return this.#links[thread]
  }

  set (thread: ThreadIndex, link: Link | undefined): void {
    this.#links[thread] = link
  }

  /** Whether a peer has something for this thread. Called after the thread has said that it sleeps. */
  hasWork (): boolean {
    return this.#links.some(link => link !== undefined && link.hasWork())
  }

  /** Whether peers wait to be woken: the thread must not sleep before. */
  get unrung (): boolean {
    return this.#unrungTurns > 0
  }

  /** Whether `has` holds for every thread that is connected. */
  every (has: (thread: ThreadIndex) => boolean): boolean {
    return this.#links.every((link, thread) => link === undefined || has(thread as ThreadIndex))
  }

  sum (count: (link: Link) => number): number {
    return this.#links.reduce((sum, link) => sum + (link === undefined ? 0 : count(link)), 0)
  }

  /** Sends a message of the runtime's own to every peer; it uses reserved room. */
  broadcast (to: ActorId, message: Message): void {
    for (const link of this.#links) link?.send(to, message, true)
  }

  /** Hands over what has come in; returns how many frames. */
  receive (deliver: (to: ActorId, message: Message) => void): number {
    let frames = 0
    for (const link of this.#links) if (link !== undefined) frames += link.receive(deliver)
    return frames
  }

  /**
   * Makes what was sent visible. Peers that are awake find it by themselves; waking one that sleeps costs more than a turn of
   * ours, so while this thread has a lot to do (`busy`) the bell waits a few turns for more to be sent.
   */
  publish (busy: boolean): void {
    let published = false
    for (const link of this.#links) if (link?.publish() === true) published = true
    if (!published && this.#unrungTurns === 0) return
    if (busy && this.#unrungTurns < this.#delayTurnsMax) {
      this.#unrungTurns++
      return
    }
    this.#unrungTurns = 0
    for (const link of this.#links) link?.ring()
  }
}
