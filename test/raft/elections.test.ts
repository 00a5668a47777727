/** Sections 5.1, 5.2 and 5.4.1 of the Raft paper (Ongaro and Ousterhout 2014), and 9.6 and 6.2 of Ongaro's thesis: who leads. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Group, type GroupOptions, type HardState, type Member } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const id = (n: number): MemberId => n as MemberId
const clockless: GroupOptions = { timing: { checkQuorum: false } }

function between (from: number, to: number, term: number): { from: MemberId, to: MemberId, term: Term } {
  return { from: id(from), to: id(to), term: term as Term }
}

function voteFor (from: number, to: number, term: number, lastTerm = 0, endOffset = 0): RaftMessage {
  return { kind: 'vote', ...between(from, to, term), lastTerm: lastTerm as Term, endOffset: endOffset as Offset, transfer: false }
}

function probe (from: number, to: number, term: number): RaftMessage {
  const zero = 0 as Offset
  return { kind: 'append-entries', ...between(from, to, term), offset: zero, previousTerm: 0 as Term, endOffset: zero, entryTerm: 0 as Term, highWatermark: zero, batches: [] }
}

/** What it says once its disk has done its work. */
function answers (member: Member): RaftMessage[] {
  member.work()
  return member.sent.splice(0)
}

function inRole (role: 'follower' | 'candidate' | 'leader'): Group {
  const group = new Group([1, 2, 3], clockless)
  if (role !== 'follower') group.at(1).raft.campaign()
  if (role === 'candidate') group.settle(({ kind }) => kind !== 'vote')
  else group.settle()
  return group
}

t.test('5.1: a newer term makes a follower of everybody', async t => {
  for (const role of ['follower', 'candidate', 'leader'] as const) {
    const { raft } = inRole(role).at(1)
    t.equal(raft.role, role)
    raft.step(probe(2, 1, 2))
    t.equal(raft.role, 'follower')
    t.equal(raft.term, 2)
    t.equal(raft.leader, 2)
  }
})

t.test('5.1: what an older term says is void, and its sender learns of the newer one', async t => {
  for (const message of [probe(2, 1, 1), voteFor(2, 1, 1, 9, 9)]) {
    const group = new Group([1, 2, 3])
    const member = group.at(1)
    member.fill('', { term: 2 })
    member.raft.step(message)
    const [answer] = answers(member)
    t.equal(answer!.term, 2)
    t.equal(member.raft.leader, 0)
    t.equal(member.raft.vote, 0)
  }
  const leader = inRole('leader').at(1)
  const before = leader.raft.toString()
  leader.raft.step({ kind: 'entries-appended', ...between(2, 1, 0), rejected: false, endOffset: 9 as Offset, offset: 9 as Offset, hintTerm: 0 as Term, forgetful: false })
  leader.raft.step({ kind: 'timeout-now', ...between(2, 1, 0) })
  t.equal(leader.raft.toString(), before)
})

t.test('5.1: a term is never entered twice, whatever is restarted', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.elect(1)
  group.at(1).restart()
  t.equal(group.at(1).raft.role, 'follower', 'every start comes back as follower')
  t.equal(group.at(1).raft.term, 1)
  group.elect(1)
  t.equal(group.at(1).raft.term, 2)
})

t.test('5.2: everybody starts as follower, and waits between one and two election timeouts', async t => {
  for (const [chance, ticks] of [[0, 10], [0.5, 15], [0.99, 19]] as const) {
    const group = new Group([1, 2, 3], { random: () => chance })
    for (let i = 0; i < ticks - 1; i++) group.tick(1)
    t.equal(group.at(1).raft.role, 'follower')
    group.tick(1)
    t.equal(group.at(1).raft.role, 'pre-candidate')
  }
})

t.test('5.2: a leader sends heartbeats to all, and they keep others from trying', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.tick()
  t.equal(group.bag.length, 0)
  group.tick()
  t.same(group.bag.map(({ kind, to }) => [kind, to]), [['heartbeat', 2], ['heartbeat', 3]])
  group.settle()
  for (let i = 0; i < 60; i++) {
    group.run(1)
    if (i % 3 === 0) group.at(1).propose(`${i}`)
  }
  t.equal(group.at(1).raft.term, 1)
  t.equal(group.at(1).raft.role, 'leader')
})

t.test('5.2: a candidate votes for itself in a new term and asks all the others', async t => {
  const group = new Group([1, 2, 3, 4, 5], clockless)
  const { raft } = group.at(1)
  raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  t.equal(raft.role, 'candidate')
  t.equal(raft.term, 1)
  t.same(group.at(1).saved, { term: 1, vote: 1 })
  group.tick(1)
  group.tick(1)
  t.same(group.bag.map(({ kind, to, term }) => [kind, to, term]), [2, 3, 4, 5].map(to => ['vote', to, 1]), 'and asks again those who said nothing')
})

t.test('5.2: a majority of all voters makes a leader, and a minority does not', async t => {
  const outcomes: ReadonlyArray<[members: number, grants: number, denials: number, role: string]> = [
    [1, 0, 0, 'leader'], [2, 0, 0, 'candidate'], [2, 1, 0, 'leader'], [3, 1, 0, 'leader'], [3, 0, 1, 'candidate'], [3, 0, 2, 'follower'],
    [4, 1, 1, 'candidate'], [4, 2, 0, 'leader'], [4, 1, 2, 'follower'], [5, 1, 0, 'candidate'], [5, 2, 2, 'leader'], [5, 1, 3, 'follower']
  ]
  for (const [members, grants, denials, role] of outcomes) {
    const group = new Group(Array.from({ length: members }, (_, index) => index + 1), clockless)
    const { raft } = group.at(1)
    raft.campaign()
    group.settle(({ kind }) => kind !== 'vote')
    for (let i = 0; i < grants + denials; i++) raft.step({ kind: 'voted', ...between(i + 2, 1, 1), granted: i < grants })
    t.equal(raft.role, role, `${members} members, ${grants} grants, ${denials} denials`)
  }
})

t.test('5.2: an answer counts once, however often it comes', async t => {
  const group = new Group([1, 2, 3, 4, 5], clockless)
  const { raft } = group.at(1)
  raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  for (let i = 0; i < 5; i++) raft.step({ kind: 'voted', ...between(2, 1, 1), granted: true })
  t.equal(raft.role, 'candidate')
})

t.test('5.2: one vote in a term, to who asks first, and again to the same', async t => {
  const { raft } = new Group([1, 2, 3], clockless).at(1)
  const member = raft.port as Member
  const granted = (from: number): boolean => {
    raft.step(voteFor(from, 1, 1))
    return (answers(member)[0] as { granted: boolean }).granted
  }
  t.ok(granted(2))
  t.notOk(granted(3))
  t.ok(granted(2))
  member.restart()
  member.raft.step(voteFor(3, 1, 1))
  t.match(answers(member), [{ kind: 'voted', granted: false }], 'not after a restart either')
})

t.test('5.2: a candidate gives way to the leader of its term', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.at(1).raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  t.equal(group.at(1).raft.role, 'candidate')
  group.at(1).raft.step(probe(2, 1, 1))
  t.equal(group.at(1).raft.role, 'follower')
  t.equal(group.at(1).raft.leader, 2)
})

t.test('5.2: a split vote ends with the timeout of one of them, in a newer term', async t => {
  const group = new Group([1, 2, 3, 4], clockless)
  for (const one of [1, 2]) group.at(one).raft.campaign()
  const votes = new Map([[3, 1], [4, 2]])
  group.settle(({ kind, from, to }) => kind !== 'vote' || votes.get(to) === from)
  t.same([1, 2].map(one => group.at(one).raft.role), ['candidate', 'candidate'])
  group.run(25)
  t.ok(group.leader)
  t.ok(group.leader!.raft.term > 1)
})

t.test('5.4.1: the newer last term wins, then the longer log', async t => {
  const cases: ReadonlyArray<[own: string, lastTerm: number, end: number, granted: boolean]> = [
    ['', 0, 0, true], ['1', 0, 0, false], ['1', 1, 1, true], ['1', 1, 2, true], ['1 1', 1, 1, false],
    ['1', 2, 1, true], ['1 1 1', 2, 1, true], ['2', 1, 9, false], ['1 2', 1, 9, false], ['1 2', 2, 2, true]
  ]
  for (const [own, lastTerm, end, granted] of cases) {
    for (const kind of ['vote', 'pre-vote'] as const) {
      const member = new Group([1, 2, 3], clockless).at(1)
      member.fill(own)
      const message = voteFor(2, 1, 3, lastTerm, end)
      member.raft.step(kind === 'vote' ? message : { ...message, kind } as RaftMessage)
      t.match(answers(member), [{ granted }], `${kind}: "${own}" against last term ${lastTerm}, end ${end}`)
    }
  }
})

t.test('nothing that depends on term or vote leaves before they are durable', async t => {
  const group = new Group([1, 2, 3], clockless)
  const member = group.at(1)
  member.raft.step(voteFor(2, 1, 1))
  member.raft.step(probe(2, 1, 1))
  t.same(member.sent, [])
  member.crash()
  member.restart()
  t.equal(member.raft.term, 0, 'a promise that nobody heard may be forgotten')
  member.raft.step(voteFor(3, 1, 1))
  t.same(member.sent, [])
  member.persisted()
  t.match(member.sent, [{ kind: 'voted', to: 3, granted: true }])
})

t.test('an older save that completes does not stand for a newer one', async t => {
  const member = new Group([1, 2, 3], clockless).at(1)
  member.raft.step(voteFor(2, 1, 1))
  const first = member.saving!
  member.raft.step(voteFor(3, 1, 2))
  member.raft.persisted(first.term, first.vote)
  t.same(member.sent, [])
  member.persisted()
  t.match(member.sent, [{ kind: 'voted', to: 3, term: 2, granted: true }], 'the answer to the older term is not wanted any more')
})

t.test('thesis 9.6, pre-vote: who was cut off does not raise the term of the others', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.run(100, ({ from, to }) => from !== 3 && to !== 3)
  t.equal(group.at(3).raft.role, 'pre-candidate')
  t.equal(group.at(3).raft.term, 1)
  group.run(30)
  t.equal(group.at(1).raft.role, 'leader')
  t.same([1, 2, 3].map(one => group.at(one).raft.term), [1, 1, 1])
  t.equal(group.at(3).raft.highWatermark, 1)
})

t.test('thesis 9.6, pre-vote: a yes that waited on its link until the question was put again counts no more', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.settle()
  // Only 3 reaches 2, and it hears nothing.
  const late: RaftMessage[] = []
  group.run(40, message => {
    if (message.from === 2 && message.to === 3) late.push(message)
    return message.from === 3 && message.to === 2
  })
  const granted = late.filter(message => message.kind === 'pre-voted' && message.granted)
  t.ok(granted.length > 0 && group.at(3).raft.role === 'pre-candidate')
  group.at(3).step(granted[0]!)
  t.equal(group.at(3).raft.role, 'pre-candidate')
  t.equal(group.at(3).raft.term, 1)
  group.at(3).step(granted.at(-1)!)
  t.equal(group.at(3).raft.role, 'candidate')
})

t.test('thesis 9.6, pre-vote: asking and answering changes nothing', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.at(2).raft.step({ ...voteFor(1, 2, 5), kind: 'pre-vote' } as RaftMessage)
  t.equal(group.at(2).raft.term, 0)
  t.equal(group.at(2).saving, undefined)
  t.match(group.at(2).sent, [{ kind: 'pre-voted', term: 5, granted: true }])
})

t.test('thesis 9.6, pre-vote: who lags behind in term learns of it, and can then win', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.at(1).fill('1 1', { term: 1 })
  group.at(2).fill('1', { term: 7 })
  group.at(3).fill('1', { term: 7 })
  group.at(1).raft.campaign()
  group.settle()
  t.equal(group.at(1).raft.role, 'follower')
  t.equal(group.at(1).raft.term, 7)
  group.elect(1)
  t.equal(group.at(1).raft.term, 8)
})

t.test('a lease: who hears from a leader lets nobody else be elected', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.bag = []
  for (const message of [voteFor(3, 2, 9), { ...voteFor(3, 2, 9), kind: 'pre-vote' } as RaftMessage]) {
    for (const to of [1, 2]) {
      group.at(to).raft.step({ ...message, to: id(to) })
      t.same(answers(group.at(to)), [])
      t.equal(group.at(to).raft.term, 1)
    }
  }
  for (let i = 0; i < 10; i++) group.at(2).raft.tick()
  group.at(2).sent = []
  group.at(2).raft.step(voteFor(3, 2, 9))
  t.match(answers(group.at(2)), [{ kind: 'voted', granted: true }], 'not any more once the leader is silent')
})

t.test('check-quorum: a leader without a majority steps down, one with a majority stays', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  const alone = (arrives: (message: RaftMessage) => boolean): string => {
    group.run(25, arrives)
    return group.at(1).raft.role
  }
  t.equal(alone(({ from, to }) => from !== 3 && to !== 3), 'leader')
  t.not(alone(({ from, to }) => from !== 1 && to !== 1), 'leader')
  t.equal(group.at(1).raft.leader, 0)
  t.ok(group.leader, 'the others have elected one of them')
})

t.test('a leader that sleeps learns from the links that it is alone, and steps down', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.run(20)
  t.ok(group.at(1).raft.quiescent)
  for (const one of [2, 3]) group.at(1).raft.peerStatus(id(one), false)
  group.run(25, () => false)
  t.equal(group.at(1).raft.leading, undefined)
})

t.test('the links say that the leader is gone: the others do not wait for their timeout', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).crash()
  for (const one of [2, 3]) group.at(one).raft.peerStatus(id(1), false)
  group.run(7)
  t.ok(group.leader !== undefined && group.leader.self !== 1)
})

t.test('the links are wrong about the leader: it stays', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(2).raft.peerStatus(id(1), false)
  group.run(20)
  t.equal(group.at(1).raft.role, 'leader')
  t.equal(group.at(2).raft.leader, 1)
  t.equal(group.at(2).raft.term, 1)
})

t.test('a candidate whose disk failed is none any more: it was chosen for a log that is gone', async t => {
  const group = new Group([1, 2, 3], clockless)
  group.at(3).raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  t.equal(group.at(3).raft.role, 'candidate')
  group.at(3).failDisk()
  t.equal(group.at(3).raft.role, 'follower')
  group.at(3).raft.step({ kind: 'voted', ...between(1, 3, 1), granted: true })
  t.equal(group.at(3).raft.role, 'follower')
})

t.test('who has no room on its disk does not stand for election, and wakes those who believe in it', async t => {
  const group = new Group([1, 2, 3])
  group.elect(1)
  group.at(1).propose('a')
  group.run(20)
  t.ok(group.at(2).raft.quiescent && group.at(3).raft.quiescent)
  group.at(1).propose('lost on its way')
  group.at(1).sent = []
  group.at(1).failDisk()
  group.run(60)
  t.ok(group.leader !== undefined && group.leader.self !== 1, 'another leads')
})

/** Term and vote take so long to become durable here; what is to be saved meanwhile waits for that, the newest alone. */
class SlowVotes {
  readonly #member: Member
  readonly #ticks: number
  #writing: { readonly state: HardState, left: number } | undefined

  constructor (member: Member, ticks: number) {
    this.#member = member
    this.#ticks = ticks
  }

  tick (): void {
    const member = this.#member
    const writing = this.#writing
    if (writing !== undefined && --writing.left === 0) {
      const { state } = writing
      this.#writing = undefined
      member.saved = state
      if (member.saving?.term === state.term && member.saving.vote === state.vote) member.saving = undefined
      member.raft.persisted(state.term, state.vote)
    }
    if (this.#writing === undefined && member.saving !== undefined) this.#writing = { state: member.saving, left: this.#ticks }
  }
}

for (const slow of [[1, 2], [2, 3], [1, 2, 3]]) {
  t.test(`votes that take longer to be durable than an election timeout elect somebody all the same: slow are ${slow.join(', ')}`, async t => {
    for (let seed = 1; seed <= 20; seed++) {
      const chance = seededChance(seed)
      const group = new Group([1, 2, 3], { random: () => chance.next() })
      const disks = slow.map(one => new SlowVotes(group.at(one), 60))
      const quick = [...group.members.values()].filter(({ self }) => !slow.includes(self))
      for (let tick = 0; tick < 2000 && group.leader === undefined; tick++) {
        group.tick()
        for (const disk of disks) disk.tick()
        group.collect()
        for (let message = group.bag.shift(); message !== undefined; message = group.bag.shift()) {
          group.deliver(message)
          for (const member of quick) member.persisted()
          group.collect()
        }
      }
      t.ok(group.leader, `with seed ${seed}`)
    }
  })
}

t.test('a vote that comes when the next election has been prepared counts: its term is still the present one', async t => {
  const group = new Group([1, 2, 3])
  const candidate = group.at(1)
  candidate.raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  t.equal(candidate.raft.role, 'candidate')
  for (let i = 0; i < 20; i++) candidate.raft.tick()
  t.equal(candidate.raft.role, 'pre-candidate')
  candidate.raft.step({ kind: 'voted', ...between(2, 1, 1), granted: true })
  t.equal(candidate.raft.role, 'leader')
  t.equal(candidate.raft.term, 1)
})

t.test('a vote for a log that the disk has lost since counts for nothing', async t => {
  const group = new Group([1, 2, 3])
  const candidate = group.at(1)
  candidate.raft.campaign()
  group.settle(({ kind }) => kind !== 'vote')
  candidate.failDisk()
  candidate.ready()
  for (let i = 0; i < 20; i++) candidate.raft.tick()
  t.equal(candidate.raft.role, 'pre-candidate')
  candidate.raft.step({ kind: 'voted', ...between(2, 1, 1), granted: true })
  t.equal(candidate.raft.role, 'pre-candidate')
})

t.test('questions that are asked again while a vote is being saved do not crowd it out', async t => {
  const group = new Group([1, 2])
  const [candidate, voter] = [group.at(1), group.at(2)]
  const disk = new SlowVotes(voter, 400)
  candidate.raft.campaign()
  let tick = 0
  for (; tick < 500 && candidate.raft.role !== 'leader'; tick++) {
    group.tick()
    disk.tick()
    group.collect()
    for (let message = group.bag.shift(); message !== undefined; message = group.bag.shift()) {
      group.deliver(message)
      candidate.persisted()
      group.collect()
    }
  }
  t.equal(candidate.raft.role, 'leader')
  t.equal(candidate.raft.term, 1, 'with the first vote')
})
