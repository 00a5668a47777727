/** Makes things go wrong, and right again after a while. */
import type { Battlefield, FaultKind } from './faults/fault-kind.ts'
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

export class Nemesis {
  /** How often each kind happened. */
  readonly counts = new Map<string, number>()

  /** Plans everything. */
  unleash (options: NemesisOptions): void {
    const { world, brokers, chance, kinds, count, withinMs } = options
    let lossesLeft = options.lossesMax
    for (let i = 0; i < count; i++) {
      // Each kind once at least, if there are enough.
      const kind = kinds[i < kinds.length ? i : Math.floor(chance.next() * kinds.length)]!
      if (kind.losesUnsynced === true && lossesLeft-- <= 0) continue
      const broker = brokers[Math.floor(chance.next() * brokers.length)]!
      const lastsMs = Math.min(kind.lastsMs, withinMs / 3) * chance.next() ** 2
      world.plan((withinMs - lastsMs) * chance.next(), 'fault', undefined, () => {
        this.counts.set(kind.name, (this.counts.get(kind.name) ?? 0) + 1)
        world.note(kind.name, broker.number, () => `for ${Math.round(lastsMs)} ms`)
        const end = kind.begin(options, broker)
        world.plan(lastsMs, 'fault-over', undefined, () => {
          world.note(`${kind.name}-over`, broker.number, () => '')
          end()
        })
      })
    }
  }
}
