import { ReplicaLog } from '../../../src/actors/replica-log.ts'
import type { Mutation } from './mutation.ts'

export const acknowledgeBeforeSync: Mutation = {
  name: 'acknowledge-before-sync',
  bug: 'replicas call durable what is only in memory',
  plant: () => {
    const truth = Object.getOwnPropertyDescriptor(ReplicaLog.prototype, 'durableEnd')!
    Object.defineProperty(ReplicaLog.prototype, 'durableEnd', { configurable: true, get (this: ReplicaLog) { return this.endOffset } })
    return () => { Object.defineProperty(ReplicaLog.prototype, 'durableEnd', truth) }
  }
}
