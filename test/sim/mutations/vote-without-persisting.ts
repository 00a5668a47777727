import { HardStateStore } from '../../../src/log/hard-state-store.ts'
import { override, type Mutation } from './mutation.ts'

export const voteWithoutPersisting: Mutation = {
  name: 'vote-without-persisting',
  bug: 'terms and votes are called durable and are never written',
  plant: () => override(HardStateStore.prototype, 'save', () => (_group, _state, saved) => queueMicrotask(() => saved(undefined)))
}
