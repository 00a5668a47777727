/**
 * Moves partitions to other replicas, the preferred leader first; `replicas` null takes back a move that is under way.
 * The answer comes when the intent is kept; ListPartitionReassignments tells what is still moving.
 *
 * Version 1 lets a client forbid that a partition gets more or fewer replicas than it has.
 */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, string } from '../schema.ts'

export const alterPartitionReassignments = defineApi({
  key: 45,
  name: 'alterPartitionReassignments',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    timeoutMs: int32().or(60000),
    allowReplicationFactorChange: bool().since(1).or(true),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        replicas: array(int32()).nullable()
      })
    })
  },
  response: {
    throttleTimeMs: int32().or(0),
    allowReplicationFactorChange: bool().since(1).or(true),
    errorCode: int16(),
    errorMessage: string().nullable(),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string().nullable()
      })
    })
  }
})
