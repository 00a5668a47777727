/**
 * Runs on the main thread and does nothing else: starts the reactor threads with a ring between each two, says where each
 * actor lives, watches the threads' beats and the process's memory, and replaces a thread that died.
 *
 * A thread that is silent for too long is named together with the actor it last ran, then terminated. When a worker has
 * exited, and not before (a write of it may still land), new rings take the place of the old ones at both ends, a new worker starts,
 * and its actors start on it.
 */
import type { ResourceLimits } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import { ActorNames } from './actor-names.ts'
import { ActorState, actorsMax, createPlacement, Placement, threadsMax } from './placement.ts'
import type { ActorSpec, Placer } from './program.ts'
import { RingMesh } from './ring-mesh.ts'
import type { OnRuntimeEvent } from './runtime-event.ts'
import type { SystemLimits } from './system-options.ts'
import { CallExpired, Thread, ThreadGone, type RemoteControl, type ThreadEnd, type ThreadStats } from './thread.ts'
import { beatMsOf, ThreadWatch } from './thread-watch.ts'

export const supervisorDefaults = {
  /** Bytes of each ring, a power of two. There are threads × (threads - 1) of them, touched as they are used. */
  ringBytes: 1 << 20,
  ringFirstSequence: 0,
  /** A thread whose beat stands still for this long is terminated. */
  silentMs: 5000,
  /** Resident memory of the process above which it is reported, and silent threads are terminated four times sooner. */
  rssBytesMax: Infinity,
  /** For control calls that are quick. */
  callMs: 10_000,
  /** For a terminated thread to end. Some loops never look whether they should: such a thread is reported as stuck. */
  terminateMs: 5000,
  /** For opening a program on a thread. */
  openMs: 60_000,
  /** For starting an actor, which may read a whole log first. */
  startMs: 600_000,
  /** For an actor to leave a thread. One that takes longer costs the thread its life. */
  leaveMs: 30_000,
  /** For each of the two steps of stopping a thread. */
  closeMs: 8000,
  restartFirstMs: 50,
  restartMsMax: 5000,
  /** A thread that ran this long has recovered. */
  restartStableMs: 60_000,
  restartAttemptsMax: 20
}

export interface SupervisorOptions extends Partial<typeof supervisorDefaults> {
  readonly threads: number
  /** URL of a module that exports a `program`. */
  readonly program: URL | string
  /** Plain data for the program on each thread, or a promise of it: meanwhile the threads load the program. */
  readonly init: unknown
  /** The network actor of each thread: it gets the thread's index as its id, and starts before all others. */
  readonly edge?: ActorSpec
  readonly actorsMax?: number
  readonly limits?: Partial<SystemLimits>
  readonly resourceLimits?: ResourceLimits
  readonly onEvent?: OnRuntimeEvent
}

/** An actor as the supervisor knows it. */
interface Placed {
  readonly id: ActorId
  readonly spec: ActorSpec
  /** Where it is was said, not chosen: it is no measure of how the others are spread. */
  readonly given: boolean
  thread: ThreadIndex
  /** It is to end, and did not in time: until it has, nothing else may be started in its place. */
  ending: boolean
}

/** The place of a thread, filled by one worker after the other. */
interface Slot {
  readonly index: ThreadIndex
  thread: Thread | undefined
  /** Takes actors and calls. */
  running: boolean
  attempt: number
  runningSince: number
  givenUp: boolean
}

export class Supervisor implements Placer {
  readonly placement: Placement
  readonly #options: SupervisorOptions & typeof supervisorDefaults
  readonly #onEvent: OnRuntimeEvent
  readonly #slots: Slot[] = []
  readonly #mesh: RingMesh
  readonly #names: ActorNames
  readonly #placed = new Map<ActorId, Placed>()
  /** Starts, moves and ends of one actor happen one after the other. */
  readonly #last = new Map<ActorId, Promise<unknown>>()
  #init: unknown
  #watch: ThreadWatch | undefined
  #started = false
  #closing = false

  private constructor (options: SupervisorOptions) {
    this.#options = { ...supervisorDefaults, ...options }
    this.#onEvent = options.onEvent ?? (() => {})
    this.#mesh = new RingMesh(this.#options)
    const slots = options.actorsMax ?? actorsMax
    this.placement = new Placement(createPlacement(slots))
    this.#names = new ActorNames({ first: options.threads, max: slots })
  }

  /** Starts all threads; resolves when their programs and network actors run. @throws when one of them cannot start */
  static async start (options: SupervisorOptions): Promise<Supervisor> {
    if (!(options.threads >= 1 && options.threads <= threadsMax)) throw new RangeError(`threads must be 1 to ${threadsMax}`)
    const supervisor = new Supervisor(options)
    try {
      await supervisor.#startAll()
    } catch (error) {
      await supervisor.close()
      throw error
    }
    return supervisor
  }

  get threads (): number {
    return this.#options.threads
  }

  // ---- Actors

  async place (name: string, spec: ActorSpec, thread?: ThreadIndex): Promise<ActorId> {
    const id = this.#names.idOf(name)
    await this.#inTurn(id, async () => {
      const former = this.#placed.get(id)
      if (former?.ending === false) return
      if (former !== undefined) await this.#endActor(former)
      const placed = { id, spec, given: thread !== undefined, thread: thread ?? this.#leastLoaded(), ending: false }
      if (this.#slots[placed.thread]?.givenUp !== false) throw new ThreadGone(`thread ${placed.thread} stays down`)
      this.#placed.set(id, placed)
      try {
        await this.#startActor(placed)
      } catch (error) {
        // It may still be starting.
        await this.#endActor(placed).catch(() => {})
        throw error
      }
    })
    return id
  }

  /** @throws CallExpired  it has not ended yet; asking again waits for the same end */
  async remove (name: string): Promise<void> {
    const id = this.#names.find(name)
    if (id === undefined) return
    await this.#inTurn(id, async () => {
      const placed = this.#placed.get(id)
      if (placed === undefined) return
      await this.#endActor(placed)
      this.#names.retire(name)
    })
  }

  async move (name: string, to: ThreadIndex): Promise<void> {
    const id = this.#names.find(name)
    if (id === undefined) return
    await this.#inTurn(id, async () => {
      const placed = this.#placed.get(id)
      if (placed === undefined || placed.ending || placed.thread === to || !this.#slots[to]!.running) return
      await this.#moveActor(placed, to)
    })
  }

  /** Where an actor is placed now, if it is. */
  threadOf (name: string): ThreadIndex | undefined {
    const id = this.#names.find(name)
    return id === undefined ? undefined : this.#placed.get(id)?.thread
  }

  // ---- Threads

  /** What each running thread says of itself. A thread that does not answer in time is left out. */
  async stats (): Promise<ThreadStats[]> {
    const asked = this.#slots.filter(slot => slot.running).map(async ({ index }) => {
      return await this.#call(index, this.#options.callMs, control => control.stats()).catch(() => undefined)
    })
    return (await Promise.all(asked)).filter(stats => stats !== undefined)
  }

  async setLogLevel (level: string): Promise<void> {
    await this.#onAll(this.#options.callMs, control => control.setLogLevel(level))
  }

  /** Stops in two steps, first draining everywhere, then closing everywhere. Each is bounded; what is left is terminated. */
  async close (): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#watch?.close()
    await this.#onAll(this.#options.closeMs, control => control.drain())
    await this.#onAll(this.#options.closeMs, control => control.close())
    await Promise.all(this.#slots.map(async ({ thread }) => {
      if (thread !== undefined) await this.#terminate(thread)
    }))
  }

  // ---- Starting threads

  async #startAll (): Promise<void> {
    const { threads } = this.#options
    for (let index = 0; index < threads; index++) {
      this.#slots.push({
        index: index as ThreadIndex,
        thread: undefined,
        running: false,
        attempt: 0,
        runningSince: Infinity,
        givenUp: false
      })
    }
    for (const slot of this.#slots) this.#spawn(slot)
    this.#init = await this.#options.init
    await Promise.all(this.#slots.map(async slot => await this.#open(slot)))
    await Promise.all(this.#slots.map(async slot => await this.#startEdge(slot)))
    if (this.#slots.some(slot => slot.thread === undefined)) throw new ThreadGone('a thread ended while the others started')
    this.#started = true
    for (const slot of this.#slots) this.#becomeRunning(slot)
    const { silentMs, rssBytesMax } = this.#options
    this.#watch = new ThreadWatch({
      silentMs,
      rssBytesMax,
      onEvent: this.#onEvent,
      threads: () => this.#slots.flatMap(({ running, thread }) => running && thread !== undefined ? [thread] : []),
      onSilent: thread => {
        this.#lose(this.#slots[thread.thread]!)
        this.#terminate(thread)
      }
    })
  }

  #spawn (slot: Slot): void {
    const { threads, program, limits = {}, resourceLimits, silentMs, startMs } = this.#options
    slot.thread = new Thread({
      thread: slot.index,
      threads,
      placement: this.placement.shared,
      words: this.#mesh.wordsOf(slot.index),
      links: this.#mesh.allEndsOf(slot.index),
      program: String(program),
      beatMs: beatMsOf(silentMs),
      placeMs: startMs,
      limits
    }, this, resourceLimits)
    slot.runningSince = Infinity
    const { thread } = slot
    thread.exited.then(end => this.#onExit(slot, thread, end))
  }

  async #open (slot: Slot): Promise<void> {
    await slot.thread!.call(this.#options.openMs, control => control.open(this.#init))
  }

  #becomeRunning (slot: Slot): void {
    slot.running = true
    slot.runningSince = systemClock.monotonicMs()
  }

  async #startEdge ({ index }: Slot): Promise<void> {
    const spec = this.#options.edge
    if (spec === undefined) return
    const placed: Placed = { id: index as number as ActorId, spec, given: true, thread: index, ending: false }
    this.#placed.set(placed.id, placed)
    await this.#call(index, this.#options.startMs, control => control.start(placed.id, spec))
  }

  // ---- Watching and replacing threads

  /** Ends a thread wherever it is. Resolves when it has ended, or turned out to be stuck. */
  async #terminate (thread: Thread): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const stuck = new Promise<void>(resolve => {
      timer = setTimeout(() => {
        this.#onEvent({ kind: 'thread-stuck', thread: thread.thread, actor: thread.currentActor })
        resolve()
      }, this.#options.terminateMs)
    })
    thread.terminate()
    await Promise.race([thread.exited, stuck])
    clearTimeout(timer)
  }

  /** Says everywhere that a thread's actors cannot be reached, so that nobody waits for them. */
  #lose (slot: Slot): void {
    slot.running = false
    for (const placed of this.#placed.values()) {
      if (placed.thread === slot.index) this.placement.set(placed.id, slot.index, slot.givenUp || placed.ending ? ActorState.dead : ActorState.restarting)
    }
    if (this.#closing) return
    for (const other of this.#slots) {
      if (other !== slot && other.running) this.#call(other.index, this.#options.callMs, control => control.disconnect(slot.index)).catch(ignoreGone)
    }
  }

  #onExit (slot: Slot, thread: Thread, { code, error }: ThreadEnd): void {
    slot.thread = undefined
    if (this.#closing) return
    this.#onEvent({ kind: 'thread-exited', thread: slot.index, code, actor: thread.currentActor, error })
    // A thread that dies while the first ones start is the caller's business: `start` fails.
    if (!this.#started) return
    if (systemClock.monotonicMs() - slot.runningSince >= this.#options.restartStableMs) slot.attempt = 0
    slot.attempt++
    slot.givenUp = slot.attempt > this.#options.restartAttemptsMax
    this.#lose(slot)
    if (slot.givenUp) {
      this.#onEvent({ kind: 'thread-given-up', thread: slot.index, attempt: slot.attempt })
      return
    }
    const delayMs = Math.min(this.#options.restartMsMax, this.#options.restartFirstMs * 2 ** (slot.attempt - 1))
    setTimeout(() => {
      if (this.#closing) return
      this.#replace(slot).catch(() => { if (slot.thread !== undefined) this.#terminate(slot.thread) })
    }, delayMs)
  }

  async #replace (slot: Slot): Promise<void> {
    this.#mesh.renew(slot.index)
    this.#spawn(slot)
    const { thread } = slot
    const connected = this.#slots.map(async other => {
      // One that is starting has its call wait until it listens; one that is dead gets the rings when it is replaced.
      if (other !== slot && other.thread !== undefined) {
        await other.thread.call(this.#options.openMs, control => control.connect(this.#mesh.endsOf(other.index, slot.index))).catch(ignoreGone)
      }
    })
    await Promise.all(connected)
    await this.#open(slot)
    await this.#startEdge(slot)
    if (slot.thread !== thread) return
    // From here on, who places an actor here starts it too.
    this.#becomeRunning(slot)
    const actors = [...this.#placed.values()].filter(placed => placed.thread === slot.index && !placed.ending && placed.id >= this.#options.threads)
    this.#onEvent({ kind: 'thread-replaced', thread: slot.index, attempt: slot.attempt, actors: actors.length })
    for (const placed of actors) {
      this.#inTurn(placed.id, async () => {
        if (this.#placed.get(placed.id) === placed && !placed.ending && placed.thread === slot.index && slot.thread === thread) await this.#startActor(placed)
      }).catch(error => this.#onEvent({ kind: 'actor-lost', actor: placed.id, error }))
    }
  }

  // ---- Starting and moving actors

  /** Starts an actor on its thread. While that is being replaced nothing is to be done: all its actors start with it. */
  async #startActor ({ id, spec, thread }: Placed): Promise<void> {
    if (!this.#slots[thread]!.running) return
    await this.#call(thread, this.#options.startMs, control => control.start(id, spec)).catch(ignoreGone)
  }

  /** Ends an actor on its thread. It is forgotten only when it has ended, or its thread has: while it opens or closes files, no other may. */
  async #endActor (placed: Placed): Promise<void> {
    const { id, thread } = placed
    placed.ending = true
    await this.#call(thread, this.#options.callMs * 2, control => control.stop(id)).catch(ignoreGone)
    this.#placed.delete(id)
    this.placement.set(id, thread, ActorState.dead)
  }

  /**
   * Ends an actor on its thread and starts it on another.
   *
   * Once its place says `moving`, every thread holds what it has for the actor, and says so with an end mark through its
   * ring to the old thread. When all marks have come there, everything sent before has been received; the actor is closed,
   * starts on the new thread, and the held messages go there.
   */
  async #moveActor (placed: Placed, to: ThreadIndex): Promise<void> {
    const { id, thread: from } = placed
    const { leaveMs } = this.#options
    this.placement.set(id, from, ActorState.moving)
    const left = this.#call(from, leaveMs, control => control.leave(id))
    const marked = this.#slots.map(async ({ index, thread }) => {
      // One that is just starting may be connected already, so its mark is waited for too. That of a thread that dies is not: the
      // old thread hears of its death.
      if (thread !== undefined && index !== from) await this.#call(index, leaveMs, control => control.markEnd(id, from)).catch(() => {})
    })
    try {
      await Promise.all([left, ...marked])
    } catch (error) {
      // A thread that lost its actor half way is replaced, and the actor comes back with it.
      const { thread } = this.#slots[from]!
      if (error instanceof CallExpired && thread !== undefined) this.#terminate(thread)
      throw error
    }
    placed.thread = to
    this.placement.set(id, to, ActorState.moving)
    await this.#startActor(placed)
  }

  #leastLoaded (): ThreadIndex {
    const counts = new Map<ThreadIndex, number>()
    for (const { thread, given } of this.#placed.values()) if (!given) counts.set(thread, (counts.get(thread) ?? 0) + 1)
    let best: Slot | undefined
    let bestLoad = Infinity
    for (const slot of this.#slots) {
      if (!slot.running) continue
      // Busy threads count up to double: a new topic's partitions spread even while one of the threads works.
      const load = ((counts.get(slot.index) ?? 0) + 1) * (1 + slot.thread!.utilization)
      if (load >= bestLoad) continue
      best = slot
      bestLoad = load
    }
    if (best === undefined) throw new ThreadGone('no thread runs')
    return best.index
  }

  // ---- Calls

  async #call<T> (index: ThreadIndex, deadlineMs: number, work: (control: RemoteControl) => Promise<T>): Promise<T> {
    const { thread } = this.#slots[index]!
    if (thread === undefined) throw new ThreadGone(`thread ${index} is being replaced`)
    return await thread.call(deadlineMs, work)
  }

  async #onAll (deadlineMs: number, work: (control: RemoteControl) => Promise<void>): Promise<void> {
    await Promise.all(this.#slots.map(async ({ index, running }) => {
      if (running) await this.#call(index, deadlineMs, work).catch(() => {})
    }))
  }

  async #inTurn (id: ActorId, work: () => Promise<void>): Promise<void> {
    const turn = (this.#last.get(id) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => {})
    this.#last.set(id, settled)
    settled.then(() => { if (this.#last.get(id) === settled) this.#last.delete(id) })
    await turn
  }
}

/** The end of a thread is dealt with where its exit is heard. */
function ignoreGone (error: unknown): void {
  if (!(error instanceof ThreadGone)) throw error
}
