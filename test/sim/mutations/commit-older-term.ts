import type { Offset } from '../../../src/base/ids.ts'
import { quorumEnd } from '../../../src/raft/quorum.ts'
import { Raft } from '../../../src/raft/raft.ts'
import { override, type Mutation } from './mutation.ts'

/** Figure 8 of the Raft paper. */
export const commitOlderTerm: Mutation = {
  name: 'commit-older-term',
  bug: 'a leader commits entries of older terms by counting who holds them',
  plant: () => {
    const count = (raft: Raft): void => {
      const { leading, self, log } = raft
      if (leading === undefined) return
      const ends = raft.configurations.current.voters.map(member => member === self ? log.durableEnd : leading.progress.get(member)?.match ?? 0 as Offset)
      raft.advanceHighWatermark(Math.min(quorumEnd(ends), log.endOffset) as Offset)
    }
    const durable = override(Raft.prototype, 'durable', truth => function (this: Raft) {
      truth.call(this)
      count(this)
    })
    const step = override(Raft.prototype, 'step', truth => function (this: Raft, message) {
      truth.call(this, message)
      if (message.kind === 'entries-appended') count(this)
    })
    return () => {
      durable()
      step()
    }
  }
}
