import { ProducerState } from '../../../src/actors/partition/producer-state.ts'
import { override, type Mutation } from './mutation.ts'

export const answerDuplicateEarly: Mutation = {
  name: 'answer-duplicate-early',
  bug: 'a batch that is sent again is acknowledged before the original is committed',
  plant: () => override(ProducerState.prototype, 'check', truth => function (this: ProducerState, ...batch) {
    const check = truth.call(this, ...batch)
    // As if the original stood before the log's start.
    return check.kind === 'duplicate' ? { ...check, lastOffset: -1 } : check
  })
}
