import { Raft } from '../../../src/raft/raft.ts'
import { override, type Mutation } from './mutation.ts'

export const ignoreLease: Mutation = {
  name: 'ignore-lease',
  bug: 'a voter that hears from its leader votes for somebody else all the same',
  plant: () => override(Raft.prototype, 'step', truth => function (this: Raft, message) {
    if (message.kind !== 'vote' && message.kind !== 'pre-vote') return truth.call(this, message)
    const holder = this as { timing: Raft['timing'] }
    const { timing } = this
    holder.timing = { ...timing, checkQuorum: false }
    truth.call(this, message)
    holder.timing = timing
  })
}
