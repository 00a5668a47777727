/** Each invariant, shown what must not be. Most of them are also shown it by planted bugs, see mutations. */
import t from 'tap'
import type { Log } from '../../src/log/log.ts'
import type { MemberId, Offset } from '../../src/base/ids.ts'
import { GroupView, ReplicaView, type Entry, type Moving } from './group-view.ts'
import { invariants } from './invariants.ts'
import type { Invariant } from './invariant.ts'

// A busy machine is no failure.
t.setTimeout(400_000)

function entry (base: number, term: number, more: Partial<Entry> = {}): Entry {
  return { base, end: base + 1, term, crc: base * 31 + term, control: false, producerId: -1, producerEpoch: -1, baseSequence: -1, ...more }
}

/** A group of three brokers, and what is said of it. */
class Stage {
  readonly said: string[] = []
  readonly group = new GroupView('g')
  readonly #invariants: readonly Invariant[]

  constructor (isSound?: (broker: number) => boolean, alwaysSynced = true) {
    this.#invariants = invariants(name => this.said.push(name), { alwaysSynced, apart: false, isSound })
  }

  replica (broker: number, entries: readonly Entry[], durableEnd = entries.length): ReplicaView {
    const log = { logStartOffset: 0, logEndOffset: entries.length, durableEndOffset: durableEnd } as unknown as Log
    const view = new ReplicaView(this.group, broker, log)
    view.configurations = [{ offset: -1 as Offset, configuration: { voters: [1, 2, 3] as MemberId[], outgoing: [], learners: [] } }]
    const before = this.group.replicas.get(broker)
    this.group.replicas.set(broker, view)
    for (const one of entries) view.add(one)
    this.#each(invariant => invariant.opened?.(this.group, view, before))
    for (const one of entries) this.#each(invariant => invariant.appended?.(this.group, view, one))
    return view
  }

  move (view: ReplicaView, change: Partial<Pick<ReplicaView, 'role' | 'term' | 'highWatermark' | 'durableEnd'>>): void {
    const { role, term, highWatermark, durableEnd, configurations } = view
    const before: Moving = { role, term, highWatermark, durableEnd, configurations }
    Object.assign(view, change)
    this.#each(invariant => invariant.moved?.(this.group, view, before))
  }

  #each (tell: (invariant: Invariant) => void): void {
    for (const invariant of this.#invariants) tell(invariant)
  }

  tell (tell: (invariant: Invariant) => void): void {
    this.#each(tell)
  }
}

/** Three replicas of which the first leads in term 1 and has committed everything. */
function committed (entries: readonly Entry[], isSound?: (broker: number) => boolean): { stage: Stage, replicas: ReplicaView[] } {
  const stage = new Stage(isSound)
  const replicas = [1, 2, 3].map(broker => stage.replica(broker, entries))
  stage.move(replicas[0]!, { role: 'leader', term: 1 })
  stage.move(replicas[0]!, { highWatermark: entries.length })
  return { stage, replicas }
}

const two = [entry(0, 1), entry(1, 1)]

t.test('a sound run says nothing', async t => {
  const { stage, replicas } = committed(two)
  stage.move(replicas[1]!, { term: 1, highWatermark: 2 })
  stage.move(replicas[1]!, { term: 2, role: 'leader' })
  stage.replica(3, two)
  stage.tell(invariant => invariant.read?.(stage.group, 1, two[1]!.crc))
  stage.tell(invariant => invariant.acknowledged?.(stage.group, { baseOffset: 0, crc: two[0]!.crc }))
  t.same(stage.said, [])
})

t.test('two leaders of one term', async t => {
  const { stage, replicas } = committed(two)
  stage.move(replicas[1]!, { role: 'leader', term: 1 })
  t.match(stage.said, ['SingleLeaderPerTerm'])
})

t.test('the same leader again in its term after a restart', async t => {
  const { stage } = committed(two)
  stage.move(stage.replica(1, two), { role: 'leader', term: 1 })
  t.match(stage.said, ['SingleLeaderPerTerm'])
})

t.test('another batch at the same offset and term; a gap', async t => {
  const stage = new Stage()
  stage.replica(1, two)
  stage.replica(2, [entry(0, 1), entry(1, 1, { crc: 7 })])
  t.same(stage.said, ['LogMatching'])
  stage.replica(3, [entry(0, 1), entry(2, 1)])
  t.equal(stage.said.length, 2)
})

t.test('a leader without what was committed; something else committed in its place', async t => {
  const { stage } = committed(two)
  stage.move(stage.replica(3, [entry(0, 1)], 1), { role: 'leader', term: 3 })
  t.ok(stage.said.includes('CommittedNeverLost'))
  const again = committed(two).stage
  const other = again.replica(2, [entry(0, 1), entry(1, 2)])
  again.move(other, { term: 2, highWatermark: 2 })
  t.ok(again.said.includes('CommittedNeverLost'))
})

t.test('a leader of a term that is over lacks what a newer one has committed', async t => {
  const { stage } = committed([entry(0, 1)])
  const newer = stage.replica(2, [entry(0, 1), entry(1, 3)])
  stage.replica(1, [entry(0, 1), entry(1, 3)])
  stage.move(newer, { role: 'leader', term: 3 })
  stage.move(newer, { highWatermark: 2 })
  stage.move(stage.replica(3, [entry(0, 1), entry(1, 2)]), { role: 'leader', term: 2 })
  t.same(stage.said, [])
})

t.test('a follower that commits what no leader has', async t => {
  const stage = new Stage()
  stage.move(stage.replica(2, two), { term: 1, highWatermark: 2 })
  t.ok(stage.said.includes('CommittedNeverLost'))
})

t.test('committed, and not on the disks of a majority; an older term by counting', async t => {
  const stage = new Stage()
  const leader = stage.replica(1, two)
  stage.replica(2, two, 1)
  stage.replica(3, [entry(0, 1)])
  stage.move(leader, { role: 'leader', term: 1 })
  stage.move(leader, { highWatermark: 2 })
  t.same(stage.said, ['CommittedIsDurable'])
  const late = committed(two)
  for (const broker of [2, 3]) late.stage.group.replicas.delete(broker)
  late.stage.move(late.replicas[0]!, { highWatermark: 1 })
  late.stage.move(late.replicas[0]!, { highWatermark: 2 })
  t.notOk(late.stage.said.includes('CommittedIsDurable'), 'a leader that learns late that others had acknowledged what is long committed')
  const older = new Stage()
  const [first] = [1, 2, 3].map(broker => older.replica(broker, two))
  older.move(first!, { role: 'leader', term: 2 })
  older.move(first!, { highWatermark: 2 })
  t.same(older.said, ['CommittedIsDurable'])
})

t.test('a disk loses what was acknowledged while the acknowledgement is on its way', async t => {
  for (const alwaysSynced of [true, false]) {
    const stage = new Stage(undefined, alwaysSynced)
    const [leader, loser] = [stage.replica(1, two), stage.replica(2, two)]
    stage.replica(3, [entry(0, 1)])
    stage.move(leader, { role: 'leader', term: 1 })
    loser.truncateTo(1)
    stage.move(loser, { durableEnd: 1 })
    stage.replica(2, [entry(0, 1)])
    stage.move(leader, { highWatermark: 2 })
    t.same(stage.said.filter(name => name === 'CommittedIsDurable'), alwaysSynced ? ['CommittedIsDurable'] : [])
  }
})

t.test('a high watermark that goes back', async t => {
  const { stage, replicas } = committed(two)
  stage.move(replicas[0]!, { highWatermark: 1 })
  t.same(stage.said, ['MonotonicHighWatermark'])
})

t.test('a sequence twice, and one left out', async t => {
  const batch = (base: number, baseSequence: number): Entry => entry(base, 1, { producerId: 5, producerEpoch: 0, baseSequence })
  t.same(committed([batch(0, 0), batch(1, 1), batch(2, 2)]).stage.said, [])
  t.same(committed([batch(0, 0), batch(1, 1), batch(2, 1)]).stage.said, ['NoDuplicateSequence'])
  t.same(committed([batch(0, 0), batch(1, 2)]).stage.said, ['NoDuplicateSequence'])
})

t.test('a read of what is not committed, and of something else', async t => {
  const { stage } = committed(two)
  stage.tell(invariant => invariant.read?.(stage.group, 2, 1))
  stage.tell(invariant => invariant.read?.(stage.group, 1, 1))
  t.same(stage.said, ['ReadsBelowHighWatermarkStable', 'ReadsBelowHighWatermarkStable'])
})

t.test('an acknowledgement of what is not committed, and of another batch', async t => {
  const { stage } = committed(two)
  stage.tell(invariant => invariant.acknowledged?.(stage.group, { baseOffset: 2, crc: 1 }))
  stage.tell(invariant => invariant.acknowledged?.(stage.group, { baseOffset: 1, crc: 1 }))
  t.same(stage.said, ['AcknowledgedIsCommitted', 'AcknowledgedIsCommitted'])
})

t.test('a restart without what was durable', async t => {
  const { stage } = committed(two)
  stage.replica(2, [entry(0, 1)])
  t.same(stage.said, ['DurableSurvives'])
})

t.test('a restart in the middle of cutting off what Raft does not want', async t => {
  const { stage, replicas } = committed(two)
  replicas[1]!.cutFrom = 1
  stage.replica(2, [entry(0, 1)])
  t.same(stage.said, [])
})

t.test('what a deposed leader wrote of the members, where something else was committed, says nothing of them', async t => {
  const { stage, replicas } = committed(two)
  const deposed = stage.replica(3, [entry(0, 1), entry(1, 0)])
  const without = { voters: [1] as MemberId[], outgoing: [], learners: [] }
  deposed.configurations = [...deposed.configurations, { offset: 1 as Offset, configuration: without }]
  stage.said.length = 0
  stage.tell(invariant => invariant.removed?.(stage.group, 2))
  t.same(stage.said, ['MembersKeepTheirLogs'])
  stage.said.length = 0
  replicas[0]!.configurations = deposed.configurations
  stage.tell(invariant => invariant.removed?.(stage.group, 2))
  t.same(stage.said, [], 'committed')
})

t.test('a voter that removes its log', async t => {
  const { stage } = committed(two)
  stage.tell(invariant => invariant.removed?.(stage.group, 4))
  t.same(stage.said, [])
  stage.tell(invariant => invariant.removed?.(stage.group, 2))
  t.same(stage.said, ['MembersKeepTheirLogs'])
})

t.test('a leader that is deposed for nothing', async t => {
  const deposed = (isSound: (broker: number) => boolean): string[] => {
    const { stage, replicas } = committed(two, isSound)
    stage.move(replicas[2]!, { role: 'leader', term: 2 })
    return stage.said
  }
  t.same(deposed(broker => broker !== 3), ['LeaderStays'])
  t.same(deposed(broker => broker !== 1), [], 'its own trouble')
  t.same(deposed(broker => broker === 1), [], 'no majority')
  let sound = true
  const { stage, replicas } = committed(two, () => sound)
  stage.move(replicas[0]!, { role: 'follower', term: 2 })
  t.same(stage.said.splice(0), ['LeaderStays'], 'before there is another one')
  stage.move(replicas[0]!, { role: 'leader', term: 3 })
  stage.move(replicas[0]!, { role: 'follower', term: 4 })
  t.same(stage.said, [], 'nothing was committed in its term yet')
  stage.move(replicas[0]!, { role: 'leader', term: 5 })
  replicas[0]!.add(entry(2, 5))
  stage.move(replicas[0]!, { highWatermark: 3 })
  stage.said.length = 0
  sound = false
  stage.move(replicas[0]!, { role: 'follower' })
  sound = true
  stage.move(replicas[2]!, { role: 'leader', term: 6 })
  t.same(stage.said.filter(name => name === 'LeaderStays'), [], 'when it stepped down it had no majority')
})

t.test('queues that fill up, and things left waiting', async t => {
  const stage = new Stage()
  stage.tell(invariant => invariant.queued?.(3, true))
  t.same(stage.said, [])
  stage.tell(invariant => invariant.queued?.(128, false))
  stage.tell(invariant => invariant.queued?.(5000, true))
  stage.tell(invariant => invariant.idle?.(1, { openAsks: 1000, timers: 1, waitingBytes: 0, heldBytes: 0 } as never))
  t.same(stage.said, ['MailboxBounded', 'MailboxBounded', 'MailboxBounded'])
})
