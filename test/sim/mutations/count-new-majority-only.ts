import { Raft } from '../../../src/raft/raft.ts'
import { isJoint } from '../../../src/raft/configuration.ts'
import { quorumEnd } from '../../../src/raft/quorum.ts'
import type { Offset } from '../../../src/base/ids.ts'
import { override, type Mutation } from './mutation.ts'

export const countNewMajorityOnly: Mutation = {
  name: 'count-new-majority-only',
  bug: 'while the members change only the new ones must agree',
  plant: () => override(Raft.prototype, 'step', truth => function (this: Raft, message) {
    truth.call(this, message)
    const { leading, self, log, configurations: { current } } = this
    if (message.kind !== 'entries-appended' || leading === undefined || !isJoint(current) || !leading.hasCommitted) return
    const ends = current.voters.map(member => member === self ? log.durableEnd : leading.progress.get(member)?.match ?? 0 as Offset)
    this.advanceHighWatermark(Math.min(quorumEnd(ends), log.endOffset) as Offset)
  })
}
