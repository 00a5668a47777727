import type { Term } from '../../../src/base/ids.ts'
import { HardStateStore } from '../../../src/log/hard-state-store.ts'
import { nobody } from '../../../src/raft/configuration.ts'
import { override, type Mutation } from './mutation.ts'

export const resumeTerm: Mutation = {
  name: 'resume-term',
  bug: 'a restart goes on in the term it had, as if it had never voted in it: a leader leads in it again',
  plant: () => override(HardStateStore.prototype, 'get', truth => function (this: HardStateStore, group) {
    const state = truth.call(this, group)
    return state === undefined || state.term === 0 ? state : { term: state.term - 1 as Term, vote: nobody }
  })
}
