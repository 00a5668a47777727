import { ProducerState } from '../../../src/actors/partition/producer-state.ts'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'
import { override, type Mutation } from './mutation.ts'

export const forgetTruncatedTerms: Mutation = {
  name: 'forget-truncated-terms',
  bug: 'a log that was cut still has the terms of what was cut off',
  plant: () => override(LeaderEpochs.prototype, 'truncate', () => () => {})
}

export const forgetTruncatedProducers: Mutation = {
  name: 'forget-truncated-producers',
  bug: 'when the log is cut the producers keep the sequences of what was cut off, so that its repetition is a duplicate',
  plant: () => override(ProducerState.prototype, 'truncate', () => () => {})
}
