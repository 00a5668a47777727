/**
 * Which brokers the active controller has heard of lately. Nothing of this is durable: a new active controller gives everybody a whole
 * session first, as it cannot know who was there a moment ago.
 */
import type { NodeId } from '../../base/ids.ts'

interface Session {
  seenAt: number
  /** The links have lost it. */
  down: boolean
  /** It said that it is about to stop. */
  leaving: boolean
  /** It knows what the metadata log says, and takes requests. */
  ready: boolean
  bytes: number
}

export interface Beat {
  readonly leaving: boolean
  readonly ready: boolean
  readonly bytes: number
}

export class Sessions {
  readonly #sessions = new Map<NodeId, Session>()
  readonly #sessionMs: number

  constructor (sessionMs: number) {
    this.#sessionMs = sessionMs
  }

  /** Begins the session of a broker that was not heard of yet. */
  begin (nodeId: NodeId, now: number): void {
    if (!this.#sessions.has(nodeId)) this.#sessions.set(nodeId, { seenAt: now, down: false, leaving: false, ready: false, bytes: 0 })
  }

  beat (nodeId: NodeId, { leaving, ready, bytes }: Beat, now: number): void {
    this.#sessions.set(nodeId, { seenAt: now, down: false, leaving, ready, bytes })
  }

  /** What the links say. Only a broker's own word prolongs its session: a process may be there and its controller not. */
  link (nodeId: NodeId, up: boolean): void {
    const session = this.#sessions.get(nodeId)
    if (session !== undefined) session.down = !up
  }

  forget (nodeId: NodeId): void {
    this.#sessions.delete(nodeId)
  }

  /** Its session is over: nothing has been heard of it for too long. */
  isExpired (nodeId: NodeId, now: number): boolean {
    const session = this.#sessions.get(nodeId)
    return session === undefined || now - session.seenAt > this.#sessionMs
  }

  /** Heard of lately, and not lost by the links since. */
  isAlive (nodeId: NodeId, now: number): boolean {
    return !this.isExpired(nodeId, now) && !this.#sessions.get(nodeId)!.down
  }

  isReady (nodeId: NodeId): boolean {
    return this.#sessions.get(nodeId)?.ready === true
  }

  isLeaving (nodeId: NodeId): boolean {
    return this.#sessions.get(nodeId)?.leaving === true
  }

  bytesOf (nodeId: NodeId): number {
    return this.#sessions.get(nodeId)?.bytes ?? 0
  }

  /** Milliseconds since it was last heard of; -1: never. */
  silentMs (nodeId: NodeId, now: number): number {
    const session = this.#sessions.get(nodeId)
    return session === undefined ? -1 : now - session.seenAt
  }
}
