/** All that must hold at every moment. The order matters: what is committed is noted first. */
import { AcknowledgedIsCommitted } from './invariants/acknowledged-is-committed.ts'
import { CommittedIsDurable } from './invariants/committed-is-durable.ts'
import { CommittedNeverLost } from './invariants/committed-never-lost.ts'
import { DurableSurvives } from './invariants/durable-survives.ts'
import { LeaderStays } from './invariants/leader-stays.ts'
import { LogMatching } from './invariants/log-matching.ts'
import { MailboxBounded } from './invariants/mailbox-bounded.ts'
import { MembersKeepTheirLogs } from './invariants/members-keep-their-logs.ts'
import { MonotonicHighWatermark } from './invariants/monotonic-high-watermark.ts'
import { NoDuplicateSequence } from './invariants/no-duplicate-sequence.ts'
import { ReadsBelowHighWatermarkStable } from './invariants/reads-below-high-watermark-stable.ts'
import { SingleLeaderPerTerm } from './invariants/single-leader-per-term.ts'
import type { Invariant, Promises, Violate } from './invariant.ts'

export function invariants (violate: Violate, promises: Promises): readonly Invariant[] {
  return [
    new SingleLeaderPerTerm(violate),
    new LogMatching(violate),
    new CommittedIsDurable(violate, promises),
    new CommittedNeverLost(violate, promises),
    new AcknowledgedIsCommitted(violate),
    new MonotonicHighWatermark(violate, promises),
    new MembersKeepTheirLogs(violate),
    new NoDuplicateSequence(violate),
    new ReadsBelowHighWatermarkStable(violate),
    new MailboxBounded(violate),
    new DurableSurvives(violate, promises),
    ...promises.isSound === undefined ? [] : [new LeaderStays(violate, promises.isSound)]
  ]
}
