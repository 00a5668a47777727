/** What becomes of requests: topics, settings, registrations, voters of the metadata group, moves that are needed. */
import t from 'tap'
import type { Candidate } from '../../../src/actors/controller/assignment.ts'
import { commonLevel, decideFeature } from '../../../src/actors/controller/cluster-decisions.ts'
import { alteredConfig, configProblem } from '../../../src/actors/controller/config-decisions.ts'
import { nodesOf } from '../../../src/actors/controller/image.ts'
import type { BrokerRegistered } from '../../../src/actors/controller/metadata-record.ts'
import { MetadataState, targetOf, type BrokerState } from '../../../src/actors/controller/metadata-state.ts'
import { metadataGroup } from '../../../src/actors/controller/metadata-voters.ts'
import { brokersNeeded, neededMoves, replicasLeft } from '../../../src/actors/controller/mover.ts'
import { decideJoin, decideRegistration, isCurrent } from '../../../src/actors/controller/registration.ts'
import { decideCreateTopics, decideDeleteTopics, type TopicContext } from '../../../src/actors/controller/topic-decisions.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { created, founders, member, members, node, registered, registration, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

function cluster (count: number, change: (id: number) => Partial<BrokerRegistered> = () => ({})): MetadataState {
  const state = new MetadataState(founders(Math.min(count, 3)))
  for (let id = 1; id <= count; id++) state.apply(registered(id, change(id)))
  return state
}

const candidatesOf = (state: MetadataState, without: number[] = []): Candidate[] => [...state.brokers.values()]
  .filter(({ nodeId, draining }) => !draining && !without.includes(nodeId))
  .map(({ nodeId, member, rack }) => ({ nodeId, member, rack, ...state.loadOf(member), bytes: 0 }))

function context (state: MetadataState, change: Partial<TopicContext> = {}): TopicContext {
  return { state, live: () => candidatesOf(state), spare: () => [], chance: seededChance(1), defaultPartitions: 2, defaultReplicas: 3, partitionsMax: 100, ...change }
}

t.test('topics: defaults, what is refused and why, all or none of the rest', async t => {
  const state = cluster(3)
  state.apply(created(1, [[1]]))
  const topic = (name: string, more: object = {}) => ({ name, partitions: -1, replicas: -1, config: {}, ...more })
  const decide = (...topics: Array<ReturnType<typeof topic>>) => decideCreateTopics({ topics }, context(state))
  const one = (...topics: Array<ReturnType<typeof topic>>) => decide(...topics).results.at(-1)
  t.match(decide(topic('a')), { records: [{ kind: 'topic-created', name: 'a', partitions: 2, replicas: 3 }], results: [{ name: 'a', errorCode: 0, partitions: 2, replicas: 3 }] })
  t.match(one(topic('../a')), { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION })
  t.match(one(topic('topic-1')), { errorCode: ErrorCode.TOPIC_ALREADY_EXISTS })
  t.match(one(topic('a'), topic('a')), { errorCode: ErrorCode.INVALID_REQUEST })
  t.match(one(topic('a', { partitions: 0 })), { errorCode: ErrorCode.INVALID_PARTITIONS })
  t.match(one(topic('a', { partitions: 60 }), topic('b', { partitions: 40 })), { errorCode: ErrorCode.INVALID_PARTITIONS, errorMessage: /at most 100/ }, 'of one request together')
  t.match(one(topic('a', { replicas: 4 })), { errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage: '4 replicas need as many brokers; there are 3' })
  t.match(one(topic('a', { config: { 'no.such': '1' } })), { errorCode: ErrorCode.INVALID_CONFIG })
  t.match(one(topic('a', { replicas: 2, config: { 'min.insync.replicas': '3' } })), { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: /2 replicas/ })
  t.match(decide(topic('../a'), topic('b')).records, [{ name: 'b' }], 'one that is refused takes no other with it')
  t.match(one(topic('a', { assignments: [[3, 1], [1, 2]] })), { errorCode: 0, partitions: 2, replicas: 2 })
  t.match(decide(topic('a', { assignments: [[3, 1], [1, 2]] })).records, [{ assignments: [[3, 1], [1, 2]] }])
  t.match(one(topic('a', { assignments: [[3, 1], [1]] })), { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT })
  t.match(one(topic('a', { assignments: [[3, 7]] })), { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage: 'there is no broker 7' })
  t.match(one(topic('a', { assignments: [[]] })), { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT })
  const { records } = decide(...['a', 'b', 'c', 'd', 'e', 'f'].map(name => topic(name, { partitions: 1, replicas: 1 })))
  t.same(records.map(record => record.kind === 'topic-created' && record.assignments![0]![0]).toSorted(), [1, 1, 2, 2, 3, 3], 'each knows of those before it')
})

t.test('topics are deleted by name or id, each once', async t => {
  const state = cluster(1)
  state.apply(created(1, [[1]]))
  const { records, results } = decideDeleteTopics({ topics: [{ name: 'topic-1', id: null }, { name: null, id: topicId(1) }, { name: 'none', id: null }, { name: null, id: topicId(2) }] }, state)
  t.same(records, [{ kind: 'topic-deleted', id: topicId(1) }])
  t.same(results.map(({ errorCode }) => errorCode), [0, 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID])
})

t.test('settings: set, deleted, replaced, all or none', async t => {
  const alter = (changes: Array<[name: string, operation: string, value: string | null]>, replace = false) =>
    alteredConfig({ 'retention.ms': '5', 'segment.bytes': '70000' }, { topic: 'x', replace, changes: changes.map(([name, operation, value]) => ({ name, operation: operation as 'set', value })) }, 3)
  t.same(alter([['retention.ms', 'set', '6']]), { config: { 'retention.ms': '6', 'segment.bytes': '70000' }, changed: true })
  t.same(alter([['retention.ms', 'set', '5']]), { config: { 'retention.ms': '5', 'segment.bytes': '70000' }, changed: false })
  t.same(alter([['retention.ms', 'delete', null]]), { config: { 'segment.bytes': '70000' }, changed: true })
  t.match(alter([['retention.bytes', 'delete', null]]), { changed: false })
  t.same(alter([['retention.ms', 'set', '7']], true), { config: { 'retention.ms': '7' }, changed: true })
  t.match(alter([['retention.ms', 'set', '7'], ['nothing', 'set', '1']]), { problem: /unknown topic setting nothing/ })
  t.match(alter([['nothing', 'delete', null]]), { problem: /unknown/ })
  t.match(alter([['retention.ms', 'set', 'soon']]), { problem: /soon/ })
  t.match(alter([['retention.ms', 'set', null]]), { problem: /nothing/ })
  t.match(alter([['cleanup.policy', 'append', 'compact']]), { problem: /no list/ })
  t.match(alter([['retention.ms', 'set', '7'], ['retention.ms', 'set', '8']]), { problem: /twice/ })
  t.match(configProblem({ 'min.insync.replicas': '2' }, 1), /1 replica:/)
  t.equal(configProblem({ 'min.insync.replicas': '2' }, 2), undefined)
})

t.test('registrations', async t => {
  const state = cluster(3)
  let alive = true
  const context = { state, isHeard: () => alive }
  t.match(decideJoin(registration(4), context), { errorCode: 0, nodeId: 4, member: 4, record: { fenced: true, epoch: undefined } })
  t.match(decideJoin(registration(2), context), { errorCode: 0, nodeId: 2, member: 2, record: undefined }, 'who lost its answer')
  t.match(decideJoin(registration(2, { port: 1 }), context), { errorCode: 0, nodeId: 2, member: 2, record: { port: 1, fenced: false } })
  t.match(decideJoin(registration(2, { directoryId: 'new' }), context), { errorCode: ErrorCode.DUPLICATE_RESOURCE })
  alive = false
  t.match(decideJoin(registration(2, { directoryId: 'new' }), context), { errorCode: 0, nodeId: 2, member: 4 })
  const own = (id: number, change: object = {}) => decideRegistration({ kind: 'register-broker', nodeId: node(id), member: member(id), body: registration(id, change) }, context)
  t.match(own(2), { errorCode: 0, record: undefined })
  t.match(own(2, { host: 'x' }), { errorCode: 0, record: { host: 'x' } })
  t.match(own(2, { name: 'renamed' }), { errorCode: 0, record: { name: 'renamed', nodeId: 2 } })
  t.match(own(2, { name: 'broker-3' }), { errorCode: ErrorCode.DUPLICATE_RESOURCE })
  t.match(own(2, { directoryId: 'folder-3' }), { errorCode: ErrorCode.INCONSISTENT_CLUSTER_ID })
  t.match(own(7), { errorCode: ErrorCode.INCONSISTENT_CLUSTER_ID })
  t.match(own(2, { features: { min: 2, max: 2 } }), { errorCode: ErrorCode.UNSUPPORTED_VERSION })
  state.apply(registered(2, { member: member(9), directoryId: 'new' }))
  t.match(own(2), { errorCode: 0, member: 2, record: { member: 2, directoryId: 'folder-2' } }, 'the earlier folder is put back')
  alive = true
  t.match(own(2), { errorCode: ErrorCode.DUPLICATE_RESOURCE }, 'not while the other one runs')
  t.ok(isCurrent(state.brokers.get(node(3)), member(3), registration(3)))
  for (const change of [{ name: 'x' }, { port: 1 }, { rack: 'a' }, { raftPort: 1 }, { features: { min: 1, max: 2 } }]) t.notOk(isCurrent(state.brokers.get(node(3)), member(3), registration(3, change)))
  t.notOk(isCurrent(undefined, member(3), registration(3)))
  t.notOk(isCurrent(state.brokers.get(node(2)), member(2), registration(2)))
})

t.test('a founder has its place before it registers, by its folder', async t => {
  const state = new MetadataState(founders(3))
  const context = { state, isHeard: () => false }
  t.match(decideRegistration({ kind: 'register-broker', nodeId: node(2), member: member(2), body: registration(2) }, context), { errorCode: 0, record: { nodeId: 2, member: 2 } })
  t.match(decideRegistration({ kind: 'register-broker', nodeId: node(2), member: member(2), body: registration(2, { directoryId: 'x' }) }, context), { errorCode: ErrorCode.INCONSISTENT_CLUSTER_ID })
  t.match(decideJoin(registration(2, { directoryId: 'new' }), context), { errorCode: 0, nodeId: 2, member: 4 }, 'its disk was erased before')
})

t.test('who votes for the metadata', async t => {
  const state = cluster(5, id => ({ rack: `rack-${id % 2}` }))
  const away = new Set<number>()
  const group = (voters: number[], outgoing: number[] = []) => metadataGroup({
    state, configuration: { voters: members(...voters), outgoing: members(...outgoing), learners: [] }, count: 3, isAlive: ({ nodeId }: BrokerState) => !away.has(nodeId)
  })
  t.same(group([1]), { voters: [1, 2, 3], learners: [4, 5] }, 'another rack first')
  t.same(group([1, 3]), { voters: [1, 3, 2], learners: [4, 5] })
  t.same(group([1, 2, 3, 4, 5]), { voters: [1, 2, 3, 4, 5], learners: [] }, 'none is taken away')
  t.equal(group([1, 2], [1]), undefined, 'one change after the other')
  away.add(2).add(3)
  t.same(group([1]), { voters: [1, 4, 5], learners: [2, 3] }, 'only who is there')
  t.same(group([1, 2, 3]), { voters: [1, 2, 3], learners: [4, 5] }, 'who is merely away keeps its vote')
  state.apply({ kind: 'broker-fenced', nodeId: node(2) })
  t.same(group([1, 2, 3]), { voters: [1, 2, 3], learners: [4, 5] })
  state.apply(registered(2, { member: member(9), directoryId: 'new' }))
  t.same(group([1, 2, 3]), { voters: [1, 2, 3], learners: [4, 5, 9] }, 'its new folder has not come yet')
  away.clear()
  t.same(group([1, 2, 3]), { voters: [1, 9, 3], learners: [4, 5] })
  state.apply({ kind: 'broker-draining', nodeId: node(3), draining: true })
  t.same(group([1, 9, 3]), { voters: [1, 9, 4], learners: [3, 5] })
  away.add(4).add(5)
  t.same(group([1, 9, 3]), { voters: [1, 9, 3], learners: [4, 5] }, 'nobody is there to take its place')
  state.apply({ kind: 'broker-struck-off', nodeId: node(3) })
  t.same(group([1, 9, 3]), { voters: [1, 9], learners: [4, 5] })
})

t.test('moves that are needed: a few at a time, over racks, back to the same node where it has come back', async t => {
  const state = cluster(5, id => ({ rack: id <= 2 ? 'a' : id <= 4 ? 'b' : 'c' }))
  state.apply(created(1, [[1, 3, 5], [3, 5], [1], [2, 4]]))
  t.same(neededMoves({ state, candidates: candidatesOf(state) }, 10), [])
  state.apply({ kind: 'broker-draining', nodeId: node(1), draining: true })
  const context = () => ({ state, candidates: candidatesOf(state) })
  t.match(neededMoves(context(), 10), [{ partition: 0, replicas: [2, 3, 5, 1], removing: [1], adding: [2] }, { partition: 2, removing: [1] }])
  t.equal(neededMoves(context(), 10).length, 2)
  t.equal(neededMoves(context(), 1).length, 1)
  t.same(neededMoves(context(), 0), [])
  t.equal(replicasLeft(node(1), state), 2)
  t.equal(brokersNeeded(node(1), state), 3)
  t.same(neededMoves({ state, candidates: candidatesOf(state, [2, 4]) }, 10).map(({ partition }) => partition), [2], 'one that nobody can take stays')
  for (const record of neededMoves(context(), 10)) state.apply(record)
  t.same(neededMoves(context(), 10), [], 'they are on their way')
  t.equal(replicasLeft(node(1), state), 2, 'and not there yet')
  state.apply(registered(3, { member: member(8), directoryId: 'new', rack: 'b' }))
  t.same(neededMoves({ state, candidates: candidatesOf(state, [3]) }, 10), [], 'it is awaited')
  const moves = neededMoves(context(), 10)
  t.same(moves.map(({ partition, replicas }) => [partition, replicas]), [[0, [2, 8, 5, 3, 1]], [1, [8, 5, 3]]])
  for (const record of moves) state.apply(record)
  t.same(state.topics.get(topicId(1))!.partitions.map(targetOf).slice(0, 2), [[2, 8, 5], [8, 5]], 'in the same order')
  t.same(nodesOf(state.topics.get(topicId(1))!.partitions[1]!, state), { replicas: [3, 5], adding: [], removing: [] }, 'to clients nothing moves')
  t.same(nodesOf(state.topics.get(topicId(1))!.partitions[0]!, state), { replicas: [2, 3, 5, 1], adding: [2], removing: [1] })
})

t.test('a node never holds a partition twice, by whichever of its folders', async t => {
  const state = cluster(3)
  state.apply(created(1, [[1, 2]]))
  // Node 2 has another folder; node 1, which is drained, must not be replaced by it.
  state.apply(registered(2, { member: member(9), directoryId: 'new' }))
  state.apply({ kind: 'broker-draining', nodeId: node(1), draining: true })
  const [move] = neededMoves({ state, candidates: candidatesOf(state) }, 10)
  t.match(move, { replicas: [3, 9, 1, 2] })
})

t.test('a founder that has not come yet counts where a level is asked for, as where one is found', async t => {
  const state = new MetadataState(founders(3))
  for (const id of [1, 2]) state.apply(registered(id, { features: { min: 1, max: 2 } }))
  t.equal(commonLevel(state), 1)
  t.match(decideFeature({ level: 2 }, state), { errorCode: ErrorCode.FEATURE_UPDATE_FAILED, errorMessage: /broker 3 has not come yet/ })
  state.apply(registered(3, { features: { min: 1, max: 2 } }))
  t.equal(commonLevel(state), 2)
  t.match(decideFeature({ level: 2 }, state), { errorCode: ErrorCode.NONE })
})
