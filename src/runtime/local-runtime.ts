/** A program and all its actors on this thread, without workers: for embedding, tests and simulation. */
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import { ActorSystem } from './actor-system.ts'
import { ActorNames } from './actor-names.ts'
import { Codecs } from './codec.ts'
import { actorsMax, createPlacement, Placement } from './placement.ts'
import type { ActorSpec, Placer, Program, RunningProgram } from './program.ts'
import type { Scheduler } from './scheduler.ts'
import type { SystemLimits } from './system-options.ts'
import { factoryOf } from './thread.ts'

export interface LocalRuntimeOptions<Init> {
  readonly program: Program<Init>
  readonly init: Init
  /** The thread's network actor, with id 0. */
  readonly edge?: ActorSpec
  readonly scheduler?: Scheduler
  readonly limits?: Partial<SystemLimits>
  readonly actorsMax?: number
}

const thread = 0 as ThreadIndex

export class LocalRuntime implements Placer {
  readonly system: ActorSystem
  readonly #names: ActorNames
  readonly #running: RunningProgram
  /** Starts and stops of one name happen one after the other. */
  readonly #last = new Map<string, Promise<unknown>>()
  readonly #placed = new Set<string>()

  private constructor (system: ActorSystem, names: ActorNames, running: RunningProgram) {
    this.system = system
    this.#names = names
    this.#running = running
  }

  static async start<Init> (options: LocalRuntimeOptions<Init>): Promise<LocalRuntime> {
    const slots = options.actorsMax ?? actorsMax
    // Filled below: the program may start actors while it is being opened.
    const late: { running?: RunningProgram, runtime?: LocalRuntime } = {}
    const system = new ActorSystem({
      thread,
      placement: new Placement(createPlacement(slots)),
      codecs: new Codecs(options.program.codecs),
      onEvent: event => late.running?.onEvent?.(event),
      ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
      ...(options.limits === undefined ? {} : { limits: options.limits })
    })
    const placer: Placer = {
      place: async (name, spec) => await late.runtime!.place(name, spec),
      remove: async name => await late.runtime!.remove(name),
      move: async () => {}
    }
    const running = late.running = await options.program.open({ system, thread, threads: 1, init: options.init, placer })
    const runtime = late.runtime = new LocalRuntime(system, new ActorNames({ first: 1, max: slots }), running)
    if (options.edge !== undefined) await system.start(0 as ActorId, factoryOf(running, options.edge))
    return runtime
  }

  async place (name: string, spec: ActorSpec): Promise<ActorId> {
    const id = this.#names.idOf(name)
    await this.#inTurn(name, async () => {
      if (this.#placed.has(name)) return
      await this.system.start(id, factoryOf(this.#running, spec))
      this.#placed.add(name)
    })
    return id
  }

  async remove (name: string): Promise<void> {
    await this.#inTurn(name, async () => {
      if (!this.#placed.delete(name)) return
      await this.system.stop(this.#names.idOf(name))
      this.#names.retire(name)
    })
  }

  async move (): Promise<void> {}

  async close (): Promise<void> {
    await this.#running.drain?.()
    await this.system.close()
    await this.#running.close?.()
  }

  async #inTurn (name: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => {})
    this.#last.set(name, settled)
    await settled.then(() => { if (this.#last.get(name) === settled) this.#last.delete(name) })
    await turn
  }
}
