/** Partitions whose replicas are being moved; `topics` null asks for all. */
import { defineApi } from '../api.ts'
import { array, int16, int32, string } from '../schema.ts'

export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'listPartitionReassignments',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    timeoutMs: int32().or(60000),
    topics: array({
      name: string(),
      partitionIndexes: array(int32())
    }).nullable()
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32())
      })
    })
  }
})
