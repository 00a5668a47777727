/**
 * Copies members and writes down everything that their future depends on. It walks over the machine's own fields, so a field
 * that is added there is part of the state by itself; variants.ts makes them visible.
 */
import type { Member } from './kit.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { batchOf } from './memory-log.ts'

type Fields = Record<string, unknown>

/** Never changed once they are made: shared between copies, and no part of what distinguishes two states of one member. */
const constant: ReadonlySet<string> = new Set(['self', 'timing', 'limits', 'options', 'log', 'port', '_port'])

export function cloneMember (member: Member): Member {
  const copy = Object.create(Object.getPrototypeOf(member) as object) as Member
  Object.assign(copy, member)
  copy.log = member.log.clone()
  copy.loads = [...member.loads]
  copy.sent = [...member.sent]
  copy.raft = cloneMachine(member.raft, new Map<unknown, unknown>([[member, copy], [member.log, copy.log]])) as Member['raft']
  return copy
}

function cloneMachine (value: unknown, copies: Map<unknown, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  if (Array.isArray(value)) return [...value] // of messages and entries, which are never changed
  if (value instanceof Set) return new Set(value)
  if (value instanceof Float64Array) return value.slice()
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, cloneMachine(one, copies)]))
  const prototype = Object.getPrototypeOf(value) as object
  if (prototype === Object.prototype) return value
  // A class that keeps closures over itself makes them anew.
  const closes = Object.values(value).some(field => typeof field === 'function')
  const Class = prototype.constructor as new (raft: unknown) => Fields
  const copy = closes ? new Class(cloneMachine((value as Fields)._raft, copies)) : Object.create(prototype) as Fields
  copies.set(value, copy)
  for (const [key, field] of Object.entries(value)) {
    if (typeof field !== 'function') copy[key] = constant.has(key) && !copies.has(field) ? field : cloneMachine(field, copies)
  }
  return copy
}

/** Everything that a member's future depends on, and nothing else. */
export function stateOf (member: Member): string {
  const { log, raft, saved, saving, truncating, resetting, loads, base, crashed } = member
  const parts = [
    `${member.self}`, `${crashed}`, `${saved.term}/${saved.vote}`, saving === undefined ? '' : `${saving.term}/${saving.vote}`, `${truncating ?? ''}`,
    resetting === undefined ? '' : `${resetting.offset}@${resetting.previousTerm} ${JSON.stringify(resetting.entries)}`, JSON.stringify(loads), JSON.stringify(base),
    `${log.startOffset},${log.endOffset},${log.durableEnd},${log.writable},${log.full},${log.memoryStart}`, JSON.stringify(log.epochs), log.batches.map(batch => batch.key).join('|')
  ]
  write(raft, parts, new Set<unknown>([raft]))
  return parts.join(' ')
}

function write (value: object, parts: string[], seen: Set<unknown>): void {
  if (value.constructor.name === 'Inflights') return writeInflights(value as unknown as Fields, parts)
  for (const [key, field] of Object.entries(value)) {
    if (constant.has(key) || typeof field === 'function' || key === '_raft' || key === 'version') continue
    if (typeof field !== 'object' || field === null) parts.push(`${field}`)
    else if (seen.has(field)) parts.push('^')
    else if (Array.isArray(field)) parts.push(`[${field.map(one => key === '_held' ? keyOf(one as RaftMessage) : JSON.stringify(one)).join()}]`)
    else if (field instanceof Set) parts.push(`{${[...field].sort().join()}}`)
    else if (field instanceof Map) {
      for (const [name, one] of field) {
        parts.push(`${name}:`)
        write(one as object, parts, seen)
      }
    } else if (Object.getPrototypeOf(field) === Object.prototype) parts.push(JSON.stringify(field))
    else {
      seen.add(field)
      write(field as object, parts, seen)
    }
  }
}

function writeInflights ({ _ends, _sizes, _head, _count }: Fields, parts: string[]): void {
  const ends = _ends as Float64Array
  const sizes = _sizes as Float64Array
  for (let i = 0; i < (_count as number); i++) {
    const slot = ((_head as number) + i) % ends.length
    parts.push(`${ends[slot]}+${sizes[slot]}`)
  }
}

/** Says everything about a message. */
export function keyOf (message: RaftMessage): string {
  return Object.entries(message).map(([key, value]: [string, unknown]) => {
    if (key === 'batches') return (value as Uint8Array[]).map(bytes => batchOf(bytes).key).join('|')
    return key === 'state' ? new TextDecoder().decode(value as Uint8Array) : String(value)
  }).join(' ')
}
