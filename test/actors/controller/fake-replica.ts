/** A replica of the metadata group without Raft: a log in memory, in a group that the test leads by the hand. */
import type { MetadataLog, MetadataReplica } from '../../../src/actors/controller/metadata-replica.ts'
import type { ReplicaMessage, ReplicaOwner } from '../../../src/actors/replica.ts'
import type { MemberId, Offset, Term } from '../../../src/base/ids.ts'
import type { Configuration } from '../../../src/raft/configuration.ts'
import type { Target } from '../../../src/raft/membership.ts'
import { lastOffsetDeltaOf } from '../../../src/record/record-batch.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'
import type { BrokerNode } from './broker-node.ts'

interface LogEntry { readonly batch: Uint8Array, readonly end: Offset, readonly term: number }

interface Snapshot { readonly offset: Offset, readonly bytes: Uint8Array }

class FakeLog implements MetadataLog {
  refusal: string | undefined
  logStartOffset = 0 as Offset
  snapshots: Snapshot[] = [{ offset: 0 as Offset, bytes: new Uint8Array(0) }]
  readonly #end: () => Offset

  constructor (end: () => Offset) {
    this.#end = end
  }

  get durableEndOffset (): Offset { return this.#end() }
  get snapshotOffset (): Offset { return this.snapshots.at(-1)!.offset }
  get oldestSnapshotOffset (): Offset { return this.snapshots[0]!.offset }
  maintain (): void {}
  checkpoint (_out: unknown, states?: Snapshot): void { if (states !== undefined) this.snapshots = [...this.snapshots, states].slice(-2) }
  deleteBefore (offset: Offset): void { this.logStartOffset = offset }
  restart (snapshot: Snapshot): void {
    this.snapshots = [snapshot]
    this.logStartOffset = snapshot.offset
  }
}

export class FakeReplica implements MetadataReplica {
  readonly log = new FakeLog(() => this.end)
  /** Also those that {@link FakeLog.logStartOffset} has passed, which nobody may read any more. */
  readonly entries: LogEntry[] = []
  readonly node: BrokerNode
  role = 'follower'
  term = 0 as Term
  leader = 0 as MemberId
  highWatermark = 0 as Offset
  established = false
  owner: ReplicaOwner | undefined
  target: Target | undefined
  transferee = 0 as MemberId

  constructor (node: BrokerNode) {
    this.node = node
  }

  get end (): Offset { return this.entries.at(-1)?.end ?? 0 as Offset }
  get configuration (): Configuration { return this.node.cluster.metadata }
  get canAppend (): boolean { return this.role === 'leader' && this.transferee === 0 && this.log.refusal === undefined }

  /** Nobody is deposed without knowing it. */
  readIndex (): number { return 1 }
  readonly confirmedRound = 1

  own (owner: ReplicaOwner): void { this.owner = owner }
  start (): void {}
  snapshot (): Uint8Array { return this.node.metadata.snapshot() }
  async close (): Promise<void> {}
  receive (_message: ReplicaMessage, _out: Outbox): 'none' { return 'none' }

  append (batch: Uint8Array, out: Outbox): Offset {
    if (!this.canAppend) throw new Error('appended where nothing can be')
    const copy = new Uint8Array(batch)
    new DataView(copy.buffer).setBigInt64(0, BigInt(this.end))
    const end = this.end + lastOffsetDeltaOf(copy, 0) + 1 as Offset
    this.entries.push({ batch: copy, end, term: this.term })
    out.turnEnd()
    return end
  }

  setTarget (target: Target): void {
    this.target = target
  }

  transfer (to: MemberId): boolean {
    this.transferee = to
    return true
  }

  progress (): Array<{ member: MemberId, endOffset: Offset, inSync: boolean }> {
    const { voters, learners } = this.configuration
    return [...voters, ...learners].map(member => {
      const other = this.node.cluster.byMember(member)
      return { member, endOffset: other?.replica.end ?? 0 as Offset, inSync: other?.up === true }
    })
  }
}
