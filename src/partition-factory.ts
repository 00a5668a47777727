/** Makes the partitions of a reactor thread from their specs: opens the log, replays it, and joins both to what the thread has. */
import type { PartitionSpec } from './actors/controller/messages.ts'
import { Partition, type PartitionMetrics } from './actors/partition/partition.ts'
import type { PartitionConfig } from './actors/partition/messages.ts'
import { PartitionState } from './actors/partition/partition-state.ts'
import { QuarantinedPartition } from './actors/partition/quarantined.ts'
import { Traffic } from './actors/partition/traffic.ts'
import { partitionConfig } from './broker-settings.ts'
import type { Clock } from './base/clock.ts'
import type { Effect } from './base/effect.ts'
import type { GroupKey, ThreadIndex, TopicId } from './base/ids.ts'
import type { Logger } from './base/logger.ts'
import type { LossNotes } from './log/loss-notes.ts'
import { MetricRow, metrics } from './base/metrics.ts'
import { controllerId, partitionName, type ReactorInit } from './places.ts'
import type { ReactorLogs } from './reactor-logs.ts'
import type { Replicas } from './replicas.ts'
import type { Actor } from './runtime/actor.ts'
import type { ThreadContext } from './runtime/program.ts'
import type { Scans } from './scans.ts'

/** What a partition refuses above, whoever sends: several threads' credit together. */
const pendingBytesMax = 64 * 1024 * 1024
/** A thread this busy gets no further partitions, however close their clients are. */
const utilizationMax = 0.8

export interface PartitionFactoryOptions {
  readonly context: ThreadContext<ReactorInit>
  readonly clock: Clock
  readonly logs: ReactorLogs
  readonly replicas: Replicas
  readonly scans: Scans
  readonly metrics: MetricRow
  readonly logger: Logger
}

export class PartitionFactory {
  readonly #options: PartitionFactoryOptions
  /** That run now. */
  #count = 0

  constructor (options: PartitionFactoryOptions) {
    this.#options = options
  }

  get count (): number {
    return this.#count
  }

  /** @param fresh  it has not run before in this process */
  async make (spec: PartitionSpec, fresh: boolean): Promise<Actor> {
    const { context, clock, logs, logger, metrics: row, replicas, scans } = this.#options
    const { topicId, topic, partition } = spec
    const derived = new PartitionState()
    const state = replicas.state(spec.initial, derived)
    const configOf = (settings: Readonly<Record<string, string>>): PartitionConfig => partitionConfig(context.init.config, settings)
    const config = configOf(spec.config)
    // Who comes later learns the group's history from its beginning. On the way it passes configurations that are long over, perhaps with
    // itself in them, from before it left: by these it must neither vote nor lead.
    const notes = logs.notes(topicId, partition)
    if (spec.initial.length === 0 && !await logs.exists(topicId, partition)) await notes.write('surely')
    if (await notes.isAstray()) {
      await logs.giveUp(topicId, partition)
      await notes.removeAstray()
    }
    let opened = await logs.open(topicId, partition, config, state.replay())
    if (opened.state === 'damaged' && await this.#isHeldByOthers(spec, notes)) {
      logger.error({ topic, partition, ...opened.damage }, 'the log is damaged: it is given up, and comes again from the other replicas')
      await logs.giveUp(topicId, partition)
      opened = await logs.open(topicId, partition, config, state.replay())
    }
    if (opened.state === 'damaged') {
      row.add(metrics.quarantinedPartitions)
      logger.error({ topic, partition, ...opened.damage }, 'partition quarantined: its log is damaged')
      return new QuarantinedPartition(() => row.add(metrics.quarantinedPartitions, -1))
    }
    if (opened.cutBytes > 0) {
      logger.info({ topic, partition, bytes: opened.cutBytes }, 'cut what lay behind the last whole batch: space written ahead, or a write that was never acknowledged')
    }
    this.#add(1)
    const replica = replicas.make(`${topicId}-${partition}` as GroupKey, opened.log, state, { loss: await notes.read(), notes }, spec.voters)
    const actor = new Partition({
      topicId,
      partition,
      replica,
      state: derived,
      config,
      configOf,
      controller: controllerId(context.threads),
      metrics: this.#metricsOf(spec),
      pendingBytesMax,
      traffic: new Traffic({ own: context.thread, threads: context.threads, now: clock.monotonicMs(), fresh }),
      move: thread => this.#move(topicId, partition, thread),
      wallMs: now => clock.wallMs() + now - clock.monotonicMs()
    })
    scans.add(`${topic}-${partition}`, opened.log)
    const close = actor.close.bind(actor)
    actor.close = async () => {
      this.#add(-1)
      scans.remove(opened.log)
      await close()
      // After a stop in order the broker as a whole has nothing to doubt any more.
      if (replica.forgetful) await notes.write('maybe')
      await notes.settled()
    }
    return actor
  }

  /**
   * Whether others vote in the group of a damaged log: as the log knew it last, and not as the controller means it to be, which may be
   * long before that has come about. Or nobody counts on this replica yet.
   */
  async #isHeldByOthers ({ topicId, partition }: PartitionSpec, notes: LossNotes): Promise<boolean> {
    const { context, logs, replicas } = this.#options
    if (await notes.read() === 'surely') return true
    const snapshot = await logs.newestSnapshot(topicId, partition)
    if (snapshot === undefined) return false
    const state = replicas.state([], new PartitionState())
    state.restore(snapshot)
    const { voters, outgoing } = state.configurations.current
    return [...voters, ...outgoing].some(voter => voter !== context.init.membership.member)
  }

  #metricsOf ({ topic, partition }: PartitionSpec): PartitionMetrics {
    const { logger, metrics: row } = this.#options
    return {
      appended: (records, bytes) => {
        row.add(metrics.appendedBatches)
        row.add(metrics.appendedRecords, records)
        row.add(metrics.appendedBytes, bytes)
      },
      replicated: (records, bytes) => {
        row.add(metrics.replicatedRecords, records)
        row.add(metrics.replicatedBytes, bytes)
      },
      leading: leads => row.add(metrics.leaderPartitions, leads ? 1 : -1),
      duplicate: () => row.add(metrics.duplicateBatches),
      refusing: (reason, error) => {
        row.add(metrics.refusingPartitions)
        logger.error({ topic, partition, reason, error }, 'partition takes no writes; reads go on')
      },
      accepting: () => {
        row.add(metrics.refusingPartitions, -1)
        logger.info({ topic, partition }, 'partition takes writes again')
      }
    }
  }

  #move (topicId: TopicId, partition: number, thread: ThreadIndex): Effect | undefined {
    const { context, logger, metrics: row } = this.#options
    if (new MetricRow(context.init.metrics, 1 + thread).at(metrics.loopUtilization) > utilizationMax) return undefined
    return {
      run: () => {
        context.placer.move(partitionName(topicId, partition), thread).then(
          () => row.add(metrics.partitionMoves),
          error => logger.warn({ topicId, partition, to: thread, error }, 'partition did not move')
        )
      }
    }
  }

  #add (change: number): void {
    this.#count += change
    this.#options.metrics.set(metrics.partitions, this.#count)
  }
}
