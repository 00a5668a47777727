/** Makes things go wrong, and right again after a while. */
import type { Battlefield, FaultKind } from './faults/fault-kind.ts'
import type { World } from './world.ts'
import { machineFaults } from './faults/machine-faults.ts'
import { networkFaults } from './faults/network-faults.ts'

export type { FaultKind } from './faults/fault-kind.ts'

export const faultKinds: readonly FaultKind[] = [...machineFaults, ...networkFaults]

export interface NemesisOptions extends Battlefield {
  readonly kinds: readonly FaultKind[]
  readonly count: number
  /** Faults begin and end within this time from now. */
  readonly withinMs: number
  /** How often what was not synced may be lost. */
  readonly lossesMax: number
}

/** How long a broker may feel what is over. */
const afterwardsMs = 5000

export class Nemesis {
  /** By broker, when its last trouble began, and until when it may feel it. */
  readonly #troubles = new Map<number, number>()
  #world: World | undefined
  /** How often each kind happened. */
  readonly counts = new Map<string, number>()

  /** Whether nothing is wrong with a broker, nor was for a while. */
  isSound (broker: number): boolean {
    const now = this.#world?.nowMs ?? 0
    // In the beginning nobody knows anybody.
    return now > afterwardsMs && now > (this.#troubles.get(broker) ?? 0)
  }

  /** Plans everything. */
  unleash (options: NemesisOptions): void {
    const { world, brokers, chance, kinds, count, withinMs } = options
    this.#world = world
    const lossless = kinds.filter(({ losesUnsynced }) => losesUnsynced !== true)
    let lossesLeft = options.lossesMax
    for (let i = 0; i < count; i++) {
      // Each kind once at least, if there are enough.
      let kind = kinds[i < kinds.length ? i : Math.floor(chance.next() * kinds.length)]!
      // More losses than are allowed become faults of another kind.
      if (kind.losesUnsynced === true && lossesLeft-- <= 0) kind = lossless[Math.floor(chance.next() * lossless.length)]!
      const broker = brokers[Math.floor(chance.next() * brokers.length)]!
      const lastsMs = Math.min(kind.lastsMs, withinMs / 3) * chance.next() ** 2
      world.plan((withinMs - lastsMs) * chance.next(), 'fault', undefined, () => {
        this.counts.set(kind.name, (this.counts.get(kind.name) ?? 0) + 1)
        world.note(kind.name, broker.number, () => `for ${Math.round(lastsMs)} ms`)
        this.#troubles.set(broker.number, Math.max(this.#troubles.get(broker.number) ?? 0, world.nowMs + lastsMs + afterwardsMs))
        const end = kind.begin(options, broker)
        world.plan(lastsMs, 'fault-over', undefined, () => {
          world.note(`${kind.name}-over`, broker.number, () => '')
          end()
        })
      })
    }
  }
}
