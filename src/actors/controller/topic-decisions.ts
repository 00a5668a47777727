/** What becomes of requests about topics: records for what is allowed, a clear word for what is not. Nothing changes here. */
import { ErrorCode } from '../../base/error-code.ts'
import type { NodeId, TopicId } from '../../base/ids.ts'
import { uuidHex, type Chance } from '../../base/prng.ts'
import { topicNameProblem } from '../../base/topic-config.ts'
import { refusedTopic, zeroId } from './answers.ts'
import { assignPartitions, type Candidate } from './assignment.ts'
import { alteredConfig, configProblem } from './config-decisions.ts'
import type {
  ConfigRequest, CreatePartitions, CreateTopics, DeleteTopics, NamedResult, PartitionsRequest, TopicRequest, TopicResult, TopicsDeleted
} from './messages.ts'
import type { Members, MetadataRecord, TopicCreated } from './metadata-record.ts'
import { targetOf, type MetadataState } from './metadata-state.ts'

export interface TopicContext {
  readonly state: MetadataState
  /** Brokers that may be given partitions and are there. */
  readonly live: () => Candidate[]
  /** Those that are not there at this moment, and belong to the cluster all the same. */
  readonly spare: () => Candidate[]
  readonly chance: Chance
  readonly defaultPartitions: number
  readonly defaultReplicas: number
  /** Partitions of all topics together. */
  readonly partitionsMax: number
}

export interface Decision<Result> {
  readonly records: readonly MetadataRecord[]
  readonly results: readonly Result[]
}

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string
}
const problem = (errorCode: number, errorMessage: string): Problem => ({ errorCode, errorMessage })

export function decideCreateTopics ({ topics }: Pick<CreateTopics, 'topics'>, context: TopicContext): Decision<TopicResult> {
  const records: TopicCreated[] = []
  const names = new Set<string>()
  const draft = new Draft(context)
  const results = topics.map(topic => {
    const twice = names.has(topic.name)
    names.add(topic.name)
    const decided = twice ? problem(ErrorCode.INVALID_REQUEST, 'the topic is named twice in one request') : createTopic(topic, context, draft)
    if ('errorCode' in decided) return refusedTopic(topic, decided.errorCode, decided.errorMessage)
    records.push(decided)
    const { name, id, partitions, replicas, config } = decided
    // Two replicas are two copies, but neither is a majority: without one of them nothing more is acknowledged.
    const warning = replicas === 2 ? 'two replicas survive the loss of a disk, and take no writes while one of them is gone: three do both' : null
    return { name, id, errorCode: ErrorCode.NONE, errorMessage: warning, partitions, replicas, config }
  })
  return { records, results }
}

function createTopic (topic: TopicRequest, context: TopicContext, draft: Draft): TopicCreated | Problem {
  const { state, chance, defaultPartitions, defaultReplicas } = context
  const { name, config } = topic
  const manual = topic.assignments ?? []
  const partitions = manual.length > 0 ? manual.length : topic.partitions === -1 ? defaultPartitions : topic.partitions
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return problem(ErrorCode.INVALID_TOPIC_EXCEPTION, nameProblem)
  if (state.topicByName(name) !== undefined) return problem(ErrorCode.TOPIC_ALREADY_EXISTS, `topic ${name} exists already`)
  if (partitions < 1) return problem(ErrorCode.INVALID_PARTITIONS, 'a topic has at least one partition')
  const crowded = draft.roomProblem(partitions)
  if (crowded !== undefined) return crowded
  const assignments = manual.length > 0
    ? manualAssignments(manual, state)
    : draft.assign(partitions, topic.replicas === -1 ? defaultReplicas : topic.replicas, [])
  if ('errorCode' in assignments) return assignments
  const replicas = assignments[0]!.length
  const wrong = configProblem(config, replicas)
  if (wrong !== undefined) return problem(ErrorCode.INVALID_CONFIG, wrong)
  draft.take(assignments)
  return { kind: 'topic-created', name, id: uuidHex(chance) as TopicId, partitions, replicas, config, assignments }
}

export function decideCreatePartitions ({ topics }: Pick<CreatePartitions, 'topics'>, context: TopicContext): Decision<NamedResult> {
  const records: MetadataRecord[] = []
  const names = new Set<string>()
  const draft = new Draft(context)
  const results = topics.map(topic => {
    const twice = names.has(topic.name)
    names.add(topic.name)
    const decided = twice ? problem(ErrorCode.INVALID_REQUEST, 'the topic is named twice in one request') : createPartitions(topic, context, draft)
    if ('errorCode' in decided) return { name: topic.name, ...decided }
    records.push(decided)
    return { name: topic.name, errorCode: ErrorCode.NONE, errorMessage: null }
  })
  return { records, results }
}

function createPartitions ({ name, count, assignments: manual }: PartitionsRequest, { state }: TopicContext, draft: Draft): MetadataRecord | Problem {
  const topic = state.topicByName(name)
  if (topic === undefined) return problem(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic ${name}`)
  const have = topic.partitions.length
  const added = count - have
  if (added === 0) return problem(ErrorCode.INVALID_PARTITIONS, `topic ${name} has ${have} partitions already`)
  if (added < 0) return problem(ErrorCode.INVALID_PARTITIONS, `topic ${name} has ${have} partitions; it cannot have fewer`)
  if (manual !== null && manual.length !== added) {
    return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `${added} partitions are added, and replicas given for ${manual.length}`)
  }
  const crowded = draft.roomProblem(added)
  if (crowded !== undefined) return crowded
  const existing = topic.partitions.map(targetOf)
  const replicas = existing[0]!.length
  const assignments = manual !== null ? manualAssignments(manual, state) : draft.assign(added, replicas, existing)
  if ('errorCode' in assignments) return assignments
  if (assignments[0]!.length !== replicas) {
    return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `the partitions of topic ${name} have ${replicas} replicas; ${assignments[0]!.length} are given`)
  }
  draft.take(assignments)
  return { kind: 'partitions-added', id: topic.id, assignments }
}

export function decideDeleteTopics ({ topics }: Pick<DeleteTopics, 'topics'>, state: MetadataState): Decision<TopicsDeleted['results'][number]> {
  const records = new Map<TopicId, MetadataRecord>()
  const results = topics.map(({ name, id }) => {
    const found = name === null ? state.topics.get(id ?? zeroId) : state.topicByName(name)
    if (found === undefined) {
      const errorCode = name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      return { name, id, errorCode, errorMessage: 'there is no such topic' }
    }
    records.set(found.id, { kind: 'topic-deleted', id: found.id })
    return { name: found.name, id: found.id, errorCode: ErrorCode.NONE, errorMessage: null }
  })
  return { records: [...records.values()], results }
}

export function decideAlterConfigs (topics: readonly ConfigRequest[], state: MetadataState): Decision<NamedResult> {
  const records: MetadataRecord[] = []
  const results = topics.map((request, index) => {
    const refuse = (errorCode: number, errorMessage: string): NamedResult => ({ name: request.topic, errorCode, errorMessage })
    if (topics.findIndex(({ topic }) => topic === request.topic) !== index) return refuse(ErrorCode.INVALID_REQUEST, 'the topic is named twice in one request')
    const topic = state.topicByName(request.topic)
    if (topic === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic ${request.topic}`)
    const replicas = Math.min(...topic.partitions.map(partition => targetOf(partition).length))
    const altered = alteredConfig(topic.config, request, replicas)
    if (altered.problem !== undefined) return refuse(ErrorCode.INVALID_CONFIG, altered.problem)
    if (altered.changed) records.push({ kind: 'topic-config-changed', id: topic.id, config: altered.config })
    return { name: request.topic, errorCode: ErrorCode.NONE, errorMessage: null }
  })
  return { records, results }
}

/** What one request gives out, topic after topic: each one finds the brokers with what those before it were given. */
class Draft {
  readonly #context: TopicContext
  #live: Candidate[] | undefined
  #spare: Candidate[] | undefined
  #partitions = 0

  constructor (context: TopicContext) {
    this.#context = context
  }

  roomProblem (partitions: number): Problem | undefined {
    const { state, partitionsMax } = this.#context
    if (state.partitionCount + this.#partitions + partitions <= partitionsMax) return undefined
    return problem(ErrorCode.INVALID_PARTITIONS, `a cluster holds at most ${partitionsMax} partitions`)
  }

  assign (partitions: number, replicas: number, existing: readonly Members[]): Members[] | Problem {
    const live = this.#live ??= this.#context.live()
    const spare = this.#spare ??= this.#context.spare()
    if (replicas < 1) return problem(ErrorCode.INVALID_REPLICATION_FACTOR, 'a partition has at least one replica')
    const count = live.length + spare.length
    if (replicas > count) {
      return problem(ErrorCode.INVALID_REPLICATION_FACTOR, `${replicas} replicas need as many brokers; ${count === 1 ? 'there is 1' : `there are ${count}`}`)
    }
    if (replicas <= live.length) return assignPartitions(live, { partitions, replicas, existing })
    // While a broker restarts topics can be made as ever, as long as a majority of their replicas is there.
    if (live.length * 2 <= replicas) {
      return problem(ErrorCode.INVALID_REPLICATION_FACTOR, `${replicas} replicas need a majority of as many brokers; ${live.length} of ${count} are there`)
    }
    const there = assignPartitions(live, { partitions, replicas: live.length, existing })
    const absent = assignPartitions(spare, { partitions, replicas: replicas - live.length, existing })
    return there.map((members, partition) => [...members, ...absent[partition]!])
  }

  take (assignments: readonly Members[]): void {
    this.#partitions += assignments.length
    this.#live = this.#live?.map(candidate => loaded(candidate, assignments))
    this.#spare = this.#spare?.map(candidate => loaded(candidate, assignments))
  }
}

function loaded (candidate: Candidate, assignments: readonly Members[]): Candidate {
  const held = assignments.filter(members => members.includes(candidate.member))
  const leaders = held.filter(members => members[0] === candidate.member).length
  return { ...candidate, replicas: candidate.replicas + held.length, leaders: candidate.leaders + leaders }
}

/** Replicas as a user wants them: any broker that is known will do, also one that is not there now. */
function manualAssignments (assignments: ReadonlyArray<readonly NodeId[]>, state: MetadataState): Members[] | Problem {
  const replicas = assignments[0]!.length
  const members: Members[] = []
  for (const nodes of assignments) {
    const decided = membersOfNodes(nodes, state)
    if ('errorCode' in decided) return decided
    if (nodes.length !== replicas) return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'all partitions of a topic have the same number of replicas')
    members.push(decided)
  }
  return members
}

/** The members by which some nodes take part now, in order. */
export function membersOfNodes (nodes: readonly NodeId[], state: MetadataState): Members | Problem {
  if (nodes.length === 0) return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'a partition has at least one replica')
  if (new Set(nodes).size !== nodes.length) return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `broker named twice in ${nodes.join(', ')}`)
  const members = nodes.map(node => state.memberOf(node))
  const unknown = nodes[members.indexOf(undefined)]
  if (unknown !== undefined) return problem(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `there is no broker ${unknown}`)
  return members as Members
}
