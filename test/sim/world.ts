/**
 * Virtual time and everything that happens in it, one event after the other on one thread.
 *
 * ```
 *   queue -> event -> the broker's code runs -> promises settle -> its turn ends -> promises settle -> next event
 * ```
 * Nothing but the seed decides what happens: all chance comes from {@link World.chance}, and whoever draws has a stream
 * of his own, so that one more draw here changes nothing there.
 */
import { type Chance, seededChance } from '../../src/base/prng.ts'
import { Digest, hashOf } from './digest.ts'
import { EventQueue, Planned } from './event-queue.ts'
import type { Life } from './life.ts'
import { settlePromises } from './microtasks.ts'
import type { Trace } from './trace.ts'

/** What must never be was seen. */
export class Violation extends Error {
  override name = 'Violation'
  readonly invariant: string
  /** Microseconds. */
  readonly tick: number

  constructor (invariant: string, tick: number, message: string) {
    super(message)
    this.invariant = invariant
    this.tick = tick
  }
}

/** A seed that needs more than this does not end. */
const eventsMax = 20_000_000

export class World {
  readonly seed: number
  /** Microseconds since the beginning. */
  now = 0
  events = 0
  readonly digest = new Digest()
  readonly #queue = new EventQueue()
  readonly #trace: Trace | undefined
  /** What waits for paused runs. */
  readonly #held = new Map<Life, Planned[]>()
  #order = 0
  #violation: Violation | undefined

  constructor (seed: number, trace?: Trace) {
    this.seed = seed
    this.#trace = trace
  }

  /** Milliseconds since the beginning. */
  get nowMs (): number {
    return this.now / 1000
  }

  /** A stream of numbers of one's own. */
  chance (name: string): Chance {
    return seededChance((Math.imul(this.seed, 0x9e3779b1) ^ hashOf(name)) | 0)
  }

  /** Plans `work` for `delayMs` from now; a delay that is no whole number of microseconds is made longer. */
  plan (delayMs: number, name: string, life: Life | undefined, work: () => void): Planned {
    const event = new Planned(this.now + Math.ceil(delayMs * 1000), this.#order++, name, life, work)
    this.#queue.push(event)
    return event
  }

  /** The first violation is the one that counts. The run ends with the present event, which may be deep in the broker's code. */
  violate (invariant: string, message: string): void {
    this.#violation ??= new Violation(invariant, this.now, message)
  }

  get violation (): Violation | undefined {
    return this.#violation
  }

  /** For the trace and the digest: something that is no event by itself. */
  note (name: string, broker: number, detail: () => string): void {
    this.digest.addText(name)
    this.digest.add(broker)
    this.#trace?.line(this.now, broker, `* ${name}`, detail())
  }

  /** For the trace alone. */
  tell (name: string, broker: number, detail: () => string): void {
    this.#trace?.line(this.now, broker, `* ${name}`, detail())
  }

  /** A run that was paused goes on: what it missed happens to it now, in the order of its times. */
  goOn (life: Life): void {
    life.paused = false
    const held = this.#held.get(life) ?? []
    this.#held.delete(life)
    for (const { name, work } of held) if (work !== undefined) this.plan(0, name, life, work)
  }

  /**
   * Lets time pass until `endMs`, or until `until` holds.
   * @throws Violation
   */
  run (endMs: number, until: () => boolean = () => false): void {
    const end = Math.round(endMs * 1000)
    this.#check()
    while (this.#queue.next <= end) {
      this.#step(this.#queue.pop()!)
      this.#check()
      if (until()) return
    }
    this.now = end
  }

  #step (event: Planned): void {
    const { life, work } = event
    if (work === undefined) return
    if (life !== undefined) {
      if (!life.alive) return
      if (life.paused) return this.#hold(life, event)
    }
    this.now = event.at
    if (++this.events > eventsMax) throw new Error(`more than ${eventsMax} events`)
    this.digest.add(event.at)
    this.digest.addText(event.name)
    this.digest.add(life === undefined ? 0 : life.broker)
    work()
    settlePromises()
    if (life !== undefined && life.hasTurns) life.endTurns(settlePromises)
    this.#trace?.event(event)
  }

  #hold (life: Life, event: Planned): void {
    const held = this.#held.get(life)
    if (held === undefined) this.#held.set(life, [event])
    else held.push(event)
  }

  #check (): void {
    if (this.#violation !== undefined) throw this.#violation
  }
}
