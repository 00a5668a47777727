/** Strikes a broker off the cluster for good: one that has stopped, and holds nothing any more. */
import { defineApi } from '../api.ts'
import { int16, int32, string } from '../schema.ts'

export const unregisterBroker = defineApi({
  key: 64,
  name: 'unregisterBroker',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    brokerId: int32()
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable()
  }
})
