/** What an invariant is: it is told what happens, and says when that must not be. */
import type { SystemStats } from '../../src/runtime/system-options.ts'
import type { IsSound } from './invariants/leader-stays.ts'
import type { Entry, GroupView, Moving, ReplicaView } from './group-view.ts'

export type Violate = (name: string, message: string) => void

export interface Promises {
  /** An acknowledged write is on disk. */
  readonly alwaysSynced: boolean
  /** Every broker is a cluster of its own. */
  readonly apart: boolean
  /** Leaders have no reason to change, as far as these brokers are concerned; undefined: they may always. */
  readonly isSound: IsSound | undefined
}

/** What a client was told of its batch. */
export interface Acknowledged {
  readonly baseOffset: number
  readonly crc: number
}

export interface Invariant {
  /** A run of a broker has opened its log, which holds `replica.entries`. @param before  as it was in the broker's last run */
  opened? (group: GroupView, replica: ReplicaView, before: ReplicaView | undefined): void
  /** `entry` is the end of the log now. Told of those that were there when it was opened, too. */
  appended? (group: GroupView, replica: ReplicaView, entry: Entry): void
  /** Role, term, high watermark or the durable end is another one, or the log is shorter. */
  moved? (group: GroupView, replica: ReplicaView, before: Moving): void
  /** A client was given a batch. */
  read? (group: GroupView, baseOffset: number, crc: number): void
  /** A client was told, after it asked for that, that its batch is committed. */
  acknowledged? (group: GroupView, batch: Acknowledged): void
  /** A broker removes its replica's files, and the topic was not deleted. Brokers have the numbers of their members. */
  removed? (group: GroupView, broker: number): void
  /** Something was put into a queue of some broker, which holds so much now; or found no room. */
  queued? (count: number, fits: boolean): void
  /** Nobody has asked anything of the broker for a while. */
  idle? (broker: number, stats: SystemStats): void
}
