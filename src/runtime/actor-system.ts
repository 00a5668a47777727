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
import type { Effect, Message } from '../base/effect.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import { turnEnd, undeliverable, type Reply, type Request, type TimerId, type Undeliverable } from './actor.ts'
import { Asks } from './asks.ts'
import { Cell, type ActorFactory, type CellHost } from './cell.ts'
import { Codecs } from './codec.ts'
import { Doorbell } from './doorbell.ts'
import { Held } from './held.ts'
import { Link, type LinkEnds } from './link.ts'
import { Links } from './links.ts'
import { Lives } from './lives.ts'
import { Mailbox } from './mailbox.ts'
import { ActorState, Placement, stateOf, threadOf } from './placement.ts'
import { memoryOf } from './ring.ts'
import { nodeScheduler, type Scheduler } from './scheduler.ts'
import { systemLimits, type ActorSystemOptions, type SystemLimits, type SystemStats } from './system-options.ts'
import { createThreadWords, currentActorWord } from './thread-words.ts'
import { Timers } from './timers.ts'
import { TurnEnds } from './turn-ends.ts'
import { Turns } from './turns.ts'

/** Messages between the systems themselves travel to this id, which no actor has. */
const systemId = 0xffffff as ActorId
const heldPollMs = 5

interface ActorDown extends Message { readonly kind: 'actor-down', readonly actor: ActorId, readonly version: number, readonly reason: Undeliverable['reason'] }
interface EndMark extends Message { readonly kind: 'end-mark', readonly actor: ActorId, readonly from: ThreadIndex }
type SystemMessage = ActorDown | EndMark

export class ActorSystem implements CellHost {
  readonly thread: ThreadIndex
  readonly placement: Placement
  readonly #codecs: Codecs
  readonly #scheduler: Scheduler
  readonly #limits: SystemLimits
  readonly #words: Int32Array
  readonly #lives: Lives
  /** By id; kept by {@link Lives}. */
  readonly #cells: readonly (Cell | undefined)[]
  readonly #links: Links
  readonly #runQueue = new Mailbox<Cell>(1 << 20, 64)
  readonly #timers: Timers<Cell>
  readonly #asks: Asks
  readonly #held: Held
  readonly #effects: Effect[] = []
  readonly #turns: Turns
  readonly #turnEnds: TurnEnds
  readonly #onTurnEnd: ((now: number) => void) | undefined
  #doorbell: Doorbell | undefined
  #running = false
  #closed = false
  #turnReceives = 0
  #turnCount = 0
  #receives = 0
  #framesReceived = 0
  #refused = 0
  #dropped = 0
  #crashes = 0

  // Made once, so that no turn allocates a closure.
  readonly #plan = (): void => this.#begin()
  readonly #hasWork = (): boolean => this.#links.hasWork()
  readonly #onIncoming = (to: ActorId, message: Message): void => this.#receiveFrame(to, message)
  readonly #tellTurnEnd = (cell: Cell): void => {
    if (cell.state === ActorState.running || cell.state === ActorState.moving) this.#enqueue(cell, turnEnd)
  }

  readonly #onTimer = (cell: Cell, message: Message): void => this.#deliver(cell, message)
  readonly #onExpired = (asker: ActorId, correlation: number): void => this.#endAsk(asker, correlation, 'expired')

  constructor (options: ActorSystemOptions = {}) {
    this.thread = options.thread ?? 0 as ThreadIndex
    this.placement = options.placement ?? new Placement()
    this.#codecs = options.codecs ?? new Codecs()
    this.#scheduler = options.scheduler ?? nodeScheduler
    this.#limits = { ...systemLimits, ...options.limits }
    this.#links = new Links(this.#limits.ringDelayTurnsMax)
    this.#words = new Int32Array(options.words ?? createThreadWords())
    this.#turnEnds = new TurnEnds(this.thread)
    this.#onTurnEnd = options.onTurnEnd
    this.#timers = new Timers(this.#limits.timersMax)
    this.#asks = new Asks(this.#limits.asksMax, this.#limits.lateRepliesMax)
    this.#held = new Held(this.#codecs, { bytesMax: this.#limits.heldBytesMax, waitMs: this.#limits.heldMs })
    this.#turns = new Turns(this.#scheduler, this.#limits.restMs, () => this.#runTurn(), this.#plan)
    this.#lives = new Lives({
      thread: this.thread,
      placement: this.placement,
      scheduler: this.#scheduler,
      limits: this.#limits,
      onEvent: options.onEvent ?? (() => {}),
      begin: () => { this.#begin(); return this.now },
      runStarted: cell => this.#runStarted(cell),
      forget: (cell, version, reason) => this.#forget(cell, version, reason),
      allMarked: marks => this.#links.every(thread => marks.has(thread))
    })
    this.#cells = this.#lives.cells
    for (const ends of options.links ?? []) this.connect(ends)
  }

  /** Monotonic milliseconds, one value per turn. */
  get now (): number {
    return this.#turns.now
  }

  /** Counts turns: what an actor lends to another of its thread is used up before the next. */
  get turn (): number {
    return this.#turnCount
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

  /** The answer to this ask is not wanted any more: one that comes is delivered as any message is. */
  forget (asker: ActorId, correlation: number): void {
    this.#asks.settle(asker, correlation)
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
  async start (id: ActorId, factory: ActorFactory): Promise<void> {
    assert(!this.#closed, 'actor system is closed')
    await this.#lives.start(new Cell(id, factory, this, this.#limits.mailboxMax))
  }

  /** Stops an actor for good: what waits for it is refused, its `close` is awaited. */
  async stop (id: ActorId): Promise<void> {
    await this.#lives.stop(id)
  }

  /**
   * Ends an actor here so that it can start on another thread, which the placement table already says (`moving`).
   * Resolves after every peer's {@link markEnd} has come through its ring, so nothing more can arrive, and `close` is done.
   */
  async leave (id: ActorId): Promise<void> {
    await this.#lives.leave(id)
  }

  /** Says to the thread that `actor` leaves that nothing sent before this will follow. */
  markEnd (actor: ActorId, to: ThreadIndex): void {
    if (to === this.thread) return
    this.#begin()
    this.#links.get(to)?.send(systemId, endMark(actor, this.thread), true)
  }

  /** Stops every actor and gives up the thread's timers and doorbell. */
  async close (): Promise<void> {
    if (this.#closed) return
    await Promise.all(this.#cells.map(async cell => { if (cell !== undefined) await this.stop(cell.self) }))
    this.#closed = true
    this.#turns.close()
    this.#doorbell?.close()
  }

  // ---- Other threads

  /** Connects a peer, or its replacement: frames of the old rings are never looked at again. */
  connect (ends: LinkEnds): void {
    const { messageBytesMax, waitingBytesMax } = this.#limits
    this.#links.set(ends.thread, new Link(ends, this.#codecs, { messageBytesMax, waitingBytesMax }))
    // It is new: it holds what it has for an actor that leaves, from the beginning.
    this.#lives.markAll(ends.thread)
    this.#doorbell ??= new Doorbell(this.#words, this.#plan, this.#limits.sleepMs)
    this.#begin()
  }

  /** Forgets a peer that is dead. Whoever waits for one of its actors is told. */
  disconnect (thread: ThreadIndex): void {
    this.#begin()
    this.#links.set(thread, undefined)
    this.#asks.endThread(thread, (asker, correlation) => this.#endAsk(asker, correlation, 'restarting'))
    this.#lives.markAll(thread)
    this.#drain()
  }

  stats (): SystemStats {
    return {
      actors: this.#cells.filter(cell => cell !== undefined).length,
      turns: this.#turnCount,
      receives: this.#receives,
      framesReceived: this.#framesReceived,
      framesSent: this.#links.sum(link => link.framesSent),
      framesWaited: this.#links.sum(link => link.framesWaited),
      doorbellRings: this.#links.sum(link => link.doorbellRings),
      refused: this.#refused,
      dropped: this.#dropped,
      crashes: this.#crashes,
      openAsks: this.#asks.count,
      timers: this.#timers.count,
      waitingBytes: this.#links.sum(link => link.waitingBytes),
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
    if (this.#asks.open(asker, message.correlation, to, this.placement.lookup(to), this.now + deadlineMs)) this.#route(to, message)
    else this.#refuse(message, 'mailbox-full')
  }

  timerFrom (cell: Cell, delayMs: number, message: Message): TimerId {
    this.#begin()
    return this.#timers.add(cell, this.now + delayMs, message)
  }

  cancelFrom (cell: Cell, timer: TimerId): void {
    this.#timers.cancel(timer, cell)
  }

  turnEndFrom (cell: Cell): void {
    this.#begin()
    this.#turnEnds.ask(cell)
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
      if (!this.#held.push(to, message, this.now)) this.#refuse(message, 'moved')
    } else if (state === ActorState.running) {
      const link = this.#links.get(threadOf(place))
      if (link === undefined) this.#refuse(message, 'restarting')
      else if (!link.send(to, message, isReply(message))) {
        // In place of an answer that is too large its asker gets this one.
        if (isReply(message)) link.send(to, undeliverable(message.correlation, 'mailbox-full'), true)
        else this.#refuse(message, 'mailbox-full')
      }
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
    } else if (correlation !== undefined && !this.#asks.accept(cell.self, correlation)) {
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

  /** Answers an asker whose request is over without an answer. */
  #endAsk (asker: ActorId, correlation: number, reason: Undeliverable['reason']): void {
    const cell = this.#cells[asker]
    if (cell !== undefined) this.#enqueue(cell, undeliverable(correlation, reason))
  }

  #handle (message: SystemMessage): void {
    if (message.kind === 'actor-down') {
      this.#asks.endTarget(message.actor, message.version, (asker, correlation) => this.#endAsk(asker, correlation, message.reason))
    } else {
      this.#lives.mark(message.actor, message.from)
    }
  }

  // ---- Running

  /** Whoever puts something into a mailbox calls this first. */
  #begin (): void {
    if (this.#turns.begin()) this.#doorbell?.awake()
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
    try {
      assert(++this.#turnReceives <= this.#limits.receivesPerTurnMax, 'actors send each other messages without end')
      cell.actor!.receive(message, cell, this.now)
      if (this.#effects.length > 0) this.#runEffects(cell)
    } catch (error) {
      this.#effects.length = 0
      this.#crashes++
      this.#lives.crash(cell, error)
    }
  }

  #runEffects (cell: Cell): void {
    // What an effect posts at once waits in the mailbox, so the list does not grow here.
    for (let i = 0; i < this.#effects.length; i++) this.#effects[i]!.run(cell.post)
    this.#effects.length = 0
  }

  #runTurn (): void {
    if (this.#closed) return
    this.#turnCount++
    let busy = this.#turnReceives > 0
    this.#turnReceives = 0
    this.#timers.fire(this.now, this.#onTimer)
    this.#asks.expire(this.now, this.#onExpired)
    this.#drain()
    const frames = this.#links.receive(this.#onIncoming)
    this.#framesReceived += frames
    if (!this.#held.isEmpty) this.#releaseHeld()
    this.#endTurn()
    busy ||= frames > 0
    this.#links.publish(busy && !this.#turns.rested)
    this.#turns.end()
    // After frames came in, more are likely: look once more before going to sleep. So it does while peers are not woken yet.
    const more = frames > 0 || this.#links.unrung || !this.#turnEnds.isEmpty
    if (more || (this.#doorbell !== undefined && !this.#doorbell.sleep(this.#hasWork))) this.#begin()
    const held = this.#held.isEmpty ? Infinity : this.now + heldPollMs
    this.#turns.arm(Math.min(this.#timers.next, this.#asks.next, held))
    this.#onTurnEnd?.(this.now)
  }

  #endTurn (): void {
    for (let left = this.#limits.turnEndRoundsMax; left > 0 && this.#turnEnds.tellRound(this.#tellTurnEnd); left--) this.#drain()
    this.#turnEnds.tellEdge(this.#tellTurnEnd)
    this.#drain()
  }

  #releaseHeld (): void {
    for (const [to, frames, expired] of this.#held.takeReady(this.now, id => this.stateOf(id) !== ActorState.moving)) {
      for (const { code, bytes } of frames) {
        const place = this.placement.lookup(to)
        const link = this.#links.get(threadOf(place))
        if (!expired && stateOf(place) === ActorState.running && link !== undefined && link.sendEncoded(to, code, bytes)) continue
        const message = this.#codecs.decode(code, memoryOf(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength)
        if (expired) this.#refuse(message, 'moved')
        else this.#route(to, message)
      }
      this.#drain()
    }
  }

  /** What an actor does before its first message. */
  #runStarted (cell: Cell): void {
    assert(!this.#running, 'actors start between receives')
    this.#running = true
    try {
      cell.actor!.started?.(cell, this.now)
      this.#runEffects(cell)
    } catch (error) {
      this.#effects.length = 0
      this.#crashes++
      this.#lives.crash(cell, error)
    }
    this.#running = false
    // Before anything else can be sent from here: what was held comes first.
    if (!this.#held.isEmpty) this.#releaseHeld()
    this.#drain()
  }

  /**
   * Forgets what an ended incarnation wanted, and tells every thread that requests sent to the actor before `version` of
   * its placement will not be answered.
   */
  #forget (cell: Cell, version: number, reason: Undeliverable['reason']): void {
    this.#timers.cancelAll(cell)
    this.#asks.forgetAsker(cell.self)
    for (let message; (message = cell.mailbox.shift()) !== undefined;) this.#refuse(message, reason)
    const message: ActorDown = { kind: 'actor-down', actor: cell.self, version, reason }
    this.#handle(message)
    this.#links.broadcast(systemId, message)
    this.#drain()
  }
}

function isReply (message: Message): message is Reply {
  const { replyTo, correlation } = message as Partial<Request>
  return replyTo === undefined && correlation !== undefined
}

function endMark (actor: ActorId, from: ThreadIndex): EndMark {
  return { kind: 'end-mark', actor, from }
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
