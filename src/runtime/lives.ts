/** Starts, crashes, restarts, moves and ends of one thread's actors. */
import { assert } from '../base/assert.ts'
import type { Message } from '../base/effect.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import type { Actor, Undeliverable } from './actor.ts'
import { type ActorContext, type Cell, Unstartable } from './cell.ts'
import { ActorState, stateOf, versionOf, type Placement } from './placement.ts'
import type { OnRuntimeEvent } from './runtime-event.ts'
import type { Scheduler } from './scheduler.ts'
import type { SystemLimits } from './system-options.ts'

/** What the actor system lends for it. */
export interface LivesHost {
  readonly thread: ThreadIndex
  readonly placement: Placement
  readonly scheduler: Scheduler
  readonly limits: SystemLimits
  readonly onEvent: OnRuntimeEvent
  /** Begins a turn and returns its moment. */
  begin (): number
  /** Lets an actor that has just become `running` begin. */
  runStarted (cell: Cell): void
  /** Ends everything that an ended incarnation wanted, or that was wanted of it before `version` of its placement. */
  forget (cell: Cell, version: number, reason: Undeliverable['reason']): void
  /** Whether these are the marks of all threads that can send here. */
  allMarked (marks: ReadonlySet<ThreadIndex>): boolean
}

/** An actor that leaves this thread, and whose end marks have come. A mark may come before the order to leave. */
interface Leaving {
  readonly marks: Set<ThreadIndex>
  /** Version of its placement since when senders hold their messages; requests sent before will not be answered. */
  version: number
  finish: (() => void) | undefined
}

export class Lives {
  /** By id. */
  readonly cells: (Cell | undefined)[] = []
  readonly #host: LivesHost
  readonly #leaving = new Map<ActorId, Leaving>()

  constructor (host: LivesHost) {
    this.#host = host
  }

  async start (cell: Cell): Promise<void> {
    const { placement, thread } = this.#host
    assert(this.cells[cell.self] === undefined, 'actor id is taken on this thread')
    this.cells[cell.self] = cell
    // One on the move stays `moving` until it runs, so that senders go on holding what they have for it.
    const moving = stateOf(placement.lookup(cell.self)) === ActorState.moving
    placement.set(cell.self, thread, moving ? ActorState.moving : ActorState.starting)
    await new Promise<void>((resolve, reject) => {
      cell.onStarted = error => error === undefined ? resolve() : reject(error)
      cell.launching = this.#launch(cell)
    })
  }

  async stop (id: ActorId): Promise<void> {
    const cell = this.cells[id]
    if (cell === undefined) return
    this.#end(cell, ActorState.dead, 'dead')
    await this.#close(cell)
    if (this.cells[id] === cell) this.cells[id] = undefined
  }

  async leave (id: ActorId): Promise<void> {
    const cell = this.cells[id]
    assert(cell !== undefined, 'no such actor to leave this thread')
    if (cell.state === ActorState.running) cell.state = ActorState.moving
    await new Promise<void>(resolve => {
      const leaving = this.#leavingOf(id)
      leaving.version = versionOf(this.#host.placement.lookup(id))
      leaving.finish = resolve
      this.#maybeLeft(id)
    })
    await this.#settle(cell)
    this.#end(cell, ActorState.moving, 'moved')
    this.#leaving.delete(id)
    await this.#close(cell)
    if (this.cells[id] === cell) this.cells[id] = undefined
  }

  /** A thread will send nothing more to an actor that leaves. */
  mark (id: ActorId, from: ThreadIndex): void {
    this.#leavingOf(id).marks.add(from)
    this.#maybeLeft(id)
  }

  /** A thread came or went: nothing sent earlier by it is still to come for those that leave now. */
  markAll (from: ThreadIndex): void {
    for (const id of this.#leaving.keys()) this.mark(id, from)
  }

  /** The actor threw. */
  crash (cell: Cell, thrown: unknown): void {
    if (this.#host.begin() - cell.runningSince >= this.#host.limits.restartStableMs) cell.attempt = 0
    // One that was leaving anyway comes back on the other thread.
    const leaves = cell.state === ActorState.moving
    this.#end(cell, leaves ? ActorState.moving : ActorState.restarting, leaves ? 'moved' : 'restarting')
    const { incarnation } = cell
    this.#close(cell).then(() => {
      if (!leaves && cell.incarnation === incarnation) this.#retry(cell, thrown)
    })
  }

  async #launch (cell: Cell): Promise<void> {
    const { placement, thread, onEvent } = this.#host
    const { incarnation } = cell
    let actor: Actor
    try {
      const version = versionOf(placement.lookup(cell.self))
      const context: ActorContext = { self: cell.self, life: version >>> 1, attempt: cell.attempt, fresh: version === 1 }
      actor = await cell.factory(context)
    } catch (error) {
      if (cell.incarnation === incarnation) this.#retry(cell, error)
      return
    }
    if (cell.incarnation !== incarnation) {
      if (actor.close !== undefined) await this.#closeActor(cell.self, actor)
      return
    }
    cell.runningSince = this.#host.begin()
    cell.actor = actor
    cell.state = ActorState.running
    placement.set(cell.self, thread, ActorState.running)
    onEvent({ kind: 'actor-running', actor: cell.self, attempt: cell.attempt })
    this.#host.runStarted(cell)
    cell.onStarted?.()
    cell.onStarted = undefined
  }

  #retry (cell: Cell, thrown: unknown): void {
    const { limits, onEvent, scheduler } = this.#host
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const attempt = ++cell.attempt
    if (attempt > limits.restartAttemptsMax || error instanceof Unstartable) {
      cell.onStarted?.(error)
      cell.onStarted = undefined
      this.#end(cell, ActorState.dead, 'dead')
      this.cells[cell.self] = undefined
      onEvent({ kind: 'actor-given-up', actor: cell.self, attempt, error })
      return
    }
    const restartMs = Math.min(limits.restartMsMax, limits.restartFirstMs * 2 ** (attempt - 1))
    onEvent({ kind: 'actor-crashed', actor: cell.self, attempt, restartMs, error })
    cell.cancelRestart = scheduler.later(restartMs, () => {
      cell.cancelRestart = undefined
      cell.launching = this.#launch(cell)
    })
  }

  /** Ends an incarnation: nothing of it is delivered any more, and everyone who waits for it is told. */
  #end (cell: Cell, state: ActorState, reason: Undeliverable['reason']): void {
    const { placement, thread } = this.#host
    this.#host.begin()
    // A crash while leaving must not look alive to what still comes in.
    cell.state = state === ActorState.moving ? ActorState.restarting : state
    cell.nextIncarnation()
    cell.cancelRestart?.()
    cell.cancelRestart = undefined
    // The supervisor writes the place of an actor on the move.
    const leaving = state === ActorState.moving ? this.#leaving.get(cell.self) : undefined
    const version = leaving?.version ?? versionOf(placement.set(cell.self, thread, state))
    this.#host.forget(cell, version, reason)
    if (state === ActorState.dead && cell.onStarted !== undefined) {
      cell.onStarted(new Error('actor was stopped before it ran'))
      cell.onStarted = undefined
    }
  }

  /**
   * Resolves when nothing of the incarnation that has ended is left: its factory has returned and what it made is closed. There
   * is no end to this wait, as no two incarnations may have the same files open; whoever cannot wait ends the thread.
   */
  async #close (cell: Cell): Promise<void> {
    const { actor } = cell
    cell.actor = undefined
    if (actor?.close !== undefined) cell.closing = this.#closeActor(cell.self, actor)
    await cell.launching
    await cell.closing
  }

  async #closeActor (id: ActorId, actor: Actor<Message>): Promise<void> {
    const { limits, onEvent, scheduler } = this.#host
    const cancel = scheduler.later(limits.closeMs, () => onEvent({ kind: 'actor-close-late', actor: id, closeMs: limits.closeMs }))
    try {
      await actor.close!()
    } catch (error) {
      onEvent({ kind: 'actor-close-failed', actor: id, error: error as Error })
    }
    cancel()
  }

  #leavingOf (id: ActorId): Leaving {
    let leaving = this.#leaving.get(id)
    if (leaving === undefined) this.#leaving.set(id, leaving = { marks: new Set(), version: 0, finish: undefined })
    return leaving
  }

  /** Waits, for a bounded time, until the actor has answered what it took: nothing more comes in. */
  async #settle (cell: Cell): Promise<void> {
    const { scheduler, limits } = this.#host
    const end = scheduler.clock.monotonicMs() + limits.settleMs
    while (cell.actor?.idle?.() === false && scheduler.clock.monotonicMs() < end) {
      await new Promise<void>(resolve => { scheduler.later(1, resolve) })
    }
  }

  #maybeLeft (id: ActorId): void {
    const { marks, finish } = this.#leavingOf(id)
    if (finish !== undefined && this.#host.allMarked(marks)) finish()
  }
}
