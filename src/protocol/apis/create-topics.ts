/**
 * Creates topics. -1 partitions or replicas ask for the broker's default, and must be -1 where `assignments` are given.
 *
 * Version 5 answers with the number of partitions and the settings that apply (`configs` null: not allowed to see them), 7 with the topic id.
 */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string, uuid, zeroUuid } from '../schema.ts'

export const createTopics = defineApi({
  key: 19,
  name: 'createTopics',
  versions: [2, 7],
  flexibleSince: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32())
      }).or([]),
      configs: array({
        name: string(),
        value: string().nullable()
      }).or([])
    }),
    timeoutMs: int32().or(60000),
    validateOnly: bool().or(false)
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string(),
      topicId: uuid().since(7).or(zeroUuid),
      errorCode: int16(),
      errorMessage: string().nullable(),
      topicConfigErrorCode: int16().since(5).tagged(0),
      numPartitions: int32().since(5).or(-1),
      replicationFactor: int16().since(5).or(-1),
      configs: array({
        name: string(),
        value: string().nullable(),
        readOnly: bool(),
        configSource: int8().or(-1),
        isSensitive: bool()
      }).since(5).nullable(5)
    })
  }
})
