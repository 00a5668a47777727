/**
 * Plays a transcript: a text of commands, each followed by what it made the members do. Lines that begin with `>` are commands,
 * those that begin with two spaces are what was seen, the rest is for the reader.
 *
 * ```
 * > group 3 [voters=1,2] [outgoing=1] [learners=3] [election=10] [heartbeat=2] [inflight=1000] [message=500] [no-check-quorum]
 * > log 1: 1 1 2 [term=3]            a durable log of batches of these terms, from which the member starts
 * > quiet | loud                     whether effects are shown
 * > campaign 1 | tick 1,2 [5]        | propose 1 text [records=3] [size=500]
 * > deliver | lose | double [1->2] [kind] [first]     what is on its way now, not what that leads to
 * > disk 1 [persist|sync|cut|reset|load]              the disk does its work, all of it or one kind
 * > settle [without 3]               disks work and messages arrive until nothing happens; those of or for 3 are lost
 * > run 5 [without 3]                so many ticks with that
 * > fail-disk 1 | ready 1 | crash 1 | restart 1 [forgetful=surely] [lost=3]
 * > transfer 1 to 2 | target 1 voters=1,2 [learners=3] | read 1 | link 1 down 2 | link 1 up 2 | retain 1 from 5 | on-disk-only 1 below 5
 * > state [1] | progress 1 | bag
 * ```
 */
import { assert } from '../../src/base/assert.ts'
import type { MemberId, Offset, Term } from '../../src/base/ids.ts'
import type { Configuration } from '../../src/raft/configuration.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { Group, type GroupOptions, type Machine, Member, type MemberOptions } from './kit.ts'
import { batchOf, describe } from './memory-log.ts'

type Lines = string[]

export function tell (message: RaftMessage): string {
  const { from, to, kind, term } = message
  return `${from}->${to} ${kind} ${about(message)}`.replace('TERM', `term ${term}`)
}

function about (message: RaftMessage): string {
  switch (message.kind) {
    case 'pre-vote': return `for TERM, log ends at ${message.endOffset}@${message.lastTerm}`
    case 'pre-voted': return `TERM ${message.granted ? 'yes' : 'no'}`
    case 'vote': return `TERM, log ends at ${message.endOffset}@${message.lastTerm}${message.transfer ? ', transfer' : ''}`
    case 'voted': return `TERM ${message.granted ? 'yes' : 'no'}`
    case 'append-entries': {
      const batches = message.batches.map(bytes => batchOf(bytes).key).join(' | ')
      return `TERM at ${message.offset} after term ${message.previousTerm}: ${batches === '' ? 'nothing' : batches}, high watermark ${message.highWatermark}`
    }
    case 'entries-appended':
      return message.rejected
        ? `TERM refused at ${message.offset}: ${message.hintTerm === 0 ? `nothing as old, starts at ${message.endOffset}` : `term ${message.hintTerm} ends at ${message.endOffset}`}`
        : `TERM durable to ${message.endOffset}, agrees to ${message.offset}${message.forgetful ? ', has forgotten' : ''}`
    case 'heartbeat':
      return `TERM high watermark ${message.highWatermark}, sent to ${message.sentEnd}${message.readRound > 0 ? `, read ${message.readRound}` : ''}${message.quiesce ? ', sleep' : ''}`
    case 'heartbeat-answered': return `TERM sent to ${message.sentEnd}, agrees to ${message.endOffset}${message.readRound > 0 ? `, read ${message.readRound}` : ''}`
    case 'reset-log': return `TERM begin at ${message.offset} after term ${message.previousTerm}, high watermark ${message.highWatermark}`
    case 'timeout-now': return 'TERM'
  }
}

/** Says what it does. */
class ToldMember extends Member {
  lines: Lines = []

  #tell (line: string): void { this.lines.push(`${this.self} ${line}`) }

  override send (message: RaftMessage): void {
    super.send(message)
    this.lines.push(tell(message))
  }

  override persist (term: Term, vote: MemberId): void {
    super.persist(term, vote)
    this.#tell(`saves term ${term}, vote ${vote === 0 ? 'none' : vote}`)
  }

  override append (bytes: readonly Uint8Array[], from: Offset): void {
    this.#tell(`appends ${bytes.map(batchOf).filter(({ base }) => base >= from).map(({ key }) => key).join(' | ')}`)
    super.append(bytes, from)
  }

  override control (kind: 'leader-change' | 'configuration', configuration?: Configuration): Offset {
    this.#tell(`writes ${kind}${configuration === undefined ? '' : ` ${describe(configuration)}`} at ${this.log.endOffset}`)
    return super.control(kind, configuration)
  }

  override truncate (end: Offset): void {
    this.#tell(`cuts its log at ${end}`)
    super.truncate(end)
  }

  override load (to: MemberId, offset: Offset, endOffset: Offset, bytesMax: number): void {
    this.#tell(`reads from ${offset} for ${to}`)
    super.load(to, offset, endOffset, bytesMax)
  }

  override reset (offset: Offset, previousTerm: Term, state: Uint8Array): void {
    this.#tell(`begins its log anew at ${offset} after term ${previousTerm}`)
    super.reset(offset, previousTerm, state)
  }
}

class ToldGroup extends Group {
  readonly lines: Lines = []

  protected override make (id: MemberId, options: MemberOptions): Member {
    return new ToldMember(id, options)
  }
}

type Values = ReadonlyMap<string, string>

const numbers = (text: string | undefined): number[] => text === undefined || text === '' ? [] : text.split(',').map(Number)
const members = (text: string | undefined): MemberId[] => numbers(text) as MemberId[]

function summary ({ raft, crashed }: Member): string {
  if (crashed) return 'crashed'
  const { configurations } = raft
  return `${raft.role}, term ${raft.term}, leader ${raft.leader === 0 ? 'unknown' : raft.leader}, high watermark ${raft.highWatermark}${raft.quiescent ? ', asleep' : ''}, ${describe(configurations.current)}`
}

export class Transcript {
  readonly #machine: Machine | undefined
  #group: ToldGroup | undefined
  #loud = true
  #before = new Map<MemberId, string>()

  constructor (machine?: Machine) {
    this.#machine = machine
  }

  /** @returns the same text with what is seen now */
  play (text: string): string {
    const out: string[] = []
    for (const line of text.split('\n')) {
      if (line.startsWith('  ')) continue
      out.push(line)
      if (line.startsWith('> ')) out.push(...this.#command(line.slice(2)).map(seen => `  ${seen}`))
    }
    return out.join('\n')
  }

  #command (line: string): string[] {
    const words = line.split(' ').filter(word => word !== '')
    const values = new Map(words.filter(word => /^[\w-]+=/.test(word)).map(word => word.split('=') as [string, string]))
    const plain = words.filter(word => !/^[\w-]+=/.test(word))
    if (plain[0] === 'group') return this.#begin(plain, values)
    const shown = this.#act(plain, values)
    const group = this.#group!
    group.collect()
    const told = group.lines.splice(0)
    if (shown !== undefined) return shown
    return this.#loud ? [...told, ...this.#changes()] : (this.#changes(), [])
  }

  #begin (plain: readonly string[], values: Values): string[] {
    const ids = Array.from({ length: Number(plain[1]) }, (_, index) => index + 1)
    const voters = values.has('voters') ? members(values.get('voters')) : ids as MemberId[]
    const number = (name: string): number | undefined => values.has(name) ? Number(values.get(name)) : undefined
    const options: GroupOptions = {
      configuration: { voters, outgoing: members(values.get('outgoing')), learners: members(values.get('learners')) },
      timing: { checkQuorum: !plain.includes('no-check-quorum'), heartbeatTicks: number('heartbeat') ?? 2, electionTicks: number('election') ?? 10 },
      limits: { inflightBytesMax: number('inflight') ?? 10_000, inflightMessagesMax: 256, messageBytesMax: number('message') ?? 1_000 },
      ...(this.#machine === undefined ? {} : { machine: this.#machine })
    }
    this.#group = new ToldGroup(ids, options)
    for (const member of this.#group.members.values()) (member as ToldMember).lines = this.#group.lines
    this.#loud = true
    this.#changes()
    return []
  }

  /** What is different about the members since the last command. */
  #changes (): string[] {
    const lines: string[] = []
    for (const member of this.#group!.members.values()) {
      const now = summary(member)
      if (this.#before.get(member.self) !== now) lines.push(`${member.self} is ${now}`)
      this.#before.set(member.self, now)
    }
    return lines
  }

  /** @returns what to show instead of effects */
  #act (words: readonly string[], values: Values): string[] | undefined {
    const group = this.#group!
    const [verb, first, second, third] = words
    const member = /^\d+:?$/.test(first ?? '') ? group.at(parseInt(first!)) : undefined
    switch (verb) {
      case 'quiet':
      case 'loud':
        this.#loud = verb === 'loud'
        return []
      case 'log': member!.fill(words.slice(2).join(' '), values.has('term') ? { term: Number(values.get('term')) } : {}); return
      case 'campaign': member!.raft.campaign(); return
      case 'tick':
        for (let i = 0; i < Number(second ?? 1); i++) group.tick(...numbers(first))
        return
      case 'propose': {
        const base = member!.propose(second!, Number(values.get('records') ?? 1), Number(values.get('size') ?? 100))
        if (base === undefined) group.lines.push(`${member!.self} takes nothing now`)
        return
      }
      case 'deliver':
      case 'lose':
      case 'double': return this.#move(verb, words.slice(1))
      case 'disk': this.#disk(member!, second); return
      case 'settle': group.settle(this.#arrives(words)); return
      case 'run': group.run(Number(first), this.#arrives(words)); return
      case 'fail-disk': member!.failDisk(); return
      case 'ready': member!.ready(); return
      case 'crash': member!.crash(); return
      case 'restart': {
        const lost = values.get('lost')
        member!.restart({ forgetful: values.get('forgetful') as 'maybe' | 'surely', lost: (lost === undefined ? member!.log.durableEnd : Number(lost)) as Offset })
        return
      }
      case 'transfer': group.lines.push(`begun: ${member!.raft.leading!.transfer(Number(third) as MemberId)}`); return
      case 'target': member!.raft.leading!.setTarget({ voters: members(values.get('voters')), learners: members(values.get('learners')) }); return
      case 'read': {
        const read = member!.raft.leading?.readIndex()
        group.lines.push(read === undefined ? 'no read yet' : `read ${read.round} of what is below ${read.offset}`)
        return
      }
      case 'confirmed': return [`confirmed: ${member!.raft.leading!.confirmedRound}`]
      case 'link': member!.raft.peerStatus(Number(third) as MemberId, second === 'up'); return
      case 'retain': member!.retainFrom(Number(third) as Offset); return
      case 'on-disk-only': member!.log.memoryStart = Number(third) as Offset; return
      case 'state': return this.#state(member === undefined ? [...group.members.values()] : [member])
      case 'progress': return [...member!.raft.leading!.progress.values()].map(one =>
        `${one.member}: ${one.state}, holds to ${one.match}, next ${one.next}${one.inflights.count > 0 ? `, in flight ${one.inflights.count}${one.inflights.full ? ' (full)' : ''}` : ''}${one.down ? ', gone' : ''}`)
      case 'bag': return group.bag.map(tell)
      default: assert(false, 'a known command')
    }
  }

  #state (which: readonly Member[]): string[] {
    return which.map(member => {
      const { log } = member
      const batches = log.batches.map(batch => batch.key).join(' | ')
      return `${member.self} is ${summary(member)}; log ${log.startOffset}-${log.endOffset}, durable to ${log.durableEnd}: ${batches === '' ? 'empty' : batches}`
    })
  }

  #arrives (words: readonly string[]): (message: RaftMessage) => boolean {
    const at = words.indexOf('without')
    const cut = at < 0 ? [] : numbers(words[at + 1])
    return ({ from, to }) => !cut.includes(from) && !cut.includes(to)
  }

  #disk (member: Member, what: string | undefined): void {
    switch (what) {
      case undefined: member.work(); break
      case 'persist': member.persisted(); break
      case 'sync': member.synced(); break
      case 'cut': member.wasCut(); break
      case 'reset': member.wasReset(); break
      case 'load': member.loaded(); break
      default: assert(false, 'a known work of the disk')
    }
  }

  #move (verb: 'deliver' | 'lose' | 'double', words: readonly string[]): undefined {
    const group = this.#group!
    const way = words.find(word => word.includes('->'))?.split('->')
    const kind = words.find(word => /^[a-z]/.test(word) && word !== 'first')
    const matches = (message: RaftMessage): boolean =>
      (way === undefined || ((way[0] === '' || Number(way[0]) === message.from) && (way[1] === '' || Number(way[1]) === message.to))) && (kind === undefined || kind === message.kind)
    let chosen = group.bag.filter(matches)
    if (words.includes('first')) chosen = chosen.slice(0, 1)
    for (const message of chosen) {
      if (verb !== 'double') group.bag.splice(group.bag.indexOf(message), 1)
      if (verb === 'lose') {
        group.lines.push(`lost: ${tell(message)}`)
        continue
      }
      group.lines.push(`< ${tell(message)}`)
      group.deliver(message)
    }
  }
}
