/** What must hold of a group whatever happens to it: section 5 of the Raft paper, figure 3, and what an acknowledgement promises. */
import type { MemberId } from '../../src/base/ids.ts'
import { type Configuration, hasQuorum, isVoter } from '../../src/raft/configuration.ts'
import type { Member } from './kit.ts'
import type { Batch } from './memory-log.ts'

/** How far a log goes: what votes are given by. */
interface Tip { readonly term: number, readonly end: number }

/** What the checks want to know of a member. */
export interface Seen {
  readonly id: MemberId
  readonly leads: boolean
  readonly term: number
  readonly highWatermark: number
  readonly configuration: Configuration
  readonly forgetful: boolean
  readonly start: number
  readonly durable: number
  readonly batches: readonly Batch[]
  readonly tip: Tip
  /** Of what is on disk. */
  readonly durableTip: Tip
}

/** What is known of the time before: who led in which term, and what was ever committed, with the term it was first seen in. */
export interface Memory {
  readonly leaders: ReadonlyArray<readonly [term: number, member: number]>
  readonly committed: ReadonlyArray<readonly [batch: Batch, term: number]>
}

export const nothing: Memory = { leaders: [], committed: [] }

export function see ({ self, raft, log }: Member): Seen {
  const { batches, startOffset, durableEnd, endOffset } = log
  const written = batches.findLast(({ end }) => end <= durableEnd)
  return {
    id: self,
    leads: raft.role === 'leader',
    term: raft.term,
    highWatermark: raft.highWatermark,
    configuration: raft.configurations.current,
    forgetful: raft.forgetful,
    start: startOffset,
    durable: durableEnd,
    batches,
    tip: { term: log.lastTerm, end: endOffset },
    durableTip: { term: written?.term ?? log.epochs.findLast(({ start }) => start < startOffset)?.term ?? 0, end: durableEnd }
  }
}

/**
 * @param changing  members come and go, or somebody has lost something: what is committed need not be on the disks of a majority of all
 * @returns what is known now, or what is wrong
 */
export function check (members: readonly Seen[], memory: Memory, changing: boolean): Memory | string {
  let { leaders, committed } = memory
  for (const { leads, term, id } of members) {
    if (!leads || leaders.some(([of, member]) => of === term && member === id)) continue
    if (leaders.some(([of]) => of === term)) return `election safety: two leaders in one term, ${term}`
    leaders = [...leaders, [term, id]]
  }
  for (const { batches, highWatermark, term } of members) {
    for (const batch of batches) {
      if (batch.end > highWatermark) break
      const known = committed.find(([{ base }]) => base === batch.base)?.[0]
      if (known === undefined) committed = [...committed, [batch, term]]
      else if (known !== batch) return `state-machine safety: ${known.key} and ${batch.key} are committed`
    }
  }
  for (const member of members) {
    const lacked = member.leads ? committed.find(([batch, since]) => since < member.term && !holds(member, batch)) : undefined
    if (lacked !== undefined) return `leader completeness: a leader lacks what was committed before, ${lacked[0].key}`
  }
  for (const [batch] of committed) {
    if (!changing && !isOnMajority(members, batch)) return `durability: ${batch.key} is committed, and not on the disks of a majority`
    if (couldLose(members, batch)) return `electability: who lacks ${batch.key}, which is committed, could be elected`
  }
  if (!doLogsMatch(members)) return 'log matching: same offset and term, and something else there or before'
  return leaders === memory.leaders && committed === memory.committed ? memory : { leaders, committed }
}

/** What retention has given up was committed before. */
function holds ({ start, batches }: Seen, batch: Batch): boolean {
  return batch.base < start || batches.includes(batch)
}

function isOnMajority (members: readonly Seen[], batch: Batch): boolean {
  return members.filter(member => holds(member, batch) && batch.end <= member.durable).length * 2 > members.length
}

/**
 * Some member without the batch has a log that those would vote for who make a majority in its own eyes. That is leader completeness
 * before anybody was elected, so a shorter way shows it.
 */
function couldLose (members: readonly Seen[], batch: Batch): boolean {
  return members.some(member => {
    if (holds(member, batch) || member.forgetful || !isVoter(member.configuration, member.id)) return false
    return hasQuorum(member.configuration, id => {
      const voter = members.find(other => other.id === id)
      return voter !== undefined && !voter.forgetful && isUpToDate(member.tip, voter.durableTip)
    })
  })
}

function isUpToDate (left: Tip, right: Tip): boolean {
  return left.term > right.term || (left.term === right.term && left.end >= right.end)
}

function doLogsMatch (members: readonly Seen[]): boolean {
  for (let i = 0; i < members.length; i++) {
    for (let j = i + 1; j < members.length; j++) if (!match(members[i]!.batches, members[j]!.batches)) return false
  }
  return true
}

/** From the last batch with the same offset and term downwards they are the same. */
function match (left: readonly Batch[], right: readonly Batch[]): boolean {
  let at = left.length - 1
  let other = right.length - 1
  while (at >= 0 && other >= 0 && (left[at]!.base !== right[other]!.base || left[at]!.term !== right[other]!.term)) {
    if (left[at]!.base >= right[other]!.base) at--
    else other--
  }
  for (; at >= 0 && other >= 0; at--, other--) if (left[at] !== right[other]) return false
  return true
}
