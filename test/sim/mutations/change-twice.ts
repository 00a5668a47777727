import { Configurations } from '../../../src/raft/configurations.ts'
import { override, type Mutation } from './mutation.ts'

export const changeTwice: Mutation = {
  name: 'change-twice',
  bug: 'a leader begins the next change of the members before the last one is committed',
  plant: () => override(Configurations.prototype, 'isCommitted', () => () => true)
}
