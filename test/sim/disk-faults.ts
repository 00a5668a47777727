/** What a broker's disk does to it, now and then: slow operations, syncs that fail, no room. */
import type { Chance } from '../../src/base/prng.ts'
import type { DiskOperation } from '../../src/log/faulty-disk.ts'
import type { World } from './world.ts'

export class DiskFaults {
  readonly #chance: Chance
  readonly #diskMs: number
  /** 1: as fast as it is. */
  slowness = 1
  /** Chance that a sync fails. */
  syncFails = 0
  /** Chance that an operation that is none of the above fails. */
  othersFail = 0

  /** @param diskMs  what an operation takes, about; a sync several times as long */
  constructor (world: World, broker: number, diskMs: number) {
    this.#chance = world.chance(`disk-faults-${broker}`)
    this.#diskMs = diskMs
  }

  delayMs (operation: DiskOperation, _path: string): number {
    const ms = this.#diskMs * (operation === 'sync' || operation === 'sync-folder' ? 5 : 1)
    return ms * (0.5 + this.#chance.next()) * this.slowness
  }

  fault (operation: DiskOperation, _path: string): string | undefined {
    const likely = operation === 'sync' ? this.syncFails : this.othersFail
    return likely > 0 && this.#chance.next() < likely ? 'EIO' : undefined
  }
}
