/** Makes the replicas of a reactor thread: joins a group's log to the votes, the links and the disk reads of this broker. */
import { GroupState, type DerivedState } from './actors/group-state.ts'
import { metadataGroupKey } from './actors/controller/options.ts'
import { entriesReader } from './actors/replica-entries.ts'
import { Replica, type ReplicaTiming } from './actors/replica.ts'
import type { BrokerConfig } from './base/config.ts'
import type { GroupKey, MemberId, ThreadIndex } from './base/ids.ts'
import { type MetricRow, metrics } from './base/metrics.ts'
import type { Chance } from './base/prng.ts'
import type { Log } from './log/log.ts'
import type { Loss, LossNotes } from './log/loss-notes.ts'
import type { ReadThrottle } from './log/read-throttle.ts'
import type { SegmentReader } from './log/segment-reader.ts'
import { peersId, votesId, type ReactorInit } from './places.ts'
import type { RaftLimits } from './raft/raft.ts'

/** On their way to one follower of one group. */
const inflightBytesMax = 8 * 1024 * 1024
/**
 * As with the group commit of a disk: under load the next message takes along all that has come meanwhile, and costs no more than one
 * batch would have. One would leave the link idle between an answer and the next message.
 */
const inflightMessagesMax = 2

export interface ReplicasOptions {
  readonly init: ReactorInit
  readonly thread: ThreadIndex
  readonly chance: Chance
  readonly reader: SegmentReader
  /** For reads of followers that lag; undefined: they are not slowed. */
  readonly throttle: ReadThrottle | undefined
  readonly metrics: MetricRow
}

export class Replicas {
  readonly #options: ReplicasOptions
  readonly #timing: ReplicaTiming
  readonly #limits: RaftLimits

  constructor (options: ReplicasOptions) {
    const { config } = options.init
    this.#options = options
    this.#timing = timingOf(config)
    this.#limits = { inflightBytesMax, inflightMessagesMax, messageBytesMax: config.performanceMaxBatchBytes }
  }

  /** @param initial  the voters that the group was made with */
  state (initial: readonly MemberId[], owner: DerivedState): GroupState {
    return new GroupState({ voters: initial, outgoing: [], learners: [] }, owner)
  }

  /**
   * @param loss       what is noted of the log here: that it is not what it was, see {@link Raft}
   * @param meant      who is to be in the group, as the controller means it
   */
  make (group: GroupKey, log: Log, state: GroupState, { loss, notes }: { loss: Loss | undefined, notes: LossNotes }, meant: readonly MemberId[] = []): Replica {
    const { init, thread, chance, reader, throttle, metrics: row } = this.#options
    return new Replica({
      log,
      state,
      group,
      self: init.membership.member,
      votes: votesId(init.threads),
      peers: peersId(init.threads, thread),
      chance,
      timing: this.#timing,
      limits: this.#limits,
      // A broker that comes back can do nothing before it knows the metadata.
      readEntries: entriesReader(log.directory, reader, group === metadataGroupKey ? undefined : throttle),
      onElection: () => row.add(metrics.elections),
      meant,
      forgetful: loss ?? (init.forgetful && log.config.flush !== 'always' ? 'maybe' : undefined),
      notes,
      noted: loss !== undefined
    })
  }
}

function timingOf (config: BrokerConfig): ReplicaTiming {
  return {
    tickMs: config.raftRttMs,
    heartbeatTicks: config.raftHeartbeatRtt,
    electionTicks: config.raftElectionRtt,
    checkQuorum: config.raftCheckQuorum,
    lagMsMax: config.replicaLagMsMax
  }
}
