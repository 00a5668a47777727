/**
 * Brokers, topics, and who leads which partition.
 *
 * `topics` null asks for all topics; in version 0, which cannot say null, an empty list does. Version 4 adds automatic creation,
 * 10 topic ids in answers, 12 topic ids in requests (then `name` is null), 13 an error for the whole answer.
 * Authorized operations are bit fields; -2^31 stands for "not asked for".
 */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, string, uuid, zeroUuid } from '../schema.ts'

export const metadata = defineApi({
  key: 3,
  name: 'metadata',
  versions: [0, 13],
  flexibleSince: 9,
  request: {
    topics: array({
      topicId: uuid().since(10).or(zeroUuid),
      name: string().nullable(10)
    }).nullable(1),
    allowAutoTopicCreation: bool().since(4).or(true),
    includeClusterAuthorizedOperations: bool().since(8).until(10).or(false),
    includeTopicAuthorizedOperations: bool().since(8).or(false)
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string().since(1).nullable(1)
    }),
    clusterId: string().since(2).nullable(2),
    controllerId: int32().since(1).or(-1),
    topics: array({
      errorCode: int16(),
      name: string().nullable(12),
      topicId: uuid().since(10).or(zeroUuid),
      isInternal: bool().since(1).or(false),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderId: int32(),
        leaderEpoch: int32().since(7).or(-1),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32()).since(5).or([])
      }),
      topicAuthorizedOperations: int32().since(8).or(-0x80000000)
    }),
    clusterAuthorizedOperations: int32().since(8).until(10).or(-0x80000000),
    errorCode: int16().since(13).or(0)
  }
})
