/** Stores a group's positions. Up to version 4 with a time to keep them, from 6 with the leader epoch, from 7 static members, from 10 topics by id. */
import { defineApi } from '../api.ts'
import { array, int16, int32, int64, saturatedInt64, string, uuid, zeroUuid } from '../schema.ts'

export const offsetCommit = defineApi({
  key: 8,
  name: 'offsetCommit',
  versions: [2, 10],
  flexibleSince: 8,
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32().or(-1),
    memberId: string(),
    groupInstanceId: string().since(7).nullable(7),
    retentionTimeMs: saturatedInt64().until(4).or(-1),
    topics: array({
      name: string().until(9).or(''),
      topicId: uuid().since(10).or(zeroUuid),
      partitions: array({
        index: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(6).or(-1),
        committedMetadata: string().nullable()
      })
    })
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    topics: array({
      name: string().until(9).or(''),
      topicId: uuid().since(10).or(zeroUuid),
      partitions: array({
        index: int32(),
        errorCode: int16()
      })
    })
  }
})
