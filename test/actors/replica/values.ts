/** The plainest owner of a replica: it appends values, derives the list of them from the log, and watches that nothing committed is ever another. */
import type { Message } from '../../../src/base/effect.ts'
import type { Offset } from '../../../src/base/ids.ts'
import { decode, encode } from '../../../src/base/msgpack.ts'
import type { DerivedState } from '../../../src/actors/group-state.ts'
import type { Replica, ReplicaMessage, ReplicaOwner } from '../../../src/actors/replica.ts'
import { baseOffsetOf, batchHeaderBytes, isControl, recordCountOf } from '../../../src/record/record-batch.ts'
import { buildBatch, readRecords } from '../../../src/record/records.ts'
import type { Actor, Outbox } from '../../../src/runtime/actor.ts'
import { Cluster, type ClusterOptions, type Node, type Parts } from './kit.ts'

interface Value { readonly offset: number, readonly text: string }

export class Values implements DerivedState {
  values: Value[] = []

  apply (batch: Uint8Array): void {
    if (isControl(batch, 0)) return
    const [record] = readRecords(batch.subarray(batchHeaderBytes), recordCountOf(batch, 0))
    this.values.push({ offset: baseOffsetOf(batch, 0), text: textOf(record!.value!) })
  }

  snapshot (below = Infinity): Uint8Array { return encode(this.values.filter(({ offset }) => offset < below)) }
  restore (bytes: Uint8Array): void { this.values = decode<Value[]>(bytes) }
}

/** What is after the first dot fills the batch up. */
function textOf (bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().split('.')[0]!
}

interface Propose extends Message { readonly kind: 'propose', readonly text: string, readonly bytes: number, readonly records: number }
interface Act extends Message { readonly kind: 'act', readonly act: (replica: Replica, out: Outbox) => void }
const upkeep: Message = { kind: 'upkeep' }

class ValuesOwner implements Actor, ReplicaOwner {
  readonly #replica: Replica
  readonly #state: Values
  readonly #cluster: ValuesCluster
  #upkeepSet = false
  #written = false
  #endSeen: Offset

  constructor ({ replica, state }: Parts<Values>, cluster: ValuesCluster) {
    this.#replica = replica
    this.#state = state
    this.#cluster = cluster
    this.#endSeen = replica.log.logEndOffset
    replica.own(this)
  }

  started (out: Outbox): void { this.#replica.start(out) }

  receive (message: Message, out: Outbox, now: number): void {
    const { log } = this.#replica
    if (message.kind === 'propose') this.#propose(message as Propose, out)
    else if (message.kind === 'act') (message as Act).act(this.#replica, out)
    else if (message.kind === 'upkeep') this.#upkeep(out, now)
    else this.#replica.receive(message as ReplicaMessage, out)
    this.#cluster.watch(this.#replica, this.#state)
    this.#written ||= log.logEndOffset !== this.#endSeen
    this.#endSeen = log.logEndOffset
    if ((this.#written || log.needsUpkeep) && !this.#upkeepSet) {
      this.#upkeepSet = true
      out.timer(1000, upkeep)
    }
  }

  appended (): void {}
  truncated (end: Offset): void { this.#state.values = this.#state.values.filter(({ offset }) => offset < end) }

  async close (): Promise<void> { await this.#replica.close(this.#replica.log.pendingBytes === 0) }

  #propose ({ text, bytes, records }: Propose, out: Outbox): void {
    if (!this.#replica.canAppend) return
    const offset = this.#replica.log.logEndOffset
    this.#replica.append(buildBatch({ records: Array.from({ length: records }, () => ({ value: `${text}.`.padEnd(bytes, '.') })) }), out)
    this.#state.values.push({ offset, text })
  }

  #upkeep (out: Outbox, now: number): void {
    const { log, state } = this.#replica
    this.#upkeepSet = this.#written = false
    log.maintain(now, out)
    if (log.durableEndOffset === log.logEndOffset && log.refusal === undefined) log.checkpoint(out, { offset: log.logEndOffset, bytes: state.snapshot() })
  }
}

export class ValuesCluster extends Cluster<Values> {
  /** By offset, what any member ever called committed. */
  readonly committed = new Map<number, string>()
  readonly #leaders = new Map<number, number>()
  #proposed = 0
  problems: string[] = []

  constructor (options: ClusterOptions = {}) {
    super({ state: () => new Values(), actor: parts => new ValuesOwner(parts, this) }, options)
  }

  watch ({ self, role, term, highWatermark }: Replica, { values }: Values): void {
    if (role === 'leader' && (this.#leaders.get(term) ?? self) !== self) this.problems.push(`${self} leads term ${term}, as ${this.#leaders.get(term)} does`)
    if (role === 'leader') this.#leaders.set(term, self)
    for (const { offset, text } of values) {
      if (offset >= highWatermark) continue
      const known = this.committed.get(offset)
      if (known !== undefined && known !== text) this.problems.push(`${self} calls ${text} committed at ${offset}, which is ${known}`)
      this.committed.set(offset, text)
    }
  }

  /** Hands values to the leader, if there is one. */
  propose (count: number, bytes = 40, node: Node<Values> | undefined = this.leader, records = 1): void {
    for (let i = 0; i < count; i++) node?.tell({ kind: 'propose', text: `v${++this.#proposed}`, bytes, records })
  }

  /** Appends and waits until all have it. */
  async append (count: number, bytes = 40): Promise<void> {
    await this.elected()
    this.propose(count, bytes)
    await this.even()
  }

  act (node: Node<Values>, act: (replica: Replica, out: Outbox) => void): void {
    node.tell({ kind: 'act', act })
  }

  texts (node: Node<Values>): string[] { return node.state.values.map(({ text }) => text) }

  /** What is wrong now; nothing, if all is well. Every committed value is in every log that reaches so far. */
  check (): string[] {
    const problems = [...this.problems]
    const difference = this.difference()
    if (difference !== undefined) problems.push(difference)
    for (const node of this.live) {
      const have = new Map(node.state.values.map(({ offset, text }) => [offset, text]))
      for (const [offset, text] of this.committed) {
        if (have.get(offset) !== text) problems.push(`${node.member} lost ${text} at ${offset}`)
      }
    }
    return problems
  }
}
