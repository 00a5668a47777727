/** Adds partitions to topics. `count` is the new total; `assignments` null lets the broker choose. */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, string } from '../schema.ts'

export const createPartitions = defineApi({
  key: 37,
  name: 'createPartitions',
  versions: [0, 3],
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array({
        brokerIds: array(int32())
      }).nullable()
    }),
    timeoutMs: int32(),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string().nullable()
    })
  }
})
