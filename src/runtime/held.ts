/**
 * Messages for actors that are on their way to another thread. They wait here, encoded (a named copy: the bytes they point
 * to are borrowed), and go out in their order once the actor runs again. Bounded; what does not fit is refused.
 */
import type { Message } from '../base/effect.ts'
import type { ActorId } from '../base/ids.ts'
import type { Codecs } from './codec.ts'

export interface HeldFrame {
  readonly code: number
  readonly bytes: Uint8Array
}

interface Queue {
  readonly frames: HeldFrame[]
  /** When its senders are told that it takes too long. */
  readonly deadline: number
}

export class Held {
  readonly #codecs: Codecs
  readonly #bytesMax: number
  readonly #waitMs: number
  readonly #queues = new Map<ActorId, Queue>()
  #bytes = 0

  constructor (codecs: Codecs, { bytesMax, waitMs }: { bytesMax: number, waitMs: number }) {
    this.#codecs = codecs
    this.#bytesMax = bytesMax
    this.#waitMs = waitMs
  }

  get bytes (): number {
    return this.#bytes
  }

  get isEmpty (): boolean {
    return this.#queues.size === 0
  }

  /** Whether a later message must queue up behind earlier ones. */
  has (to: ActorId): boolean {
    return this.#queues.has(to)
  }

  /** Returns false when there is no room. */
  push (to: ActorId, message: Message, now: number): boolean {
    if (this.#bytes >= this.#bytesMax) return false
    const frame = { code: this.#codecs.codeOf(message.kind), bytes: this.#codecs.encode(message) }
    let queue = this.#queues.get(to)
    if (queue === undefined) this.#queues.set(to, queue = { frames: [], deadline: now + this.#waitMs })
    queue.frames.push(frame)
    this.#bytes += frame.bytes.length
    return true
  }

  /** Takes out the messages of every actor that `isReady` or that was waited for too long, oldest first. */
  * takeReady (now: number, isReady: (to: ActorId) => boolean): Generator<[to: ActorId, frames: readonly HeldFrame[], expired: boolean]> {
    for (const [to, queue] of this.#queues) {
      const ready = isReady(to)
      if (!ready && now < queue.deadline) continue
      this.#queues.delete(to)
      for (const frame of queue.frames) this.#bytes -= frame.bytes.length
      yield [to, queue.frames, !ready]
    }
  }
}
