/**
 * The configurations of a group as its log has them. The newest one counts as soon as it is in the log, committed or not;
 * when the log is cut, the one before it counts again. So those from the newest committed one on are kept.
 */
import type { Offset } from '../base/ids.ts'
import { assert } from '../base/assert.ts'
import type { Configuration } from './configuration.ts'

export interface ConfigurationEntry {
  /** Of its control batch; -1: the one that the group was made with, which is in no log. */
  readonly offset: Offset
  readonly configuration: Configuration
}

export class Configurations {
  #entries: ConfigurationEntry[]
  /** Bumped by every change. */
  version = 0

  /** @param entries  ascending, at least one */
  constructor (entries: readonly ConfigurationEntry[]) {
    assert(entries.length > 0, 'a group has a configuration')
    this.#entries = [...entries]
  }

  static initial (configuration: Configuration): Configurations {
    return new Configurations([{ offset: -1 as Offset, configuration }])
  }

  /** Takes over what another member, or an earlier run, knew. */
  replace (entries: readonly ConfigurationEntry[]): void {
    assert(entries.length > 0, 'a group has a configuration')
    this.#entries = [...entries]
    this.version++
  }

  get entries (): readonly ConfigurationEntry[] { return this.#entries }

  get current (): Configuration { return this.#entries.at(-1)!.configuration }

  /** Where the present one stands. */
  get offset (): Offset { return this.#entries.at(-1)!.offset }

  append (offset: Offset, configuration: Configuration): void {
    // A log that is read again at a start brings some that are known already.
    if (offset <= this.offset) return
    this.#entries.push({ offset, configuration })
    this.version++
  }

  /** The log was cut: nothing at or after `end` exists any more. @returns whether the present one has changed */
  truncate (end: Offset): boolean {
    const count = this.#entries.length
    while (this.#entries.length > 1 && this.offset >= end) this.#entries.pop()
    if (this.#entries.length === count) return false
    this.version++
    return true
  }

  /** Everything below `highWatermark` is committed: only the last one of that is still needed. */
  commit (highWatermark: Offset): void {
    while (this.#entries.length > 1 && this.#entries[1]!.offset < highWatermark) {
      this.#entries.shift()
      this.version++
    }
  }

  /** Whether the present one is committed. */
  isCommitted (highWatermark: Offset): boolean {
    return this.offset < highWatermark
  }
}
