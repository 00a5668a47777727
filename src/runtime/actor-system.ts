/**
 * Runs the actors of one thread and moves messages between them and to other threads.
 *
 * ```
 *  socket, disk, timer callbacks --> tell / post --> mailboxes --> receive --> outbox: tells, effects, timers
 *                                                        ^                        |
 *                                     incoming rings ----+                        +--> outgoing rings
 *
 *  end of a loop turn:  due timers, incoming rings, turn-end to whoever asked, publish outgoing rings, ring doorbells, sleep
 * ```
 *
 * A message from outside is received before `tell` returns, so the bytes it points to need not outlive the call. Within
 * the thread nothing is encoded. Rings are looked at once a turn and published once a turn.
 *
 * Who waits for an answer always gets one: an `ask` is kept with the asker's thread until it is answered, and ended
 * with {@link Undeliverable} when its deadline passes, or when the target's thread says that the target crashed, stopped
 * or moved (one broadcast per such event, nothing per message). A request by plain `tell` is answered with
 * {@link Undeliverable} only if it cannot be put into a mailbox.
 */
import { assert } from '../base/assert.ts'
import { type Effect, type Message } from '../base/effect.ts'
import { type ActorId, type ThreadIndex } from '../base/ids.ts'
import { turnEnd, type Actor, type Request, type TimerId, type Undeliverable } from './actor.ts'
import { Asks } from './asks.ts'
import { Cell, type ActorContext, type ActorFactory, type CellHost } from './cell.ts'
import { Codecs } from './codec.ts'
import { Doorbell } from './doorbell.ts'
import { Held } from './held.ts'
import { Link, type LinkEnds } from './link.ts'
import { Mailbox } from './mailbox.ts'
import { ActorState, Placement, stateOf, threadOf, versionOf } from './placement.ts'
import { memoryOf } from './ring.ts'
import { type OnRuntimeEvent } from './runtime-event.ts'
import { nodeScheduler, type Scheduler } from './scheduler.ts'
import { createThreadWords, currentActorWord } from './thread-words.ts'
import { Timers } from './timers.ts'

export const systemLimits = {
  /** Requests and plain tells that may wait in one mailbox; further ones are refused. */
  mailboxRequestsMax: 8192,
  /** Everything in one mailbox. The difference is for replies, results and timers, which were admitted with what caused them. */
  mailboxMax: 65_536,
  timersMax: 131_072,
  asksMax: 65_536,
  /** Receives of one turn: more means that actors send each other messages without end. */
  receivesPerTurnMax: 1_000_000,
  /** Times that a turn's end may lead to another one in the same turn. */
  turnEndRoundsMax: 4,
  /** Answers that came too late and are still to be dropped when they come. */
  lateRepliesMax: 4096,
  heldBytesMax: 4 << 20,
  heldMs: 5000,
  /** Longest sleep of a thread with rings; a doorbell ends it sooner. */
  sleepMs: 1000,
  messageBytesMax: 128 << 20,
  waitingBytesMax: 8 << 20,
  restartFirstMs: 20,
  restartMsMax: 5000,
  /** An actor that ran this long has recovered: its next crash counts as the first. */
  restartStableMs: 60_000,
  restartAttemptsMax: 100,
  closeMs: 10_000
}
export type SystemLimits = typeof systemLimits

export interface ActorSystemOptions {
  readonly thread?: ThreadIndex
  readonly placement?: Placement
  readonly codecs?: Codecs
  readonly scheduler?: Scheduler
  /** This thread's shared words. Only needed where other threads ring or watch. */
  readonly words?: SharedArrayBuffer
  readonly links?: readonly LinkEnds[]
  readonly limits?: Partial<SystemLimits>
  readonly onEvent?: OnRuntimeEvent
}

/** Counted from the start of the system. */
export interface SystemStats {
  readonly actors: number
  readonly turns: number
  readonly receives: number
  readonly framesReceived: number
  /** Requests answered with Undeliverable because they could not be delivered. */
  readonly refused: number
  /** Messages that nobody waits for and that could not be delivered. */
  readonly dropped: number
  readonly crashes: number
  readonly openAsks: number
  readonly timers: number
  readonly waitingBytes: number
  readonly heldBytes: number
}

/** Messages between the systems themselves travel to this id, which no actor has. */
const systemId = 0xffffff as ActorId
const heldPollMs = 5

interface ActorDown extends Message { readonly kind: 'actor-down', readonly actor: ActorId, readonly version: number, readonly reason: Undeliverable['reason'] }
interface EndMark extends Message { readonly kind: 'end-mark', readonly actor: ActorId, readonly from: ThreadIndex }
type SystemMessage = ActorDown | EndMark

/** An actor that leaves this thread, and whose end marks have come. */
interface Leaving {
  readonly marks: Set<ThreadIndex>
  /** Version of its placement since when senders hold their messages; requests sent before will not be answered. */
  version: number
  finish: (() => void) | undefined
}

export class ActorSystem implements CellHost {
  readonly thread: ThreadIndex
  readonly placement: Placement
  readonly #codecs: Codecs
  readonly #scheduler: Scheduler
  readonly #limits: SystemLimits
  readonly #onEvent: OnRuntimeEvent
  readonly #words: Int32Array
  readonly #cells: (Cell | undefined)[] = []
  readonly #links: (Link | undefined)[] = []
  readonly #runQueue = new Mailbox<Cell>(1 << 20, 64)
  readonly #timers: Timers<Cell>
  readonly #asks: Asks
  readonly #held: Held
  readonly #late = new Set<number>()
  readonly #leaving = new Map<ActorId, Leaving>()
  readonly #effects: Effect[] = []
  #turnEnds: Cell[] = []
  #turnEndsSpare: Cell[] = []
  #edgeTurnEnd: Cell | undefined
  #doorbell: Doorbell | undefined
  #running = false
  #turnPlanned = false
  #now: number
  #armedFor = Infinity
  #disarm: (() => void) | undefined
  #closed = false
  #turnReceives = 0
  #turns = 0
  #receives = 0
  #framesReceived = 0
  #refused = 0
  #dropped = 0
  #crashes = 0

  // Made once, so that no turn allocates a closure.
  readonly #turn = (): void => this.#runTurn()
  readonly #plan = (): void => this.#begin()
  readonly #hasWork = (): boolean => this.#links.some(link => link !== undefined && link.hasWork())
  readonly #onIncoming = (to: ActorId, message: Message): void => this.#receiveFrame(to, message)
  readonly #onTimer = (cell: Cell, message: Message): void => this.#deliver(cell, message)
  readonly #onExpired = (asker: ActorId, correlation: number): void => this.#endAsk(asker, correlation, 'expired')
  readonly #onArmed = (): void => {
    this.#armedFor = Infinity
    this.#disarm = undefined
    this.#begin()
  }

  constructor (options: ActorSystemOptions = {}) {
    this.thread = options.thread ?? 0 as ThreadIndex
    this.placement = options.placement ?? new Placement()
    this.#codecs = options.codecs ?? new Codecs()
    this.#scheduler = options.scheduler ?? nodeScheduler
    this.#limits = { ...systemLimits, ...options.limits }
    this.#onEvent = options.onEvent ?? (() => {})
    this.#words = new Int32Array(options.words ?? createThreadWords())
    this.#timers = new Timers(this.#limits.timersMax)
    this.#asks = new Asks(this.#limits.asksMax)
    this.#held = new Held(this.#codecs, { bytesMax: this.#limits.heldBytesMax, waitMs: this.#limits.heldMs })
    this.#now = this.#scheduler.clock.monotonicMs()
    for (const ends of options.links ?? []) this.connect(ends)
  }

  /** Monotonic milliseconds, one value per turn. */
  get now (): number {
    return this.#now
  }

  // ---- From outside: socket callbacks, programs, tests

  /**
   * Sends a message from outside of any actor. Unless called from within a `receive` or an effect, it has been received
   * (or put into a ring, or refused) when this returns, and so has everything that followed from it on this thread.
   */
  tell (to: ActorId, message: Message): void {
    this.#begin()
    this.#route(to, message)
    this.#drain()
  }

  /** As {@link tell}, for an actor of this thread that waits for the answer: `message.replyTo`. */
  ask (to: ActorId, message: Request, deadlineMs: number): void {
    this.#begin()
    this.askFrom(message.replyTo, to, message, deadlineMs)
    this.#drain()
  }

  /** Whether an actor can be reached now; edges that can wait need not send to one that is moving. */
  stateOf (id: ActorId): ActorState {
    return stateOf(this.placement.lookup(id))
  }

  // ---- Actors come and go

  /**
   * Starts an actor on this thread. Resolves when it runs; failed starts are tried again with back-off.
   * @throws when it was stopped or given up before it ran
   */
  start (id: ActorId, factory: ActorFactory): Promise<void> {
    assert(this.#cells[id] === undefined, 'actor id is taken on this thread')
    assert(!this.#closed, 'actor system is closed')
    const cell = new Cell(id, factory, this, this.#limits.mailboxMax)
    this.#cells[id] = cell
    // One on the move stays `moving` until it runs, so that senders go on holding what they have for it.
    const moving = this.stateOf(id) === ActorState.moving
    this.placement.set(id, this.thread, moving ? ActorState.moving : ActorState.starting)
    return new Promise((resolve, reject) => {
      cell.onStarted = error => error === undefined ? resolve() : reject(error)
      this.#launch(cell)
    })
  }

  /** Stops an actor for good: what waits for it is refused, its `close` is awaited. */
  async stop (id: ActorId): Promise<void> {
    const cell = this.#cells[id]
    if (cell === undefined) return
    this.#begin()
    this.#end(cell, ActorState.dead, 'dead')
    this.#drain()
    await this.#closeActor(cell)
    if (this.#cells[id] === cell) this.#cells[id] = undefined
  }

  /**
   * Ends an actor here so that it can start on another thread, which the placement table already says (`moving`).
   * Resolves after every peer's {@link markEnd} has come through its ring, so nothing more can arrive, and `close` is done.
   */
  async leave (id: ActorId): Promise<void> {
    const cell = this.#cells[id]
    assert(cell !== undefined, 'no such actor to leave this thread')
    if (cell.state === ActorState.running) cell.state = ActorState.moving
    await new Promise<void>(resolve => {
      const leaving = this.#leavingOf(id)
      leaving.version = versionOf(this.placement.lookup(id))
      leaving.finish = resolve
      this.#maybeLeft(id)
    })
    this.#begin()
    this.#end(cell, ActorState.moving, 'moved')
    this.#leaving.delete(id)
    this.#drain()
    await this.#closeActor(cell)
    if (this.#cells[id] === cell) this.#cells[id] = undefined
  }

  /** Says to the thread that `actor` leaves that nothing sent before this will follow. */
  markEnd (actor: ActorId, to: ThreadIndex): void {
    if (to === this.thread) return
    this.#begin()
    this.#links[to]?.send(systemId, endMark(actor, this.thread), true)
  }

  /** Stops every actor and gives up the thread's timers and doorbell. */
  async close (): Promise<void> {
    if (this.#closed) return
    await Promise.all(this.#cells.map(cell => cell === undefined ? undefined : this.stop(cell.self)))
    this.#closed = true
    this.#disarm?.()
    this.#doorbell?.close()
  }

  // ---- Other threads

  /** Connects a peer, or its replacement: frames of the old rings are never looked at again. */
  connect (ends: LinkEnds): void {
    const { messageBytesMax, waitingBytesMax } = this.#limits
    this.#links[ends.thread] = new Link(ends, this.#codecs, { messageBytesMax, waitingBytesMax })
    this.#doorbell ??= new Doorbell(this.#words, this.#plan, this.#limits.sleepMs)
    this.#begin()
  }

  /** Forgets a peer that is dead. Whoever waits for one of its actors is told. */
  disconnect (thread: ThreadIndex): void {
    this.#begin()
    this.#links[thread] = undefined
    this.#asks.endThread(thread, (asker, correlation) => this.#endAsk(asker, correlation, 'restarting'))
    for (const id of this.#leaving.keys()) this.#maybeLeft(id)
    this.#drain()
  }

  stats (): SystemStats {
    let actors = 0
    for (const cell of this.#cells) if (cell !== undefined) actors++
    let waitingBytes = 0
    for (const link of this.#links) waitingBytes += link?.waitingBytes ?? 0
    return {
      actors,
      turns: this.#turns,
      receives: this.#receives,
      framesReceived: this.#framesReceived,
      refused: this.#refused,
      dropped: this.#dropped,
      crashes: this.#crashes,
      openAsks: this.#asks.count,
      timers: this.#timers.count,
      waitingBytes,
      heldBytes: this.#held.bytes
    }
  }

  // ---- From outboxes

  tellFrom (to: ActorId, message: Message): void {
    this.#begin()
    this.#route(to, message)
  }

  askFrom (asker: ActorId, to: ActorId, message: Request, deadlineMs: number): void {
    assert(message.replyTo === asker, 'an answer must go to the asker')
    this.#begin()
    if (this.#late.size > 0) this.#late.delete(lateKey(asker, message.correlation))
    if (this.#asks.open(asker, message.correlation, to, this.placement.lookup(to), this.#now + deadlineMs)) this.#route(to, message)
    else this.#refuse(message, 'mailbox-full')
  }

  timerFrom (cell: Cell, delayMs: number, message: Message): TimerId {
    this.#begin()
    return this.#timers.add(cell, this.#now + delayMs, message)
  }

  cancelFrom (cell: Cell, timer: TimerId): void {
    this.#timers.cancel(timer, cell)
  }

  turnEndFrom (cell: Cell): void {
    if (cell.turnEndAsked) return
    this.#begin()
    cell.turnEndAsked = true
    // The thread's network actor is told after the others, so that it writes what they answer at their turn's end.
    if (cell.self as number === this.thread) this.#edgeTurnEnd = cell
    else this.#turnEnds.push(cell)
  }

  effectFrom (cell: Cell, effect: Effect): void {
    if (this.#running) this.#effects.push(effect)
    else effect.run(cell.post)
  }

  postTo (cell: Cell, incarnation: number, message: Message): void {
    if (cell.incarnation !== incarnation || this.#closed) return
    this.#begin()
    this.#deliver(cell, message)
    this.#drain()
  }

  // ---- The way of a message

  #route (to: ActorId, message: Message): void {
    const cell = this.#cells[to]
    if (cell !== undefined && cell.state === ActorState.running) {
      this.#deliver(cell, message)
      return
    }
    const place = this.placement.lookup(to)
    const state = stateOf(place)
    // An answer never waits: the requests of an actor that moves end with its incarnation.
    if (!isReply(message) && (state === ActorState.moving || this.#held.has(to))) {
      if (!this.#held.push(to, message, this.#now)) this.#refuse(message, 'moved')
    } else if (state === ActorState.running) {
      const link = this.#links[threadOf(place)]
      if (link === undefined) this.#refuse(message, 'restarting')
      else if (!link.send(to, message, isReply(message))) this.#refuse(message, 'mailbox-full')
    } else {
      this.#refuse(message, reasonOf(state))
    }
  }

  #receiveFrame (to: ActorId, message: Message): void {
    if (to === systemId) {
      this.#handle(message as SystemMessage)
    } else {
      const cell = this.#cells[to]
      if (cell !== undefined && (cell.state === ActorState.running || cell.state === ActorState.moving)) this.#deliver(cell, message)
      else this.#refuse(message, reasonOf(this.stateOf(to)))
    }
    // At once, while the bytes in the ring are still there.
    this.#drain()
  }

  #deliver (cell: Cell, message: Message): void {
    const { replyTo, correlation } = message as Partial<Request>
    if (replyTo !== undefined) {
      if (cell.mailbox.count >= this.#limits.mailboxRequestsMax) return this.#refuse(message, 'mailbox-full')
    } else if (correlation !== undefined && !this.#acceptReply(cell.self, correlation)) {
      this.#dropped++
      return
    }
    this.#enqueue(cell, message)
  }

  #enqueue (cell: Cell, message: Message): void {
    if (!cell.mailbox.push(message)) return this.#refuse(message, 'mailbox-full')
    if (cell.queued) return
    cell.queued = true
    this.#runQueue.push(cell)
  }

  /** Closes the open request that a reply belongs to. Returns false for one that came after its deadline. */
  #acceptReply (asker: ActorId, correlation: number): boolean {
    if (this.#asks.count > 0 && this.#asks.settle(asker, correlation)) return true
    return this.#late.size === 0 || !this.#late.delete(lateKey(asker, correlation))
  }

  /** Answers a message that cannot be delivered, if somebody waits for an answer. */
  #refuse (message: Message, reason: Undeliverable['reason']): void {
    const { replyTo, correlation } = message as Partial<Request>
    if (replyTo === undefined || correlation === undefined) {
      this.#dropped++
      return
    }
    this.#refused++
    this.#route(replyTo, undeliverable(correlation, reason))
  }

  /** Answers an asker whose request is over without an answer. One that comes after all is dropped. */
  #endAsk (asker: ActorId, correlation: number, reason: Undeliverable['reason']): void {
    if (this.#late.size >= this.#limits.lateRepliesMax) this.#late.delete(this.#late.values().next().value!)
    const cell = this.#cells[asker]
    if (cell === undefined) return
    this.#late.add(lateKey(asker, correlation))
    this.#enqueue(cell, undeliverable(correlation, reason))
  }

  #handle (message: SystemMessage): void {
    if (message.kind === 'actor-down') {
      this.#asks.endTarget(message.actor, message.version, (asker, correlation) => this.#endAsk(asker, correlation, message.reason))
    } else {
      this.#leavingOf(message.actor).marks.add(message.from)
      this.#maybeLeft(message.actor)
    }
  }

  /** Tells every thread that requests sent to the actor before `version` of its placement will not be answered. */
  #announceDown (actor: ActorId, version: number, reason: Undeliverable['reason']): void {
    const message: ActorDown = { kind: 'actor-down', actor, version, reason }
    this.#handle(message)
    for (const link of this.#links) link?.send(systemId, message, true)
  }

  // ---- Running

  /** The first thing of a turn: one reading of the clock, and a turn's end is planned. */
  #begin (): void {
    if (this.#turnPlanned) return
    this.#turnPlanned = true
    this.#now = this.#scheduler.clock.monotonicMs()
    this.#doorbell?.awake()
    this.#scheduler.afterTurn(this.#turn)
  }

  #drain (): void {
    if (this.#running) return
    this.#running = true
    for (let cell; (cell = this.#runQueue.shift()) !== undefined;) {
      cell.queued = false
      for (let message; (message = cell.mailbox.shift()) !== undefined;) this.#receive(cell, message)
    }
    this.#running = false
  }

  #receive (cell: Cell, message: Message): void {
    this.#receives++
    // A plain store: the supervisor reads it only when this thread has been silent for long.
    this.#words[currentActorWord] = cell.self
    if (message === turnEnd) cell.turnEndAsked = false
    try {
      assert(++this.#turnReceives <= this.#limits.receivesPerTurnMax, 'actors send each other messages without end')
      cell.actor!.receive(message, cell, this.#now)
      if (this.#effects.length > 0) this.#runEffects(cell)
    } catch (error) {
      this.#effects.length = 0
      this.#crash(cell, error)
    }
  }

  #runEffects (cell: Cell): void {
    // What an effect posts at once waits in the mailbox, so the list does not grow here.
    for (let i = 0; i < this.#effects.length; i++) this.#effects[i]!.run(cell.post)
    this.#effects.length = 0
  }

  #runTurn (): void {
    if (this.#closed) return
    this.#turns++
    this.#turnReceives = 0
    this.#timers.fire(this.#now, this.#onTimer)
    this.#asks.expire(this.#now, this.#onExpired)
    this.#drain()
    let frames = 0
    for (const link of this.#links) if (link !== undefined) frames += link.receive(this.#onIncoming)
    this.#framesReceived += frames
    if (!this.#held.isEmpty) this.#releaseHeld()
    this.#endTurn()
    for (const link of this.#links) link?.publish()
    this.#turnPlanned = false
    // After frames came in, more are likely: look once more before going to sleep.
    const more = frames > 0 || this.#turnEnds.length > 0 || this.#edgeTurnEnd !== undefined
    if (more || (this.#doorbell !== undefined && !this.#doorbell.sleep(this.#hasWork))) this.#begin()
    this.#arm()
  }

  #endTurn (): void {
    for (let round = 0; round < this.#limits.turnEndRoundsMax; round++) {
      const ended = this.#turnEnds
      this.#turnEnds = this.#turnEndsSpare
      for (let i = 0; i < ended.length; i++) this.#deliverTurnEnd(ended[i]!)
      ended.length = 0
      this.#turnEndsSpare = ended
      this.#drain()
      if (this.#turnEnds.length > 0) continue
      const edge = this.#edgeTurnEnd
      if (edge === undefined) return
      this.#edgeTurnEnd = undefined
      this.#deliverTurnEnd(edge)
      this.#drain()
    }
  }

  #deliverTurnEnd (cell: Cell): void {
    if (cell.state === ActorState.running || cell.state === ActorState.moving) this.#deliver(cell, turnEnd)
    else cell.turnEndAsked = false
  }

  #arm (): void {
    const held = this.#held.isEmpty ? Infinity : this.#now + heldPollMs
    const next = Math.min(this.#timers.next, this.#asks.next, held)
    if (next >= this.#armedFor) return
    this.#disarm?.()
    this.#armedFor = next
    this.#disarm = this.#scheduler.later(Math.max(0, next - this.#scheduler.clock.monotonicMs()), this.#onArmed)
  }

  #releaseHeld (): void {
    for (const [to, frames, expired] of this.#held.takeReady(this.#now, id => this.stateOf(id) !== ActorState.moving)) {
      for (const { code, bytes } of frames) {
        const place = this.placement.lookup(to)
        const link = this.#links[threadOf(place)]
        if (!expired && stateOf(place) === ActorState.running && link !== undefined && link.sendEncoded(to, code, bytes)) continue
        const message = this.#codecs.decode(code, memoryOf(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength)
        if (expired) this.#refuse(message, 'moved')
        else this.#route(to, message)
      }
      this.#drain()
    }
  }

  // ---- Lives and deaths

  async #launch (cell: Cell): Promise<void> {
    const { incarnation } = cell
    let actor: Actor
    try {
      const version = versionOf(this.placement.lookup(cell.self))
      const context: ActorContext = { self: cell.self, firstCorrelation: (version << 12) >>> 0, attempt: cell.attempt }
      actor = await cell.factory(context)
    } catch (error) {
      if (cell.incarnation === incarnation) this.#retry(cell, error)
      return
    }
    if (cell.incarnation !== incarnation) {
      await actor.close?.()
      return
    }
    this.#begin()
    cell.actor = actor
    cell.state = ActorState.running
    cell.runningSince = this.#now
    this.placement.set(cell.self, this.thread, ActorState.running)
    this.#onEvent({ kind: 'actor-running', actor: cell.self, attempt: cell.attempt })
    if (actor.started !== undefined) this.#startActor(cell, actor)
    cell.onStarted?.()
    cell.onStarted = undefined
    // Before anything else can be sent from here: what was held comes first.
    if (!this.#held.isEmpty) this.#releaseHeld()
    this.#drain()
  }

  #startActor (cell: Cell, actor: Actor): void {
    assert(!this.#running, 'actors start between receives')
    this.#running = true
    try {
      actor.started!(cell, this.#now)
      this.#runEffects(cell)
    } catch (error) {
      this.#effects.length = 0
      this.#crash(cell, error)
    } finally {
      this.#running = false
    }
  }

  #crash (cell: Cell, thrown: unknown): void {
    this.#crashes++
    if (this.#now - cell.runningSince >= this.#limits.restartStableMs) cell.attempt = 0
    // One that was leaving anyway comes back on the other thread.
    const leaves = cell.state === ActorState.moving
    this.#end(cell, leaves ? ActorState.moving : ActorState.restarting, leaves ? 'moved' : 'restarting')
    const { incarnation } = cell
    this.#closeActor(cell).then(() => {
      // The restart waits for `close`, so that no two incarnations have the same files open.
      if (!leaves && cell.incarnation === incarnation) this.#retry(cell, thrown)
    })
  }

  #retry (cell: Cell, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const attempt = ++cell.attempt
    if (attempt > this.#limits.restartAttemptsMax) {
      cell.onStarted?.(error)
      cell.onStarted = undefined
      this.#end(cell, ActorState.dead, 'dead')
      this.#cells[cell.self] = undefined
      this.#onEvent({ kind: 'actor-given-up', actor: cell.self, attempt, error })
      return
    }
    const restartMs = Math.min(this.#limits.restartMsMax, this.#limits.restartFirstMs * 2 ** (attempt - 1))
    this.#onEvent({ kind: 'actor-crashed', actor: cell.self, attempt, restartMs, error })
    cell.cancelRestart = this.#scheduler.later(restartMs, () => {
      cell.cancelRestart = undefined
      this.#launch(cell)
    })
  }

  /** Ends an incarnation: nothing of it is delivered any more, and everyone who waits for it is told. */
  #end (cell: Cell, state: ActorState, reason: Undeliverable['reason']): void {
    // A crash while leaving must not look alive to what still comes in.
    cell.state = state === ActorState.moving ? ActorState.restarting : state
    cell.nextIncarnation()
    cell.cancelRestart?.()
    cell.cancelRestart = undefined
    this.#timers.cancelAll(cell)
    this.#asks.forgetAsker(cell.self)
    // The supervisor writes the place of an actor on the move.
    const leaving = state === ActorState.moving ? this.#leaving.get(cell.self) : undefined
    const version = leaving?.version ?? versionOf(this.placement.set(cell.self, this.thread, state))
    for (let message; (message = cell.mailbox.shift()) !== undefined;) this.#refuse(message, reason)
    this.#announceDown(cell.self, version, reason)
    if (state === ActorState.dead && cell.onStarted !== undefined) {
      cell.onStarted(new Error('actor was stopped before it ran'))
      cell.onStarted = undefined
    }
  }

  async #closeActor (cell: Cell): Promise<void> {
    const { actor } = cell
    cell.actor = undefined
    if (actor?.close === undefined) return
    let cancel = (): void => {}
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#scheduler.later(this.#limits.closeMs, () => reject(new Error('actor did not close in time')))
    })
    try {
      await Promise.race([actor.close(), late])
    } catch (error) {
      this.#onEvent({ kind: 'actor-close-failed', actor: cell.self, error: error as Error })
    } finally {
      cancel()
    }
  }

  #leavingOf (id: ActorId): Leaving {
    let leaving = this.#leaving.get(id)
    if (leaving === undefined) this.#leaving.set(id, leaving = { marks: new Set(), version: 0, finish: undefined })
    return leaving
  }

  #maybeLeft (id: ActorId): void {
    const { marks, finish } = this.#leavingOf(id)
    if (this.#links.every((link, thread) => link === undefined || marks.has(thread as ThreadIndex))) finish?.()
  }
}

function isReply (message: Message): boolean {
  const { replyTo, correlation } = message as Partial<Request>
  return replyTo === undefined && correlation !== undefined
}

function undeliverable (correlation: number, reason: Undeliverable['reason']): Undeliverable {
  return { kind: 'undeliverable', correlation, reason }
}

function endMark (actor: ActorId, from: ThreadIndex): EndMark {
  return { kind: 'end-mark', actor, from }
}

function lateKey (asker: ActorId, correlation: number): number {
  return asker * 4294967296 + correlation
}

function reasonOf (state: ActorState): Undeliverable['reason'] {
  switch (state) {
    case ActorState.starting:
    case ActorState.restarting: return 'restarting'
    case ActorState.running:
    case ActorState.moving: return 'moved'
    default: return 'dead'
  }
}
