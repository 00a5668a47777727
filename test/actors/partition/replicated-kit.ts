/** Partitions on several brokers, as one group in virtual time; and a client and a controller on each broker that note what they are told. */
import type { MemberId, PartitionIndex, TopicId } from '../../../src/base/ids.ts'
import type { LeaderElected, PartitionConfig } from '../../../src/actors/partition/messages.ts'
import { Partition } from '../../../src/actors/partition/partition.ts'
import { PartitionState } from '../../../src/actors/partition/partition-state.ts'
import type { Traffic } from '../../../src/actors/partition/traffic.ts'
import { buildBatch } from '../../../src/record/records.ts'
import { Cluster, clientId, type ClusterOptions, controllerId, type Node } from '../replica/kit.ts'

export type Replying = Node<PartitionState>

export interface PartitionClusterOptions extends ClusterOptions {
  readonly minInsyncReplicas?: number
}

export class PartitionCluster extends Cluster<PartitionState> {
  #correlation = 0
  leads = new Set<number>()
  /** The clients of all partitions sit on another thread; and how often one was to follow them. */
  wantsMove = false
  moves = 0

  constructor (options: PartitionClusterOptions = {}) {
    super({
      state: () => new PartitionState(),
      actor: ({ replica, state, node, config }) => {
        const settings = (more: Readonly<Record<string, string>>): PartitionConfig => ({
          ...config,
          batchBytesMax: 1 << 20,
          minInsyncReplicas: Number(more['min.insync.replicas'] ?? options.minInsyncReplicas ?? 1),
          retentionBytes: Number(more['retention.bytes'] ?? config.retentionBytes)
        })
        return new Partition({
          topicId: '000102030405060708090a0b0c0d0e0f' as TopicId,
          partition: 0 as PartitionIndex,
          replica,
          state,
          config: settings({}),
          configOf: settings,
          controller: controllerId,
          metrics: {
            appended: () => {},
            replicated: () => {},
            leading: leads => { if (leads) this.leads.add(node.member); else this.leads.delete(node.member) },
            duplicate: () => {},
            refusing: () => {},
            accepting: () => {}
          },
          pendingBytesMax: 64 << 20,
          traffic: { count: () => this.wantsMove ? 1 : undefined } as unknown as Traffic,
          move: () => { this.moves++; return undefined },
          wallMs: now => this.scheduler.clock.wallMs() + now - this.scheduler.clock.monotonicMs()
        })
      }
    }, options)
  }

  /** @returns the request's correlation */
  ask (node: Replying, message: object): number {
    const correlation = ++this.#correlation
    node.tell({ replyTo: clientId, correlation, ...message })
    return correlation
  }

  /** What a request was answered with; undefined: nothing yet. */
  answer (node: Replying, correlation: number): any {
    const answers = node.answers.filter(answer => answer.correlation === correlation)
    if (answers.length > 1) throw new Error('answered twice')
    return answers[0]
  }

  /** Asks and waits. */
  async call (node: Replying, message: object): Promise<any> {
    const correlation = this.ask(node, message)
    await this.until(() => this.answer(node, correlation) !== undefined, `an answer to ${JSON.stringify(message)}`)
    return this.answer(node, correlation)
  }

  /** @returns the correlation of an append */
  produce (node: Replying, values: readonly string[], { acks = -1, ...more }: { readonly acks?: number, readonly producerId?: number, readonly producerEpoch?: number, readonly baseSequence?: number } = {}): number {
    return this.ask(node, { kind: 'append', acks, records: buildBatch({ records: values.map(value => ({ value })), timestamp: 1_700_000_000_000, ...more }) })
  }

  /** Appends at the leader and waits until it is answered, and all have it. */
  async fill (batches: number, records = 1, bytes = 20): Promise<void> {
    const leader = await this.elected()
    for (let i = 0; i < batches; i++) {
      const correlation = this.produce(leader, Array.from({ length: records }, (_, r) => `${i}.${r}`.padEnd(bytes, '.')))
      await this.until(() => this.answer(leader, correlation) !== undefined, 'an answer')
      if (this.answer(leader, correlation).errorCode !== 0) throw new Error(`error ${this.answer(leader, correlation).errorCode}`)
    }
    await this.even()
  }

  fetch (node: Replying, offset: number, more: object = {}): any {
    const correlation = this.ask(node, { kind: 'fetch', offset, bytesMax: 1 << 20, leaderEpoch: -1, beyond: -1, ...more })
    return this.answer(node, correlation)
  }

  assign (voters: readonly number[], generation: number): void {
    for (const node of this.live) node.tell({ kind: 'partition-assigned', voters: voters as MemberId[], generation })
  }

  announcements (node: Replying): LeaderElected[] {
    return node.told.filter((message): message is LeaderElected => message.kind === 'leader-elected')
  }
}
