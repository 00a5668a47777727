/**
 * The offset of a point in time. Negative timestamps have meanings: -1 the end of the log, -2 its start, -3 (from version 7) the record
 * with the largest timestamp, -4 (8) the local start, -5 (9) the last tiered offset, -6 (11) the first one not yet tiered.
 */
import { defineApi } from '../api.ts'
import { array, int8, int16, int32, int64, saturatedInt64, string } from '../schema.ts'

export const listOffsets = defineApi({
  key: 2,
  name: 'listOffsets',
  versions: [1, 11],
  flexibleSince: 6,
  request: {
    replicaId: int32().or(-1),
    isolationLevel: int8().since(2).or(0),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32().since(4).or(-1),
        timestamp: saturatedInt64()
      })
    }),
    timeoutMs: int32().since(10).or(0)
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        timestamp: int64().or(-1),
        offset: int64().or(-1),
        leaderEpoch: int32().since(4).or(-1)
      })
    })
  }
})
