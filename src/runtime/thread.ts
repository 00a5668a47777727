/**
 * A reactor thread seen from both sides: {@link Thread} is the supervisor's handle, {@link serveThread} what runs inside.
 * The two talk over comlink, for control only; every call is raced against a deadline and the worker's end.
 */
import * as Comlink from 'comlink'
import nodeEndpoint from 'comlink/dist/umd/node-adapter.js'
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { MessageChannel, resourceLimits, Worker, type MessagePort, type ResourceLimits } from 'node:worker_threads'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import { ActorSystem } from './actor-system.ts'
import { Codecs } from './codec.ts'
import { HeapGuard } from './heap-guard.ts'
import type { LinkEnds } from './link.ts'
import { Placement } from './placement.ts'
import type { ActorSpec, Placer, Program, RunningProgram, ThreadContext } from './program.ts'
import type { SystemLimits, SystemStats } from './system-options.ts'
import { collectStartGarbage, FirstRest } from './start-garbage.ts'
import { beatWord, currentActorWord, utilizationWord } from './thread-words.ts'

/** The package's types describe another module shape than the one Node loads. */
const endpointOf = nodeEndpoint as unknown as (port: MessagePort | Worker) => Comlink.Endpoint

/** What a thread gets to know when it begins. */
export interface ThreadInit {
  readonly thread: ThreadIndex
  readonly threads: number
  readonly placement: SharedArrayBuffer
  readonly words: SharedArrayBuffer
  readonly links: readonly LinkEnds[]
  /** URL of a module that exports a `program`. */
  readonly program: string
  readonly beatMs: number
  readonly placeMs: number
  readonly limits: Partial<SystemLimits>
}

interface WorkerData extends ThreadInit {
  readonly placer: MessagePort
}

export interface ThreadStats {
  readonly thread: ThreadIndex
  readonly system: SystemStats
  readonly heapUsedBytes: number
  /** What the program adds. */
  readonly program: unknown
}

/** What the supervisor calls on a thread. */
export interface ThreadControl {
  /** Resolves when the program has been opened. `init` is plain data for it. */
  open (init: unknown): Promise<void>
  start (id: ActorId, spec: ActorSpec): Promise<void>
  stop (id: ActorId): Promise<void>
  leave (id: ActorId): Promise<void>
  markEnd (id: ActorId, to: ThreadIndex): Promise<void>
  connect (ends: LinkEnds): Promise<void>
  disconnect (thread: ThreadIndex): Promise<void>
  stats (): Promise<ThreadStats>
  setLogLevel (level: string): Promise<void>
  drain (): Promise<void>
  close (): Promise<void>
}

export type RemoteControl = Comlink.Remote<ThreadControl>

/** The thread of a call ended, or did so before. */
export class ThreadGone extends Error {
  override name = 'ThreadGone'
}

/** A call was not answered in time. */
export class CallExpired extends Error {
  override name = 'CallExpired'
}

export interface ThreadEnd {
  readonly code: number
  readonly error: Error | undefined
}

export class Thread {
  readonly thread: ThreadIndex
  /** Resolves when the worker has ended: nothing of it runs any more, and no write of it lands any more. */
  readonly exited: Promise<ThreadEnd>
  readonly #worker: Worker
  readonly #control: RemoteControl
  readonly #words: Int32Array
  /** Ends the calls in flight. A set, as a promise raced again and again would remember every race. */
  readonly #pending = new Set<(error: Error) => void>()
  #gone = false
  #error: Error | undefined

  constructor (init: ThreadInit, placer: Placer, limits?: ResourceLimits) {
    this.thread = init.thread
    this.#words = new Int32Array(init.words)
    const { port1, port2 } = new MessageChannel()
    Comlink.expose(placer, endpointOf(port1))
    // The ports must not keep a process alive whose worker has ended.
    port1.unref()
    const workerData: WorkerData = { ...init, placer: port2 }
    // Through its environment the worker has the compile cache from its very first module on.
    const compileCache = getCompileCacheDir()
    const env = compileCache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(compileCache) }
    this.#worker = new Worker(entryUrl('thread-entry'), {
      workerData,
      env,
      transferList: [port2],
      name: `reactor-${init.thread}`,
      ...(limits === undefined ? {} : { resourceLimits: limits })
    })
    this.#control = Comlink.wrap<ThreadControl>(endpointOf(this.#worker))
    this.#worker.on('error', error => { this.#error = error instanceof Error ? error : new Error(String(error)) })
    this.exited = new Promise(resolve => this.#worker.once('exit', code => {
      this.#gone = true
      port1.close()
      for (const end of this.#pending) end(new ThreadGone(`thread ${this.thread} ended`, { cause: this.#error }))
      this.#pending.clear()
      resolve({ code, error: this.#error })
    }))
  }

  /** Counts up as long as the thread's event loop turns. */
  get beat (): number {
    return Atomics.load(this.#words, beatWord)
  }

  /** The actor that runs now or ran last, or -1. */
  get currentActor (): ActorId | -1 {
    return Atomics.load(this.#words, currentActorWord) as ActorId | -1
  }

  /** Share of the last beat interval in which the thread was busy: 0 to 1. */
  get utilization (): number {
    return Atomics.load(this.#words, utilizationWord) / 1000
  }

  /**
   * Calls the thread.
   * @throws ThreadGone  it ended before it answered
   * @throws CallExpired  it did not answer within `deadlineMs`
   */
  async call<T> (deadlineMs: number, work: (control: RemoteControl) => Promise<T>): Promise<T> {
    if (this.#gone) throw new ThreadGone(`thread ${this.thread} ended`, { cause: this.#error })
    return await new Promise<T>((resolve, reject) => {
      const end = (error: Error): void => {
        clearTimeout(timer)
        this.#pending.delete(end)
        reject(error)
      }
      const timer = setTimeout(() => end(new CallExpired(`thread ${this.thread} did not answer within ${deadlineMs} ms`)), deadlineMs)
      this.#pending.add(end)
      work(this.#control).then(value => {
        clearTimeout(timer)
        this.#pending.delete(end)
        resolve(value)
      }, end)
    })
  }

  /** Ends the thread wherever it is. What follows is told by {@link exited}. */
  terminate (): void {
    this.#worker.terminate().catch(() => {})
  }
}

/** Runs inside the worker: opens the program and obeys the supervisor. */
export async function serveThread (data: unknown, port: MessagePort): Promise<void> {
  const { placer, ...init } = data as WorkerData
  const { program } = await import(init.program) as { program: Program }
  const remote = Comlink.wrap<Placer>(endpointOf(placer))
  placer.unref()
  let running: RunningProgram | undefined
  const guard = new HeapGuard(resourceLimits.maxOldGenerationSizeMb! * 2 ** 20)
  const system = new ActorSystem({
    thread: init.thread,
    placement: new Placement(init.placement),
    codecs: new Codecs(program.codecs),
    words: init.words,
    links: init.links,
    limits: init.limits,
    onEvent: event => {
      running?.onEvent?.(event)
      // Only the end of the thread is certain to end what holds the actor's files; all its actors come back with another.
      if (event.kind === 'actor-close-late') throw new Error(`actor ${event.actor} did not close within ${event.closeMs} ms`)
    },
    onTurnEnd: now => guard.check(now)
  })
  startBeat(new Int32Array(init.words), init.beatMs)
  const context: Omit<ThreadContext, 'init'> = {
    system,
    thread: init.thread,
    threads: init.threads,
    placer: {
      place: async (name, spec, thread) => await within(init.placeMs, remote.place(name, spec, thread)),
      remove: async name => await within(init.placeMs, remote.remove(name)),
      move: async (name, thread) => await within(init.placeMs, remote.move(name, thread))
    }
  }
  const control: ThreadControl = {
    open: async programInit => { running = await program.open({ ...context, init: programInit }) },
    ...actorControl(system, () => running!),
    markEnd: async (id, to) => { system.markEnd(id, to) },
    connect: async ends => { system.connect(ends) },
    disconnect: async thread => { system.disconnect(thread) },
    stats: async () => ({
      thread: init.thread, system: system.stats(), heapUsedBytes: process.memoryUsage().heapUsed, program: running?.stats?.()
    }),
    setLogLevel: async level => { running?.setLogLevel?.(level) },
    drain: async () => { await running?.drain?.() },
    close: async () => {
      await system.close()
      await running?.close?.()
    }
  }
  Comlink.expose(control, endpointOf(port))
}

function actorControl (system: ActorSystem, running: () => RunningProgram): Pick<ThreadControl, 'start' | 'stop' | 'leave'> {
  return {
    start: async (id, spec) => { await system.start(id, factoryOf(running(), spec)) },
    stop: async id => { await system.stop(id) },
    leave: async id => { await system.leave(id) }
  }
}

/** @throws when the program makes no such actors: a defect of whoever wrote the spec */
export function factoryOf (program: RunningProgram, spec: ActorSpec): Parameters<ActorSystem['start']>[1] {
  const factory = program.factories[spec.type]
  if (factory === undefined) throw new Error(`unknown actor type: ${spec.type}`)
  return async context => await factory(spec, context)
}

/** The beat runs on the event loop itself, so it stops when the loop does. */
function startBeat (words: Int32Array, beatMs: number): void {
  let last = performance.eventLoopUtilization()
  const rest = new FirstRest(collectStartGarbage)
  const beat = (): void => {
    Atomics.add(words, beatWord, 1)
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    Atomics.store(words, utilizationWord, Math.round(utilization * 1000))
    rest.passed(beatMs, utilization)
  }
  beat()
  setInterval(beat, beatMs).unref()
}

async function within<T> (deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new CallExpired(`the supervisor did not answer within ${deadlineMs} ms`)), deadlineMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The URL of a sibling module, with this file's own ending: `.ts` from a checkout, `.js` when built. */
export function entryUrl (name: string): URL {
  return new URL(`./${name}${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url)
}
