/**
 * Reads record batches, waiting up to `maxWaitMs` for `minBytes`.
 *
 * From version 7 a session remembers the partitions: later requests name only what changed and, in `forgottenTopics`, what to drop.
 * Version 9 fences by leader epoch, 12 tells where logs diverge and who leads now, 13 names topics by id,
 * 15 moves the replica id to a tagged field, 16 adds the leaders' addresses. `replicaId` is -1 for consumers.
 * Versions below 10 must not be given zstd batches.
 */
import { defineApi } from '../api.ts'
import { array, byteString, int8, int16, int32, int64, saturatedInt64, string, struct, uuid, zeroUuid } from '../schema.ts'

export const fetch = defineApi({
  key: 1,
  name: 'fetch',
  versions: [4, 18],
  flexibleSince: 12,
  request: {
    clusterId: string().since(12).nullable().tagged(0),
    replicaId: int32().until(14).or(-1),
    replicaState: struct({
      replicaId: int32().or(-1),
      replicaEpoch: int64().or(-1)
    }).since(15).nullable().tagged(1),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32().or(0x7fffffff),
    isolationLevel: int8().or(0),
    sessionId: int32().since(7).or(0),
    sessionEpoch: int32().since(7).or(-1),
    topics: array({
      name: string().until(12).or(''),
      topicId: uuid().since(13).or(zeroUuid),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32().since(9).or(-1),
        fetchOffset: saturatedInt64(),
        lastFetchedEpoch: int32().since(12).or(-1),
        logStartOffset: int64().since(5).or(-1),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid().since(17).tagged(0),
        highWatermark: saturatedInt64().since(18).or(Number.MAX_SAFE_INTEGER).tagged(1)
      })
    }),
    forgottenTopics: array({
      name: string().until(12).or(''),
      topicId: uuid().since(13).or(zeroUuid),
      partitions: array(int32())
    }).since(7).or([]),
    rackId: string().since(11).or('')
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().since(7).or(0),
    sessionId: int32().since(7).or(0),
    topics: array({
      name: string().until(12).or(''),
      topicId: uuid().since(13).or(zeroUuid),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64().or(-1),
        logStartOffset: int64().since(5).or(-1),
        divergingEpoch: struct({
          epoch: int32().or(-1),
          endOffset: int64().or(-1)
        }).since(12).nullable().tagged(0),
        currentLeader: struct({
          leaderId: int32().or(-1),
          leaderEpoch: int32().or(-1)
        }).since(12).nullable().tagged(1),
        snapshotId: struct({
          endOffset: int64().or(-1),
          epoch: int32().or(-1)
        }).since(12).nullable().tagged(2),
        abortedTransactions: array({
          producerId: int64(),
          firstOffset: int64()
        }).nullable(),
        preferredReadReplica: int32().since(11).or(-1),
        records: byteString().nullable()
      })
    }),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string().nullable()
    }).since(16).tagged(0)
  }
})
