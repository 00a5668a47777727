/**
 * A group's stored positions; `topics` null asks for all. One group up to version 7, several in `groups` from 8.
 * Version 5 adds leader epochs, 7 waits for open transactions, 9 the member that asks, 10 topics by id.
 */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, int64, string, uuid, zeroUuid } from '../schema.ts'

export const offsetFetch = defineApi({
  key: 9,
  name: 'offsetFetch',
  versions: [1, 10],
  flexibleSince: 6,
  request: {
    groupId: string().until(7).or(''),
    topics: array({
      name: string(),
      partitionIndexes: array(int32())
    }).until(7).nullable(2, 7),
    groups: array({
      groupId: string(),
      memberId: string().since(9).nullable(9),
      memberEpoch: int32().since(9).or(-1),
      topics: array({
        name: string().until(9).or(''),
        topicId: uuid().since(10).or(zeroUuid),
        partitionIndexes: array(int32())
      }).nullable()
    }).since(8).or([]),
    requireStable: bool().since(7).or(false)
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(5).or(-1),
        metadata: string().nullable(),
        errorCode: int16()
      })
    }).until(7).or([]),
    errorCode: int16().since(2).until(7).or(0),
    groups: array({
      groupId: string(),
      topics: array({
        name: string().until(9).or(''),
        topicId: uuid().since(10).or(zeroUuid),
        partitions: array({
          index: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32().or(-1),
          metadata: string().nullable(),
          errorCode: int16()
        })
      }),
      errorCode: int16().or(0)
    }).since(8).or([])
  }
})
