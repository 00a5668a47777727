/** (Stand-in until the real store lands.) */
import { type Disk } from './disk.ts'
export interface HardState { readonly term: number, readonly vote: number }
export class HardStateStore {
  readonly #states = new Map<string, HardState>()
  static async open (_disk: Disk, _directory: string): Promise<HardStateStore> { return new HardStateStore() }
  get (group: string): HardState | undefined { return this.#states.get(group) }
  set (group: string, state: HardState, done: (error?: Error) => void): void { this.#states.set(group, state); setImmediate(done) }
  async close (): Promise<void> {}
}
