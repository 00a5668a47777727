/** The checker itself: it must see every kind of broken history, name it, and accept every sound one. */
import fc from 'fast-check'
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import { type AnomalyKind, anomalyKinds } from './anomalies.ts'
import { check, type Report } from './checker.ts'
import { soundHistory } from './history-model.ts'
import { foreign, History, nameOf, type Outcome, type Poll, textOf, valueIn, valueOf } from './history.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** Writes histories in a few words: one key unless another is named, time goes on by itself. */
class Script {
  readonly history = new History()
  now = 0

  constructor () {
    for (const key of ['a', 'b']) this.history.addKey(key)
    for (let i = 0; i < 3; i++) this.history.addProducer({ atomic: true })
    for (let i = 0; i < 3; i++) this.history.addProcess()
  }

  send (producer: number, first: number, count: number, outcome: Outcome, offset = -1, { key = 0, start = this.now++, end = this.now++ } = {}): this {
    this.history.sends.push({ producer, key, first, count, outcome, offset, start, end: outcome === 'info' ? Infinity : end })
    return this
  }

  /** `PRODUCER:NUMBER@OFFSET …` */
  poll (process: number, records: string, { key = 0, start = this.now++, end = this.now++ } = {}): this {
    const parsed = records.split(' ').map(text => /^(\w+):(\d+)@(-?\d+)$/.exec(text)!)
    this.history.reads.push({
      process,
      key,
      start,
      end,
      offsets: parsed.map(match => Number(match[3])),
      values: parsed.map(match => match[1] === 'x' ? foreign : valueOf(Number(match[1]), Number(match[2])))
    })
    return this
  }

  assign (process: number, from: number): this {
    this.history.reads.push({ process, key: 0, start: this.now++, from })
    return this
  }

  end (offset: number): this {
    this.history.ends.push({ process: 0, key: 0, start: this.now++, end: this.now++, offset })
    return this
  }

  /** Reader 9 reads everything at last. */
  last (records: string): this {
    this.history.lastReaders.add(9)
    return this.poll(9, records)
  }

  /** Without a last reader all readers together are the last. */
  check (finished = true): Report {
    const { lastReaders, reads } = this.history
    if (lastReaders.size === 0) for (const { process } of reads) lastReaders.add(process)
    return check(this.history, { finished })
  }
}

const kindsIn = ({ anomalies }: Report): AnomalyKind[] => [...anomalies.counts.keys()].sort()

/** Two producers, all read by two readers. */
const sound = (): Script => new Script()
  .send(0, 0, 2, 'ok', 0).send(1, 0, 1, 'ok', 2).send(0, 2, 2, 'ok', 4)
  .poll(0, '0:0@0 0:1@1 1:0@2').poll(0, '0:2@4 0:3@5')
  .poll(1, '0:0@0').poll(1, '0:1@1 1:0@2 0:2@4 0:3@5')

t.test('sound histories', async t => {
  const cases: ReadonlyArray<[what: string, script: Script]> = [
    ['nothing', new Script()],
    ['all read', sound()],
    ['a hole in the offsets is a control batch', new Script().send(0, 0, 1, 'ok', 7).poll(0, '0:0@7')],
    ['what nobody knows of may be there', sound().send(2, 0, 2, 'info').poll(2, '2:0@6 2:1@7')],
    ['what nobody knows of may be absent', sound().send(2, 0, 2, 'info').poll(2, '0:0@0')],
    ['what was refused is absent', sound().send(2, 0, 1, 'fail').send(2, 1, 1, 'ok', 6).poll(2, '2:1@6')],
    ['acknowledged without an offset', sound().send(2, 0, 1, 'ok').poll(2, '2:0@6')],
    ['a reader goes back on purpose', sound().assign(1, 1).poll(1, '0:1@1')],
    ['a reader is sent elsewhere by its group', sound().assign(1, -1).poll(1, '0:2@4')],
    ['the same offset in another key', sound().send(2, 0, 1, 'ok', 0, { key: 1 }).poll(2, '2:0@0', { key: 1 })],
    ['sends at the same time stand in any order', new Script().send(0, 0, 1, 'ok', 1, { start: 0, end: 3 }).send(1, 0, 1, 'ok', 0, { start: 1, end: 2 }).poll(0, '1:0@0 0:0@1', { start: 4, end: 5 })],
    ['all is there at last', sound().last('0:0@0 0:1@1 1:0@2 0:2@4 0:3@5')],
    ['an info send lands late', new Script().send(0, 0, 1, 'info', -1, { start: 0 }).send(1, 0, 1, 'ok', 0, { start: 1, end: 2 }).poll(0, '1:0@0 0:0@1', { start: 4, end: 5 })]
  ]
  for (const [what, script] of cases) t.same(script.check().anomalies.examples, [], what)
  t.same(sound().send(2, 0, 1, 'ok', 6).check(false).anomalies.examples, [], 'not read yet')
  t.same(sound().end(6).end(9).check().notes.examples, [])
})

t.test('each broken history by its name', async t => {
  const cases: ReadonlyArray<[kind: AnomalyKind, what: string, script: Script, more?: readonly AnomalyKind[]]> = [
    ['inconsistent-offsets', 'two readers, two records', sound().send(2, 0, 1, 'info').poll(2, '2:0@0 0:1@1'), ['realtime-reorder']],
    ['inconsistent-offsets', 'two were acknowledged at one offset', new Script().send(0, 0, 1, 'ok', 0, { start: 0, end: 9 }).send(1, 0, 1, 'ok', 0, { start: 1, end: 8 }).poll(0, '0:0@0', { start: 10, end: 11 }), ['lost-write']],
    ['duplicate', 'read twice', sound().poll(0, '0:2@6')],
    ['duplicate', 'acknowledged here, read there', new Script().send(0, 0, 1, 'ok', 0).poll(0, '0:0@1')],
    ['lost-write', 'something behind it was read', new Script().send(0, 0, 1, 'ok', 0).send(1, 0, 1, 'ok', 1).poll(0, '1:0@1'), []],
    ['lost-write', 'the rest of a batch', new Script().send(0, 0, 3, 'info').send(1, 0, 1, 'ok', 3).poll(0, '0:0@0 0:1@1 1:0@3')],
    ['unseen', 'not read at the end', sound().send(2, 0, 1, 'ok', 6)],
    ['unseen', 'not read at the end, place unknown', sound().send(2, 0, 1, 'ok')],
    ['undone', 'read, and gone at last', sound().last('0:0@0 0:1@1 1:0@2')],
    ['undone', 'of an unknown send, read, and gone at last', sound().send(2, 0, 1, 'info').poll(2, '2:0@6').last('0:0@0 0:1@1 1:0@2 0:2@4 0:3@5')],
    ['sequence-gap', 'a later one is there', new Script().send(0, 0, 1, 'info').send(0, 1, 1, 'ok', 0).poll(0, '0:1@0')],
    ['G1a', 'refused and read', sound().send(2, 0, 1, 'fail').poll(2, '2:0@6')],
    ['foreign-read', 'garbage', sound().poll(2, 'x:0@6')],
    ['foreign-read', 'a number that was not sent', sound().poll(2, '0:9@6')],
    ['foreign-read', 'sent to another key', sound().send(2, 0, 1, 'ok', 0, { key: 1 }).poll(2, '2:0@0', { key: 1 }).send(2, 1, 1, 'ok', 1, { key: 1 }).poll(2, '2:1@6'), ['duplicate', 'sequence-gap']],
    ['read-before-send', 'a reader sees the future', new Script().poll(0, '0:0@0').send(0, 0, 1, 'ok', 0), ['realtime-reorder']],
    ['int-nonmonotonic-poll', 'one fetch goes back', sound().poll(2, '0:1@1 0:0@0')],
    ['int-nonmonotonic-poll', 'one fetch stands still', sound().poll(2, '0:0@0 0:0@0')],
    ['int-poll-skip', 'one fetch leaves one out', sound().poll(2, '0:0@0 1:0@2')],
    ['nonmonotonic-poll', 'the next fetch goes back', sound().poll(0, '0:3@5')],
    ['nonmonotonic-poll', 'before the place that was asked for', sound().assign(0, 3).poll(0, '1:0@2 0:2@4')],
    ['poll-skip', 'the next fetch leaves one out', sound().poll(2, '0:0@0').poll(2, '1:0@2')],
    ['poll-skip', 'past the place that was asked for', sound().assign(0, 1).poll(0, '1:0@2')],
    ['int-nonmonotonic-send', 'a batch the wrong way round', new Script().send(0, 0, 2, 'info').poll(0, '0:1@0 0:0@1')],
    ['int-send-skip', 'a batch torn apart', new Script().send(0, 0, 2, 'info').send(1, 0, 1, 'ok', 1, { start: 1, end: 2 }).poll(0, '0:0@0 1:0@1 0:1@2', { start: 3, end: 4 })],
    ['nonmonotonic-send', 'the second before the first', new Script().send(0, 0, 1, 'ok', 1, { start: 0, end: 3 }).send(0, 1, 1, 'ok', 0, { start: 1, end: 2 }).poll(0, '0:1@0 0:0@1', { start: 4, end: 5 })],
    ['realtime-reorder', 'sent after one was acknowledged', new Script().send(0, 0, 1, 'ok', 1).send(1, 0, 1, 'ok', 0).poll(0, '1:0@0 0:0@1')],
    ['realtime-reorder', 'sent after one was read', new Script().send(0, 0, 1, 'info', -1, { start: 0 }).poll(0, '0:0@1', { start: 1, end: 2 }).send(1, 0, 1, 'ok', 0, { start: 3, end: 4 }).poll(1, '1:0@0 0:0@1', { start: 5, end: 6 }), ['poll-skip']],
    ['wild-offset', 'acknowledged below zero', new Script().send(0, 0, 1, 'ok', -7), ['unseen']],
    ['wild-offset', 'read far away', new Script().send(0, 0, 1, 'info').poll(0, '0:0@99999999999')]
  ]
  for (const [kind, what, script, more] of cases) {
    const report = script.check()
    t.ok(report.anomalies.examples.some(({ message }) => message.startsWith(`${kind}: `)), `${kind}: ${what}: ${report.anomalies}`)
    for (const found of kindsIn(report)) if (found !== kind && more?.includes(found) !== true) t.fail(`${what}: also ${found}: ${report.anomalies}`)
  }
  const stale = sound().end(3).check()
  t.same([...stale.notes.counts.keys()], ['stale-end'])
  t.ok(stale.anomalies.isEmpty)
  const tested = new Set<AnomalyKind>([...cases.map(([kind]) => kind), 'stale-end'])
  t.same(Object.keys(anomalyKinds).filter(kind => !tested.has(kind as AnomalyKind)), [], 'every kind has its history')
})

t.test('a long list of anomalies is cut short', async t => {
  const script = new Script().send(0, 0, 100, 'ok', 0)
  const { anomalies } = script.check()
  t.equal(anomalies.counts.get('unseen'), 100)
  t.equal(anomalies.examples.length, 8)
  t.match(anomalies.toString(), /unseen: 92 more$/)
})

t.test('a number sent twice is a fault of the history', async t => {
  t.throws(() => new Script().send(0, 0, 2, 'ok', 0).send(0, 1, 1, 'ok', 2).check(), /0:1 is in two sends/)
})

t.test('records by their text', async t => {
  t.equal(valueIn(textOf(3, 17, '...')), valueOf(3, 17))
  t.equal(nameOf(valueIn('1048575:4294967295:')), '1048575:4294967295')
  for (const text of ['', 'zeros', '3:17', '-1:0:', '1:-1:', '1048576:0:', '0:4294967296:', '1.5:0:']) t.equal(valueIn(text), foreign, text)
})

const shape = fc.record({ seed: fc.integer({ min: 0 }), steps: fc.integer({ min: 0, max: 400 }), keys: fc.integer({ min: 1, max: 3 }), producers: fc.integer({ min: 1, max: 4 }), readers: fc.integer({ min: 0, max: 3 }) })

t.test('random sound histories are accepted', async t => {
  let records = 0
  fc.assert(fc.property(shape, ({ seed, ...options }) => {
    const report = check(soundHistory(seededChance(seed), options), { finished: true })
    records += report.records
    if (!report.anomalies.isEmpty || !report.notes.isEmpty) throw new Error(`${report.anomalies}\n${report.notes}`)
  }), { numRuns: 400 })
  t.ok(records > 1000, `${records} records`)
})

/** Breaks a sound history in place, if it has what that needs. */
type Break = (history: History, pick: <T>(items: readonly T[]) => T | undefined) => boolean

const polls = (history: History): Poll[] => history.reads.filter((read): read is Poll => 'offsets' in read)
const replacePoll = (history: History, poll: Poll, by: Partial<Poll>): void => { history.reads[history.reads.indexOf(poll)] = { ...poll, ...by } }
/** A reader of its own reads all of each key in the end, if there is anything. */
const lastPolls = (history: History): Poll[] => polls(history).filter(({ process, offsets }) => history.lastReaders.has(process) && offsets.length > 1)

const breaks: ReadonlyArray<[what: string, kinds: readonly AnomalyKind[], break_: Break]> = [
  ['a record vanishes for all', ['lost-write', 'unseen', 'sequence-gap'], (history, pick) => {
    const send = pick(history.sends.filter(({ outcome }) => outcome === 'ok'))
    if (send === undefined) return false
    const gone = valueOf(send.producer, send.first)
    for (const poll of polls(history)) {
      const kept = poll.values.map((value, i) => [value, poll.offsets[i]!] as const).filter(([value]) => value !== gone)
      replacePoll(history, poll, { values: kept.map(([value]) => value), offsets: kept.map(([, offset]) => offset) })
    }
    return true
  }],
  ['what was read is gone at the end', ['undone'], (history, pick) => {
    const poll = pick(lastPolls(history))
    if (poll === undefined) return false
    const gone = poll.values[0]!
    replacePoll(history, poll, { values: poll.values.slice(1), offsets: poll.offsets.slice(1) })
    return polls(history).some(({ values }) => values.includes(gone))
  }],
  ['a record comes again', ['duplicate'], (history, pick) => {
    const poll = pick(lastPolls(history))
    if (poll === undefined) return false
    replacePoll(history, poll, { values: [...poll.values, poll.values[0]!], offsets: [...poll.offsets, poll.offsets.at(-1)! + 1] })
    return true
  }],
  ['two neighbours change places for one reader', ['inconsistent-offsets', 'duplicate'], (history, pick) => {
    const poll = pick(polls(history).filter(({ values }) => values.length > 1))
    if (poll === undefined || polls(history).filter(({ key }) => key === poll.key).length < 2) return false
    const values = [...poll.values]
    ;[values[0], values[1]] = [values[1]!, values[0]!]
    replacePoll(history, poll, { values })
    return history.sends.some(({ outcome, offset, key }) => outcome === 'ok' && offset === poll.offsets[0] && key === poll.key)
  }],
  ['a reader gets one fewer in the middle', ['int-poll-skip'], (history, pick) => {
    const poll = pick(polls(history).slice(0, -history.keys.length).filter(({ values }) => values.length > 2))
    if (poll === undefined) return false
    replacePoll(history, poll, { values: poll.values.toSpliced(1, 1), offsets: poll.offsets.toSpliced(1, 1) })
    return true
  }],
  ['a poll comes twice', ['nonmonotonic-poll'], (history, pick) => {
    const poll = pick(polls(history))
    if (poll === undefined) return false
    history.reads.splice(history.reads.indexOf(poll), 0, poll)
    return true
  }],
  ['a stored batch is told to be refused', ['G1a'], (history, pick) => {
    const send = pick(history.sends.filter(({ outcome }) => outcome === 'ok'))
    if (send === undefined) return false
    history.sends[history.sends.indexOf(send)] = { ...send, outcome: 'fail' }
    return true
  }],
  ['a send began after all was over', ['realtime-reorder', 'read-before-send'], (history, pick) => {
    const send = pick(history.sends.filter(({ outcome }) => outcome === 'ok'))
    if (send === undefined) return false
    history.sends[history.sends.indexOf(send)] = { ...send, start: 1e6, end: 1e6 + 1 }
    return true
  }]
]

t.test('random broken histories are refused', async t => {
  for (const [what, kinds, break_] of breaks) {
    let broken = 0
    fc.assert(fc.property(shape, ({ seed, ...options }) => {
      const chance = seededChance(seed)
      const history = soundHistory(chance, options)
      if (!break_(history, items => items[Math.floor(chance.next() * items.length)])) return true
      broken++
      const { anomalies } = check(history, { finished: true })
      return kinds.some(kind => anomalies.counts.has(kind))
    }), { numRuns: 100 })
    t.ok(broken > 10, `${what}: ${broken} times`)
  }
})

t.test('many operations', async t => {
  const history = soundHistory(seededChance(1), { steps: 60_000, keys: 6, producers: 8, readers: 6 })
  t.ok(history.size > 20_000, `${history.size} operations`)
  t.same(check(history, { finished: true }).anomalies.examples, [])
})
