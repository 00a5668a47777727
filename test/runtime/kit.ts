/** An actor alone, without threads, timers or promises: feed it one message, then compare what it put into its outbox. */
import type { Effect, Message, Post } from '../../src/base/effect.ts'
import type { ActorId } from '../../src/base/ids.ts'
import { turnEnd, type Actor, type Outbox, type Request, type TimerId } from '../../src/runtime/actor.ts'

export interface Told { readonly to: ActorId, readonly message: Message }
export interface Asked extends Told { readonly deadlineMs: number }
export interface Timed { readonly timer: TimerId, readonly at: number, readonly message: Message }

/** What one message made an actor do. */
export class KitOutbox implements Outbox {
  readonly self: ActorId
  readonly told: Told[] = []
  readonly asked: Asked[] = []
  readonly effects: Effect[] = []
  turnEndAsked = false
  readonly #kit: ActorKit

  constructor (kit: ActorKit) {
    this.self = kit.self
    this.#kit = kit
  }

  tell (to: ActorId, message: Message): void {
    this.told.push({ to, message })
  }

  ask (to: ActorId, message: Request, deadlineMs: number): void {
    this.asked.push({ to, message, deadlineMs })
  }

  timer (delayMs: number, message: Message): TimerId {
    const timer = this.#kit.nextTimer++
    this.#kit.timers.push({ timer, at: this.#kit.now + delayMs, message })
    return timer
  }

  cancel (timer: TimerId): void {
    const index = this.#kit.timers.findIndex(timed => timed.timer === timer)
    if (index >= 0) this.#kit.timers.splice(index, 1)
  }

  turnEnd (): void {
    this.turnEndAsked = true
  }

  effect (effect: Effect): void {
    this.effects.push(effect)
  }

  /** The messages told to one actor, in order. */
  toldTo (to: ActorId): Message[] {
    return this.told.filter(told => told.to === to).map(told => told.message)
  }
}

/**
 * @example
 * const kit = new ActorKit(new Tube())
 * const out = kit.feed({ kind: 'put', job })
 * t.same(out.told, [{ to: waiter, message: { kind: 'job', job } }])
 * kit.advance(1000) // fires what is due, one outbox each
 */
export class ActorKit<M extends Message = Message> {
  readonly self: ActorId
  readonly actor: Actor<M>
  /** Pending timers in the order they were set. */
  readonly timers: Timed[] = []
  nextTimer = 1
  now: number

  constructor (actor: Actor<M>, { self = 1 as ActorId, now = 1000 }: { self?: ActorId, now?: number } = {}) {
    this.actor = actor
    this.self = self
    this.now = now
  }

  /** Calls the actor's `started`. */
  start (): KitOutbox {
    const out = new KitOutbox(this)
    this.actor.started?.(out, this.now)
    return out
  }

  feed (message: M): KitOutbox {
    const out = new KitOutbox(this)
    this.actor.receive(message, out, this.now)
    return out
  }

  turnEnd (): KitOutbox {
    return this.feed(turnEnd as Message as M)
  }

  /** Lets time pass and feeds each timer's message when it is due, earliest first. */
  advance (ms: number): KitOutbox[] {
    const end = this.now + ms
    const outs: KitOutbox[] = []
    for (let left = 10_000; left > 0; left--) {
      const due = this.timers.toSorted((a, b) => a.at - b.at)[0]
      if (due === undefined || due.at > end) break
      this.timers.splice(this.timers.indexOf(due), 1)
      this.now = Math.max(this.now, due.at)
      outs.push(this.feed(due.message as M))
    }
    this.now = end
    return outs
  }

  /** Runs the effects of an outbox and feeds what they post at once. Later posts are fed when they come. */
  run (out: KitOutbox): KitOutbox[] {
    const outs: KitOutbox[] = []
    const post: Post = message => { outs.push(this.feed(message as M)) }
    for (const effect of out.effects) effect.run(post)
    return outs
  }
}
