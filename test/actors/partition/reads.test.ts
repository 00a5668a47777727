/** What a replica says of its log to who knows more than it does: nothing that is wrong. */
import t from 'tap'
import type { Fetch } from '../../../src/actors/partition/messages.ts'
import { Reads } from '../../../src/actors/partition/reads.ts'
import type { Replica } from '../../../src/actors/replica.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import type { ActorId } from '../../../src/base/ids.ts'
import type { Outbox } from '../../../src/runtime/actor.ts'

const asked = { replyTo: 1 as ActorId, correlation: 1 }

/** A log of terms 5 (10 to 59) and 6 (60 to 99), in a replica of term 6. */
function kit (change: Record<string, unknown> = {}) {
  const answers: Array<Record<string, unknown>> = []
  const log = {
    logStartOffset: 10,
    logEndOffset: 100,
    lastTerm: 6,
    termAt: (offset: number) => offset < 60 ? 5 : 6,
    epochEndOffset: (term: number) => term >= 6 ? { term: 6, endOffset: 100 } : term === 5 ? { term: 5, endOffset: 60 } : undefined,
    read: () => undefined,
    timestampPlan: (timestamp: number, end: number) => ({ timestamp, end })
  }
  const replica = { log, readable: true, role: 'leader', leader: 1, established: true, term: 6, highWatermark: 100, ...change }
  return { reads: new Reads(replica as unknown as Replica), answers, out: { tell: (_to: ActorId, message: Record<string, unknown>) => { answers.push(message) } } as unknown as Outbox }
}

const fetch = (more: Partial<Fetch>): Fetch => ({ kind: 'fetch', ...asked, bytesMax: 1000, leaderEpoch: 6, replicaOk: true, ...more } as Fetch)

t.test('a follower that is behind its reader has nothing for it, and does not say that the log was cut', async t => {
  const follower = kit({ readable: false, role: 'follower' })
  follower.reads.answerFetch(fetch({ offset: 120, lastFetchedEpoch: 6 }), follower.out)
  t.match(follower.answers, [{ errorCode: ErrorCode.NONE, diverging: null, plan: null }])
})

t.test('what a follower has removed its leader may still have: it does not say that it is gone', async t => {
  for (const [role, errorCode] of [[{}, ErrorCode.OFFSET_OUT_OF_RANGE], [{ readable: false, role: 'follower' }, ErrorCode.NOT_LEADER_OR_FOLLOWER]] as const) {
    const { reads, answers, out } = kit(role)
    reads.answerFetch(fetch({ offset: 9 }), out)
    t.match(answers, [{ errorCode, plan: null }])
  }
})

t.test('a follower says that the log was cut where a later term shows it, as a leader does', async t => {
  for (const role of [{}, { readable: false, role: 'follower' }]) {
    const { reads, answers, out } = kit(role)
    reads.answerFetch(fetch({ offset: 80, lastFetchedEpoch: 5 }), out)
    t.match(answers, [{ errorCode: ErrorCode.NONE, diverging: { epoch: 5, endOffset: 60 } }])
  }
})

t.test('who has not heard of a term does not say where it ended', async t => {
  const { reads, answers, out } = kit()
  reads.epochEnd({ kind: 'epoch-end', ...asked, leaderEpoch: 7, currentLeaderEpoch: -1 }, out)
  reads.epochEnd({ kind: 'epoch-end', ...asked, leaderEpoch: 6, currentLeaderEpoch: 6 }, out)
  t.match(answers, [{ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH, endOffset: -1 }, { errorCode: ErrorCode.NONE, leaderEpoch: 6, endOffset: 100 }])
})

t.test('an epoch that retention took away ended where the log begins: who has read up to there reads on', async t => {
  const { reads, answers, out } = kit()
  reads.epochEnd({ kind: 'epoch-end', ...asked, leaderEpoch: 3, currentLeaderEpoch: 6 }, out)
  t.match(answers, [{ errorCode: ErrorCode.NONE, leaderEpoch: 3, endOffset: 10 }])
})

t.test('a leader that does not know yet what is committed looks for no moment, and knows where its log begins', async t => {
  const { reads, answers, out } = kit({ established: false, highWatermark: 60 })
  for (const timestamp of [-1, -3, 123, -2]) reads.listOffset({ kind: 'list-offset', ...asked, timestamp, leaderEpoch: -1 }, out)
  t.same(answers.map(({ errorCode }) => errorCode), [ErrorCode.OFFSET_NOT_AVAILABLE, ErrorCode.OFFSET_NOT_AVAILABLE, ErrorCode.OFFSET_NOT_AVAILABLE, ErrorCode.NONE])
})
