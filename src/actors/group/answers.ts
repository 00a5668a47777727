/** The answers to JoinGroup and SyncGroup, whose callers often wait: what they say unless told otherwise, and how they refuse. */
import type { Outbox } from '../../runtime/actor.ts'
import { type Caller, noBytes } from './member.ts'
import type { Joined, Synced } from './messages.ts'

export function refuseJoin (to: Caller, memberId: string, errorCode: number, out: Outbox): void {
  out.tell(to.replyTo, joined(to, { memberId, errorCode }))
}

export function refuseSync (to: Caller, errorCode: number, out: Outbox): void {
  out.tell(to.replyTo, synced(to, { errorCode }))
}

/** The part of a request that has to be kept to answer it later. */
export function caller ({ replyTo, correlation }: Caller): Caller {
  return { replyTo, correlation }
}

export function joined ({ correlation }: Caller, fields: Partial<Joined>): Joined {
  return {
    kind: 'joined',
    correlation,
    errorCode: 0,
    generation: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId: '',
    members: [],
    ...fields
  }
}

export function synced ({ correlation }: Caller, fields: Partial<Synced>): Synced {
  return { kind: 'synced', correlation, errorCode: 0, protocolType: null, protocolName: null, assignment: noBytes, ...fields }
}
