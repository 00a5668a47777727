/** What the controller needs of its replica of the metadata group. */
import type { MemberId, Offset, Term } from '../../base/ids.ts'
import type { EffectSink } from '../../base/effect.ts'
import type { LogEvent } from '../../log/log.ts'
import type { ProducerStates } from '../../log/log-files.ts'
import type { Configuration } from '../../raft/configuration.ts'
import type { Target } from '../../raft/membership.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { MemberProgress, ReplicaMessage, ReplicaOwner } from '../replica.ts'

/** What its log wants to be looked after. */
export interface MetadataLog {
  /** Why nothing can be appended now; undefined when it can. */
  readonly refusal: string | undefined
  maintain (nowMs: number, out: EffectSink): void
  checkpoint (out: EffectSink, states?: ProducerStates): void
  readonly logStartOffset: Offset
  readonly durableEndOffset: Offset
  readonly snapshotOffset: Offset
  readonly oldestSnapshotOffset: Offset
  deleteBefore (offset: Offset, out: EffectSink): void
}

/** A `Replica`, or what a test has in its place. */
export interface MetadataReplica {
  readonly log: MetadataLog
  readonly role: string
  readonly term: Term
  /** 0: nobody is known. */
  readonly leader: MemberId
  /** Exclusive. */
  readonly highWatermark: Offset
  /** The high watermark was learnt in the present term. */
  readonly established: boolean
  readonly configuration: Configuration
  /** It leads and takes batches now. */
  readonly canAppend: boolean
  own (owner: ReplicaOwner): void
  start (out: Outbox): void
  /** The group's state as of what is replayed. */
  snapshot (): Uint8Array
  /** @returns the end offset, exclusive */
  append (batch: Uint8Array, out: Outbox): Offset
  receive (message: ReplicaMessage, out: Outbox): LogEvent
  setTarget (target: Target, out: Outbox): void
  transfer (to: MemberId, out: Outbox): boolean
  /** Leader only: asks the others whether it still leads. @returns the round of the question */
  readIndex (out: Outbox): number
  /** Leader only: the newest round in which a majority said that it does. */
  readonly confirmedRound: number
  progress (): MemberProgress[]
  close (owned: boolean): Promise<void>
}
