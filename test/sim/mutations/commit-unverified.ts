import type { Offset } from '../../../src/base/ids.ts'
import { Raft } from '../../../src/raft/raft.ts'
import { override, type Mutation } from './mutation.ts'

export const commitUnverified: Mutation = {
  name: 'commit-unverified',
  bug: 'a follower takes the leader\'s high watermark as far as its own log goes, whoever wrote that',
  plant: () => override(Raft.prototype, 'step', truth => function (this: Raft, message) {
    truth.call(this, message)
    if (message.kind !== 'append-entries' || message.term !== this.term || message.from !== this.leader) return
    this.advanceHighWatermark(Math.min(message.highWatermark, this.log.endOffset) as Offset)
  })
}
