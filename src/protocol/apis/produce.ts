/**
 * Appends record batches. With acks 0 there is no answer.
 *
 * Versions 0 to 2 carry older record formats. They are advertised, because librdkafka compresses only where it sees them,
 * and answered with UNSUPPORTED_VERSION. Version 3 adds the transactional id, 7 allows zstd, 8 reports which record was bad,
 * 10 tells of a new leader, 13 names topics by id.
 */
import { defineApi } from '../api.ts'
import { array, byteString, int16, int32, int64, string, struct, uuid, zeroUuid } from '../schema.ts'

export const produce = defineApi({
  key: 0,
  name: 'produce',
  versions: [3, 13],
  advertisedFrom: 0,
  flexibleSince: 9,
  request: {
    transactionalId: string().since(3).nullable(3),
    acks: int16(),
    timeoutMs: int32(),
    topics: array({
      name: string().until(12).or(''),
      topicId: uuid().since(13).or(zeroUuid),
      partitions: array({
        index: int32(),
        records: byteString().nullable()
      })
    })
  },
  response: {
    topics: array({
      name: string().until(12).or(''),
      topicId: uuid().since(13).or(zeroUuid),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64().since(2).or(-1),
        logStartOffset: int64().since(5).or(-1),
        recordErrors: array({
          batchIndex: int32(),
          message: string().nullable()
        }).since(8).or([]),
        errorMessage: string().since(8).nullable(8),
        currentLeader: struct({
          leaderId: int32().or(-1),
          leaderEpoch: int32().or(-1)
        }).since(10).nullable().tagged(0)
      })
    }),
    throttleTimeMs: int32().since(1).or(0),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string().nullable()
    }).since(10).tagged(0)
  }
})
