/** Raft messages of all kinds, for whoever carries them. */
import fc from 'fast-check'
import type { GroupKey } from '../../src/base/ids.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'

const member = fc.integer({ min: 1, max: 0x7fffffff })
const term = fc.integer({ min: 0, max: 0x7fffffff })
const offset = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER))
const bytes = fc.uint8Array({ maxLength: 300 })
const between = { from: member, to: member, term }

/** One arbitrary for each kind; a kind or field that is missing here does not compile. */
const byKind = {
  'pre-vote': fc.record({ kind: fc.constant('pre-vote' as const), ...between, round: fc.nat(65535), lastTerm: term, endOffset: offset }),
  'pre-voted': fc.record({ kind: fc.constant('pre-voted' as const), ...between, round: fc.nat(65535), granted: fc.boolean() }),
  vote: fc.record({ kind: fc.constant('vote' as const), ...between, lastTerm: term, endOffset: offset, transfer: fc.boolean() }),
  voted: fc.record({ kind: fc.constant('voted' as const), ...between, granted: fc.boolean() }),
  'append-entries': fc.record({
    kind: fc.constant('append-entries' as const),
    ...between,
    offset: fc.nat(),
    previousTerm: term,
    endOffset: offset.map(end => end + 0x7fffffff > Number.MAX_SAFE_INTEGER ? end : end + 0x7fffffff),
    entryTerm: term,
    highWatermark: offset,
    batches: fc.array(bytes, { maxLength: 6 })
  }),
  'entries-appended': fc.record({ kind: fc.constant('entries-appended' as const), ...between, rejected: fc.boolean(), endOffset: offset, offset, hintTerm: term, forgetful: fc.boolean() }).map(message => ({ ...message, forgetful: message.forgetful && !message.rejected })),
  heartbeat: fc.record({ kind: fc.constant('heartbeat' as const), ...between, highWatermark: offset, sentEnd: offset, readRound: offset, quiesce: fc.boolean() }),
  'heartbeat-answered': fc.record({ kind: fc.constant('heartbeat-answered' as const), ...between, sentEnd: offset, endOffset: offset, readRound: offset }),
  'reset-log': fc.record({ kind: fc.constant('reset-log' as const), ...between, offset, previousTerm: term, highWatermark: offset, state: bytes }),
  'timeout-now': fc.record({ kind: fc.constant('timeout-now' as const), ...between })
} satisfies { [Kind in RaftMessage['kind']]: fc.Arbitrary<Plain<Extract<RaftMessage, { kind: Kind }>>> }

/** Without brands, which plain numbers do not have. */
type Plain<T> = { readonly [Key in keyof T]: T[Key] extends number ? number : T[Key] }

export const raftMessages = fc.oneof(...Object.values(byKind)) as unknown as fc.Arbitrary<RaftMessage>

/** One of each kind, the same in every run. */
export function oneOfEachKind (): RaftMessage[] {
  return Object.values(byKind).map(arbitrary => fc.sample(arbitrary as fc.Arbitrary<unknown>, { seed: 5, numRuns: 1 })[0] as RaftMessage)
}

export const groupKeys = fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer({ min: 0, max: 0x7fffffff }))
  .map(([id, partition]) => `${Buffer.from(id).toString('hex')}-${partition}` as GroupKey)
