/** Where a leader epoch ends, so that a consumer or follower finds the point at which its log left the leader's. */
import { defineApi } from '../api.ts'
import { array, int16, int32, int64, string } from '../schema.ts'

export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: 'offsetForLeaderEpoch',
  versions: [2, 4],
  flexibleSince: 4,
  request: {
    replicaId: int32().since(3).or(-2),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32().or(-1),
        leaderEpoch: int32()
      })
    })
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string(),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderEpoch: int32().or(-1),
        endOffset: int64().or(-1)
      })
    })
  }
})
