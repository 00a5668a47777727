/** What a reactor thread runs: the seam between the runtime, which knows no actor, and the broker, which knows them all. */
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import type { Actor } from './actor.ts'
import type { ActorSystem } from './actor-system.ts'
import type { ActorContext } from './cell.ts'
import type { MessageCodec } from './codec.ts'
import type { RuntimeEvent } from './runtime-event.ts'

/** Says which actor to make. Plain data: it is sent to threads and kept for restarts. `type` picks the factory. */
export interface ActorSpec {
  readonly type: string
}

/** Starts, ends and moves actors, wherever they run. Called from effects, never inside `receive`. */
export interface Placer {
  /**
   * Starts an actor unless one of that name is there, and returns its id: permanent for the name in this process.
   * Resolves when it runs, or when its thread ended first: it then comes back with the thread.
   * @param thread  where to start it; otherwise on the least loaded thread
   * @throws when it could not be started, or no id is left
   */
  place (name: string, spec: ActorSpec, thread?: ThreadIndex): Promise<ActorId>
  /** Stops an actor for good and awaits its `close`. A name that is not there is fine. */
  remove (name: string): Promise<void>
  /** Moves an actor to another thread; messages keep their order and none is lost. Its state starts anew there, from its log. */
  move (name: string, thread: ThreadIndex): Promise<void>
}

export interface ThreadContext<Init = unknown> {
  readonly system: ActorSystem
  readonly thread: ThreadIndex
  readonly threads: number
  /** Plain data from whoever started the threads. */
  readonly init: Init
  readonly placer: Placer
}

export interface RunningProgram {
  /** One per actor type. Called again after a crash, and on another thread after a move. */
  readonly factories: Readonly<Record<string, (spec: any, context: ActorContext) => Promise<Actor>>>
  onEvent? (event: RuntimeEvent): void
  setLogLevel? (level: string): void
  /** Plain data for the supervisor's stats. */
  stats? (): unknown
  /** First step of the end: stop accepting, answer what is in flight. Actors still run, on all threads. */
  drain? (): Promise<void>
  /** Last step, after all actors are stopped. */
  close? (): Promise<void>
}

/** A program module exports one of these as `program`. */
export interface Program<Init = any> {
  /** Codecs of the hot messages: the same list on every thread. */
  readonly codecs: readonly MessageCodec[]
  open (context: ThreadContext<Init>): Promise<RunningProgram>
}
