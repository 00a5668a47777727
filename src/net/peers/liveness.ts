/**
 * Who of the peers is there, judged by their answers to beats. One per broker, on thread 0, which sends a beat to each peer every
 * {@link beatMs} over a connection of its own; whichever thread of the peer has accepted it sends it back at once. So a peer that is up
 * can be reached and can reach us, and no thread must tell another what it heard.
 *
 * ```
 *             first answer                        silent for 500 ms, or gone
 *  unknown ------------------> up --------------------------------------------> down
 *     |                         ^ | another incarnation: down, then up            |
 *     |                         | +--------------------------------               |
 *     |                         +-------------------------------------------------+
 *     +------ silent for 500 ms, or gone: down                      an answer
 * ```
 */
import type { MemberId } from '../../base/ids.ts'

export const beatMs = 100
export const silentMsMax = 500
/** A tick that comes so much too late says that this thread stood still: the peers' answers may not have been read yet. */
const lateMsMax = 300

interface Peer {
  up: boolean | undefined
  incarnation: number
  /** It has answered since the last tick. The time of that is not known to a socket's callback, so the tick says it. */
  heard: boolean
  heardAt: number
}

export class Liveness {
  readonly #peers = new Map<MemberId, Peer>()
  readonly #changed: (member: MemberId, up: boolean) => void
  #tickedAt: number

  /** @param changed  told of each change, also of the first word on a peer */
  constructor (now: number, changed: (member: MemberId, up: boolean) => void) {
    this.#tickedAt = now
    this.#changed = changed
  }

  /** Undefined: nothing is known of it yet. */
  isUp (member: MemberId): boolean | undefined {
    return this.#peers.get(member)?.up
  }

  /** For how long it has not answered, at the last tick. */
  silentMs (member: MemberId): number {
    const peer = this.#peers.get(member)
    return peer === undefined ? 0 : this.#tickedAt - peer.heardAt
  }

  add (member: MemberId, now: number): void {
    if (!this.#peers.has(member)) this.#peers.set(member, { up: undefined, incarnation: 0, heard: false, heardAt: now })
  }

  remove (member: MemberId): void {
    this.#peers.delete(member)
  }

  /** An answer has come. @param incarnation  of the peer's process: another one has forgotten what was sent to the one before */
  heard (member: MemberId, incarnation: number): void {
    const peer = this.#peers.get(member)
    if (peer === undefined) return
    peer.heard = true
    if (peer.up === true && peer.incarnation === incarnation) return
    if (peer.up === true) this.#set(member, peer, false)
    peer.incarnation = incarnation
    this.#set(member, peer, true)
  }

  /** Its connection ended, and nobody is there to make another one to. */
  gone (member: MemberId): void {
    const peer = this.#peers.get(member)
    if (peer !== undefined && peer.up !== false) this.#set(member, peer, false)
  }

  /** Every {@link beatMs}, as far as the thread can. */
  tick (now: number): void {
    const stoodStill = now - this.#tickedAt > beatMs + lateMsMax
    this.#tickedAt = now
    for (const [member, peer] of this.#peers) {
      if (peer.heard || stoodStill) peer.heardAt = now
      peer.heard = false
      if (peer.up !== false && now - peer.heardAt > silentMsMax) this.#set(member, peer, false)
    }
  }

  #set (member: MemberId, peer: Peer, up: boolean): void {
    peer.up = up
    this.#changed(member, up)
  }
}
