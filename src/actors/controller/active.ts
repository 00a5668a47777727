/**
 * The active controller: what the leader of the metadata group does besides what every broker's controller does. It alone decides.
 * Its state is ahead of the committed one by what it has decided; a decision is answered when it is committed. When it is not the
 * leader any more all of this is thrown away: what it had decided is committed by its successor, or was never told to anyone.
 */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, NodeId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { notKnown, refusal, type ActiveRequest, type Answer, type PlainReply } from './answers.ts'
import type { Candidate } from './assignment.ts'
import type { BrokerBeat, HandOver, TakeOverAsked } from './between.ts'
import {
  commonLevel, decideDrain, decideFeature, decideReassignments, decideRemoveBroker, listReassignments, type Verdict
} from './cluster-decisions.ts'
import { describeQuorum } from './cluster-status.ts'
import { Elections } from './elections.ts'
import { LeaderBalance } from './leader-balance.ts'
import { planHandOver, type LeaderContext } from './leader-choice.ts'
import type { LeadersTable } from './leaders-table.ts'
import type { Decided, MetadataEntries } from './metadata-entries.ts'
import { MetadataReads } from './metadata-reads.ts'
import type { MetadataRecord } from './metadata-record.ts'
import type { BrokerState, MetadataState } from './metadata-state.ts'
import { metadataGroup } from './metadata-voters.ts'
import { neededMoves, replicasLeft } from './mover.ts'
import type { ControllerOptions } from './options.ts'
import { ProducerIds } from './producer-ids.ts'
import { arrive, hasArrived, type Place } from './reassignment.ts'
import { decideJoin, decideRegistration, type RegistrationDecided } from './registration.ts'
import { Sessions } from './sessions.ts'
import { TakeOvers } from './take-overs.ts'
import {
  decideAlterConfigs, decideCreatePartitions, decideCreateTopics, decideDeleteTopics, type TopicContext
} from './topic-decisions.ts'

/** Decisions that may wait for their commit. */
const decisionsMax = 10_000
/** Partitions that move at one time because a broker is drained or replaced. */
const movesMax = 100
/** Partitions handed over to their preferred leaders in one look. */
const handOversMax = 20

export interface ActiveParts {
  readonly options: ControllerOptions
  readonly leaders: LeadersTable
  readonly entries: MetadataEntries
  /** Where the peers' list comes from, for who joins. */
  readonly peers: () => Extract<PlainReply, { kind: 'joined' }>['peers']
  readonly commit: (records: readonly MetadataRecord[], decided: Decided, out: Outbox) => void
  /** To the controller of a broker: of the one that leads, or of the one that is to. */
  readonly tell: (to: MemberId, message: HandOver | TakeOverAsked, out: Outbox) => void
}

export class Active {
  readonly term: number
  readonly sessions: Sessions
  /** With everything that was decided. */
  readonly state: MetadataState
  readonly #committed: MetadataState
  readonly #parts: ActiveParts
  readonly #options: ControllerOptions
  readonly #producerIds: ProducerIds
  readonly #reads: MetadataReads
  readonly #elections = new Elections()
  readonly #balance: LeaderBalance
  readonly #takeOvers = new TakeOvers()
  readonly #topicContext: TopicContext
  /** Moves that have come to their end in this turn. */
  readonly #arrived = new Map<string, Place>()
  /** The group of the metadata log as it was last asked for. */
  #wanted = ''
  #ended = false
  #now: number

  /** @param committed  all that the log holds: nothing of it may be waiting for its commit. Goes on with what is committed later */
  constructor (committed: MetadataState, parts: ActiveParts, now: number) {
    const { options } = parts
    this.#committed = committed
    this.#parts = parts
    this.#options = options
    this.#now = now
    this.term = options.replica.term
    this.state = committed.clone()
    this.sessions = new Sessions(options.timing.sessionMs)
    this.#reads = new MetadataReads(options.replica)
    this.#balance = new LeaderBalance({ patienceMs: options.timing.balanceMs, handOversMax })
    this.#producerIds = new ProducerIds(this.state, (end, done, out) => {
      if (this.#canDecide) this.#commit([{ kind: 'producer-ids-reserved', end }], done, out)
      else done(false, out)
    })
    this.#topicContext = {
      state: this.state,
      live: () => this.#candidates(true),
      spare: () => this.#candidates(false),
      chance: options.chance,
      defaultPartitions: options.defaultPartitions,
      defaultReplicas: options.defaultReplicas,
      partitionsMax: options.partitionsMax
    }
    // Nobody knows who was there a moment ago: a whole session for everybody.
    for (const nodeId of this.state.brokers.keys()) this.sessions.begin(nodeId, now)
  }

  /** It is the leader no more. Decisions under way answer for themselves, by what becomes of them. */
  end (out: Outbox): void {
    this.#ended = true
    this.#elections.abandon(out)
    this.#reads.abandon(out)
  }

  /** What was committed has been replayed. */
  replayed (out: Outbox): void {
    this.#reads.confirm(out)
  }

  // ---- requests

  handle (request: ActiveRequest, answer: Answer, out: Outbox, now: number): void {
    this.#now = now
    if (request.kind === 'describe-quorum') return answer(describeQuorum({ ...this.#parts, sessions: this.sessions, state: this.state, now }), out)
    if (request.kind === 'read-metadata') return this.#reads.add(answer, out)
    if (request.kind === 'list-reassignments') {
      const partitions = listReassignments(request, this.state)
      return this.#conclude([], request, { kind: 'reassignments-listed', errorCode: ErrorCode.NONE, errorMessage: null, partitions }, answer, out)
    }
    if (!this.#canDecide) return answer(refusal(request, ErrorCode.NOT_CONTROLLER, 'the controller takes no changes at this moment'), out)
    switch (request.kind) {
      case 'allocate-producer-id': return this.#producerIds.allocate(answer, out)
      case 'elect-leaders':
      case 'transfer-leaders': return this.#handOver(request, answer, out)
      default: {
        const [records, reply] = this.#decide(request)
        this.#conclude('validateOnly' in request && request.validateOnly ? [] : records, request, reply, answer, out)
      }
    }
  }

  #decide (request: Exclude<ActiveRequest, { kind: 'allocate-producer-id' | 'elect-leaders' | 'transfer-leaders' | 'describe-quorum' | 'list-reassignments' | 'read-metadata' }>): [readonly MetadataRecord[], PlainReply] {
    const { state } = this
    switch (request.kind) {
      case 'create-topics': {
        const { records, results } = decideCreateTopics(request, this.#topicContext)
        return [records, { kind: 'topics-created', results }]
      }
      case 'create-partitions': {
        const { records, results } = decideCreatePartitions(request, this.#topicContext)
        return [records, { kind: 'partitions-created', results }]
      }
      case 'delete-topics': {
        const { records, results } = decideDeleteTopics(request, state)
        return [records, { kind: 'topics-deleted', results }]
      }
      case 'alter-configs': {
        const { records, results } = decideAlterConfigs(request.topics, state)
        return [records, { kind: 'configs-altered', results }]
      }
      case 'alter-reassignments': {
        const { records, results } = decideReassignments(request, state)
        return [records, { kind: 'reassignments-altered', errorCode: ErrorCode.NONE, errorMessage: null, results }]
      }
      case 'drain-broker': {
        const others = this.#candidates(true).filter(({ nodeId }) => nodeId !== request.nodeId).length
        const [records, verdict] = apart(decideDrain(request, state, others))
        return [records, { kind: 'broker-drained', ...verdict, partitionsLeft: replicasLeft(request.nodeId, state) }]
      }
      case 'remove-broker': {
        const [records, verdict] = apart(decideRemoveBroker(request.nodeId, state, this.#isHeard))
        if (records.length > 0) this.sessions.forget(request.nodeId)
        return [records, { kind: 'broker-removed', ...verdict }]
      }
      case 'finalize-feature': {
        const [records, verdict] = apart(decideFeature(request, state))
        const level = verdict.errorCode === ErrorCode.NONE && !request.validateOnly ? request.level : state.featureLevel
        return [records, { kind: 'feature-answered', ...verdict, level }]
      }
      case 'join': return this.#register(decideJoin(request.body, { state, isHeard: this.#isHeard }))
      case 'register-broker': return this.#register(decideRegistration(request, { state, isHeard: this.#isHeard }))
      // Forwarded by a newer program: an exception here would be the end of every controller that becomes the active one.
      default: return [[], notKnown(request)]
    }
  }

  #register ({ errorCode, errorMessage, nodeId, member, record }: RegistrationDecided): [readonly MetadataRecord[], PlainReply] {
    const { clusterId, founders, nodeId: self } = this.#options
    if (errorCode === ErrorCode.NONE) {
      // Another folder, or none since it was struck off: what the broker said in its earlier life is over.
      if (this.state.memberOf(nodeId) !== member) this.sessions.forget(nodeId)
      this.sessions.begin(nodeId, this.#now)
    }
    const fenced = record?.fenced === true && nodeId !== self && !this.sessions.isReady(nodeId)
    return [record === undefined ? [] : [{ ...record, fenced }], {
      kind: 'joined', errorCode, errorMessage, clusterId, nodeId, member, initialVoters: founders.map(founder => founder.member), peers: this.#parts.peers()
    }]
  }

  /** Answers when the records are committed; without any, when all earlier ones are, as the answer may tell of those. */
  #conclude (records: readonly MetadataRecord[], request: ActiveRequest, reply: PlainReply, answer: Answer, out: Outbox): void {
    const decided: Decided = (committed, out) => {
      answer(committed ? reply : refusal(request, ErrorCode.NOT_CONTROLLER, 'the controller was replaced before this was durable'), out)
    }
    if (records.length === 0) this.#parts.entries.settled(decided, out)
    else this.#commit(records, decided, out)
  }

  #commit (records: readonly MetadataRecord[], decided: Decided, out: Outbox): void {
    for (const record of records) this.state.apply(record)
    this.#parts.commit(records, decided, out)
  }

  /** For what nobody waits for. */
  #commitQuietly (records: readonly MetadataRecord[], out: Outbox): void {
    if (records.length > 0) this.#commit(records, () => {}, out)
  }

  get #canDecide (): boolean {
    return !this.#ended && this.#options.replica.canAppend && this.#parts.entries.count < decisionsMax
  }

  // ---- who is there

  /** A broker says that it is there. */
  beat (nodeId: NodeId, beat: Pick<BrokerBeat, 'leaving' | 'ready' | 'bytes'>, out: Outbox, now: number): void {
    this.#now = now
    this.sessions.beat(nodeId, beat, now)
    if (!beat.ready || this.state.brokers.get(nodeId)?.fenced !== true || !this.#canDecide) return
    this.#options.note({ broker: nodeId }, 'broker is back')
    this.#commitQuietly([{ kind: 'broker-unfenced', nodeId }], out)
  }

  /** The links have lost a broker, or found it again. */
  link (nodeId: NodeId, up: boolean): void {
    this.sessions.link(nodeId, up)
  }

  /** Its session is not over. What cannot be taken back goes by this alone: a link is silent now and then. */
  readonly #isHeard = ({ nodeId }: BrokerState): boolean => nodeId === this.#options.nodeId || !this.sessions.isExpired(nodeId, this.#now)

  readonly #isAlive = ({ nodeId }: BrokerState): boolean => nodeId === this.#options.nodeId || this.sessions.isAlive(nodeId, this.#now)

  /** Brokers that may be given partitions: those that are there, or those that are not and should be. */
  #candidates (live: boolean): Candidate[] {
    const candidates: Candidate[] = []
    for (const broker of this.state.brokers.values()) {
      const { nodeId, member, rack, fenced, draining } = broker
      const there = !fenced && this.#isAlive(broker) && !this.sessions.isLeaving(nodeId)
      if (draining || there !== live) continue
      candidates.push({ nodeId, member, rack, ...this.state.loadOf(member), bytes: this.sessions.bytesOf(nodeId) })
    }
    const { nodeId, member, registration: { rack } } = this.#options
    // A broker alone whose registration could not be written yet.
    if (live && !this.state.brokers.has(nodeId)) candidates.push({ nodeId, member, rack, ...this.state.loadOf(member), bytes: 0 })
    return candidates
  }

  readonly #mayLead = (member: MemberId): boolean => {
    const broker = this.state.brokers.get(this.state.nodeOf(member)!)
    return broker !== undefined && broker.member === member && !broker.fenced && !broker.draining &&
      this.#isAlive(broker) && !this.sessions.isLeaving(broker.nodeId)
  }

  // ---- leaders

  get #leaderContext (): LeaderContext {
    return { state: this.state, leaders: this.#parts.leaders, mayLead: this.#mayLead }
  }

  #handOver (request: Extract<ActiveRequest, { kind: 'elect-leaders' | 'transfer-leaders' }>, answer: Answer, out: Outbox): void {
    const { results, moves } = planHandOver(request, this.#leaderContext)
    this.#tellHandOvers(moves.map(({ topic, partition, from, to }) => ({ topicId: topic.id, partition, from, to })), out)
    const awaited = moves.map(({ index, topic, partition, to }) => ({ topicId: topic.id, partition, to, index }))
    this.#elections.add({ answer, results, awaited, deadline: this.#now + Math.max(0, request.timeoutMs) }, out)
  }

  #tellHandOvers (handOvers: ReadonlyArray<{ topicId: TopicId, partition: PartitionIndex, from: MemberId, to: MemberId }>, out: Outbox): void {
    for (const [from, partitions] of Map.groupBy(handOvers, ({ from }) => from)) {
      this.#parts.tell(from, { kind: 'hand-over', partitions: partitions.map(({ topicId, partition, to }) => ({ topicId, partition, to })) }, out)
    }
  }

  /** Something is new about the leader of a partition. */
  leaderChanged (id: TopicId, partition: PartitionIndex, out: Outbox): void {
    const leadership = this.#parts.leaders.get(id, partition)
    const assignment = this.state.topics.get(id)?.partitions[partition]
    if (leadership === undefined || assignment === undefined) return
    this.#elections.led(id, partition, leadership.leader, out)
    if (!hasArrived(assignment, leadership)) return
    this.#arrived.set(`${id}-${partition}`, { id, partition })
    out.turnEnd()
  }

  // ---- what time brings

  turnEnd (out: Outbox): void {
    if (this.#arrived.size === 0 || !this.#canDecide) return
    const places = [...this.#arrived.values()]
    this.#arrived.clear()
    const records: MetadataRecord[] = []
    for (const place of places) {
      // Something else may have been decided since: then it has not arrived where it is to be now.
      const assignment = this.state.topics.get(place.id)?.partitions[place.partition]
      const leadership = this.#parts.leaders.get(place.id, place.partition)
      if (assignment !== undefined && leadership !== undefined && hasArrived(assignment, leadership)) records.push(arrive(place, assignment))
    }
    this.#commitQuietly(records, out)
    this.#move(out)
  }

  tick (out: Outbox, now: number): void {
    this.#now = now
    this.#elections.expire(now, out)
    if (!this.#canDecide) return
    this.#fence(out)
    this.#finalize(out)
    this.#changeVoters(out)
    for (const { topic, partition } of this.state.moving()) this.leaderChanged(topic.id, partition, out)
    this.#move(out)
    this.#tellHandOvers(this.#balance.look(this.#leaderContext, now), out)
    for (const [to, partitions] of Map.groupBy(this.#takeOvers.look(this.#leaderContext, this.#committed, now), ({ to }) => to)) {
      this.#parts.tell(to, { kind: 'take-over', partitions: partitions.map(({ topicId, partition, term }) => ({ topicId, partition, term })) }, out)
    }
  }

  #fence (out: Outbox): void {
    const gone = [...this.state.brokers.values()].filter(({ nodeId, fenced }) => !fenced && nodeId !== this.#options.nodeId && this.sessions.isExpired(nodeId, this.#now))
    for (const { nodeId, name } of gone) this.#options.note({ broker: nodeId, name, silentMs: this.sessions.silentMs(nodeId, this.#now) }, 'broker is fenced: it was not heard of')
    this.#commitQuietly(gone.map(({ nodeId }) => ({ kind: 'broker-fenced', nodeId })), out)
  }

  #finalize (out: Outbox): void {
    const level = commonLevel(this.state)
    if (level === this.state.featureLevel) return
    this.#options.note({ level }, 'all brokers can work at a higher feature level: it is final')
    this.#commitQuietly([{ kind: 'feature-finalized', level }], out)
  }

  #changeVoters (out: Outbox): void {
    const { replica, controllerVoters } = this.#options
    const target = metadataGroup({ state: this.state, configuration: replica.configuration, count: controllerVoters, isAlive: this.#isAlive })
    const wanted = JSON.stringify(target)
    if (target === undefined || wanted === this.#wanted) return
    this.#wanted = wanted
    replica.setTarget(target, out)
  }

  #move (out: Outbox): void {
    if (!this.#canDecide) return
    this.#commitQuietly(neededMoves({ state: this.state, candidates: this.#candidates(true) }, movesMax - this.state.movingCount), out)
  }
}

function apart ({ records, ...verdict }: Verdict): [readonly MetadataRecord[], Omit<Verdict, 'records'>] {
  return [records, verdict]
}
