/**
 * The partition replicas of this broker: started where the metadata log says that this member holds one, stopped and their files
 * removed where it says so no more. What a start finds in the log from before is done again: the last stop may have come first.
 *
 * ```
 *            place                 placed          not wanted           stopped           wanted by nobody           removed
 *   absent ---------> placing ---------------> here ----------> stopping ------> stopped -----------------> removing ------> absent
 *                        ^                                                          |
 *                        +----------------- wanted again, with its log -------------+       what fails is tried again after a while
 * ```
 * Wishes may change at any time; they are looked at when the step under way has ended.
 *
 * What is replayed here may be old: a replica that goes by it may have been given back meanwhile, and its group, which knows that, may
 * count on the log that is here. So it is stopped first, and acknowledges nothing more; then the active controller says up to where the
 * metadata is committed; and only if it is still not wanted by all of that, its files go.
 */
import type { Message } from '../../base/effect.ts'
import type { ActorId, GroupKey, MemberId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { announceLeader } from '../partition/messages.ts'
import type { GroupsChanged } from '../peers/messages.ts'
import { noActor, type PartitionSpec, type PartitionsPlaced, type PartitionsRemoved, type PartitionsStopped, type PlacementFailed } from './messages.ts'
import type { Held } from './metadata-snapshot.ts'
import { targetOf, type Assignment, type MetadataState, type TopicState } from './metadata-state.ts'
import type { Placer } from './options.ts'

const placementRetryMs = 1000
const removalRetryMs = 10_000
/** Partitions of one placement: the first ones of a large topic need not wait for the last. */
const placedAtOnce = 50

/** A placement or removal that failed is due again. */
export interface RetryPlacement extends Message {
  readonly kind: 'retry-placement'
  readonly topicId: TopicId
  readonly partitions: readonly PartitionIndex[]
}

interface Local {
  stage: 'placing' | 'here' | 'stopping' | 'stopped' | 'removing'
  actor: ActorId
  /** The step has failed, and is due again. */
  failed: boolean
}

export interface LocalReplicasOptions {
  readonly placer: Placer
  readonly self: MemberId
  /** The links of all threads. */
  readonly peers: readonly ActorId[]
  /** As it is committed. */
  readonly state: MetadataState
  /** Calls back once all that is committed at this moment has been replayed; or nobody could say what that is. */
  readonly readMetadata: (done: (known: boolean, out: Outbox) => void) => void
}

export class LocalReplicas {
  readonly #options: LocalReplicasOptions
  /** Partitions that this member is to hold. */
  readonly #wanted = new Map<TopicId, Set<number>>()
  readonly #local = new Map<TopicId, Map<number, Local>>()
  /** Before the start: what this member held once and does not any more. */
  readonly #doomed = new Map<TopicId, Set<number>>()
  #running = false
  /**
   * The metadata log is known as far as it is committed. Before that, what it says may be long out of date: nothing is removed, and no
   * log is begun, as this member may have given up one of that name and must not vote as if it had never had it.
   */
  #trusted: boolean
  /** Asking for that. */
  #asks = false

  constructor (options: LocalReplicasOptions) {
    this.#options = options
    // Nobody else can have committed anything.
    this.#trusted = options.peers.length === 0
  }

  actorOf (topicId: TopicId, partition: number): ActorId {
    const local = this.#local.get(topicId)?.get(partition)
    return local?.stage === 'here' ? local.actor : noActor
  }

  // ---- what the metadata log says

  /** Partitions whose files are here, or were when that was noted last. */
  held (): Held {
    const topics = new Set([...this.#wanted.keys(), ...this.#local.keys(), ...this.#doomed.keys()])
    const of = (topicId: TopicId): number[] => [
      ...new Set([...this.#wanted.get(topicId) ?? [], ...this.#local.get(topicId)?.keys() ?? [], ...this.#doomed.get(topicId) ?? []])
    ]
    return [...topics].map(topicId => [topicId, of(topicId)] as const)
  }

  /** Before the start: what a snapshot says of an earlier time. Wishes must be known. */
  left (held: Held): void {
    for (const [topicId, partitions] of held) {
      for (const partition of partitions) if (!this.#isWanted(topicId, partition)) add(this.#doomed, topicId, partition)
    }
  }

  /** The replicas of these partitions were given out, or are others now. */
  assigned (topic: TopicState, partitions: readonly number[], out: Outbox | undefined): void {
    const { self } = this.#options
    for (const partition of partitions) {
      const wanted = topic.partitions[partition]!.replicas.includes(self)
      if (wanted) {
        add(this.#wanted, topic.id, partition)
        remove(this.#doomed, topic.id, partition)
      } else if (remove(this.#wanted, topic.id, partition) && !this.#running) {
        add(this.#doomed, topic.id, partition)
      }
    }
    if (this.#running) this.#act(topic.id, partitions, out!)
  }

  deleted (topic: TopicState, out: Outbox | undefined): void {
    const partitions = [...this.#wanted.get(topic.id) ?? []]
    this.#wanted.delete(topic.id)
    if (this.#running) this.#act(topic.id, [...new Set([...partitions, ...this.#local.get(topic.id)?.keys() ?? []])], out!)
    else for (const partition of partitions) add(this.#doomed, topic.id, partition)
  }

  configured (topic: TopicState, out: Outbox): void {
    for (const { stage, actor } of this.#local.get(topic.id)?.values() ?? []) {
      if (stage === 'here') out.tell(actor, { kind: 'partition-configured', config: topic.config } as Message)
    }
  }

  /** From now on what is wanted is done. */
  run (out: Outbox): void {
    this.#running = true
    if (this.#trusted) this.#removeDoomed(out)
    for (const [topicId, partitions] of this.#wanted) this.#act(topicId, [...partitions], out)
  }

  /** Finds out whether what was replayed is all that is committed, if that is not known yet. Asked again and again. */
  verify (): void {
    if (this.#trusted || this.#asks) return
    this.#asks = true
    this.#options.readMetadata((known, out) => {
      this.#asks = false
      if (known) this.#trust(out)
    })
  }

  #trust (out: Outbox): void {
    this.#trusted = true
    this.#removeDoomed(out)
    for (const [topicId, locals] of this.#local) this.#act(topicId, [...locals.keys()], out)
  }

  /** None of them has run since the start, and that is when what is wanted was asked for. */
  #removeDoomed (out: Outbox): void {
    for (const [topicId, partitions] of this.#doomed) {
      for (const partition of partitions) set(this.#local, topicId, partition, begin('removing'))
      out.effect(this.#options.placer.remove(topicId, [...partitions] as PartitionIndex[]))
    }
    this.#doomed.clear()
  }

  // ---- what the supervisor says

  placed ({ topicId, partitions, actors }: PartitionsPlaced, out: Outbox): void {
    const placed: Array<{ group: GroupKey, actor: ActorId }> = []
    for (const [index, partition] of partitions.entries()) {
      const local = this.#local.get(topicId)?.get(partition)
      if (local?.stage !== 'placing') continue
      local.stage = 'here'
      local.actor = actors[index]!
      // Also what is not wanted by what was replayed so far: as long as that may be old it runs, and its group may need it.
      if (!this.#trusted || this.#isWanted(topicId, partition)) placed.push({ group: groupOf(topicId, partition), actor: local.actor })
    }
    this.#tellGroups(placed, [], out)
    this.#act(topicId, partitions, out)
    // Leaders announce themselves when they are elected; one that was elected before now is asked.
    for (const { actor } of placed) out.tell(actor, announceLeader)
  }

  failed ({ topicId, partitions }: PlacementFailed, out: Outbox): void {
    this.#again(topicId, partitions, placementRetryMs, out)
  }

  stopped ({ topicId, partitions, stopped }: PartitionsStopped, out: Outbox): void {
    if (!stopped) return this.#again(topicId, partitions, removalRetryMs, out)
    const locals = this.#local.get(topicId)
    const ended = partitions.filter(partition => locals?.get(partition)?.stage === 'stopping')
    for (const partition of ended) locals!.get(partition)!.stage = 'stopped'
    this.#act(topicId, ended, out)
    this.#judge(topicId, ended)
  }

  removed ({ topicId, partitions, removed }: PartitionsRemoved, out: Outbox): void {
    if (!removed) return this.#again(topicId, partitions, removalRetryMs, out)
    const locals = this.#local.get(topicId)
    for (const partition of partitions) if (locals?.get(partition)?.stage === 'removing') locals.delete(partition)
    if (locals?.size === 0) this.#local.delete(topicId)
    this.#act(topicId, partitions, out)
  }

  /** The step of these has failed: it is due again after a while. */
  #again (topicId: TopicId, partitions: readonly PartitionIndex[], delayMs: number, out: Outbox): void {
    const locals = this.#local.get(topicId)
    for (const partition of partitions) if (locals?.has(partition) === true) locals.get(partition)!.failed = true
    out.timer(delayMs, { kind: 'retry-placement', topicId, partitions } as Message)
  }

  retry ({ topicId, partitions }: RetryPlacement, out: Outbox): void {
    const { placer } = this.#options
    const locals = this.#local.get(topicId)
    const due = partitions.filter(partition => locals?.get(partition)?.failed === true)
    const at = (stage: Local['stage']): PartitionIndex[] => due.filter(partition => locals!.get(partition)!.stage === stage)
    const [placing, stopping, stopped, removing] = [at('placing'), at('stopping'), at('stopped'), at('removing')]
    for (const partition of due) locals!.get(partition)!.failed = false
    for (const partition of placing) {
      const isWanted = this.#isWanted(topicId, partition)
      if (!isWanted && this.#trusted) {
        // It may have left files.
        locals!.get(partition)!.stage = 'stopping'
        stopping.push(partition)
      } else {
        locals!.delete(partition)
        if (!isWanted) add(this.#doomed, topicId, partition)
      }
    }
    if (stopping.length > 0) out.effect(placer.stop(topicId, stopping))
    if (removing.length > 0) out.effect(placer.remove(topicId, removing))
    this.#judge(topicId, stopped)
    this.#act(topicId, placing, out)
  }

  /** What has stopped goes if nobody wants it by all that was committed by then; meanwhile it may have been wanted, and placed, again. */
  #judge (topicId: TopicId, partitions: readonly PartitionIndex[]): void {
    const judged = new Map<PartitionIndex, Local>()
    for (const partition of partitions) {
      const local = this.#local.get(topicId)?.get(partition)
      if (local?.stage === 'stopped') judged.set(partition, local)
    }
    if (judged.size === 0) return
    this.#options.readMetadata((known, out) => {
      const left = [...judged].filter(([partition, local]) => this.#local.get(topicId)?.get(partition) === local).map(([partition]) => partition)
      if (left.length === 0) return
      if (!known) return this.#again(topicId, left, placementRetryMs, out)
      for (const partition of left) judged.get(partition)!.stage = 'removing'
      out.effect(this.#options.placer.remove(topicId, left))
    })
  }

  /** Tells a partition's actor what is meant, where it knows something else. */
  tellIntent (topic: TopicState, partition: number, out: Outbox): void {
    const actor = this.actorOf(topic.id, partition)
    if (actor !== noActor) this.#tellIntent(topic, partition, actor, out)
  }

  /** Everything that runs here, for links that begin anew. */
  groups (): GroupsChanged['placed'] {
    return [...this.#local].flatMap(([topicId, locals]) => [...locals]
      .filter(([, { stage }]) => stage === 'here')
      .map(([partition, { actor }]) => ({ group: groupOf(topicId, partition), actor })))
  }

  // ---- one step further

  #act (topicId: TopicId, partitions: readonly number[], out: Outbox): void {
    const { placer, state } = this.#options
    const topic = state.topics.get(topicId)
    const specs: PartitionSpec[] = []
    const stopping: PartitionIndex[] = []
    for (const partition of partitions) {
      const local = this.#local.get(topicId)?.get(partition)
      const isWanted = this.#isWanted(topicId, partition)
      if ((local === undefined || local.stage === 'stopped') && isWanted) {
        specs.push(this.#specOf(topic!, partition as PartitionIndex))
        set(this.#local, topicId, partition, begin('placing'))
      } else if (local?.stage === 'here' && isWanted) {
        this.#tellIntent(topic!, partition, local.actor, out)
      } else if (local?.stage === 'here' && this.#trusted) {
        local.stage = 'stopping'
        stopping.push(partition as PartitionIndex)
      }
    }
    this.#tellGroups([], stopping.map(partition => groupOf(topicId, partition)), out)
    if (stopping.length > 0) out.effect(placer.stop(topicId, stopping))
    for (let start = 0; start < specs.length; start += placedAtOnce) out.effect(placer.place(topicId, specs.slice(start, start + placedAtOnce)))
  }

  #isWanted (topicId: TopicId, partition: number): boolean {
    return this.#wanted.get(topicId)?.has(partition) === true
  }

  #specOf (topic: TopicState, partition: PartitionIndex): PartitionSpec {
    const { id: topicId, name, config, partitions } = topic
    const assignment = partitions[partition]!
    return { topicId, topic: name, partition, config, initial: initialFor(this.#options.self, assignment), voters: targetOf(assignment), mayBegin: this.#trusted }
  }

  /** A broker alone has nothing to tell: who its partitions' only voter is, they know. */
  #tellIntent (topic: TopicState, partition: number, actor: ActorId, out: Outbox): void {
    if (topic.configured) out.tell(actor, { kind: 'partition-configured', config: topic.config } as Message)
    if (this.#options.peers.length === 0) return
    const assignment = topic.partitions[partition]!
    out.tell(actor, { kind: 'partition-assigned', voters: targetOf(assignment), generation: assignment.generation } as Message)
  }

  #tellGroups (placed: GroupsChanged['placed'], removed: GroupsChanged['removed'], out: Outbox): void {
    if (placed.length + removed.length === 0) return
    for (const links of this.#options.peers) out.tell(links, { kind: 'groups-changed', placed, removed } as Message)
  }
}

function begin (stage: Local['stage']): Local {
  return { stage, actor: noActor, failed: false }
}

export function groupOf (topicId: TopicId, partition: number): GroupKey {
  return `${topicId}-${partition}` as GroupKey
}

/** Who votes as far as an empty log of this member knows. Who comes later, or comes back, begins as a stranger: what it knows of the group it learns from it. */
function initialFor (self: MemberId, { initial, departed }: Assignment): readonly MemberId[] {
  return initial.includes(self) && !departed.includes(self) ? initial : []
}

function add (sets: Map<TopicId, Set<number>>, topicId: TopicId, partition: number): void {
  const partitions = sets.get(topicId)
  if (partitions === undefined) sets.set(topicId, new Set([partition]))
  else partitions.add(partition)
}

function remove (sets: Map<TopicId, Set<number>>, topicId: TopicId, partition: number): boolean {
  const partitions = sets.get(topicId)
  if (partitions?.delete(partition) !== true) return false
  if (partitions.size === 0) sets.delete(topicId)
  return true
}

function set (maps: Map<TopicId, Map<number, Local>>, topicId: TopicId, partition: number, local: Local): void {
  const partitions = maps.get(topicId)
  if (partitions === undefined) maps.set(topicId, new Map([[partition, local]]))
  else partitions.set(partition, local)
}
