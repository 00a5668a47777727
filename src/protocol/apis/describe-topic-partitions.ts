/** Metadata in pages: where the answer would pass `responsePartitionLimit`, `nextCursor` says where to go on. No topics: all of them. */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, string, struct, uuid } from '../schema.ts'

export const describeTopicPartitions = defineApi({
  key: 75,
  name: 'describeTopicPartitions',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    topics: array({
      name: string()
    }),
    responsePartitionLimit: int32().or(2000),
    cursor: struct({
      topicName: string(),
      partitionIndex: int32()
    }).nullable()
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      errorCode: int16(),
      name: string().nullable(),
      topicId: uuid(),
      isInternal: bool().or(false),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderId: int32(),
        leaderEpoch: int32().or(-1),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32()).nullable(),
        lastKnownElr: array(int32()).nullable(),
        offlineReplicas: array(int32()).or([])
      }),
      topicAuthorizedOperations: int32().or(-0x80000000)
    }),
    nextCursor: struct({
      topicName: string(),
      partitionIndex: int32()
    }).nullable()
  }
})
