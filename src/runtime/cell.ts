/** What the actor system keeps for one actor: the actor itself across its incarnations, its mailbox, and the outbox it sees. */
import type { Effect, Message, Post } from '../base/effect.ts'
import type { ActorId } from '../base/ids.ts'
import type { Actor, Outbox, Request, TimerId } from './actor.ts'
import { Mailbox } from './mailbox.ts'
import { ActorState } from './placement.ts'

/** What a factory is told about the actor that it makes. */
export interface ActorContext {
  readonly self: ActorId
  /**
   * Counts the lives of the actor in this process, up by one or two each time: with it in its correlations, an answer meant
   * for an earlier incarnation matches no open request of this one.
   */
  readonly life: number
  /** Crashes and failed starts since the actor last ran well. */
  readonly attempt: number
  /** It has not run before in this process, here or on another thread. */
  readonly fresh: boolean
}

/** What a factory throws when trying again would not help: its actor is given up. */
export class Unstartable extends Error {
  override name = 'Unstartable'
}

/** Makes an actor, reading what it needs first. May be called again after a crash; a rejection is tried again later, unless it is {@link Unstartable}. */
export type ActorFactory = (context: ActorContext) => Promise<Actor>

/** The part of the actor system that outboxes reach. */
export interface CellHost {
  tellFrom (to: ActorId, message: Message): void
  askFrom (asker: ActorId, to: ActorId, message: Request, deadlineMs: number): void
  timerFrom (cell: Cell, delayMs: number, message: Message): TimerId
  cancelFrom (cell: Cell, timer: TimerId): void
  turnEndFrom (cell: Cell): void
  effectFrom (cell: Cell, effect: Effect): void
  postTo (cell: Cell, incarnation: number, message: Message): void
}

export class Cell implements Outbox {
  readonly self: ActorId
  readonly factory: ActorFactory
  readonly mailbox: Mailbox<Message>
  readonly #host: CellHost
  actor: Actor | undefined
  /** As in the placement table, and `moving` only on the thread that the actor leaves. */
  state: ActorState = ActorState.starting
  /** Counted up at each crash and stop: results of effects of an earlier one are dropped. */
  incarnation = 0
  /** Crashes and failed starts in a row. */
  attempt = 0
  /** When the present incarnation began to run. */
  runningSince = 0
  /** In the run queue. */
  queued = false
  turnEndAsked = false
  /** Prevents the restart that is planned. */
  cancelRestart: (() => void) | undefined
  /** The end of the last run of the factory: until then it may have files open. */
  launching: Promise<void> | undefined
  /** The end of the last `close`. */
  closing: Promise<void> | undefined
  /** Settles the promise that `start` returned. */
  onStarted: ((error?: Error) => void) | undefined
  /** One per incarnation, shared by all its effects. */
  post!: Post

  constructor (self: ActorId, factory: ActorFactory, host: CellHost, mailboxMax: number) {
    this.self = self
    this.factory = factory
    this.mailbox = new Mailbox(mailboxMax)
    this.#host = host
    this.nextIncarnation()
  }

  nextIncarnation (): number {
    const incarnation = ++this.incarnation
    this.post = message => this.#host.postTo(this, incarnation, message)
    return incarnation
  }

  tell (to: ActorId, message: Message): void {
    this.#host.tellFrom(to, message)
  }

  ask (to: ActorId, message: Request, deadlineMs: number): void {
    this.#host.askFrom(this.self, to, message, deadlineMs)
  }

  timer (delayMs: number, message: Message): TimerId {
    return this.#host.timerFrom(this, delayMs, message)
  }

  cancel (timer: TimerId): void {
    this.#host.cancelFrom(this, timer)
  }

  turnEnd (): void {
    this.#host.turnEndFrom(this)
  }

  effect (effect: Effect): void {
    this.#host.effectFrom(this, effect)
  }
}
