/**
 * Keeps new partitions from a broker and moves those that it has to others; `drain` false lets it take partitions again.
 * Asked again, it says how many replicas the broker still holds.
 */
import { defineApi } from '../api.ts'
import { bool, int16, int32, string } from '../schema.ts'

export const drainBroker = defineApi({
  key: 10061,
  name: 'drainBroker',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    brokerId: int32(),
    drain: bool()
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    replicasLeft: int32().or(-1)
  }
})
