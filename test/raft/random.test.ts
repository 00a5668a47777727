/**
 * Long runs of groups that lose, double and delay messages, whose members crash, whose disks fail, whose logs are cut off below, that
 * change their members and hand over. After each step the invariants hold; once all is well the group comes to rest. A failure
 * prints its seed: `RAFT_SEED=123 node test/raft/random.test.ts` plays that one alone.
 */
import t from 'tap'
import { assert } from '../../src/base/assert.ts'
import type { MemberId, Offset } from '../../src/base/ids.ts'
import { type Chance, seededChance } from '../../src/base/prng.ts'
import { hasQuorum } from '../../src/raft/configuration.ts'
import { check, type Memory, nothing, see } from './invariants.ts'
import { Group, type Member } from './kit.ts'
import { whatIsLeftUndone } from './recovery.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const only = process.env.RAFT_SEED
const seeds = only === undefined ? Array.from({ length: Number(process.env.RAFT_SEEDS ?? 150) }, (_, index) => index + 1) : [Number(only)]
const steps = 500

interface Shape {
  readonly changing: boolean
  readonly retaining: boolean
  readonly failing: boolean
  /** Disks that fail are mostly full, and stay so for long. */
  readonly full: boolean
  readonly forgetting: boolean
  readonly crashes: number
  readonly loss: number
  readonly double: number
}

class Run {
  readonly chance: Chance
  readonly group: Group
  readonly shape: Shape
  memory: Memory = nothing
  proposed = 0
  readonly seen: Record<string, number> = {}
  readonly marks = new Map<Member, number>()

  constructor (seed: number) {
    this.chance = seededChance(seed)
    const likely = (probability: number): boolean => this.chance.next() < probability
    // One voter that has lost its memory is borne by three or more; and who may forget is never the only one that remembers.
    const forgetting = likely(0.2)
    this.shape = {
      changing: !forgetting && likely(0.5),
      retaining: likely(0.5),
      failing: likely(0.5),
      full: likely(0.35),
      forgetting,
      crashes: likely(0.6) ? 0.015 : 0,
      loss: likely(0.6) ? 0.05 : 0,
      double: likely(0.5) ? 0.1 : 0
    }
    const count = forgetting ? 3 + Math.floor(this.chance.next() * 3) : 2 + Math.floor(this.chance.next() * 4)
    const voters = this.shape.changing ? 1 + Math.floor(this.chance.next() * Math.min(3, count)) : count
    this.group = new Group(Array.from({ length: count }, (_, index) => index + 1), {
      configuration: { voters: Array.from({ length: voters }, (_, index) => index + 1) as MemberId[], outgoing: [], learners: [] },
      timing: { heartbeatTicks: 1, electionTicks: 4, checkQuorum: likely(0.8) },
      limits: { inflightBytesMax: likely(0.5) ? 300 : 10_000, inflightMessagesMax: likely(0.5) ? 2 : 256, messageBytesMax: likely(0.5) ? 150 : 1_000 },
      random: () => this.chance.next()
    })
  }

  pick<T> (from: readonly T[]): T { return from[Math.floor(this.chance.next() * from.length)]! }

  count (what: string): void { this.seen[what] = (this.seen[what] ?? 0) + 1 }

  /** One of the things that may happen. */
  step (): void {
    const { group, shape, chance } = this
    const member = this.pick([...group.members.values()])
    const roll = chance.next()
    if (member.crashed) {
      if (roll < 0.2) this.restart(member)
    } else if (roll < 0.45) this.disk(member)
    else if (roll < 0.6) member.raft.tick()
    else if (roll < 0.72) {
      if (member.propose(`${++this.proposed}`, 1 + Math.floor(chance.next() * 3)) !== undefined) this.count('proposed')
    } else if (roll < 0.72 + shape.crashes) {
      member.crash()
      this.count('crashes')
      for (const other of group.members.values()) if (!other.crashed && chance.next() < 0.7) other.raft.peerStatus(member.self, false)
    } else if (roll < 0.77 && shape.failing) {
      if (member.log.writable && member.log.durableEnd < member.log.endOffset) {
        this.marks.delete(member)
        this.count('failed disks')
      }
      if (member.log.writable && chance.next() < (shape.full ? 0.9 : 0.1)) member.fillDisk()
      else if (member.log.writable) member.failDisk()
      else if (!shape.full || chance.next() < 0.2) member.ready()
    } else if (roll < 0.84 && shape.changing) this.change(member)
    else if (roll < 0.87 && shape.retaining) this.retain(member)
    else if (roll < 0.9) member.raft.leading?.transfer(this.pick([...group.members.keys()]))
    else if (roll < 0.92) member.raft.peerStatus(this.pick([...group.members.keys()]), chance.next() < 0.5)
    else if (roll < 0.95) member.raft.leading?.readIndex()
    group.collect()
    for (let i = 0; i < 6; i++) this.message()
  }

  disk (member: Member): void {
    const { log } = member
    const rest = log.batches.filter(batch => batch.end > log.durableEnd)
    switch (Math.floor(this.chance.next() * 6)) {
      case 0: member.persisted(); break
      case 1: if (rest.length > 0) member.synced(this.pick(rest).end); break
      case 2:
        member.wasCut()
        member.wasReset()
        break
      case 3: member.loaded(); break
      default: member.work()
    }
  }

  message (): void {
    const { group, shape, chance } = this
    if (group.bag.length === 0) return
    const index = chance.next() < 0.7 ? 0 : Math.floor(chance.next() * group.bag.length)
    const [message] = chance.next() < shape.double ? [group.bag[index]!] : group.bag.splice(index, 1)
    if (chance.next() < shape.loss) return
    group.deliver(message!)
    if (group.bag.length > 200) group.bag.splice(0, 100)
  }

  restart (member: Member): void {
    const { log } = member
    this.marks.delete(member)
    const mayForget = this.shape.forgetting && member.self === 2 && log.batches.length > 0
    if (mayForget) {
      // What was sent to its earlier life does not reach it: its connections are new.
      this.group.bag = this.group.bag.filter(({ from, to }) => from !== 2 && to !== 2)
      member.restart({ forgetful: 'surely', lost: this.pick([log.startOffset, ...log.batches.filter(({ end }) => end <= log.durableEnd).map(({ end }) => end)]) })
      this.count('forgot')
    } else member.restart({ ...(member.raft.forgetful ? { forgetful: 'surely' } : {}) })
    if (this.chance.next() < 0.5) member.log.memoryStart = member.log.endOffset
    for (const other of this.group.members.values()) if (!other.crashed) other.raft.peerStatus(member.self, true)
  }

  change ({ raft }: Member): void {
    if (raft.leading === undefined) return
    const ids = [...this.group.members.keys()]
    const voters = ids.filter(() => this.chance.next() < 0.6).slice(0, 3)
    if (voters.length === 0) return
    raft.leading.setTarget({ voters, learners: ids.filter(id => !voters.includes(id) && this.chance.next() < 0.3) })
    this.count('changes')
  }

  retain ({ log, raft, ...member }: Member): void {
    const ends = log.batches.map(({ end }) => end).filter(end => end <= raft.highWatermark && end <= log.durableEnd)
    if (ends.length === 0 || member.truncating !== undefined || member.resetting !== undefined) return
    this.group.members.get(raft.self)!.retainFrom(this.pick(ends))
    this.count('retained')
  }

  /** @returns what is wrong */
  check (): string | undefined {
    const { group, shape, marks } = this
    const after = check([...group.members.values()].map(see), this.memory, shape.changing || shape.forgetting)
    if (typeof after === 'string') return after
    this.memory = after
    for (const member of group.members.values()) {
      const { raft, crashed } = member
      if (crashed) continue
      if (raft.role === 'leader' && member.log.full) this.count('steps under a full leader')
      const mark = marks.get(member) ?? 0
      if (raft.highWatermark < mark) return `the high watermark of ${member.self}, which runs, went back`
      if (raft.highWatermark > mark && raft.role === 'leader' && !shape.forgetting && !this.isOnQuorum(member)) return `${member.self} committed what no quorum has on disk`
      marks.set(member, raft.highWatermark)
    }
  }

  /** By the configuration that committed it, which the next may have followed within the same step. */
  isOnQuorum ({ raft }: Member): boolean {
    return raft.configurations.entries.some(({ configuration }) => hasQuorum(configuration, id => this.group.members.get(id)!.log.durableEnd >= raft.highWatermark))
  }

  /** @returns what is wrong */
  play (): string | undefined {
    for (let step = 0; step < steps; step++) {
      this.step()
      const what = this.check()
      if (what !== undefined) return `step ${step}: ${what}`
    }
    for (const member of this.group.members.values()) if (member.crashed) this.restart(member)
    const what = whatIsLeftUndone(this.group, this.chance.uint32()) ?? this.check()
    if (what !== undefined) return `at rest: ${what}`
    const leader = this.group.leader!
    for (const [batch] of this.memory.committed) {
      if (batch.base >= leader.log.startOffset && !leader.log.batches.includes(batch)) return `${batch.key} was committed, and is lost`
    }
  }
}

function fails (seed: number, seen?: Record<string, number>): string | undefined {
  const run = new Run(seed)
  try {
    const what = run.play()
    for (const [key, count] of Object.entries({ ...run.seen, committed: run.memory.committed.length, leaders: run.memory.leaders.length })) if (seen !== undefined) seen[key] = (seen[key] ?? 0) + count
    return what
  } catch (error) {
    return (error as Error).stack
  }
}

t.test(`${seeds.length} random runs of ${steps} steps`, async t => {
  const seen: Record<string, number> = {}
  for (const seed of seeds) {
    const what = fails(seed, seen)
    if (what !== undefined) t.fail(`RAFT_SEED=${seed}: ${what}`)
  }
  t.comment(seen)
  if (only !== undefined) return t.pass(`seed ${only}`)
  for (const [what, least] of Object.entries({ proposed: 4, committed: 5, leaders: 2, crashes: 2, changes: 1, retained: 1, 'failed disks': 0.2, 'steps under a full leader': 0.5, forgot: 0.03 })) {
    t.ok((seen[what] ?? 0) >= least * seeds.length, `${what}: ${seen[what]}`)
  }
})

t.test('the same seed gives the same run', async t => {
  const shape = (): string => {
    const run = new Run(7)
    assert(run.play() === undefined, 'it is a good one')
    return [...run.group.members.values()].map(({ raft, log }) => `${raft.toString()} ${log.batches.map(({ key }) => key).join()}`).join('\n')
  }
  t.equal(shape(), shape())
})

t.test('offsets of retention are ends of batches', async t => {
  const group = new Group([1])
  group.elect(1)
  group.at(1).propose('a', 2)
  group.settle()
  t.throws(() => group.at(1).retainFrom(1 as Offset), { name: 'AssertionError' })
})
