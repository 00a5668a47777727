/**
 * What an actor is: a logical id, a typed message union, and one `receive` that is the only place its state changes.
 * Inside `receive` there is no await, no clock, no chance and no I/O: effects leave through the outbox and come back as messages.
 */
import type { Effect, EffectSink, Message } from '../base/effect.ts'
import type { ActorId } from '../base/ids.ts'

export { type Message }

/** A message that wants an answer. If its target is gone, restarting, moved or full, the system answers with {@link Undeliverable}. */
export interface Request extends Message {
  readonly replyTo: ActorId
  /** Chosen by the asker, unique among its open requests; the reply carries it back. A uint32. */
  readonly correlation: number
}

export interface Reply extends Message {
  readonly correlation: number
}

export interface Undeliverable extends Reply {
  readonly kind: 'undeliverable'
  readonly reason: 'dead' | 'restarting' | 'moved' | 'mailbox-full' | 'expired'
}

export function undeliverable (correlation: number, reason: Undeliverable['reason']): Undeliverable {
  return { kind: 'undeliverable', correlation, reason }
}

/** Delivered to an actor that called {@link Outbox.turnEnd}: all sockets and rings of this loop turn were read. */
export interface TurnEnd extends Message {
  readonly kind: 'turn-end'
}
export const turnEnd: TurnEnd = { kind: 'turn-end' }

export type TimerId = number

export interface Outbox extends EffectSink {
  readonly self: ActorId
  /** Delivered after `receive` returns; order per sender and receiver is kept. Bytes inside are valid only inside the receiver's `receive`. */
  tell (to: ActorId, message: Message): void
  /** As tell, and answers with an {@link Undeliverable} 'expired' if no reply came within `deadlineMs`; a reply after that is dropped. */
  ask (to: ActorId, message: Request, deadlineMs: number): void
  /** Delivers `message` to this actor after at least `delayMs`. It may be late; a restart forgets it. */
  timer (delayMs: number, message: Message): TimerId
  /** Forgets a timer. One that was due in this turn may be on its way already, and comes. */
  cancel (timer: TimerId): void
  /** Asks for one {@link turnEnd} at the end of this loop turn; asking twice in a turn gives one. */
  turnEnd (): void
  effect (effect: Effect): void
}

export interface Actor<M extends Message = Message> {
  /** Called once, before the first `receive`: the place for first timers and tells. */
  started? (out: Outbox, now: number): void
  /** @param now monotonic milliseconds, the same for all messages of one turn */
  receive (message: M, out: Outbox, now: number): void
  /** False while something it took is on its way to an answer. A move waits a moment for it; what waits for others may go on waiting elsewhere. */
  idle? (): boolean
  /** Finishes what is in flight and gives up files and memory. Called once, after the last `receive`. */
  close? (): Promise<void>
}
