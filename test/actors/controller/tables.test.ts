/** The tables that a controller keeps in memory alone: who leads, who is there, what was forwarded, what waits for its commit. */
import t from 'tap'
import type { Answer, PlainReply } from '../../../src/actors/controller/answers.ts'
import { Forwards } from '../../../src/actors/controller/forwards.ts'
import { Gossip } from '../../../src/actors/controller/gossip.ts'
import { LeadersTable, type LeaderWord } from '../../../src/actors/controller/leaders-table.ts'
import { MetadataEntries } from '../../../src/actors/controller/metadata-entries.ts'
import { MetadataReads } from '../../../src/actors/controller/metadata-reads.ts'
import { writeMetadata } from '../../../src/actors/controller/metadata-record.ts'
import { Sessions } from '../../../src/actors/controller/sessions.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { ActorId, MemberId, Offset, PartitionIndex } from '../../../src/base/ids.ts'
import { configurationBatch } from '../../../src/record/control-record.ts'
import { ActorKit, KitOutbox } from '../../runtime/kit.ts'
import { member, members, node, topicId } from './records.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const outbox = (): KitOutbox => new KitOutbox(new ActorKit({ receive: () => {} }))

const word = (change: Partial<{ [Field in keyof LeaderWord]: unknown }> = {}): LeaderWord => ({
  topicId: topicId(1), partition: 0, term: 3, leader: 1, inSync: [1, 2], voters: [1, 2, 3], joint: false, generation: 0, saidAt: 100, ...change
}) as LeaderWord

t.test('leaders: a newer term wins, within a term the later word; what is no news says so', async t => {
  const table = new LeadersTable({ partitionsMax: 10, isKnown: () => true })
  t.ok(table.learn(word()))
  t.notOk(table.learn(word({ saidAt: 200 })), 'the same again')
  t.notOk(table.learn(word({ saidAt: 150, inSync: [1] })), 'overtaken by a later word')
  t.match(table.get(topicId(1), 0), { inSync: [1, 2] })
  t.notOk(table.learn(word({ term: 2, leader: 2, saidAt: 900 })), 'an older term')
  t.match(table.get(topicId(1), 0), { term: 3, leader: 1 })
  t.ok(table.learn(word({ saidAt: 200, inSync: [1, 2, 3] })))
  t.ok(table.learn(word({ saidAt: 200, generation: 1 })))
  t.ok(table.learn(word({ saidAt: 201, generation: 1, joint: true })))
  t.ok(table.learn(word({ term: 4, leader: 2, saidAt: 1 })), 'another broker has another clock')
  t.same([...table.ledBy(member(2))].map(({ partition, term }) => [partition, term]), [[0, 4]])
  t.same([...table.ledBy(member(1))], [])
  for (const partition of [-1, 10, 1.5]) t.notOk(table.learn(word({ partition, term: 99 })), `partition ${partition}`)
})

t.test('leaders of topics that nobody has heard of are kept, as many as fit', async t => {
  const known = new Set<string>()
  const table = new LeadersTable({ partitionsMax: 10, isKnown: id => known.has(id) })
  table.learn(word({ topicId: topicId(1) }))
  known.add(topicId(1))
  table.meet(topicId(1))
  for (let number = 2; number < 1500; number++) table.learn(word({ topicId: topicId(number) }))
  t.ok(table.get(topicId(1), 0), 'one that was met stays')
  t.equal(table.get(topicId(2), 0), undefined, 'the oldest stranger is forgotten')
  t.ok(table.get(topicId(1499), 0))
  table.forget(topicId(1))
  t.equal(table.get(topicId(1), 0), undefined)
})

t.test('gossip: news at the end of a turn, everything to who comes up, and all of it again in rounds', async t => {
  const leaders = new LeadersTable({ partitionsMax: 2000, isKnown: () => true })
  const gossip = new Gossip({ self: member(1), leaders, links: 9 as ActorId, others: () => members(2, 3) })
  for (let partition = 0; partition < 1200; partition++) leaders.learn(word({ partition, leader: partition % 2 === 0 ? 1 : 2 }))
  const out = outbox()
  gossip.add(word({ saidAt: 1 }), out)
  gossip.add(word({ saidAt: 2 }), out)
  t.same(out.told, [])
  gossip.flush(out)
  t.match(out.toldTo(9 as ActorId), [2, 3].map(to => ({ kind: 'controller-out', to, body: { kind: 'leaders-told', leaders: [{ saidAt: 2 }] } })), 'the newest of each partition')
  const later = outbox()
  gossip.flush(later)
  t.same(later.told, [])
  gossip.greet(member(3), later)
  const told = later.told.map(({ message }) => message as unknown as { to: MemberId, body: { leaders: LeaderWord[] } })
  t.same(told.map(({ to, body }) => [to, body.leaders.length]), [[3, 500], [3, 100]], 'only what is led here')
  const seen = new Set<PartitionIndex>()
  for (let round = 0; round < 30; round++) {
    const again = outbox()
    gossip.refresh(again)
    for (const { message } of again.told) for (const { partition } of (message as unknown as typeof told[number]).body.leaders) seen.add(partition)
  }
  t.equal(seen.size, 600)
})

const request = { kind: 'drain-broker', nodeId: node(1), drain: true } as const
const reply = { kind: 'broker-drained', errorCode: 0, errorMessage: null, partitionsLeft: 3 } as const

t.test('reads: answered once a majority has said so after the question; never by who was deposed', async t => {
  const replica = { round: 0, confirmedRound: 0, readIndex () { return ++this.round } }
  const reads = new MetadataReads(replica as never)
  const said: number[] = []
  const answer: Answer = reply => { said.push((reply as { errorCode: number }).errorCode) }
  const out = outbox()
  for (let i = 0; i < 3; i++) reads.add(answer, out)
  reads.confirm(out)
  t.same(said, [])
  replica.confirmedRound = 2
  reads.confirm(out)
  t.same(said, [ErrorCode.NONE, ErrorCode.NONE])
  reads.abandon(out)
  reads.confirm(out)
  t.same(said.slice(2), [ErrorCode.NOT_CONTROLLER])
})

t.test('forwards: an answer waits for this broker, and for nothing else', async t => {
  const forwards = new Forwards(7)
  const answers: PlainReply[] = []
  const answer: Answer = reply => answers.push(reply)
  const out = outbox()
  const first = forwards.add(request, answer, member(2), out, 0)!
  t.match(first, { kind: 'forward', life: 7, request })
  forwards.answered({ kind: 'forward-answered', life: 8, number: first.number, reply, endOffset: 0 as Offset }, 5 as Offset, out)
  t.same(answers, [], 'meant for an earlier life')
  forwards.answered({ kind: 'forward-answered', life: 7, number: first.number, reply, endOffset: 9 as Offset }, 5 as Offset, out)
  t.same(answers, [])
  forwards.replayed(8 as Offset, out)
  t.same(answers, [])
  forwards.lost(member(2), out)
  t.same(answers, [], 'it has answered')
  forwards.replayed(9 as Offset, out)
  t.same(answers, [reply])
  forwards.answered({ kind: 'forward-answered', life: 7, number: first.number, reply, endOffset: 0 as Offset }, 99 as Offset, out)
  t.equal(answers.length, 1, 'once')
  const second = forwards.add(request, answer, member(2), out, 0)!
  forwards.answered({ kind: 'forward-answered', life: 7, number: second.number, reply, endOffset: 99 as Offset }, 9 as Offset, out)
  forwards.expire(9_999, out)
  t.equal(answers.length, 1)
  forwards.expire(10_000, out)
  t.same(answers[1], reply, 'true all the same')
  forwards.add(request, answer, member(2), out, 0)
  forwards.lost(member(3), out)
  t.equal(forwards.count, 1)
  forwards.expire(10_000, out)
  t.match(answers[2], { kind: 'broker-drained', errorCode: ErrorCode.REQUEST_TIMED_OUT })
})

t.test('forwards: no more than there is room for', async t => {
  const forwards = new Forwards(7)
  let refused: PlainReply | undefined
  const out = outbox()
  for (let i = 0; i < 10_000; i++) t.ok(forwards.add(request, () => {}, member(2), out, 0) !== undefined || i)
  t.equal(forwards.add(request, reply => { refused = reply }, member(2), out, 0), undefined)
  t.match(refused, { errorCode: ErrorCode.NOT_CONTROLLER })
})

t.test('sessions: only a broker\'s own word prolongs its session', async t => {
  const sessions = new Sessions(6000)
  t.ok(sessions.isExpired(node(1), 0))
  t.equal(sessions.silentMs(node(1), 0), -1)
  sessions.begin(node(1), 0)
  t.ok(sessions.isAlive(node(1), 6000))
  t.ok(sessions.isExpired(node(1), 6001))
  t.notOk(sessions.isReady(node(1)))
  sessions.beat(node(1), { leaving: false, ready: true, bytes: 5 }, 6000)
  t.ok(sessions.isReady(node(1)))
  sessions.begin(node(1), 9000)
  t.equal(sessions.silentMs(node(1), 9000), 3000)
  sessions.link(node(1), false)
  t.notOk(sessions.isAlive(node(1), 9000))
  t.notOk(sessions.isExpired(node(1), 9000))
  sessions.link(node(1), true)
  t.ok(sessions.isAlive(node(1), 9000))
  sessions.link(node(1), true)
  t.ok(sessions.isExpired(node(1), 12_001))
  sessions.link(node(1), false)
  sessions.beat(node(1), { leaving: true, ready: true, bytes: 5 }, 13_000)
  t.ok(sessions.isAlive(node(1), 13_000), 'who is heard is there, whatever the links say')
  t.ok(sessions.isLeaving(node(1)))
})

t.test('entries: in order, each once, and what is cut off is told', async t => {
  const entries = new MetadataEntries()
  const out = outbox()
  const told: string[] = []
  const stamped = (batch: Uint8Array, base: number): Uint8Array => {
    new DataView(batch.buffer, batch.byteOffset).setBigInt64(0, BigInt(base))
    return batch
  }
  const records = (end: number): Uint8Array => writeMetadata([{ kind: 'producer-ids-reserved', end }, { kind: 'producer-ids-reserved', end: end + 1 }])
  entries.settled(committed => told.push(`nothing ${committed}`), out)
  entries.add(stamped(records(1), 0), true)
  entries.add(stamped(configurationBatch({ voters: [1], outgoing: [], learners: [] }), 2), false)
  entries.push({ endOffset: 5 as Offset, records: [], decided: [committed => told.push(`five ${committed}`)], restored: false })
  entries.settled(committed => told.push(`all ${committed}`), out)
  t.same([...entries.peek()].map(({ kind }) => kind), ['producer-ids-reserved', 'producer-ids-reserved'])
  t.equal(entries.take(1 as Offset), undefined, 'a batch is one entry')
  t.match(entries.take(3 as Offset), { endOffset: 2, restored: true, records: [{ end: 1 }, { end: 2 }] })
  t.match(entries.take(3 as Offset), { endOffset: 3, records: [] })
  t.equal(entries.take(4 as Offset), undefined)
  t.equal(entries.replayedEnd, 3)
  entries.push({ endOffset: 8 as Offset, records: [], decided: [], restored: false })
  t.same(entries.truncate(5 as Offset).map(({ endOffset }) => endOffset), [8])
  t.same(entries.truncate(4 as Offset).map(({ endOffset, decided }) => [endOffset, decided.length]), [[5, 2]])
  t.equal(entries.count, 0)
  t.same(entries.truncate(2 as Offset), [], 'a leader that loses what it committed with the disks of others has replayed it all the same')
  t.equal(entries.replayedEnd, 3)
  entries.add(stamped(configurationBatch({ voters: [1], outgoing: [], learners: [] }), 2), false)
  t.equal(entries.take(9 as Offset), undefined, 'it comes again, and is not replayed again')
  t.throws(() => entries.push({ endOffset: 3 as Offset, records: [], decided: [], restored: false }), /follow/)
  t.same(told, ['nothing true'])
  for (let end = 4; end < 3000; end++) entries.push({ endOffset: end as Offset, records: [], decided: [], restored: false })
  for (let end = 4; end < 3000; end++) if (entries.take(5000 as Offset)?.endOffset !== end) t.fail(`entry ${end}`)
  t.equal(entries.count, 0)
})

t.test('forwards: a read of the metadata is answered when this broker has replayed that far, or not at all', async t => {
  const forwards = new Forwards(7)
  const out = outbox()
  const answers: PlainReply[] = []
  const { number } = forwards.add({ kind: 'read-metadata', timeoutMs: 2000 }, reply => { answers.push(reply) }, member(2), out, 0)!
  const reply: PlainReply = { kind: 'metadata-read', errorCode: ErrorCode.NONE, errorMessage: null }
  forwards.answered({ kind: 'forward-answered', life: 7, number, reply, endOffset: 9 as Offset }, 5 as Offset, out)
  forwards.expire(100_000, out)
  t.match(answers, [{ errorCode: ErrorCode.REQUEST_TIMED_OUT }])
})
