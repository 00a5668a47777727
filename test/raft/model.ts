/**
 * Looks at every way that a small group can go: what arrives, in which order, twice or never; what becomes durable when; who
 * tries to lead, who crashes. Breadth first, so that what it finds is as short as it can be. A member's state is
 * written down as text and gets a number, and so does each message: a state of the group is a few numbers, and what a command
 * does to a member is computed once, however many states of the group it is part of.
 */
import type { MemberId, Offset } from '../../src/base/ids.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { check, type Memory, nothing, see, type Seen } from './invariants.ts'
import { Group, type Member } from './kit.ts'
import { cloneMember, keyOf, stateOf } from './state.ts'

/** How often each of these may happen on one way; what is not named does not happen. */
export interface Budget {
  /** A member tries to lead, whatever its clock says. */
  readonly campaign?: number
  /** The clock of one member goes on. */
  readonly tick?: number
  readonly propose?: number
  /** Comes back at once, with what is on disk. */
  readonly crash?: number
  /** A message arrives, and stays to arrive again. */
  readonly double?: number
  /** What is not durable is cut by a disk that fails, and works again. */
  readonly diskFailure?: number
  /** The leader is asked to hand over to somebody. */
  readonly transfer?: number
  /** The links say that the leader's node is gone. */
  readonly linkDown?: number
}

export interface Exploration {
  readonly group: Group
  readonly budget: Budget
  readonly depthMax: number
  readonly statesMax: number
  /** No messages beyond this many: the oldest are lost. */
  readonly bagMax?: number
  /** No leader of a later term. */
  readonly termMax?: number
  /** Also answers of terms that their receiver has durably left stay on their way: it drops them, and that is shown with this. */
  readonly keepsOldAnswers?: boolean
  /** The members change, or somebody has lost something: what is committed is not always on the disks of a majority of all. */
  readonly changing?: boolean
  /** What was committed before, and is not seen any more where it begins. */
  readonly memory?: Memory
  /** Called with some of the states, each a group of its own: whether it can come to rest well. */
  readonly sample?: { readonly every: number, readonly check: (group: Group) => string | undefined }
}

export interface Outcome {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  readonly memberStates: number
  /** Everything within the bounds was seen. */
  readonly complete: boolean
  readonly violation: { readonly what: string, readonly trace: readonly string[], readonly members: readonly string[] } | undefined
}

interface Known extends Seen {
  readonly member: Member
  readonly results: Map<string, Result>
}

interface Result {
  readonly to: number
  readonly sent: readonly number[]
  readonly failure: string | undefined
}

interface State {
  readonly members: number[]
  /** Ascending. */
  readonly bag: number[]
  readonly left: number[]
  readonly memory: number
  readonly index: number
}

interface Failure { readonly what: string, readonly label: string }

const kinds = ['campaign', 'tick', 'propose', 'crash', 'double', 'diskFailure', 'transfer', 'linkDown'] as const

type Spent = typeof kinds[number]

class Explorer {
  readonly #exploration: Exploration
  readonly #ids: readonly MemberId[]
  readonly #known: Known[] = []
  readonly #numbers = new Map<string, number>()
  readonly #messages: RaftMessage[] = []
  readonly #messageKeys: string[] = []
  readonly #receivers: number[] = []
  readonly #commands: string[] = []
  readonly #messageNumbers = new Map<string, number>()
  readonly #memories: Memory[] = []
  readonly #memoryNumbers = new Map<string, number>()
  readonly #seen = new Set<string>()
  readonly #parents: number[] = []
  readonly #labels: string[] = []
  /** What was found from one state. */
  readonly #next: State[] = []
  /** By members and memory: many states differ only in what is on its way. */
  readonly #checked = new Map<string, number | string>()
  #transitions = 0

  constructor (exploration: Exploration) {
    this.#exploration = exploration
    this.#ids = [...exploration.group.members.keys()]
  }

  run (): Outcome {
    const { group, budget, depthMax, statesMax, sample } = this.#exploration
    const left = kinds.map(kind => budget[kind] ?? 0)
    let frontier: State[] = []
    const outcome = (depth: number, complete: boolean, violation?: Outcome['violation']): Outcome => ({
      states: this.#seen.size, transitions: this.#transitions, depth, memberStates: this.#known.length, complete, violation
    })
    const first = this.#add(
      [...group.members.values()].map(member => this.#number(cloneMember(member))), group.bag.map(message => this.#messageNumber(message)),
      left, this.#remember(this.#exploration.memory ?? nothing), -1, () => 'start')
    if (typeof first === 'string') return outcome(0, false, { what: first, trace: [], members: [] })
    frontier.push(first!)
    for (let depth = 0; depth < depthMax; depth++) {
      const next: State[] = []
      for (const state of frontier) {
        this.#next.length = 0
        const failure = this.#expand(state)
        if (failure !== undefined) return outcome(depth + 1, false, this.#violation(failure.what, state, failure.label))
        for (const one of this.#next) {
          next.push(one)
          if (sample === undefined || one.index % sample.every !== 0) continue
          const what = tried(() => sample.check(this.#groupOf(one)))
          if (what !== undefined) return outcome(depth + 1, false, this.#violation(what, one, 'good times'))
        }
        if (this.#seen.size >= statesMax) return outcome(depth + 1, false)
      }
      if (next.length === 0) return outcome(depth, true)
      frontier = next
    }
    return outcome(depthMax, true)
  }

  #groupOf (state: State): Group {
    const group = new Group([], this.#exploration.group.options)
    for (const number of state.members) {
      const member = cloneMember(this.#known[number]!.member)
      group.members.set(member.self, member)
    }
    group.bag = state.bag.map(message => this.#messages[message]!)
    return group
  }

  #violation (what: string, state: State, label: string): Outcome['violation'] {
    const trace: string[] = []
    for (let at = state.index; at >= 0; at = this.#parents[at]!) trace.push(this.#labels[at]!)
    const members = state.members.map(number => {
      const { member } = this.#known[number]!
      return `${member.raft.toString()} log ${member.log.batches.map(batch => batch.key).join(' | ')} durable ${member.log.durableEnd}`
    })
    return { what, trace: [...trace.reverse().slice(1), label], members }
  }

  #number (member: Member): number {
    const key = stateOf(member)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#known.push({ ...see(member), member, results: new Map() }) - 1
      this.#numbers.set(key, number)
    }
    return number
  }

  #messageNumber (message: RaftMessage): number {
    const key = keyOf(message)
    let number = this.#messageNumbers.get(key)
    if (number === undefined) {
      number = this.#messages.push(message) - 1
      this.#messageKeys.push(key)
      this.#receivers.push(this.#ids.indexOf(message.to))
      this.#commands.push(`m${number}`)
      this.#messageNumbers.set(key, number)
    }
    return number
  }

  #remember (memory: Memory): number {
    const key = `${memory.leaders.join(' ')};${memory.committed.map(([{ key }, term]) => `${key} ${term}`).join()}`
    let number = this.#memoryNumbers.get(key)
    if (number === undefined) {
      number = this.#memories.push(memory) - 1
      this.#memoryNumbers.set(key, number)
    }
    return number
  }

  /** What a command does to a member: computed once for each of its states. */
  #result (number: number, command: string, act: (member: Member) => void): Result {
    const known = this.#known[number]!
    let result = known.results.get(command)
    if (result === undefined) {
      const member = cloneMember(known.member)
      let failure = tried(() => act(member))
      const sent = member.sent.splice(0).map(message => this.#messageNumber(message))
      if (failure === undefined && member.raft.highWatermark < known.highWatermark && command !== 'crash' && command !== 'diskFailure') failure = 'the high watermark of a running member went back'
      result = failure === undefined ? { to: this.#number(member), sent, failure } : { to: number, sent: [], failure }
      known.results.set(command, result)
    }
    return result
  }

  /** Every step from here, into {@link #next}. @returns what went wrong */
  #expand (state: State): Failure | undefined {
    const ids = this.#ids
    const may = (kind: Spent): boolean => state.left[kinds.indexOf(kind)]! > 0
    let failure: Failure | undefined
    const go = (at: number, command: string, act: (member: Member) => void, spent?: Spent, message = -1): void => {
      if (failure !== undefined) return
      const what = this.#go(state, at, command, act, spent, message)
      if (what !== undefined) failure = { what, label: this.#label(at, command, spent, message) }
    }
    for (const [index, message] of state.bag.entries()) {
      if (message === state.bag[index - 1]) continue
      const at = this.#receivers[message]!
      const step = (member: Member): void => member.step(this.#messages[message]!)
      go(at, this.#commands[message]!, step, undefined, message)
      if (may('double')) go(at, this.#commands[message]!, step, 'double', message)
    }
    for (const [at, number] of state.members.entries()) {
      const { member, leads } = this.#known[number]!
      if (member.saving !== undefined) go(at, 'persisted', member => member.persisted())
      if (member.log.durableEnd < member.log.endOffset) go(at, 'synced', member => member.synced(nextEnd(member)))
      if (member.truncating !== undefined) go(at, 'cut', member => member.wasCut())
      if (member.resetting !== undefined) go(at, 'reset', member => member.wasReset())
      if (member.loads.length > 0) go(at, 'loaded', member => member.loaded())
      if (may('campaign') && !leads && member.raft.term < (this.#exploration.termMax ?? Infinity)) go(at, 'campaign', member => member.raft.campaign(), 'campaign')
      if (may('tick')) go(at, 'tick', member => member.raft.tick(), 'tick')
      if (may('propose') && member.raft.canAppend) go(at, 'propose', member => { member.propose(`of ${member.self}`) }, 'propose')
      if (may('crash')) go(at, 'crash', member => member.restart(), 'crash')
      if (may('diskFailure') && member.log.durableEnd < member.log.endOffset && member.truncating === undefined) go(at, 'diskFailure', failDisk, 'diskFailure')
      if (may('transfer') && leads) {
        for (const to of ids) if (to !== member.self) go(at, `transfer ${to}`, member => { member.raft.leading!.transfer(to) }, 'transfer')
      }
      if (may('linkDown') && member.raft.leader !== 0 && !leads) go(at, 'linkDown', member => member.raft.peerStatus(member.raft.leader, false), 'linkDown')
    }
    return failure
  }

  #label (at: number, command: string, spent: Spent | undefined, message: number): string {
    return message < 0 ? `${this.#ids[at]} ${command}` : `${spent === 'double' ? 'deliver and keep' : 'deliver'} ${this.#messageKeys[message]!}`
  }

  /** @returns what went wrong */
  #go (state: State, at: number, command: string, act: (member: Member) => void, spent: Spent | undefined, message: number): string | undefined {
    this.#transitions++
    const result = this.#result(state.members[at]!, command, act)
    if (result.failure !== undefined) return result.failure
    const members = state.members.slice()
    members[at] = result.to
    const bag = state.bag.slice()
    if (message >= 0 && spent !== 'double') bag.splice(bag.indexOf(message), 1)
    let left = state.left
    if (spent !== undefined) {
      left = left.slice()
      left[kinds.indexOf(spent)]!--
    }
    for (const sent of result.sent) if (this.#receivers[sent]! >= 0) bag.push(sent) // else to somebody who is gone
    const found = this.#add(members, bag, left, state.memory, state.index, () => this.#label(at, command, spent, message))
    if (typeof found === 'string') return found
    if (found !== undefined) this.#next.push(found)
  }

  /** @returns the state; undefined if it was there before; what is wrong with it */
  #add (members: number[], bag: number[], left: number[], memory: number, parent: number, label: () => string): State | string | undefined {
    const kept = (this.#exploration.keepsOldAnswers === true ? bag : bag.filter(message => !this.#isDead(message, members))).sort((a, b) => a - b)
    const excess = kept.length - (this.#exploration.bagMax ?? Infinity)
    if (excess > 0) kept.splice(0, excess)
    const group = `${members.join()};${memory}`
    let remembered = this.#checked.get(group)
    if (remembered === undefined) {
      const before = this.#memories[memory]!
      const after = check(members.map(number => this.#known[number]!), before, this.#exploration.changing === true)
      remembered = typeof after === 'string' ? after : after === before ? memory : this.#remember(after)
      this.#checked.set(group, remembered)
    }
    if (typeof remembered === 'string') return remembered
    const key = `${members.join()};${kept.join()};${left.join()};${remembered}`
    if (this.#seen.has(key)) return undefined
    this.#seen.add(key)
    this.#labels.push(label())
    return { members, bag: kept, left, memory: remembered, index: this.#parents.push(parent) - 1 }
  }

  /** An answer of a term that its receiver has durably left is void for ever. */
  #isDead (message: number, members: readonly number[]): boolean {
    const { term, kind } = this.#messages[message]!
    if (!isAnswer.has(kind)) return false
    const { member } = this.#known[members[this.#receivers[message]!]!]!
    return term < member.saved.term && term < member.raft.term
  }
}

const isAnswer: ReadonlySet<string> = new Set(['pre-voted', 'voted', 'entries-appended', 'heartbeat-answered', 'timeout-now'])

function tried (act: () => string | undefined | void): string | undefined {
  try {
    return act() ?? undefined
  } catch (error) {
    return (error as Error).stack ?? String(error)
  }
}

function failDisk (member: Member): void {
  member.failDisk()
  member.ready()
}

function nextEnd ({ log }: Member): Offset {
  return log.batches.find(batch => batch.end > log.durableEnd)!.end
}

export function explore (exploration: Exploration): Outcome {
  return new Explorer(exploration).run()
}
